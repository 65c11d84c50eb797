//! The text of a systemd unit: systemd.service(5), systemd.syntax(7).

/// What packages ship as well.
const TEMPLATE: &str = include_str!("../../../config/systemd/user/gatepost.service");

/// The unit that starts and reloads by these commands, whose first words are absolute paths.
pub(super) fn text(start: &[String], reload: &[String]) -> String {
    let mut unit = String::with_capacity(TEMPLATE.len() + 256);
    for line in TEMPLATE.lines() {
        match line.split_once('=') {
            Some((START, _)) => unit.push_str(&setting(START, start)),
            Some((RELOAD, _)) => unit.push_str(&setting(RELOAD, reload)),
            _ => unit.push_str(line),
        }
        unit.push('\n');
    }
    unit
}

/// The command that a unit starts, as far as it has one.
pub(super) fn command(unit: &str) -> Option<Vec<String>> {
    let line = unit.lines().find_map(|line| line.strip_prefix(START)?.strip_prefix('='))?;
    let mut words = words(line);
    let program = words.first_mut()?;
    *program = program.trim_start_matches(':').to_owned();
    Some(words)
}

const START: &str = "ExecStart";
const RELOAD: &str = "ExecReload";

/// With the prefix `:` systemd takes a `$` as it stands.
fn setting(name: &str, command: &[String]) -> String {
    let words = command.iter().enumerate().map(|(at, word)| match at {
        0 => quoted(&format!(":{word}")),
        _ => quoted(word),
    });
    format!("{name}={}", words.collect::<Vec<_>>().join(" "))
}

/// A word that systemd reads as it was.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    let mut quoted = String::from('"');
    for character in word.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // It begins a specifier.
            '%' => quoted.push_str("%%"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The words of a line that [`quoted`] wrote, and of plain ones.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut inside = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                inside = !inside;
                word.get_or_insert_default();
            }
            ' ' if !inside => words.extend(word.take()),
            '\\' => word.get_or_insert_default().extend(characters.next()),
            '%' => {
                characters.next_if_eq(&'%');
                word.get_or_insert_default().push('%');
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cli::service::entry::Entry;

    fn line<'u>(unit: &'u str, name: &str) -> &'u str {
        unit.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap()
    }

    #[test]
    fn the_unit_names_the_program_and_its_places() {
        let entry = Entry::new("/home/you/.cargo/bin/gatepost", &[]);
        let unit = text(&entry.command(&["run"]), &entry.command(&["reload"]));
        assert_eq!(line(&unit, START), ":/home/you/.cargo/bin/gatepost run");
        assert_eq!(line(&unit, RELOAD), ":/home/you/.cargo/bin/gatepost reload");
        // All else is the template's.
        let others = |unit: &str| -> Vec<String> {
            let is_other = |line: &&str| !line.starts_with(START) && !line.starts_with(RELOAD);
            unit.lines().filter(is_other).map(str::to_owned).collect()
        };
        assert_eq!(others(&unit), others(TEMPLATE));

        let home = r#"/srv/50% & $HOME "of" \all"#;
        let entry = Entry::new("/opt/a b/gatepost", &["--home", home]);
        let unit = text(&entry.command(&["run"]), &entry.command(&["reload"]));
        let places = r#"--home "/srv/50%% & $HOME \"of\" \\all""#;
        assert_eq!(line(&unit, START), format!(r#"":/opt/a b/gatepost" run {places}"#));
        assert_eq!(line(&unit, RELOAD), format!(r#"":/opt/a b/gatepost" reload {places}"#));
        assert_eq!(command(&unit).unwrap(), entry.command(&["run"]));
    }

    #[test]
    fn a_unit_of_another_hand_is_read_as_far_as_it_goes() {
        assert_eq!(command(TEMPLATE).unwrap(), ["/usr/bin/gatepost", "run"]);
        let unit = "[Service]\nExecStart=\"/a b/gatepost\"  --home  \"/c\" run\n";
        assert_eq!(command(unit).unwrap(), ["/a b/gatepost", "--home", "/c", "run"]);
        assert_eq!(command("[Service]\n"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(path in "/[^\\p{Cc}]{0,40}", home in "[^\\p{Cc}]{0,40}") {
            let start = [path, "run".to_owned(), "--home".to_owned(), home];
            prop_assert_eq!(command(&text(&start, &start)).unwrap(), start);
        }
    }
}
