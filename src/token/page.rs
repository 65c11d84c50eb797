//! The page that a person sees in the browser after the consent.

/// What the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page<'p> {
    /// All went well.
    SignedIn {
        /// The account.
        address: &'p str,
    },
    /// What went wrong, and what to do.
    Failed {
        /// One sentence.
        sentence: &'p str,
        /// One thing to do.
        remedy: &'p str,
    },
    /// The browser came with another `state`: from a page that was opened before, say.
    OtherSignIn,
    /// The browser came with neither a code nor an error.
    NoAnswer,
    /// The sign-in takes longer than a browser waits, or is over.
    GoesOn,
}

impl Page<'_> {
    pub(crate) fn heading(&self) -> &'static str {
        match self {
            Self::SignedIn { .. } => "You are signed in",
            Self::Failed { .. } | Self::OtherSignIn | Self::NoAnswer => "That did not work",
            Self::GoesOn => "Go back to the terminal",
        }
    }

    pub(crate) fn lines(&self) -> [String; 2] {
        let [first, second] = match *self {
            Self::SignedIn { address } => [
                &*format!("Gatepost can now read and send mail for {address}."),
                "You can close this page. The settings for your mail program are in the terminal.",
            ],
            Self::Failed { sentence, remedy } => [sentence, remedy],
            Self::OtherSignIn => [
                "This page does not belong to the sign-in that is under way.",
                "Go back to the terminal and open the address that stands there.",
            ],
            Self::NoAnswer => [
                "Google sent neither a code nor an error.",
                "Go back to the terminal and open the address that stands there once more.",
            ],
            Self::GoesOn => ["The sign-in goes on in the terminal.", "You can close this page."],
        };
        [first.to_owned(), second.to_owned()]
    }

    fn is_good(&self) -> bool {
        matches!(self, Self::SignedIn { .. } | Self::GoesOn)
    }
}

/// A whole page. Nothing in it comes from the network but what is escaped here.
pub(super) fn render(page: Page<'_>) -> String {
    let heading = page.heading();
    let paragraphs: String =
        page.lines().iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
    let (mark, class) = if page.is_good() { ("✓", "good") } else { ("!", "bad") };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading} – Gatepost</title>
<style>
:root {{ color-scheme: light dark; font: 1.05rem/1.5 system-ui, sans-serif; }}
body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: light-dark(#f3f5f7, #16191d); color: light-dark(#1d2329, #e6e9ec); }}
main {{ max-width: 34rem; margin: 1.5rem; padding: 2rem 2.5rem; border-radius: .8rem; background: light-dark(#fff, #22272d); box-shadow: 0 1px 6px #0003; }}
h1 {{ margin: 0 0 1rem; font-size: 1.4rem; display: flex; gap: .8rem; align-items: center; }}
.mark {{ flex: none; width: 2.2rem; height: 2.2rem; border-radius: 50%; display: grid; place-items: center; color: #fff; }}
.good {{ background: #1a7f4b; }} .bad {{ background: #b3261e; }}
p {{ margin: .6rem 0; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1><span class="mark {class}" aria-hidden="true">{mark}</span>{heading}</h1>
{paragraphs}</main>
</body>
</html>
"#,
        heading = escape(heading),
    )
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_comes_from_outside_is_escaped() {
        let outside = super::Page::Failed { sentence: "a<b>", remedy: "\"x\" & 'y' <script>" };
        let page = super::render(outside);
        assert!(!page.contains("<script>") && !page.contains("a<b>"));
        assert!(page.contains("&quot;x&quot; &amp; &#39;y&#39; &lt;script&gt;"));
    }
}
