//! The client's JSON file: the way to it as a person gives it, and the one that the browser has just
//! put among the downloads.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use directories::UserDirs;

/// The newest file in the folder of downloads that looks like a client's.
pub(super) fn newest() -> Option<(PathBuf, SystemTime)> {
    newest_in(&folder()?)
}

/// Where the browser puts what it downloads.
pub(super) fn folder() -> Option<PathBuf> {
    let user = UserDirs::new()?;
    // A Linux without a desktop names none; browsers then take this.
    let folder =
        user.download_dir().map_or_else(|| user.home_dir().join("Downloads"), Path::to_owned);
    folder.is_dir().then_some(folder)
}

/// Where a file for the person is easily found: among the downloads, or else in their home folder.
pub(super) fn easily_found() -> PathBuf {
    let home = || UserDirs::new().map(|user| user.home_dir().to_owned());
    folder().or_else(home).unwrap_or_default()
}

/// A path as it was typed, or dragged into the window.
pub(super) fn path_typed(typed: &str) -> PathBuf {
    path_of(typed, UserDirs::new().map(|user| user.home_dir().to_owned()).as_deref())
}

/// The client's file that is meant by what was typed, or dragged into the window.
pub(super) fn meant(typed: &str) -> PathBuf {
    let path = path_typed(typed);
    // Somebody may well drag the whole folder.
    match path.is_dir().then(|| newest_in(&path)).flatten() {
        Some((file, _)) => file,
        None => path,
    }
}

fn newest_in(folder: &Path) -> Option<(PathBuf, SystemTime)> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let clients = files.filter(|file| is_name_of_client(&file.file_name().to_string_lossy()));
    let dated =
        clients.filter_map(|file| Some((file.path(), file.metadata().ok()?.modified().ok()?)));
    dated.max_by(|(_, one), (_, other)| one.cmp(other))
}

/// Google's name for it, which browsers give a number if it is there already: `client_secret_….json`,
/// `client_secret_… (1).json`.
fn is_name_of_client(name: &str) -> bool {
    name.starts_with("client_secret") && name.to_ascii_lowercase().ends_with(".json")
}

/// Terminals and file managers each write a file that is dragged in their own way.
fn path_of(typed: &str, home: Option<&Path>) -> PathBuf {
    // PowerShell puts its call operator before a path in quotation marks.
    let typed = typed.trim();
    let typed = typed.strip_prefix("& ").unwrap_or(typed).trim();
    let quoted = |mark: char| typed.strip_prefix(mark)?.strip_suffix(mark);
    let unquoted = quoted('"').or_else(|| quoted('\''));
    let text = unquoted.unwrap_or(typed);
    if let Some(path) = url::Url::parse(text).ok().filter(|url| url.scheme() == "file") {
        return path.to_file_path().unwrap_or_else(|()| PathBuf::from(text));
    }
    let is_slash = |c: char| c == '/' || std::path::is_separator(c);
    if let (Some(rest), Some(home)) = (text.strip_prefix('~'), home)
        && (rest.is_empty() || rest.starts_with(is_slash))
    {
        return home.join(unescaped(rest.trim_start_matches(is_slash), unquoted.is_some()));
    }
    PathBuf::from(unescaped(text, unquoted.is_some()))
}

/// A shell's backslashes before blanks and brackets; where the backslash parts folders there are none.
fn unescaped(text: &str, quoted: bool) -> String {
    if quoted || std::path::MAIN_SEPARATOR == '\\' {
        return text.to_owned();
    }
    let mut path = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => path.extend(characters.next()),
            other => path.push(other),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_as_terminals_write_it() {
        let home = std::env::temp_dir();
        let file = home.join("My files").join("client_secret_1 (1).json");
        let plain = file.display().to_string();
        let url = url::Url::from_file_path(&file).unwrap().to_string();
        let separator = std::path::MAIN_SEPARATOR;
        for typed in [
            plain.clone(),
            format!("  '{plain}' \n"),
            format!("\"{plain}\""),
            format!("& '{plain}'"),
            url.clone(),
            format!("'{url}'"),
            format!("~{separator}My files{separator}client_secret_1 (1).json"),
        ] {
            assert_eq!(path_of(&typed, Some(&home)), file, "{typed}");
        }
        if separator == '/' {
            let dragged = plain.replace(' ', "\\ ").replace('(', "\\(").replace(')', "\\)");
            assert_eq!(path_of(&dragged, Some(&home)), file);
            assert_eq!(path_of("~/My\\ files/client_secret_1\\ \\(1\\).json", Some(&home)), file);
        }
        assert_eq!(path_of("~other", Some(&home)), Path::new("~other"));
    }

    #[test]
    fn the_newest_download_of_a_client_is_found() {
        let folder = tempfile::tempdir().unwrap();
        assert!(newest_in(folder.path()).is_none());
        assert!(newest_in(&folder.path().join("nowhere")).is_none());
        let mut age = 60;
        for name in [
            "client_secret_1-a.apps.googleusercontent.com.json",
            "client_secret_1-a.apps.googleusercontent.com (1).json",
            "client_secret_1-a.apps.googleusercontent.com.json.part",
            "other.json",
        ] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(age)).unwrap();
            age -= 10;
        }
        let (found, _) = newest_in(folder.path()).unwrap();
        assert!(found.to_string_lossy().ends_with("(1).json"), "{}", found.display());
        assert_eq!(meant(&folder.path().display().to_string()), found);
    }
}
