//! `gatepost completions`: what lets a shell complete the commands.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::report::{Failure, put};

/// Print what lets a shell complete the commands at the Tab key
#[derive(Args)]
#[command(after_help = "\
Examples:
  gatepost completions bash > ~/.local/share/bash-completion/completions/gatepost   for bash
  gatepost completions fish > ~/.config/fish/completions/gatepost.fish              for fish
  gatepost completions zsh > ~/.zfunc/_gatepost                                     for zsh
  gatepost completions powershell >> $PROFILE                                       for PowerShell

For zsh, name the folder in ~/.zshrc before compinit: fpath+=~/.zfunc")]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        put(script(self.shell).trim_end());
        Ok(ExitCode::SUCCESS)
    }
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gatepost", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_gets_every_command() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
            }
        }
    }

    /// Windows' `bash` is another system's, if it is there.
    #[cfg(unix)]
    #[test]
    fn bash_understands_its_own() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, script(Shell::Bash)).unwrap();
        match std::process::Command::new("bash").arg("-n").arg(file.path()).output() {
            Ok(output) => assert!(output.status.success(), "{output:?}"),
            // Not every system has one.
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
    }
}
