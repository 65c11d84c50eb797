//! Where things lie on disk.

use std::path::{Path, PathBuf};

use directories::ProjectDirs;

/// The places of one installation.
#[derive(Debug, Clone)]
pub struct Home {
    config_file: PathBuf,
    /// Somebody named the configuration file, so that it must be there.
    config_is_named: bool,
    /// Somebody named the folder of everything.
    data_is_named: bool,
    data: PathBuf,
}

/// No place is known for the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this system does not say where a user's files lie")]
pub struct HomeError;

impl Home {
    /// `home` holds everything, where it is given; else the platform's own places are used (XDG,
    /// `%APPDATA%`, `~/Library/Application Support`). `config` names another configuration file.
    pub fn locate(home: Option<&Path>, config: Option<&Path>) -> Result<Self, HomeError> {
        let (config_folder, data) = match home {
            Some(home) => (home.to_owned(), home.to_owned()),
            None => {
                let places = ProjectDirs::from("", "", "gatepost").ok_or(HomeError)?;
                (places.config_dir().to_owned(), places.data_dir().to_owned())
            }
        };
        let config_file = config.map_or_else(|| config_folder.join("config.toml"), Path::to_owned);
        Ok(Self {
            config_file,
            config_is_named: config.is_some(),
            data_is_named: home.is_some(),
            data,
        })
    }

    /// The same with everything in this folder, unless somebody has named another.
    pub fn or_at(self, folder: &Path) -> Self {
        if self.data_is_named {
            return self;
        }
        let config_file = match self.config_is_named {
            true => self.config_file,
            false => folder.join("config.toml"),
        };
        Self { config_file, data: folder.to_owned(), data_is_named: true, ..self }
    }

    /// The arguments by which another command comes to the same places: a path each, where one was
    /// named, whole, so that it holds wherever the command is typed.
    pub fn arguments(&self) -> Vec<(&'static str, PathBuf)> {
        let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let home = self.data_is_named.then(|| ("--home", whole(&self.data)));
        let config = self.config_is_named.then(|| ("--config", whole(&self.config_file)));
        home.into_iter().chain(config).collect()
    }

    /// The configuration, which a person writes and Gatepost only reads.
    pub fn config_file(&self) -> &Path {
        &self.config_file
    }

    /// True if the configuration file must be there: somebody named it.
    pub fn config_is_named(&self) -> bool {
        self.config_is_named
    }

    /// The folder of everything that Gatepost writes; owner-only.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// One file an account.
    pub fn accounts(&self) -> PathBuf {
        self.data.join("accounts")
    }

    /// The OAuth client that `login --client` kept for a provider.
    pub fn client_file(&self, provider: &str) -> PathBuf {
        self.data.join("clients").join(format!("{provider}.json"))
    }

    /// The local certificate.
    pub fn certificates(&self) -> PathBuf {
        self.data.join("certificates")
    }

    /// The running proxy's log.
    pub fn logs(&self) -> PathBuf {
        self.data.join("logs")
    }

    /// When a token of each account was last obtained.
    pub fn last_used_file(&self) -> PathBuf {
        self.data.join("used.json")
    }

    /// How commands reach the running proxy.
    pub fn control_file(&self) -> PathBuf {
        self.data.join("control.json")
    }

    /// Locked as long as a proxy serves this home.
    pub fn lock_file(&self) -> PathBuf {
        self.data.join("gatepost.lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_named_goes_before_a_servers_folder() {
        let [named, config, server] = ["/named", "/c.toml", "/server"].map(Path::new);
        let places = |home, config| {
            let home = Home::locate(home, config).unwrap().or_at(server);
            (home.data().to_owned(), home.config_file().to_owned())
        };
        let expected = |data: &Path, config: &Path| (data.to_owned(), config.to_owned());
        assert_eq!(places(None, None), expected(server, &server.join("config.toml")));
        assert_eq!(places(None, Some(config)), expected(server, config));
        assert_eq!(places(Some(named), None), expected(named, &named.join("config.toml")));
        // What is started there later comes to the same places.
        let arguments = Home::locate(None, None).unwrap().or_at(server).arguments();
        assert_eq!(arguments, [("--home", std::path::absolute(server).unwrap())]);
    }
}
