//! Asking a person on the terminal.

use std::fmt;

use inquire::ui::RenderConfig;
use inquire::validator::Validation;
use inquire::{
    Confirm, CustomUserError, InquireError, Password, PasswordDisplayMode, Select, Text,
};

use crate::cli::mistake::Mistake;
use crate::cli::report::{Failure, say};
use crate::cli::terminal::{Look, Mark};
use crate::secret::LocalPassword;

/// Why the set-up doesn't go on.
pub(super) enum Halt {
    /// The person left.
    Left,
    /// Something is wrong.
    Failed(Failure),
}

pub(super) type Step<T> = Result<T, Halt>;

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<InquireError> for Halt {
    fn from(error: InquireError) -> Self {
        match error {
            InquireError::OperationCanceled => Self::Left,
            InquireError::OperationInterrupted => {
                // The question stays as it was, and the cursor with it.
                say("");
                Self::Left
            }
            error => Self::Failed(Mistake::TerminalUnfit(&error.to_string()).into()),
        }
    }
}

/// One of the answers to choose from.
struct Choice<T> {
    words: String,
    value: T,
}

impl<T> fmt::Display for Choice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

const HOW_TO_CHOOSE: &str = "↑ ↓ choose, Enter takes it. Esc leaves; what is done is kept.";

/// One answer of several; `first` is the one that Enter takes.
pub(super) fn choose<T>(question: &str, answers: Vec<(String, T)>, first: usize) -> Step<T> {
    let choices = answers.into_iter().map(|(words, value)| Choice { words, value }).collect();
    let chosen = Select::new(question, choices)
        .with_render_config(colours())
        .with_help_message(HOW_TO_CHOOSE)
        .with_starting_cursor(first)
        .with_page_size(10)
        .without_filtering()
        .with_formatter(&|chosen| in_short(&chosen.value.words).to_owned())
        .prompt()?;
    Ok(chosen.value)
}

/// What stays on the screen of an answer: what comes before its explanation.
fn in_short(words: &str) -> &str {
    words.split([':', '(']).next().unwrap_or(words).trim_end()
}

/// A text; `wrong` says what is wrong with it, if anything.
pub(super) fn text(
    question: &str,
    help: &str,
    wrong: impl Fn(&str) -> Option<String> + Clone + 'static,
) -> Step<String> {
    let asked = Text::new(question).with_render_config(colours()).with_help_message(help);
    Ok(asked.with_validator(validator(wrong)).prompt()?)
}

/// A password, which the screen doesn't show.
pub(super) fn secret(
    question: &str,
    help: &str,
    wrong: impl Fn(&str) -> Option<String> + Clone + 'static,
) -> Step<LocalPassword> {
    let asked = Password::new(question).with_render_config(colours()).with_help_message(help);
    let asked = asked.without_confirmation().with_display_mode(PasswordDisplayMode::Masked);
    Ok(LocalPassword::new(asked.with_validator(validator(wrong)).prompt()?))
}

fn validator(
    wrong: impl Fn(&str) -> Option<String> + Clone + 'static,
) -> impl Fn(&str) -> Result<Validation, CustomUserError> + Clone + 'static {
    move |typed: &str| {
        Ok(wrong(typed).map_or(Validation::Valid, |why| Validation::Invalid(why.into())))
    }
}

/// A text that Enter leaves as it is.
pub(super) fn text_or(question: &str, usual: &str) -> Step<String> {
    let asked = Text::new(question).with_render_config(colours());
    Ok(asked
        .with_initial_value(usual)
        .with_help_message("Enter takes it as it stands.")
        .prompt()?)
}

/// Yes or no.
pub(super) fn yes(question: &str) -> Step<bool> {
    let asked = Confirm::new(question).with_render_config(colours()).with_default(true);
    Ok(asked.with_error_message("Type y or n, or only Enter for yes.").prompt()?)
}

/// Waits until the person has read.
pub(super) fn enter(words: &str) -> Step<()> {
    Text::new(words).with_render_config(colours()).prompt()?;
    Ok(())
}

/// What is wrong and what to do, where the person is asked again.
pub(super) fn tell(failure: &Failure) {
    let look = Look::of_stderr();
    say(&format!("{} {}", look.mark(Mark::Bad), failure.sentence));
    say(&format!("  {} {}", look.arrow(), failure.remedy));
}

/// A line with a mark before it.
pub(super) fn note(mark: Mark, words: &str) {
    say(&format!("{} {words}", Look::of_stderr().mark(mark)));
}

fn colours() -> RenderConfig<'static> {
    if Look::of_stderr().has_colour() {
        RenderConfig::default_colored()
    } else {
        RenderConfig::empty()
    }
}
