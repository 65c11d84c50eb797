//! What is started at log-in.

use std::path::{Path, PathBuf};

use crate::cli::mistake::Mistake;
use crate::cli::report::Failure;
use crate::config::Home;

/// The program, and the places that it is to know.
pub(super) struct Entry {
    program: String,
    places: Vec<String>,
}

impl Entry {
    /// This program for this home.
    pub(super) fn of(home: &Home) -> Result<Self, Failure> {
        let program = program().map_err(|error| Failure::from(Mistake::CantStart(&error)))?;
        let mut places = Vec::new();
        for (flag, path) in home.arguments() {
            places.extend([flag.to_owned(), text(&path)?]);
        }
        Ok(Self { program: text(&program)?, places })
    }

    /// The program with `words` behind it, and the places.
    pub(super) fn command(&self, words: &[&str]) -> Vec<String> {
        let program = std::iter::once(self.program.clone());
        let words = words.iter().map(|&word| word.to_owned());
        program.chain(words).chain(self.places.iter().cloned()).collect()
    }

    #[cfg(test)]
    pub(super) fn new(program: &str, places: &[&str]) -> Self {
        let places = places.iter().map(|&place| place.to_owned()).collect();
        Self { program: program.to_owned(), places }
    }
}

/// A path as every system's entry can hold it.
fn text(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| Mistake::PathUnfit { path }.into())
}

/// The program by the name that it is called by. Where that is a link, as some package managers make
/// one, the file behind it may be gone after the next update.
fn program() -> std::io::Result<PathBuf> {
    let running = std::env::current_exe()?;
    let is_it = |path: &PathBuf| {
        let real = |path: &Path| path.canonicalize().ok();
        real(path).is_some_and(|path| Some(path) == real(&running))
    };
    let typed = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if typed.components().count() > 1 {
        return Ok(std::path::absolute(&typed).ok().filter(is_it).unwrap_or(running));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&folders).map(|folder| folder.join(&typed));
    Ok(found.find(|path| path.is_absolute() && is_it(path)).unwrap_or(running))
}
