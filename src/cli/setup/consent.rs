//! The third step: signing in, by the same code as `gatepost login`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::ask::{Halt, Step, choose, enter, note, tell};
use super::client::Client;
use super::keyboard::{Keyboard, Typed};
use super::{Pages, Walk};
use crate::accounts::{Address, Record};
use crate::cli::report::{put, say};
use crate::cli::signing_in::{Outcome, SigningIn, pasted_lines};
use crate::cli::terminal::{Look, Mark};
use crate::secret::LocalPassword;
use crate::sign_in::Progress;

const AUDIENCE: &str = "https://console.cloud.google.com/auth/audience";

const WHAT_COMES: &str = "\
Next comes Google's page. What it shows is meant to make you careful:
  1. Choose the account that you named here.
  2. “Google hasn't verified this app”. That is right for your own client, for
     no other. Press Advanced, then “Go to … (unsafe)”; in Testing, Continue.
  3. Tick the box “Read, compose, send, and permanently delete all your email
     from Gmail”, then Continue. Without the tick Gatepost gets no mail.";

/// How the step ended.
pub(super) enum End {
    /// The account is signed in.
    SignedIn,
    /// The person puts it off.
    Later,
    /// The person wants another client first.
    OtherClient,
}

impl Walk<'_> {
    /// True if there is nothing to do: the account is signed in, for good as far as is known.
    pub(super) fn is_signed_in(&self, address: &Address, known: Option<&Record>) -> Step<bool> {
        let Some(record) = known else { return Ok(false) };
        let Some(end) = record.grant_expires() else {
            note(Mark::Good, &format!("{address} is signed in already."));
            return Ok(true);
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let days = end.saturating_sub(now).div_ceil(86_400);
        let when = match end.checked_sub(now) {
            Some(_) => format!("ends in {days} days"),
            None => "has ended".to_owned(),
        };
        note(
            Mark::Note,
            &format!(
                "{address} is signed in, and that {when}: the Google client was in “Testing” then."
            ),
        );
        if !self.person {
            return Ok(true);
        }
        Ok(!self.publish_and_again()?)
    }

    /// Signs in until it has succeeded or the person wants something else.
    pub(super) fn consent(&mut self, address: &Address, client: &Client) -> Step<End> {
        #[derive(Clone, Copy)]
        enum Answer {
            Go,
            OtherClient,
            Later,
        }
        if !self.person {
            self.sign_in(address, client, false)?;
            return Ok(End::SignedIn);
        }
        say(WHAT_COMES);
        let go = match self.pages {
            Pages::Open => "Open Google's page and sign in",
            Pages::Show => "Show me the address to open",
        };
        let mut go = go.to_owned();
        loop {
            let answers = vec![
                (go, Answer::Go),
                ("Take another Google client".to_owned(), Answer::OtherClient),
                ("Leave this for later".to_owned(), Answer::Later),
            ];
            say("");
            match choose("Ready?", answers, 0)? {
                Answer::OtherClient => return Ok(End::OtherClient),
                Answer::Later => return Ok(End::Later),
                Answer::Go => {}
            }
            match self.sign_in(address, client, false) {
                Ok(true) => return Ok(End::SignedIn),
                // Published, they say: the next consent lasts.
                Ok(false) => go = "Sign in again".to_owned(),
                Err(Halt::Failed(failure)) => {
                    tell(&failure);
                    go = "Try again".to_owned();
                }
                Err(left) => return Err(left),
            }
        }
    }

    /// One sign-in. False if it is to be done again, because the client was in Testing.
    pub(super) fn sign_in(
        &mut self,
        address: &Address,
        client: &Client,
        replace: bool,
    ) -> Step<bool> {
        let file = match client {
            Client::Kept => None,
            Client::Other(file) => Some(file.clone()),
        };
        let signing_in = SigningIn::prepare(self.home, address, file)?;
        let password = signing_in.password(self.chosen.clone(), replace)?;
        let tell = |progress: Progress<'_>| self.progress(&progress);
        let outcome = if self.person {
            let (keyboard, Typed { lines, left }) = Keyboard::listen();
            let outcome = signing_in.go(password, replace, lines, &tell, left.notified());
            drop(keyboard);
            outcome
        } else {
            signing_in.go(password, replace, pasted_lines(), &tell, std::future::pending())
        };
        let Some(outcome) = outcome? else { return Err(Halt::Left) };
        note(Mark::Good, &format!("Signed in as {address}."));
        self.show_password(&outcome)?;
        signing_in.tie(&outcome);
        if outcome.signed_in.password.is_some() {
            self.password.clone_from(&outcome.signed_in.password);
        }
        match outcome.signed_in.grant_life {
            None => Ok(true),
            Some(life) => self.in_testing(life.as_secs().div_ceil(86_400)),
        }
    }

    fn show_password(&self, outcome: &Outcome) -> Step<()> {
        let Some(password) = &outcome.signed_in.password else {
            say("  The local password stays as it was.");
            return Ok(());
        };
        if self.chosen.is_some() {
            return Ok(());
        }
        say("\nThis is the local password, which your mail program wants instead of Google's:\n");
        put(&format!("    {}", Look::of_stdout().strong(password.expose())));
        say("\nIt opens Gatepost on this computer and nothing else, and is stored nowhere.");
        if self.person {
            say(
                "Write it down or copy it now; the last screen of this set-up shows it once more.\n",
            );
            enter("Enter goes on:")?;
        }
        Ok(())
    }

    /// True if it is left so.
    fn in_testing(&self, days: u64) -> Step<bool> {
        note(
            Mark::Note,
            &format!("This sign-in ends in {days} days: your Google client is in “Testing”."),
        );
        if !self.person {
            say(&format!(
                "  → Press Publish app at {AUDIENCE}, then sign in again: `gatepost login`."
            ));
            return Ok(true);
        }
        Ok(!self.publish_and_again()?)
    }

    /// Offers to publish the client; true if the person will sign in again now.
    fn publish_and_again(&self) -> Step<bool> {
        #[derive(Clone, Copy)]
        enum Answer {
            Open,
            Again,
            Leave,
        }
        say(&format!(
            "  Press Publish app there, until it says In production:\n  {AUDIENCE}\n  Then sign in again; the local password stays."
        ));
        let mut first = 0;
        loop {
            let mut answers = Vec::new();
            if self.pages == Pages::Open {
                answers.push(("Open that page in the browser".to_owned(), Answer::Open));
            }
            answers.push(("It is published: sign in again".to_owned(), Answer::Again));
            answers.push(("Leave it; I will sign in every seven days".to_owned(), Answer::Leave));
            say("");
            match choose("What next?", answers, first)? {
                Answer::Open => {
                    super::open(AUDIENCE);
                    first = 1;
                }
                Answer::Again => return Ok(true),
                Answer::Leave => return Ok(false),
            }
        }
    }

    fn progress(&self, progress: &Progress<'_>) {
        match progress {
            Progress::Authorize(url) => {
                let opens = self.pages == Pages::Open && open::that_detached(url.as_str()).is_ok();
                line(match opens {
                    true => {
                        "Google's page opens in your browser. If it doesn't, open this address in it:"
                    }
                    false => "Open this address in a browser:",
                });
                line("");
                line(url.as_str());
                line("");
                if !opens {
                    line(
                        "Is that browser on another machine? Its last page can't be shown then: copy that",
                    );
                    line("page's address (http://127.0.0.1:…), paste it here and press Enter.");
                }
                let leave = if self.person { " Esc leaves." } else { "" };
                line(&format!("Waiting for you, ten minutes at most …{leave}"));
            }
            Progress::CameBack => {}
            Progress::TryingAgain(why) => line(&format!("{why} Trying again …")),
            Progress::BadPaste(why) => line(&format!("{why} Still waiting …")),
        }
    }

    /// The local password that was typed on the way, or is known from the sign-in.
    pub(super) fn known_password(&self) -> Option<&LocalPassword> {
        self.password.as_ref().or(self.chosen.as_ref()).or(self.typed.as_ref())
    }
}

/// A line for a terminal that may be in raw mode, where a line's end doesn't go back to its start.
fn line(words: &str) {
    say(&format!("\r{words}\r"));
}
