//! What a terminal shows and a pipe doesn't: colour, symbols, and that something is under way.
//!
//! Colour is left out where `NO_COLOR` is set (no-color.org), symbols stay out of a pipe.

use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// What takes longer than this is shown to be under way.
const QUIET: Duration = Duration::from_secs(1);
/// How often the sign of life moves.
const TICK: Duration = Duration::from_millis(120);

/// How a line of a list ends up: with a mark before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Good,
    Bad,
    /// Nothing is wrong, and the person should know.
    Note,
    /// Not looked at.
    LeftOut,
}

/// What the stream that is written to can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Look {
    symbols: bool,
    colour: bool,
}

impl Look {
    /// For what is written to the standard output.
    pub(super) fn of_stdout() -> Self {
        Self::of(&std::io::stdout())
    }

    /// For what is written to the standard error.
    pub(super) fn of_stderr() -> Self {
        Self::of(&std::io::stderr())
    }

    /// For what is written into a file.
    pub(super) fn plain() -> Self {
        Self { symbols: false, colour: false }
    }

    fn of<S: anstream::stream::RawStream>(stream: &S) -> Self {
        Self {
            symbols: anstream::stream::IsTerminal::is_terminal(stream),
            // It knows NO_COLOR, CLICOLOR_FORCE, TERM=dumb and old Windows consoles.
            colour: anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never,
        }
    }

    /// The mark with its colour, as wide as any other.
    pub(super) fn mark(self, mark: Mark) -> String {
        let (symbol, word, colour) = match mark {
            Mark::Good => ("✓", "ok    ", AnsiColor::Green),
            Mark::Bad => ("✗", "FAILED", AnsiColor::Red),
            Mark::Note => ("!", "note  ", AnsiColor::Yellow),
            Mark::LeftOut => ("–", "-     ", AnsiColor::BrightBlack),
        };
        let text = if self.symbols { symbol } else { word };
        self.painted(Style::new().fg_color(Some(colour.into())), text)
    }

    /// What stands before what went wrong.
    pub(super) fn alarm(self, text: impl fmt::Display) -> String {
        self.painted(Style::new().bold().fg_color(Some(AnsiColor::Red.into())), text)
    }

    /// Leads to what is to be done.
    pub(super) fn arrow(self) -> &'static str {
        if self.symbols { "→" } else { "->" }
    }

    /// Whether colour is wanted at all.
    pub(super) fn has_colour(self) -> bool {
        self.colour
    }

    /// Something to be seen first.
    pub(super) fn strong(self, text: impl fmt::Display) -> String {
        self.painted(Style::new().bold(), text)
    }

    /// Something that went well.
    pub(super) fn good(self, text: impl fmt::Display) -> String {
        self.painted(Style::new().fg_color(Some(AnsiColor::Green.into())).bold(), text)
    }

    /// Something that didn't.
    pub(super) fn bad(self, text: impl fmt::Display) -> String {
        self.painted(Style::new().fg_color(Some(AnsiColor::Red.into())).bold(), text)
    }

    fn painted(self, style: Style, text: impl fmt::Display) -> String {
        if self.colour { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// Something is under way; its sign on the terminal goes when this is dropped. Where the standard
/// error is no terminal there is none.
pub(super) struct UnderWay(ProgressBar);

impl UnderWay {
    /// Shows `words` once a second has passed. They end without a full stop.
    pub(super) fn begin(words: impl Into<String>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_message(words.into());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} … {elapsed}") {
            bar.set_style(style);
        }
        if std::io::stderr().is_terminal() {
            let shown = bar.clone();
            std::thread::spawn(move || {
                std::thread::sleep(QUIET);
                if !shown.is_finished() {
                    shown.set_draw_target(ProgressDrawTarget::stderr());
                    shown.enable_steady_tick(TICK);
                }
            });
        }
        Self(bar)
    }

    /// Lets something be said meanwhile: the sign makes room for it.
    pub(super) fn aside<T>(&self, say: impl FnOnce() -> T) -> T {
        self.0.suspend(say)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKS: [Mark; 4] = [Mark::Good, Mark::Bad, Mark::Note, Mark::LeftOut];

    /// Everything that can be painted.
    fn all(look: Look) -> Vec<String> {
        let words = [look.strong("words"), look.alarm("words"), look.arrow().to_owned()];
        MARKS.map(|mark| look.mark(mark)).into_iter().chain(words).collect()
    }

    #[test]
    fn a_file_or_a_pipe_gets_neither_colour_nor_symbols() {
        let look = Look::of(&tempfile::tempfile().unwrap());
        assert!(!look.symbols);
        // CLICOLOR_FORCE may ask for colour even there.
        let look = Look { colour: false, ..look };
        assert!(all(look).iter().all(|text| text.is_ascii()), "{:?}", all(look));
        assert!(all(look).iter().all(|text| !text.contains('\x1b')));
    }

    #[test]
    fn without_colour_a_terminal_still_gets_symbols() {
        let look = Look { symbols: true, colour: false };
        assert!(all(look).iter().all(|text| !text.contains('\x1b')));
        assert_eq!(look.mark(Mark::Good), "✓");
        assert_eq!(look.arrow(), "→");
    }

    #[test]
    fn colour_ends_where_its_text_ends() {
        for look in [Look { symbols: true, colour: true }, Look { symbols: false, colour: true }] {
            for text in all(look).iter().filter(|text| *text != look.arrow()) {
                assert!(text.starts_with('\x1b') && text.ends_with("\x1b[0m"), "{text:?}");
            }
        }
    }

    #[test]
    fn marks_are_as_wide_as_one_another() {
        for symbols in [true, false] {
            let look = Look { symbols, colour: false };
            let widths = MARKS.map(|mark| look.mark(mark).chars().count());
            assert!(widths.iter().all(|width| *width == widths[0]), "{widths:?}");
        }
    }
}
