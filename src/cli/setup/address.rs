//! The first step: whose mail it is.

use super::Walk;
use super::ask::{Step, choose, note, text};
use crate::accounts::{Address, Listed, Store};
use crate::cli::report::Failure;
use crate::cli::signing_in;
use crate::cli::terminal::Mark;

impl Walk<'_> {
    pub(super) fn address(&self) -> Step<Address> {
        if let Some(typed) = &self.setup.address {
            let address = signing_in::address(typed)?;
            note(Mark::Good, &format!("{address} it is."));
            return Ok(address);
        }
        let listed = Store::new(self.home.accounts()).list().map_err(Failure::from)?;
        let known = listed.into_iter().filter_map(|listed| match listed {
            Listed::Account(record) => Some(record.address().clone()),
            Listed::Damaged { .. } => None,
        });
        let mut answers: Vec<_> = known.map(|known| (known.to_string(), Some(known))).collect();
        if !answers.is_empty() {
            answers.push(("Another address".to_owned(), None));
            if let Some(known) = choose("Which account is it about?", answers, 0)? {
                return Ok(known);
            }
        }
        let wrong = |typed: &str| {
            let why = Address::parse(typed).err()?;
            Some(format!("This is no address: {why}."))
        };
        let help = "The whole address, at Gmail or Google Workspace. Esc leaves.";
        let typed = signing_in::address(&text("Which address is it?", help, wrong)?)?;
        match corrected(&typed) {
            None => Ok(typed),
            Some(meant) => {
                let answers = vec![
                    (format!("{meant}, of course"), meant),
                    (format!("{typed}, as typed"), typed),
                ];
                choose("Is it spelt right?", answers, 0)
            }
        }
    }
}

/// The address at gmail.com that somebody may have meant.
fn corrected(typed: &Address) -> Option<Address> {
    const GMAIL: &str = "gmail.com";
    let (name, domain) = typed.as_str().split_once('@')?;
    let domain = domain.to_lowercase();
    let near = (1..=2).contains(&strsim::osa_distance(&domain, GMAIL));
    // Real providers of mail that look alike.
    let is_other = ["mail.com", "email.com", "ymail.com", "gmx.com"].contains(&domain.as_str());
    if !near || is_other {
        return None;
    }
    Address::parse(&format!("{name}@{GMAIL}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_seen() {
        let corrected =
            |typed| corrected(&Address::parse(typed).unwrap()).map(|address| address.to_string());
        for slip in ["you@gmial.com", "you@gmail.co", "you@GMAIL.CMO", "you@gmai.com"] {
            let meant = corrected(slip);
            assert_eq!(meant.as_deref(), Some("you@gmail.com"), "{slip}");
        }
        for right in ["you@gmail.com", "you@googlemail.com", "you@mail.com", "you@example.com"] {
            assert_eq!(corrected(right), None, "{right}");
        }
    }
}
