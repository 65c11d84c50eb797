//! What a journey came to, as its client saw it.

use crate::support::wire::Wire;

/// What became of one journey.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// The client got the right answer; mail is whole, and there once.
    CarriedOn,
    /// The client was told that it did not get one, in these words.
    Told(String),
    /// Anything else, with what was seen.
    Defect(String),
}

impl Outcome {
    pub(super) fn defect(what: impl std::fmt::Display, wire: &Wire) -> Self {
        Self::Defect(format!("{what}\n{}", wire.dialogue()))
    }
}

/// An answer, or what the journey came to without it.
pub(super) type Answer<T> = Result<T, Outcome>;

/// Sends an IMAP command and reads its answer.
pub(super) fn ask(wire: &mut Wire, tag: &str, command: &str) -> Answer<Vec<String>> {
    wire.send_while_open(format!("{tag} {command}\r\n").as_bytes());
    answer(wire, &format!("{tag} "))
}

/// Lines up to one that begins so, which is no refusal, or else the server's goodbye.
pub(super) fn answer(wire: &mut Wire, start: &str) -> Answer<Vec<String>> {
    let lines = wire.lines_to_end_or(start);
    match lines.last().map(String::as_str) {
        Some(last) if last.starts_with(start) => match last[start.len()..].split(' ').next() {
            Some("NO" | "BAD") => Err(Outcome::defect("it is refused", wire)),
            _ => Ok(lines),
        },
        Some(last) if last.starts_with("* BYE ") && last.len() > 20 => {
            let alerts = lines.iter().filter(|line| line.starts_with("* OK [ALERT] "));
            let words: Vec<_> = alerts.map(String::as_str).chain([last]).collect();
            Err(told(&words.join(" / ")))
        }
        _ => Err(Outcome::defect("the connection ends without a word", wire)),
    }
}

/// Reads an SMTP reply, which has this code, or is the server's goodbye.
pub(super) fn reply(wire: &mut Wire, code: &str) -> Answer<String> {
    let mut said = Vec::new();
    loop {
        said.extend(wire.lines_to_end_or(""));
        let Some(last) = said.last() else {
            return Err(Outcome::defect("the connection ends without a word", wire));
        };
        if last.as_bytes().get(3) != Some(&b'-') {
            break;
        }
    }
    let last = said.pop().unwrap_or_default();
    match last.get(..3) {
        Some(found) if found == code => Ok(last),
        Some("421" | "451") if last.len() > 25 => Err(told(&last)),
        _ => Err(Outcome::defect(format!("{code} was due"), wire)),
    }
}

/// What is told, without what differs from try to try.
pub(super) fn told(words: &str) -> Outcome {
    let mut plain = String::new();
    let mut characters = words.chars().peekable();
    while let Some(character) = characters.next() {
        plain.push(character);
        let before_numbers = ["Gatepost session ", ".com:", "ort ", "anna."];
        if before_numbers.iter().any(|before| plain.ends_with(before)) {
            let mut digits = 0;
            while characters.next_if(char::is_ascii_digit).is_some() {
                digits += 1;
            }
            plain.push_str(if digits > 0 { "N" } else { "" });
        }
    }
    Outcome::Told(plain)
}
