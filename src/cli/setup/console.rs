//! The way through Google's console, a page a step; docs/google-client.md tells the same at length.

use std::fs;
use std::path::{Path, PathBuf};

use super::ask::{Step, choose, note};
use super::{Pages, download, heading};
use crate::cli::mistake::Mistake;
use crate::cli::report::{Failure, say};
use crate::cli::terminal::Mark;

struct Stop {
    title: &'static str,
    page: Option<&'static str>,
    words: &'static str,
}

const BEFORE: &str = "\
Seven steps, each on a page of Google's. You need a Google account with 2-Step
Verification (https://myaccount.google.com/security); no payment details. Google
may have renamed a thing since this was written; the order stays.";

const STOPS: [Stop; 7] = [
    Stop {
        title: "A project",
        page: Some("https://console.cloud.google.com/projectcreate"),
        words: "\
Accept the terms if Google shows them, and pass over any free trial.
Project name: what you like, for instance “Mail at home”. Press Create, and wait
a moment. Then see to it that the project picker at the top shows it.",
    },
    Stop {
        title: "Who offers it",
        page: Some("https://console.cloud.google.com/auth/overview"),
        words: "\
Press Get started, and fill in the four small pages:
  App information       a name without “Google” or “Gmail” in it; your address
  Audience              External
  Contact information   your address
  Finish                agree, Continue, Create
(Internal is for an organisation's own Workspace; then pass over steps 4 and 5.)",
    },
    Stop {
        title: "What it may do",
        page: Some("https://console.cloud.google.com/auth/scopes"),
        words: "\
Press Add or remove scopes. At the bottom of the panel is “Manually add scopes”:
put these three lines there,
  https://mail.google.com/
  openid
  email
then press Add to table, Update, and Save. Google calls the first “restricted”:
it opens the whole mailbox, and Google's mail servers accept nothing less.",
    },
    Stop {
        title: "Two pages on the web",
        page: Some("https://console.cloud.google.com/auth/branding"),
        words: "\
Google wants a home page and a privacy policy, though only you will use them. If
you have no web site, https://github.com has room: make an account, a public
repository named YOURNAME.github.io, and put two files in it (Add file › Upload
files). Gatepost can write them for you, below.
  App logo                       nothing: a logo makes Google examine you
  Application home page          https://YOURNAME.github.io/
  Privacy policy link            https://YOURNAME.github.io/privacy.html
  Authorized domains             YOURNAME.github.io
  Developer contact information  your address
Press Save. Without pages, add your address under Audience › Test users and pass
over step 5; you must then sign in anew every seven days.",
    },
    Stop {
        title: "Publish it, before you sign in",
        page: Some("https://console.cloud.google.com/auth/audience"),
        words: "\
The publishing status is Testing. Press Publish app, confirm “Push to
production?”, and see to it that it says In production.

This step catches nearly everybody: what you consent to in Testing ends after
seven days, even if you publish a minute later.

“Requires verification” isn't for you: up to 100 users need none, and it is
listed nowhere. Is the button grey? Step 4 lacks something, or is minutes old.",
    },
    Stop {
        title: "The client",
        page: Some("https://console.cloud.google.com/auth/clients"),
        words: "\
Press Create client.
  Application type   Desktop app   (no other type works)
  Name               what you like
Leave a box about an AI-powered agent unticked. Press Create, and leave the
window open that comes: the next step is in it.",
    },
    Stop {
        title: "The file",
        page: None,
        words: "\
Press Download JSON in that window now: Google shows it this one time. The file
goes to your downloads; its name begins with client_secret_.
Closed it already? Make another client, as in step 6, and delete the first.",
    },
];

#[derive(Clone, Copy)]
enum Next {
    Open,
    Done,
    Files,
    Back,
    File,
}

/// Leads through the console, until there should be a file.
pub(super) fn lead(pages: Pages) -> Step<()> {
    say(&format!("\n{BEFORE}"));
    let mut at = 0;
    while let Some(stop) = STOPS.get(at) {
        heading(&format!("Google's console, {} of {}: {}", at + 1, STOPS.len(), stop.title));
        if let Some(page) = stop.page {
            say(&format!("{page}\n"));
        }
        say(stop.words);
        at = match ask(stop, at, pages)? {
            Next::Back => at.saturating_sub(1),
            Next::File => return Ok(()),
            _ => at + 1,
        };
    }
    Ok(())
}

fn ask(stop: &Stop, at: usize, pages: Pages) -> Step<Next> {
    let opens = stop.page.filter(|_| pages == Pages::Open);
    let mut written = false;
    let mut first = 0;
    loop {
        let done = match STOPS.get(at + 1) {
            Some(_) => format!("Done: on to step {}", at + 2),
            None => "Done: the file is there".to_owned(),
        };
        let mut answers = Vec::new();
        answers.extend(opens.map(|_| ("Open this page in the browser".to_owned(), Next::Open)));
        answers.push((done, Next::Done));
        if at == 3 && !written {
            let place = if download::folder().is_some() { "downloads" } else { "home folder" };
            answers.push((format!("Write both files, into my {place}"), Next::Files));
        }
        if at > 0 {
            answers.push((format!("Back to step {at}"), Next::Back));
        }
        if at + 1 < STOPS.len() {
            answers.push(("I have the file already".to_owned(), Next::File));
        }
        say("");
        match (choose("What next?", answers, first)?, opens) {
            (Next::Open, Some(page)) => {
                super::open(page);
                first = 1;
            }
            (Next::Files, _) => {
                written = true;
                match write_pages() {
                    Ok(folder) => {
                        let words =
                            format!("index.html and privacy.html are in {}.", folder.display());
                        note(Mark::Good, &words);
                    }
                    Err(failure) => super::ask::tell(&failure),
                }
            }
            (next, _) => return Ok(next),
        }
    }
}

/// Puts the two pages where they are easily found; what is there already stays.
fn write_pages() -> Result<PathBuf, Failure> {
    let folder = download::easily_found().join("gatepost-pages");
    let unwritable = |error: std::io::Error| {
        Failure::from(Mistake::FolderUnwritable { folder: &folder, error: &error })
    };
    fs::create_dir_all(&folder).map_err(unwritable)?;
    for (name, contents) in PAGES {
        let path: &Path = &folder.join(name);
        if !path.exists() {
            fs::write(path, contents).map_err(unwritable)?;
        }
    }
    Ok(folder)
}

const PAGES: [(&str, &str); 2] = [
    ("index.html", include_str!("pages/index.html")),
    ("privacy.html", include_str!("pages/privacy.html")),
];

#[cfg(test)]
mod tests {
    use super::*;

    const GUIDE: &str = include_str!("../../../docs/google-client.md");

    #[test]
    fn the_guide_has_the_same_pages_and_files() {
        let guide = GUIDE.replace("\r\n", "\n");
        // The first is the address of the form itself, behind the guide's “New project”.
        for page in STOPS.iter().skip(1).filter_map(|stop| stop.page) {
            assert!(guide.contains(page), "{page}");
        }
        for (name, contents) in PAGES {
            assert!(guide.contains(contents.replace("\r\n", "\n").trim_end()), "{name}");
        }
    }

    #[test]
    fn a_step_leaves_room_for_its_question_on_a_small_terminal() {
        for stop in &STOPS {
            assert!(stop.words.lines().count() <= 14, "{}", stop.title);
            let longest = stop.words.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(80), "{}: {longest:?}", stop.title);
        }
    }
}
