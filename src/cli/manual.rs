//! `gatepost manual`: the manual pages, one a command.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;

use super::Cli;
use super::help::{self, Ending, Example};
use super::mistake::Mistake;
use super::report::{Failure, put, say};

/// Print the manual page, or write one for each command
#[derive(Args)]
#[command(after_help = "\
Examples:
  gatepost manual | man -l -                      read it
  gatepost manual --out ~/.local/share/man/man1   for `man gatepost` and `man gatepost-login`")]
pub(super) struct Manual {
    /// The folder to write the pages to, over those that are there
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
}

impl Manual {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let pages = pages().map_err(|error| Failure::from(Mistake::OutputUnwritable(&error)))?;
        match &self.out {
            Some(folder) => {
                write(folder, &pages).map_err(|error| {
                    Failure::from(Mistake::FolderUnwritable { folder, error: &error })
                })?;
                say(&format!("{} pages are written to {}.", pages.len(), folder.display()));
            }
            None => {
                if let Some(Page { text, .. }) = pages.first() {
                    put(text.trim_end());
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A page; the first is the whole program's.
struct Page {
    /// As `gatepost-login.1`.
    file: String,
    text: String,
}

fn pages() -> io::Result<Vec<Page>> {
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let commands: Vec<_> = all.get_subcommands().filter(|it| !it.is_hide_set()).cloned().collect();
    let mut pages = vec![page(all)?];
    for command in commands {
        pages.push(page(command)?);
    }
    Ok(pages)
}

fn page(command: Command) -> io::Result<Page> {
    let is_whole = command.has_subcommands();
    let ending = help::ending(&command);
    let Ending { examples, notes } = Ending::read(&ending);
    let version = concat!("Gatepost ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command).manual("Gatepost's manual").source(version);
    let file = man.get_filename();
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if is_whole {
        man.render_subcommands_section(&mut text)?;
    }
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(".SH EXAMPLES\n");
    for Example { line, what } in examples {
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", roff(line), roff(what)));
    }
    if notes.iter().any(|line| !line.is_empty()) {
        text.push_str(".SH NOTES\n");
        notes.iter().for_each(|line| {
            text.push_str(&if line.is_empty() { ".PP\n".to_owned() } else { roff(line) + "\n" });
        });
    }
    text.push_str(if is_whole { EXIT_CODES } else { SEE_ALSO });
    Ok(Page { file, text: ascii(&text) })
}

const EXIT_CODES: &str = ".SH \"EXIT STATUS\"
.TP
0
done
.TP
1
failed
.TP
2
wrong usage or configuration
.TP
3
a person must sign in again
";

const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n\\fBgatepost\\fR(1)\n";

/// A line of text in roff's own spelling.
fn roff(line: &str) -> String {
    let text = line.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

/// Not every roff reads UTF-8; what our words have besides ASCII has a spelling in each.
fn ascii(text: &str) -> String {
    let spelt =
        [("“", "\\(lq"), ("”", "\\(rq"), ("’", "\\(cq"), ("–", "\\(en"), ("…", "..."), ("›", ">")];
    spelt.iter().fold(text.to_owned(), |text, (letter, spelling)| text.replace(letter, spelling))
}

fn write(folder: &Path, pages: &[Page]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    pages.iter().try_for_each(|Page { file, text }| std::fs::write(folder.join(file), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples() {
        let pages = pages().unwrap();
        let names: Vec<_> = pages.iter().map(|page| page.file.as_str()).collect();
        assert_eq!(names[0], "gatepost.1");
        for command in Cli::command().get_subcommands() {
            let name = format!("gatepost-{}.1", command.get_name());
            assert!(names.contains(&name.as_str()), "{name} is not among {names:?}");
        }
        for Page { file, text } in &pages {
            let title = format!(".TH {} 1", file.trim_end_matches(".1"));
            assert!(text.contains(&title), "{file}: {}", &text[..200.min(text.len())]);
            assert!(text.contains("\n.SH EXAMPLES\n.TP\n\\fBgatepost"), "{file}");
            assert!(text.is_ascii(), "{file}: {text}");
        }
        assert!(pages[0].text.contains("\n.SH \"EXIT STATUS\"\n"));
    }

    #[test]
    fn what_roff_reads_as_its_own_is_spelt_out() {
        assert_eq!(roff(r"C:\x --for"), r"C:\ex \-\-for");
        assert_eq!(roff(".prf"), r"\&.prf");
    }

    /// As a person reads it, where there is groff.
    #[cfg(unix)]
    #[test]
    fn a_page_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &pages().unwrap()).unwrap();
        let page = folder.path().join("gatepost-login.1");
        let groff = std::process::Command::new("groff")
            .args(["-man", "-Tascii", "-ww", "-P-cbu"])
            .arg(page)
            .output();
        match groff {
            Ok(output) => {
                let (read, said) = (
                    String::from_utf8_lossy(&output.stdout),
                    String::from_utf8_lossy(&output.stderr),
                );
                assert!(output.status.success() && said.is_empty(), "{said}");
                assert!(read.contains("--no-browser") && read.contains("EXAMPLES"), "{read}");
            }
            // Not every system has it.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound),
        }
    }
}
