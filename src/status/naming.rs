//! What accounts are called in what monitoring programs get: by their addresses only if the person
//! wants that.

use std::collections::BTreeMap;

/// What stands in place of an address.
const ADDRESS: &str = "ADDRESS";

/// What the accounts are called.
#[derive(Debug)]
pub(crate) struct Naming {
    numbers: BTreeMap<String, usize>,
    by_address: bool,
}

impl Naming {
    /// For these accounts, in the order of their addresses.
    pub(crate) fn new<'a>(addresses: impl Iterator<Item = &'a str>, by_address: bool) -> Self {
        let numbers = addresses.zip(1..).map(|(address, number)| (address.to_owned(), number));
        Self { numbers: numbers.collect(), by_address }
    }

    /// What an account is called: its address, or its number from 1.
    pub(crate) fn label(&self, address: &str) -> String {
        match self.numbers.get(address) {
            _ if self.by_address => address.to_owned(),
            Some(number) => number.to_string(),
            // It came a moment ago.
            None => String::new(),
        }
    }

    /// The address for a sentence.
    pub(crate) fn address<'a>(&self, address: &'a str) -> &'a str {
        if self.by_address { address } else { ADDRESS }
    }

    /// A sentence, also a server's, without the addresses that may not be told.
    pub(crate) fn told(&self, sentence: &str) -> String {
        if self.by_address {
            return sentence.to_owned();
        }
        let hidden = |text: String, address: &String| without(&text, address);
        self.numbers.keys().fold(sentence.to_owned(), hidden)
    }
}

/// Puts a word in the place of an address, in whatever case it is written.
fn without(text: &str, address: &str) -> String {
    // Of the same length, so that places in the one are places in the other.
    let (lower, address) = (text.to_ascii_lowercase(), address.to_ascii_lowercase());
    let mut told = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in lower.match_indices(&address).filter(|_| !address.is_empty()) {
        told.push_str(&text[from..at]);
        told.push_str(ADDRESS);
        from = at + address.len();
    }
    told.push_str(&text[from..]);
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_have_numbers_and_their_addresses_are_told_nowhere() {
        let all = ["Anna.Example@gmail.com", "you@gmail.com"];
        let naming = Naming::new(all.into_iter(), false);
        assert_eq!(naming.label("you@gmail.com"), "2");
        assert_eq!(naming.address("you@gmail.com"), "ADDRESS");
        let said = "Größe: anna.example@GMAIL.com and you@gmail.com, you@gmail.com.";
        assert_eq!(naming.told(said), "Größe: ADDRESS and ADDRESS, ADDRESS.");
    }

    #[test]
    fn addresses_are_told_where_the_person_wants_it() {
        let naming = Naming::new(["you@gmail.com"].into_iter(), true);
        assert_eq!(naming.label("you@gmail.com"), "you@gmail.com");
        assert_eq!(naming.address("you@gmail.com"), "you@gmail.com");
        assert_eq!(naming.told("It is you@gmail.com."), "It is you@gmail.com.");
    }
}
