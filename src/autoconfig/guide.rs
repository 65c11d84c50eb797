//! Words for a person who sets something up, in parts.

use std::borrow::Cow;

/// One part. Its line breaks are a terminal's; elsewhere each is a blank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A paragraph.
    Words(Cow<'static, str>),
    /// What is done one after the other.
    Steps(Vec<Cow<'static, str>>),
    /// A line to be typed, or looked for, as it stands.
    Verbatim(Cow<'static, str>),
}

/// How far what is to be typed is set in on a terminal.
const VERBATIM: &str = "  ";

impl Part {
    pub(super) fn words(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Words(words.into())
    }

    pub(super) fn verbatim(line: impl Into<Cow<'static, str>>) -> Self {
        Self::Verbatim(line.into())
    }

    /// The parts for a terminal; words and steps are set in by `margin`.
    pub fn printed(parts: &[Self], margin: &str) -> String {
        let mut lines = Vec::new();
        for part in parts {
            match part {
                Self::Words(words) => lines.push(set_in(words, margin, margin)),
                Self::Steps(steps) => lines.extend(steps.iter().zip(1..).map(|(step, number)| {
                    let first = format!("{margin}{number}. ");
                    set_in(step, &first, &" ".repeat(first.len()))
                })),
                Self::Verbatim(line) => lines.push(format!("{VERBATIM}{line}")),
            }
        }
        lines.join("\n")
    }
}

fn set_in(text: &str, first: &str, others: &str) -> String {
    format!("{first}{}", text.replace('\n', &format!("\n{others}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_shows_the_parts_set_in() {
        let steps = vec!["one\nand more".into(), "two".into()];
        let parts = [Part::words("words\nand words"), Part::Steps(steps), Part::verbatim("type")];
        assert_eq!(
            Part::printed(&parts, " "),
            " words\n and words\n 1. one\n    and more\n 2. two\n  type"
        );
    }
}
