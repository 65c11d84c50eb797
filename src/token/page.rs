//! The page that a person sees in the browser after the consent.

use askama::Template;
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

#[derive(Template)]
#[template(path = "last_page.html")]
struct LastPage<'p> {
    heading: &'static str,
    lines: [String; 2],
    is_good: bool,
    back: Option<&'p str>,
    goes_on: bool,
}

/// A whole page. `back`: the status page, to which it leads.
pub(super) fn render(page: Page<'_>, back: Option<&Url>) -> String {
    let lines = page.lines(back.is_none());
    let back = back.map(Url::as_str);
    // From this page, and not by a redirect: the browser takes that for a step of the provider's site, and
    // keeps the visit's cookie (SameSite=Strict) from it.
    let goes_on = back.is_some() && matches!(page, Page::SignedIn { .. });
    let page = LastPage { heading: page.heading(), lines, is_good: page.is_good(), back, goes_on };
    // It fails only where its parts do, and these are strings.
    page.render().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_comes_from_outside_is_escaped() {
        let outside = super::Page::Failed { sentence: "a<b>", remedy: "\"x\" & 'y' <script>" };
        let page = super::render(outside, None);
        assert!(!page.contains("<script>") && !page.contains("a<b>"));
        assert!(page.contains("&#34;x&#34; &#38; &#39;y&#39; &#60;script&#62;"));
    }

    #[test]
    fn who_came_from_the_status_page_is_led_back_to_it() {
        let back = url::Url::parse("http://127.0.0.1:10180/signed-in/0f").unwrap();
        let signed_in = super::Page::SignedIn { address: "you@gmail.com" };
        let page = super::render(signed_in, Some(&back));
        assert!(
            page.contains("<meta http-equiv=\"refresh\" content=\"0; url=http://127.0.0.1:10180/")
        );
        assert!(page.contains("href=\"http://127.0.0.1:10180/signed-in/0f\""));
        assert!(!page.contains("terminal"), "there is none");
        let page = super::render(signed_in, None);
        assert!(page.contains("terminal") && !page.contains("refresh"));
    }

    #[test]
    fn each_page_is_marked_as_good_or_bad_and_leads_back_to_where_the_person_came_from() {
        use super::Page::{Failed, GoesOn, NoAnswer, OtherSignIn, SignedIn};

        let back = url::Url::parse("http://127.0.0.1:10180/signed-in/0f").unwrap();
        for (page, is_good, terminal, gatepost) in [
            (
                SignedIn { address: "you@gmail.com" },
                true,
                "are in the terminal.",
                "comes up by itself",
            ),
            (GoesOn, true, "goes on in the terminal.", "goes on in Gatepost."),
            (OtherSignIn, false, "Go back to the terminal", "Go back to Gatepost"),
            (NoAnswer, false, "Go back to the terminal", "Go back to Gatepost"),
            (Failed { sentence: "It failed.", remedy: "Try it." }, false, "Try it.", "Try it."),
        ] {
            for (back, words) in [(None, terminal), (Some(&back), gatepost)] {
                let html = super::render(page, back);
                assert!(html.contains(words), "{words}: {html}");
                let mark = if is_good { "mark good" } else { "mark bad" };
                assert!(html.contains(mark), "{words}: {html}");
                // Only whoever has nothing to read or to do here is led on.
                let leads_on = back.is_some() && matches!(page, SignedIn { .. });
                assert_eq!(html.contains("http-equiv=\"refresh\""), leads_on, "{words}: {html}");
            }
        }
    }
}
