//! The second step: the Google client.

use std::path::Path;
use std::time::SystemTime;

use super::ask::{Halt, Step, choose, note, tell, text};
use super::{Pages, console, download};
use crate::cli::block_on;
use crate::cli::mistake::Mistake;
use crate::cli::report::{Failure, say};
use crate::cli::signing_in::ClientFile;
use crate::cli::terminal::{Mark, UnderWay};
use crate::config::{Config, Home, OauthClient};
use crate::settings::{Settings, SettingsError};
use crate::token::Cause;

/// Where a new client of the right type is made.
const CLIENTS: &str = "https://console.cloud.google.com/auth/clients";

const WHY: &str = "\
Google lets only registered programs at mail. You make a registration of your
own, which Google calls a client: free, once, a quarter to half an hour. At the
end you have a small JSON file.";

/// What is told while the client is looked at.
pub(in crate::cli) const ASKING_GOOGLE: &str = "Google is asked whether it knows the client";

/// What the sign-in is to be with.
pub(super) enum Client {
    /// The one that is there.
    Kept,
    /// Another one, which is kept once somebody has signed in with it.
    Other(ClientFile),
}

/// The client that is kept already, or stands in the configuration.
pub(super) fn kept(home: &Home) -> Result<Option<OauthClient>, Failure> {
    let config = Config::of(home).map_err(SettingsError::from)?;
    let path = home.client_file(&config.provider.name);
    if !path.exists() {
        return Ok(config.provider.client);
    }
    match ClientFile::read(&path) {
        Ok(file) => Ok(Some(file.client)),
        Err(failure) => {
            note(Mark::Note, &failure.sentence);
            Ok(None)
        }
    }
}

/// Takes the file that was named on the command line.
pub(super) fn named(home: &Home, path: &Path) -> Step<Client> {
    let file = ClientFile::read(path)?;
    say(&format!("The client {} is used.", shortened(&file.client.id)));
    take(home, file)
}

/// Asks for a client until there is one; `None` if the person puts it off.
pub(super) fn ask(home: &Home, kept: Option<&OauthClient>, pages: Pages) -> Step<Option<Client>> {
    #[derive(Clone)]
    enum Answer {
        Kept,
        Found(std::path::PathBuf),
        Named,
        Lead,
        Later,
    }
    let mut led = false;
    if kept.is_none() {
        say(WHY);
    }
    loop {
        let mut answers = Vec::new();
        if let Some(client) = kept {
            let words = format!("Go on with the one that is here: {}", shortened(&client.id));
            answers.push((words, Answer::Kept));
        }
        if let Some((path, when)) = download::newest() {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let words = format!("Take {} from the downloads: {}", middle_out(&name), ago(when));
            answers.push((words, Answer::Found(path)));
        }
        let first = if answers.is_empty() && led { 1 } else { 0 };
        answers.push(("Make one: lead me through Google's console".to_owned(), Answer::Lead));
        answers.push(("I have its JSON file: let me name it".to_owned(), Answer::Named));
        answers.push(("Leave this for later".to_owned(), Answer::Later));
        say("");
        let path = match choose("Which Google client?", answers, first)? {
            Answer::Kept => return Ok(Some(Client::Kept)),
            Answer::Later => return Ok(None),
            Answer::Lead => {
                console::lead(pages)?;
                led = true;
                continue;
            }
            Answer::Found(path) => path,
            Answer::Named => {
                let is_missing = |typed: &str| {
                    let path = download::meant(typed);
                    (!path.is_file()).then(|| match typed.trim().is_empty() {
                        true => "The path of the file is wanted.".to_owned(),
                        false => format!("There is no file {}.", path.display()),
                    })
                };
                let help = "Drag the file into this window, or type its path. Esc leaves.";
                download::meant(&text("Where is the file?", help, is_missing)?)
            }
        };
        match ClientFile::read(&path) {
            Ok(file) => {
                if let Some(client) = ask_google(home, file)? {
                    return Ok(Some(client));
                }
            }
            Err(failure) => {
                let remedy = format!(
                    "Make a client of the type “Desktop app” at {CLIENTS} and download its JSON."
                );
                tell(&Failure { remedy, ..failure });
            }
        }
    }
}

