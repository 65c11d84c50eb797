//! A command in one line, as Windows takes it apart again (`CommandLineToArgvW`).

/// The line of a command; its first word is the path of a program, which has no quotes in it.
pub(super) fn of(command: &[String]) -> String {
    let words = command.iter().enumerate().map(|(at, word)| match at {
        // Backslashes mean nothing there.
        0 => format!("\"{word}\""),
        _ => quoted(word),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The words of a line.
pub(super) fn words(line: &str) -> Vec<String> {
    let line = line.trim_start();
    let (program, rest) = match line.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => line.split_once(is_blank).unwrap_or((line, "")),
    };
    let mut words = vec![program.to_owned()];
    let mut word: Option<String> = None;
    let (mut inside, mut backslashes) = (false, 0);
    for character in rest.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                let word = word.get_or_insert_default();
                word.extend(std::iter::repeat_n('\\', backslashes / 2));
                match backslashes % 2 {
                    0 => inside = !inside,
                    _ => word.push('"'),
                }
                backslashes = 0;
            }
            other => {
                if backslashes > 0 {
                    let word = word.get_or_insert_default();
                    word.extend(std::iter::repeat_n('\\', backslashes));
                    backslashes = 0;
                }
                match is_blank(other) && !inside {
                    true => words.extend(word.take()),
                    false => word.get_or_insert_default().push(other),
                }
            }
        }
    }
    if backslashes > 0 {
        word.get_or_insert_default().extend(std::iter::repeat_n('\\', backslashes));
    }
    words.extend(word);
    words
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

/// Backslashes are doubled where a quote follows them, and only there.
fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains([' ', '\t', '"']) {
        return word.to_owned();
    }
    let mut quoted = String::from('"');
    let mut backslashes = 0;
    for character in word.chars() {
        match character {
            '\\' => backslashes += 1,
            '"' => {
                quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
                backslashes = 0;
            }
            _ => backslashes = 0,
        }
        quoted.push(character);
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_line_is_as_windows_reads_it() {
        let line =
            |command: &[&str]| of(&command.iter().map(|&word| word.to_owned()).collect::<Vec<_>>());
        let plain = [r"C:\Program Files\Gatepost\gatepost.exe", "run", "--background"];
        assert_eq!(line(&plain), r#""C:\Program Files\Gatepost\gatepost.exe" run --background"#);
        // A backslash before the closing quote would make it a part of the path.
        let home = line(&[r"C:\gatepost.exe", "--home", r"D:\my mail\"]);
        assert_eq!(home, r#""C:\gatepost.exe" --home "D:\my mail\\""#);
        assert_eq!(line(&["g", r#"a\"b"#, ""]), r#""g" "a\\\"b" """#);
    }

    #[test]
    fn a_line_of_another_hand_is_read() {
        assert_eq!(words(r"  C:\gatepost.exe   run "), [r"C:\gatepost.exe", "run"]);
        let line = r#""C:\a b\g.exe"run --home a" b\\"c"#;
        assert_eq!(words(line), [r"C:\a b\g.exe", "run", "--home", r"a b\c"]);
        assert_eq!(words("\"never closed"), ["never closed"]);
        assert_eq!(words(""), [""]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            program in "[^\"\\p{Cc}]{1,20}",
            others in prop::collection::vec("[ \"\\\\a-c]{0,8}", 0..4),
        ) {
            let command: Vec<_> = std::iter::once(program).chain(others).collect();
            prop_assert_eq!(words(&of(&command)), command);
        }
    }
}
