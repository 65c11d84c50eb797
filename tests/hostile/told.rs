//! What a mail client hears that can't be served, and what it must be like whoever is at fault.

use crate::support::{World, YOU};

/// All that an IMAP client hears that signs on, to the end of its connection.
pub(crate) async fn imap(world: &World) -> String {
    let mut client = world.imap().await;
    client.send(format!("in LOGIN {YOU} \"{}\"\r\n", world.password.expose())).await;
    client.rest().await
}

/// All that an SMTP client hears from the answer to its sign-on to the end of its connection.
pub(crate) async fn smtp(world: &World) -> String {
    let mut client = world.smtp().await;
    client.ask("EHLO test").await;
    let answer = client.sign_on(world.password.expose()).await;
    if answer.starts_with("235") {
        return answer;
    }
    format!("{answer}\r\n{}", client.rest().await)
}

/// Words for the person, and a goodbye with its reason: no success, nothing that a client would ask for a
/// password on, and nothing that is a line or a letter more than it looks.
pub(crate) fn assert_goodbye(name: &str, heard: &str) {
    let lines: Vec<&str> = heard.lines().collect();
    let (last, before) = lines.split_last().unwrap_or_else(|| panic!("{name}: without a word"));
    let is_plain = heard.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n'));
    assert!(is_plain && heard.matches('\n').count() <= 2, "{name}: {heard:?}");
    if last.starts_with("421 4.") {
        assert!(before.is_empty() && last.len() <= 510, "{name}: {heard}");
    } else {
        assert!(last.starts_with("* BYE "), "{name}: {heard}");
        let alerts = before.iter().all(|line| line.starts_with("* OK [ALERT] Gatepost: "));
        assert!(alerts, "{name}: {heard}");
    }
    assert!(last.contains(" (Gatepost session ") && last.len() > 40, "{name}: {heard}");
}

/// No letter of it moves a cursor, ends a line or turns what stands beside it around.
pub(crate) fn assert_shows_nothing_odd(name: &str, text: &str) {
    let odd = text.chars().find(|c| {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() && *c != '\n' || turns
    });
    assert_eq!(odd, None, "{name}: {text:?}");
    assert!(!text.contains("\\u001b") && !text.contains("\\u202e"), "{name}: {text}");
}

/// Nobody else notices anything: a session that was there before is answered.
pub(crate) async fn assert_unharmed(name: &str, other: &mut crate::support::Client) {
    other.send("other NOOP\r\n").await;
    let answered = other.until("other OK").await;
    assert!(answered.starts_with("other OK"), "{name}: {answered}");
}
