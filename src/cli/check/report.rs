//! The report for others: what was found, with nothing in it that is secret or somebody's own.

use std::time::SystemTime;

use super::machine;
use super::told::lines;
use crate::accounts::{Listed, Store};
use crate::check::Finding;
use crate::cli::terminal::Look;
use crate::config::Home;

/// The report.
pub(super) fn text(home: &Home, findings: &[Finding]) -> String {
    let names = Names::of(home);
    let mut report = vec![
        format!(
            "Gatepost {} on {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
        format!("Checked {}", httpdate::fmt_http_date(SystemTime::now())),
    ];
    let keys = machine::keys_set(home);
    report.push(match keys.is_empty() {
        true => "Nothing is set in the configuration.".to_owned(),
        false => format!("Set in the configuration (values left out): {}", keys.join(", ")),
    });
    let mut account = None;
    for finding in findings {
        if finding.account != account {
            account.clone_from(&finding.account);
            report.push(format!("\n{}", account.as_deref().unwrap_or_default()));
        }
        report.extend(lines(Look::plain(), finding));
        report.extend(finding.code.as_ref().map(|code| format!("    ({code})")));
    }
    report.push(String::new());
    names.leave_out(&report.join("\n"))
}

/// What is somebody's own, and what stands in its place.
struct Names(Vec<(String, String)>);

impl Names {
    fn of(home: &Home) -> Self {
        let mut names = Vec::new();
        let listed = Store::new(home.accounts()).list().unwrap_or_default();
        let records = listed.iter().filter_map(|listed| match listed {
            Listed::Account(record) => Some(record),
            Listed::Damaged { .. } => None,
        });
        for (number, record) in records.enumerate() {
            let place = format!("ACCOUNT-{}", number + 1);
            for name in
                [record.address().as_str(), record.address().canonical(), record.sign_in_name()]
            {
                names.push((name.to_owned(), place.clone()));
            }
        }
        names.push((home.data().display().to_string(), "HOME".to_owned()));
        names.push((home.config_file().display().to_string(), "CONFIG".to_owned()));
        if let Some(folders) = directories::UserDirs::new() {
            names.push((folders.home_dir().display().to_string(), "~".to_owned()));
        }
        // What holds another as its part goes first.
        names.retain(|(name, _)| name.len() > 2);
        names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
        Self(names)
    }

    fn leave_out(&self, text: &str) -> String {
        let known =
            self.0.iter().fold(text.to_owned(), |text, (name, place)| text.replace(name, place));
        without_addresses(&known)
    }
}

/// Mail addresses that nobody expected, in a server's words, say.
fn without_addresses(text: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || "@.!#$%&'*+-/=?^_`{|}~".contains(c);
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_part) {
        let (before, word) = rest.split_at(start);
        let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
        let (word, behind) = word.split_at(end);
        kept.push_str(before);
        kept.push_str(if word.contains('@') { "ADDRESS" } else { word });
        rest = behind;
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_are_left_out_and_nothing_else() {
        let names = Names(vec![
            ("/home/ann/mail".to_owned(), "HOME".to_owned()),
            ("ann@example.com".to_owned(), "ACCOUNT-1".to_owned()),
        ]);
        let text = "ann@example.com: /home/ann/mail/accounts can't be read; “bob.x+y@example.org” \
            says no, grüße@bücher.example too. `gatepost login ann@example.com`";
        assert_eq!(
            names.leave_out(text),
            "ACCOUNT-1: HOME/accounts can't be read; “ADDRESS” says no, ADDRESS too. `gatepost login ACCOUNT-1`"
        );
    }
}