/// Whether Google knows the client; `None` if another one is to be taken.
fn ask_google(home: &Home, file: ClientFile) -> Step<Option<Client>> {
    #[derive(Clone, Copy)]
    enum Answer {
        Again,
        Other,
        AllTheSame,
    }
    loop {
        let cause = match is_known(home, &file)? {
            Ok(()) => {
                note(
                    Mark::Good,
                    &format!("Google knows the client {}.", shortened(&file.client.id)),
                );
                return take(home, file).map(Some);
            }
            Err(cause) if cause.is_transient() => {
                note(Mark::Note, &format!("{} {}", cause.sentence(), cause.remedy("")));
                return take(home, file).map(Some);
            }
            Err(cause) => cause,
        };
        tell(&Mistake::ClientRefused { why: &cause.sentence() }.into());
        let answers = vec![
            ("Ask Google again".to_owned(), Answer::Again),
            ("Take another file".to_owned(), Answer::Other),
            ("Go on with it all the same".to_owned(), Answer::AllTheSame),
        ];
        match choose("What next?", answers, 0)? {
            Answer::Again => {}
            Answer::Other => return Ok(None),
            Answer::AllTheSame => return take(home, file).map(Some),
        }
    }
}

fn is_known(home: &Home, file: &ClientFile) -> Result<Result<(), Cause>, Halt> {
    let settings = Settings::load(home, Some(file.client.clone())).map_err(Failure::from)?;
    let Some(server) = settings.server else { return Ok(Ok(())) };
    let _sign = UnderWay::begin(ASKING_GOOGLE);
    Ok(block_on(async { Ok(server.knows_client().await) })?)
}

/// Keeps the client at once where there is none yet, so that leaving loses nothing; one that others
/// may use gives way only to one that has signed somebody in.
fn take(home: &Home, file: ClientFile) -> Step<Client> {
    let config = Config::of(home).map_err(|error| Failure::from(SettingsError::from(error)))?;
    let path = home.client_file(&config.provider.name);
    if path.exists() || config.provider.client.is_some() {
        return Ok(Client::Other(file));
    }
    file.keep(&path).map_err(|error| {
        Failure::from(Mistake::FolderUnwritable { folder: &path, error: &error })
    })?;
    Ok(Client::Kept)
}

/// Enough of a client's id to know it again.
pub(super) fn shortened(id: &str) -> String {
    const SHOWN: usize = 18;
    let mut characters = id.chars();
    let start: String = characters.by_ref().take(SHOWN).collect();
    if characters.next().is_some() { format!("{start}…") } else { start }
}

/// A long file name by its beginning and its end.
fn middle_out(name: &str) -> String {
    const ENDS: usize = 14;
    let characters: Vec<char> = name.chars().collect();
    if characters.len() <= 2 * ENDS + 1 {
        return name.to_owned();
    }
    let (start, end) = (&characters[..ENDS + 4], &characters[characters.len() - ENDS + 4..]);
    format!("{}…{}", start.iter().collect::<String>(), end.iter().collect::<String>())
}

fn ago(when: SystemTime) -> String {
    let seconds = SystemTime::now().duration_since(when).unwrap_or_default().as_secs();
    match seconds {
        0..120 => "of just now".to_owned(),
        120..7200 => format!("of {} minutes ago", seconds / 60),
        7200..172_800 => format!("of {} hours ago", seconds / 3600),
        _ => format!("of {} days ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_long_is_shown_short() {
        assert_eq!(
            shortened("123456789012-abcdefgh.apps.googleusercontent.com"),
            "123456789012-abcde…"
        );
        assert_eq!(shortened("short"), "short");
        let name = "client_secret_123456789012-abcdefgh.apps.googleusercontent.com (1).json";
        assert_eq!(middle_out(name), "client_secret_1234…m (1).json");
        assert_eq!(middle_out("client_secret.json"), "client_secret.json");
    }

    #[test]
    fn the_time_is_told_as_people_do() {
        let told = |seconds| ago(SystemTime::now() - Duration::from_secs(seconds));
        assert_eq!(told(5), "of just now");
        assert_eq!(told(600), "of 10 minutes ago");
        assert_eq!(told(3 * 3600 + 5), "of 3 hours ago");
        assert_eq!(told(4 * 86_400 + 5), "of 4 days ago");
        assert_eq!(ago(SystemTime::now() + Duration::from_secs(60)), "of just now");
    }
}
