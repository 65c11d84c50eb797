//! Every message that a person can see, in one snapshot, so that they can be read together: each is
//! one sentence and one remedy. A new variant of an error doesn't compile here before it has an
//! example.
//!
//! Some words stand in snapshots of their own:
//!
//! - what is wrong in `config.toml`, key by key: `config/resolved.rs`;
//! - the ways through the mail programs: `cli/settings`;
//! - what the binary says and leaves with when it is used wrongly: `tests/commands/`;
//! - the replies to commands that mail clients get wrong: `tests/transcripts`.

mod check;
mod commands;
mod mail;
mod monitoring;
mod rooms;

use std::fmt::Write;
use std::io;

use super::report::Failure;

/// Examples of an enum, one for each pattern; together the patterns must be all there is.
macro_rules! every {
    ($type:ty: $($pattern:pat => $example:expr),+ $(,)?) => {{
        let _: fn(&$type) = |it| match it { $($pattern => {}),+ };
        let examples: Vec<$type> = vec![$($example),+];
        let fits: &[fn(&$type) -> bool] = &[$(|it| matches!(it, $pattern)),+];
        assert!(examples.iter().zip(fits).all(|(example, fits)| fits(example)));
        examples
    }};
}
use every;

const YOU: &str = "you@gmail.com";

/// What is seen in one place.
#[derive(Default)]
struct Chapter(String);

impl Chapter {
    fn heading(&mut self, words: &str) -> &mut Self {
        let _ = writeln!(self.0, "\n## {words}\n");
        self
    }

    /// A failure as a command tells it, with its exit code.
    fn failure(&mut self, failure: impl Into<Failure>) -> &mut Self {
        let Failure { sentence, remedy, exit } = failure.into();
        check(&sentence, &remedy);
        let _ = writeln!(self.0, "{sentence}\n  → {remedy} [exit {}]", exit as u8);
        self
    }

    fn failures<F: Into<Failure>>(&mut self, failures: Vec<F>) -> &mut Self {
        for failure in failures {
            self.failure(failure);
        }
        self
    }

    /// A sentence and a remedy, with a word for programs or of the wire.
    fn told(&mut self, sentence: &str, remedy: &str, word: &str) -> &mut Self {
        check(sentence, remedy);
        let word = if word.is_empty() { String::new() } else { format!(" [{word}]") };
        let _ = writeln!(self.0, "{sentence}\n  → {remedy}{word}");
        self
    }

    fn line(&mut self, words: impl std::fmt::Display) -> &mut Self {
        let _ = writeln!(self.0, "{words}");
        self
    }
}

/// What can be checked of words without reading them.
fn check(sentence: &str, remedy: &str) {
    assert!(sentence.ends_with(['.', '?']) && !sentence.ends_with(".."), "{sentence}");
    assert!(remedy.ends_with('.') && !remedy.ends_with(".."), "{remedy}");
    for words in [sentence, remedy] {
        assert!(words.len() > 8 && words.trim() == words && !words.contains('\n'), "{words}");
    }
    let first = remedy.chars().next().unwrap();
    assert!(first.is_uppercase() || first == '`', "{remedy}");
}

fn denied() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "permission denied")
}

#[test]
fn all_words() {
    let mut all = String::from("# In the terminal\n");
    all.push_str(&rooms::chapter());
    all.push_str(&commands::chapter());
    all.push_str("\n# In the terminal, while something is under way\n\n");
    all.push_str(&commands::under_way());
    all.push_str("\n# In the mail program\n");
    all.push_str(&mail::chapter());
    all.push_str("\n# In the browser\n");
    all.push_str(&mail::browser());
    all.push_str("\n# On the desktop\n\n");
    all.push_str(&mail::desktop());
    all.push_str("\n# In the log of `gatepost run`\n");
    all.push_str(&commands::log());
    all.push_str("\n# In `gatepost check`, beside all of the above\n");
    all.push_str(&check::chapter());
    all.push_str("\n# In `gatepost status`\n");
    all.push_str(&commands::status());
    all.push_str("\n# In a monitoring program\n");
    all.push_str(&monitoring::chapter());
    insta::assert_snapshot!(all);
}
