//! How findings are told: to a person, a line each, or to a program.

use crate::check::{Finding, Outcome};
use crate::cli::report::put;
use crate::cli::terminal::{Look, Mark};

/// Who is told.
pub(super) struct Told {
    /// `None`: a program, as JSON.
    look: Option<Look>,
}

impl Told {
    pub(super) fn for_people() -> Self {
        Self { look: Some(Look::of_stdout()) }
    }

    pub(super) fn as_json() -> Self {
        Self { look: None }
    }

    /// The account that the next findings are about.
    pub(super) fn heading(&self, account: &str) {
        if let Some(look) = self.look {
            put(&format!("\n{}", look.strong(account)));
        }
    }

    /// One finding.
    pub(super) fn finding(&self, finding: &Finding) {
        match self.look {
            Some(look) => lines(look, finding).iter().for_each(|line| put(line)),
            None => put(&serde_json::to_string(finding).unwrap_or_default()),
        }
    }

    /// What it comes to.
    pub(super) fn summary(&self, findings: &[Finding]) {
        let Some(look) = self.look else { return };
        let count = |outcome| findings.iter().filter(|found| found.outcome == outcome).count();
        let words = match (count(Outcome::Failed), count(Outcome::Noted)) {
            (0, 0) => look.good("All is well."),
            (0, 1) => "All works; see the note above.".to_owned(),
            (0, notes) => format!("All works; see the {notes} notes above."),
            (1, _) => look.bad("One thing is wrong; what to do stands beneath it."),
            (wrong, _) => {
                look.bad(format!("{wrong} things are wrong; what to do stands beneath each."))
            }
        };
        put(&format!("\n{words}"));
    }
}

/// A finding as a person reads it: the mark, what was looked at, and the sentence; beneath it what to do.
pub(super) fn lines(look: Look, finding: &Finding) -> Vec<String> {
    let mark = match finding.outcome {
        Outcome::Passed => Mark::Good,
        Outcome::Noted => Mark::Note,
        Outcome::Failed => Mark::Bad,
        Outcome::LeftOut => Mark::LeftOut,
    };
    let label = finding.check.label();
    let mut lines = vec![format!("{} {label:<16}{}", look.mark(mark), finding.sentence)];
    let remedy = finding.remedy.as_ref();
    lines.extend(remedy.map(|remedy| format!("    {} {remedy}", look.arrow())));
    lines
}
