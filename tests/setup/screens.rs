//! What is on a screen, without what is another thing each time.

use super::desk::Desk;
use super::terminal::Cast;

const BEFORE_PASSWORD: &str = "instead of Google's:";

/// The local password on the screen.
pub(super) fn password_on(screen: &str) -> String {
    let (_, behind) = screen.split_once(BEFORE_PASSWORD).unwrap();
    behind.split_whitespace().next().unwrap().to_owned()
}

/// The screens without what is another one each time.
pub(super) fn levelled(cast: &Cast) -> Vec<(String, String)> {
    let screens = cast.screens();
    let with_password = screens.iter().find(|(_, screen)| screen.contains(BEFORE_PASSWORD));
    let password = with_password.map(|(_, screen)| password_on(screen));
    let level = |(at, mut screen): (String, String)| {
        if let Some(password) = &password {
            screen = screen.replace(password.as_str(), "PASSWORD");
        }
        (at, level(&screen))
    };
    screens.into_iter().map(level).collect()
}

pub(super) fn level(screen: &str) -> String {
    let mut lines = Vec::new();
    let mut in_address = false;
    for line in screen.lines() {
        // The address of the sign-in goes over several lines.
        if line.contains("/authorize?") {
            in_address = true;
            lines.push("ADDRESS".to_owned());
        }
        in_address &= !line.is_empty();
        // The log stands between other lines as it happens to come.
        if !in_address && !line.contains("  INFO ") {
            lines.push(level_line(line));
        }
    }
    lines.join("\n")
}

pub(super) fn level_line(line: &str) -> String {
    const ID: &str = "123456789012-";
    if let Some(at) = line.find(ID) {
        let (start, end) = line.split_at(at + ID.len());
        return format!("{start}#{}", end.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    // What the stand-in calls a mail.
    if line.ends_with("gsmtp") {
        return line.chars().take("       S: 250".len()).collect();
    }
    // Times and ports of a proof.
    let numbers = |c: char| c.is_ascii_digit() || c == '.';
    let is_proof = line.starts_with('✓') || line.contains(" s in all)");
    match is_proof && line.contains(|c: char| c.is_ascii_digit()) {
        true => line.split(numbers).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#"),
        false => line.to_owned(),
    }
}

/// What a person sees at the end, or where they stopped.
pub(super) fn last_screen(cast: Cast, desk: &Desk) -> String {
    let screens = levelled(&cast);
    let (_, screen) = screens.last().unwrap();
    desk.known(screen)
}
