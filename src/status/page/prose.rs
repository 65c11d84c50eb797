//! Sentences, in which what is to be typed stands between backticks, for a page.

/// A stretch of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) text: String,
    /// To be typed, or looked for, as it stands.
    pub(super) is_verbatim: bool,
}

/// A sentence. The template escapes its stretches one by one.
pub(super) type Prose = Vec<Stretch>;

/// A sentence as it was written for a terminal. A backtick without its twin is a backtick.
pub(super) fn prose(sentence: &str) -> Prose {
    let parts: Vec<&str> = sentence.split('`').collect();
    let is_whole = parts.len() % 2 == 1;
    if !is_whole {
        return vec![Stretch { text: sentence.to_owned(), is_verbatim: false }];
    }
    let stretches = parts.into_iter().enumerate().filter(|(_, text)| !text.is_empty());
    let stretch = |(at, text): (usize, &str)| Stretch {
        // A terminal's line breaks are blanks here.
        text: text.replace('\n', " "),
        is_verbatim: at % 2 == 1,
    };
    stretches.map(stretch).collect()
}

/// The same beside the button that does what a remedy has one type.
pub(super) fn prose_beside_button(remedy: &str, address: &str) -> Prose {
    let command = format!("`gatepost login {address}`");
    let button = "“Sign in again”";
    let remedy = remedy
        .replace(&format!("Run {command} to sign in again"), &format!("Press {button}"))
        .replace(&format!("Run {command} again"), &format!("Press {button}"))
        .replace(&format!("Run {command}"), &format!("Press {button}"))
        .replace(&format!("run {command} again"), &format!("press {button}"))
        .replace(&format!("run {command}"), &format!("press {button}"));
    prose(&remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(prose: Prose) -> String {
        let mark = |stretch: Stretch| match stretch.is_verbatim {
            true => format!("[{}]", stretch.text),
            false => stretch.text,
        };
        prose.into_iter().map(mark).collect()
    }

    #[test]
    fn what_is_to_be_typed_is_told_from_the_words() {
        assert_eq!(marked(prose("Run `gatepost run`.")), "Run [gatepost run].");
        assert_eq!(marked(prose("`a` or\n`b`")), "[a] or [b]");
        assert_eq!(marked(prose("One ` alone")), "One ` alone");
        assert_eq!(marked(prose("")), "");
    }

    #[test]
    fn beside_the_button_a_remedy_names_the_button() {
        let says = |remedy: &str| marked(prose_beside_button(remedy, "a@gmail.com"));
        assert_eq!(
            says("Run `gatepost login a@gmail.com` to sign in again; the password stays."),
            "Press “Sign in again”; the password stays."
        );
        assert_eq!(
            says("Publish the client, then run `gatepost login a@gmail.com`; the password stays."),
            "Publish the client, then press “Sign in again”; the password stays."
        );
        let other = "Run `gatepost login a@gmail.com --client FILE` with the file.";
        assert_eq!(says(other), other.replace("`gatepost", "[gatepost").replace("E`", "E]"));
    }
}
