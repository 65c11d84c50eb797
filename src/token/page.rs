//! The page that a person sees in the browser after the consent.

use url::Url;

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
            Self::GoesOn => "The sign-in goes on",
        }
    }

    /// `from_terminal`: it is where the person came from, and not the status page.
    pub(crate) fn lines(&self, from_terminal: bool) -> [String; 2] {
        let begin_again = || match from_terminal {
            true => "Go back to the terminal and open the address that stands there.".to_owned(),
            false => "Go back to Gatepost and sign in from there.".to_owned(),
        };
        let close = "You can close this page.";
        let [first, second] = match *self {
            Self::SignedIn { address } => [
                format!("Gatepost can now read and send mail for {address}."),
                match from_terminal {
                    true => {
                        format!("{close} The settings for your mail program are in the terminal.")
                    }
                    false => "Gatepost's page comes up by itself.".to_owned(),
                },
            ],
            Self::Failed { sentence, remedy } => [sentence.to_owned(), remedy.to_owned()],
            Self::OtherSignIn => [
                "This page does not belong to the sign-in that is under way.".to_owned(),
                begin_again(),
            ],
            Self::NoAnswer => {
                ["Google sent neither a code nor an error.".to_owned(), begin_again()]
            }
            Self::GoesOn if from_terminal => {
                ["The sign-in goes on in the terminal.".to_owned(), close.to_owned()]
            }
            Self::GoesOn => ["The sign-in goes on in Gatepost.".to_owned(), close.to_owned()],
        };
        [first, second]
    }

    fn is_good(&self) -> bool {
        matches!(self, Self::SignedIn { .. } | Self::GoesOn)
    }
}

/// A whole page. Nothing in it comes from the network but what is escaped here. `back`: the status
/// page, to which it leads.
pub(super) fn render(page: Page<'_>, back: Option<&Url>) -> String {
    let heading = page.heading();
    let lines = page.lines(back.is_none());
    let mut paragraphs: String =
        lines.iter().map(|line| format!("<p>{}</p>\n", escape(line))).collect();
    let mut forward = String::new();
    if let Some(back) = back {
        let back = escape(back.as_str());
        paragraphs += &format!("<p><a href=\"{back}\">Back to Gatepost</a></p>\n");
        // From this page, and not by a redirect: the browser takes that for a step of the provider's
        // site, and keeps the visit's cookie (SameSite=Strict) from it.
        if matches!(page, Page::SignedIn { .. }) {
            forward = format!("<meta http-equiv=\"refresh\" content=\"1; url={back}\">\n");
        }
    }
    let (mark, class) = if page.is_good() { ("✓", "good") } else { ("!", "bad") };
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{forward}<title>{heading} – Gatepost</title>
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
        let page = super::render(outside, None);
        assert!(!page.contains("<script>") && !page.contains("a<b>"));
        assert!(page.contains("&quot;x&quot; &amp; &#39;y&#39; &lt;script&gt;"));
    }

    #[test]
    fn who_came_from_the_status_page_is_led_back_to_it() {
        let back = url::Url::parse("http://127.0.0.1:10180/signed-in/0f").unwrap();
        let signed_in = super::Page::SignedIn { address: "you@gmail.com" };
        let page = super::render(signed_in, Some(&back));
        assert!(
            page.contains("<meta http-equiv=\"refresh\" content=\"1; url=http://127.0.0.1:10180/")
        );
        assert!(page.contains("href=\"http://127.0.0.1:10180/signed-in/0f\""));
        assert!(!page.contains("terminal"), "there is none");
        let page = super::render(signed_in, None);
        assert!(page.contains("terminal") && !page.contains("refresh"));
    }
}
