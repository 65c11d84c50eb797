//! `gatepost demo`: the main job, without a Google account.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use clap::Args;
use tokio::sync::mpsc;
use tracing_subscriber::filter::LevelFilter;
use url::Url;

use super::mistake::Mistake;
use super::report::{Failure, put};
use super::run::Signals;
use super::terminal::UnderWay;
use super::{block_on, log};
use crate::autoconfig::Places;
use crate::demo::{Broken, Person, Ports, Story, YOU};

/// What is told between the steps.
pub(super) const PLAYING: &str = "The next step is under way";

/// See the whole thing work with a stand-in for Google
#[derive(Args)]
#[command(after_help = "Examples:
  gatepost demo --once      tell the story and leave
  gatepost demo             the same, then stay for your own mail program
  gatepost demo --browser   the same, and you do the signing in")]
pub(super) struct Demo {
    /// Leave after the steps; 0 only if all of them held
    #[arg(long)]
    once: bool,
    /// Consent yourself, on the stand-in's page in your browser
    #[arg(long)]
    browser: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        log::start(LevelFilter::ERROR)?;
        block_on(async {
            let person = if self.browser { Person::AtTheBrowser(&show) } else { Person::Played };
            let ports = if self.once { Ports::Any } else { Ports::Usual };
            let sign = UnderWay::begin(PLAYING);
            let narrate = |line: &str| sign.aside(|| put(line));
            let story = Story::tell(person, ports, &narrate).await?;
            drop(sign);
            if !self.once {
                self.stay(&story).await?;
            }
            story.stop().await;
            Ok(ExitCode::SUCCESS)
        })
    }

    /// Stays up for a real mail client, until a signal.
    async fn stay(&self, story: &Story) -> Result<(), Failure> {
        let mut signals =
            Signals::listen().map_err(|error| Failure::from(Mistake::SignalsUnheard(&error)))?;
        put("\nThe demo stays up. For your mail program:");
        let (proxy, password) = (story.proxy(), story.password().expose());
        let places = Places::of(&proxy.settings().config.listen, Some(&proxy.status()));
        places
            .rows(YOU, &format!("{password}   (for both servers)"))
            .iter()
            .for_each(|row| put(row));
        if !self.browser {
            put("\nWith --browser you do the signing in yourself, on a page in your browser.");
        }
        put_page(story);
        put(
            "\nPress Enter and a new mail arrives; p and Enter, and the page has a new address; Ctrl-C ends the demo.",
        );
        let mut lines = lines_of_stdin();
        let mut typing = true;
        loop {
            tokio::select! {
                _ = signals.next() => return Ok(()),
                line = lines.recv(), if typing => match line {
                    Some(line) if line.trim() == "p" => put_page(story),
                    Some(_) => put(&format!("“{}” has arrived.", story.new_mail()?)),
                    // Nobody is there to press anything: it just stays.
                    None => typing = false,
                },
            }
        }
    }
}

/// Where the status page is, for one browser.
fn put_page(story: &Story) {
    if let Some(link) = story.page() {
        put(&format!(
            "\nGatepost's page, for your browser (within two minutes; the address serves once):\n\n  {link}"
        ));
    }
}

/// Shows the person the address at which to consent.
fn show(url: &Url) {
    // A script that drives this opens the address itself.
    let opened = std::io::stdin().is_terminal() && open::that_detached(url.as_str()).is_ok();
    put(if opened {
        "Your browser opens the stand-in's sign-in page. If it does not, open this address in it:"
    } else {
        "Open this address in a browser on this computer and allow it:"
    });
    put(&format!("\n  {url}\n\nWaiting for you, ten minutes at most …\n"));
}

/// What is typed, a line at a time, until the end of stdin.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (typed, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Self {
        let remedy = broken.remedy();
        Self::failed(format!("A step of the demo did not hold: {broken}."), remedy)
    }
}
