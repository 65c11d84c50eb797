//! The proxy that is looked at: the one that runs for the home, else one that serves for the while.

use std::sync::Arc;

use super::rounds::Stopped;
use crate::accounts::Record;
use crate::check::{self, Ailment, Check, Examined, Finding};
use crate::cli::keys;
use crate::cli::mistake::Mistake;
use crate::cli::report::Failure;
use crate::config::{Endpoint, Home};
use crate::control::{AlreadyRunning, Answer, InstanceLock, Request, Running};
use crate::private_file;
use crate::proxy::{ListenError, ServeError, Server, Status};
use crate::secret::LocalPassword;
use crate::settings::Settings;

/// A proxy to be looked at.
pub(super) enum Proxy {
    Running(Running),
    /// Ours, for the while; the lock keeps another from starting meanwhile.
    Own {
        server: Arc<Server>,
        _lock: InstanceLock,
    },
}

impl Proxy {
    /// The proxy of `home`, with what there is to tell of it; `None` if there can't be one.
    pub(super) fn find_or_serve(home: &Home, stopped: Stopped) -> (Vec<Finding>, Option<Self>) {
        match Running::find(home) {
            Ok(running) => {
                let sentence = format!("It is running (process {}).", running.process());
                (vec![Finding::passed(Check::Running, sentence)], Some(Self::Running(running)))
            }
            Err(_) => serve(home, stopped),
        }
    }

    pub(super) async fn status(&self) -> Result<Status, Failure> {
        match self {
            Self::Own { server, .. } => Ok(server.status()),
            Self::Running(running) => match running.ask(Request::Status).await? {
                Answer::Status(status) => Ok(status),
                _ => Err(Mistake::StrangeAnswer.into()),
            },
        }
    }

    /// True if nothing has opened the account; the keychain is given its time after a start.
    pub(super) async fn is_locked(&self, record: &Record) -> Result<bool, Failure> {
        if let Self::Own { server, .. } = self
            && let Ok(Some(inside)) = server.account(record.address().as_str())
        {
            check::keychain_asked(&inside, server.settings().config.keychain).await;
            return Ok(inside.is_locked());
        }
        let address = record.address().as_str();
        let status = self.status().await?;
        let account = status.accounts.iter().find(|account| account.address == address);
        Ok(account.is_some_and(|account| account.state == "locked"))
    }

    /// Lets it look at an account.
    pub(super) async fn examine(
        &self,
        address: &str,
        password: Option<LocalPassword>,
        failed: Vec<Check>,
    ) -> Result<Examined, Failure> {
        match self {
            Self::Own { server, .. } => {
                Ok(check::account(server, address, password, &failed).await)
            }
            Self::Running(running) => {
                let address = address.to_owned();
                match running.ask(Request::Examine { address, password, failed }).await? {
                    Answer::Examined { findings, pass } => {
                        let findings = findings.into_iter().map(as_seen_from_here).collect();
                        Ok(Examined { findings, pass })
                    }
                    _ => Err(Mistake::StrangeAnswer.into()),
                }
            }
        }
    }

    /// Ends what was there for the while only.
    pub(super) async fn leave(self) {
        if let Self::Own { server, .. } = self {
            server.stop().await;
        }
    }
}

/// What a running proxy found, beside what is known here: nothing that failed here was looked at there.
fn as_seen_from_here(found: Finding) -> Finding {
    match (found.check, found.code.as_deref()) {
        (Check::Token, Some("unreachable")) => {
            Finding { account: found.account, ..Ailment::CutOff.found(Check::Token) }
        }
        _ => found,
    }
}

/// Serves for the while, on the ports of the configuration; where one is taken, that is told, and any
/// free ones have to do.
fn serve(home: &Home, stopped: Stopped) -> (Vec<Finding>, Option<Proxy>) {
    let lock = InstanceLock::take(home);
    if let Err(AlreadyRunning::Other { .. }) = lock {
        let file = &home.control_file();
        return (vec![Ailment::Unaskable { file }.found(Check::Running)], None);
    }
    let started = lock.map_err(Failure::from).and_then(|lock| {
        private_file::create_private_dir(&home.accounts()).map_err(|error| {
            Failure::from(Mistake::FolderUnwritable { folder: &home.accounts(), error: &error })
        })?;
        let (found, server) = listen(home)?;
        Ok((found, Proxy::Own { server, _lock: lock }))
    });
    let not_running = match stopped {
        Stopped::IsFine => None,
        Stopped::IsWrong => Some(Ailment::NotRunning.found(Check::Running)),
    };
    match started {
        Ok((ports, proxy)) => (not_running.into_iter().chain([ports]).collect(), Some(proxy)),
        Err(failure) => {
            let Failure { sentence, remedy, .. } = failure;
            (vec![Finding::failed(Check::Running, "can't_start", sentence, remedy)], None)
        }
    }
}

fn listen(home: &Home) -> Result<(Finding, Arc<Server>), Failure> {
    let start = |settings: Settings| {
        let keys = keys::configured(&settings.config)?;
        Ok::<_, Failure>(Server::start(home.clone(), settings, keys))
    };
    let settings = without_page(home)?;
    let listen = settings.config.listen.clone();
    let on: Vec<_> = listen
        .mail()
        .map(|(key, endpoint)| format!("{} at {endpoint}", key.to_uppercase()))
        .collect();
    match start(settings)? {
        Ok(server) => {
            let sentence = format!("Free, for mail programs: {}.", on.join(", "));
            Ok((Finding::passed(Check::Ports, sentence), server))
        }
        Err(ServeError::Listen(error)) => {
            let taken = taken(error);
            let mut settings = without_page(home)?;
            let any = |endpoint: Option<Endpoint>| endpoint.map(|it| Endpoint { port: 0, ..it });
            settings.config.listen.imap = any(listen.imap);
            settings.config.listen.smtp = any(listen.smtp);
            settings.config.listen.imaps = any(listen.imaps);
            settings.config.listen.smtps = any(listen.smtps);
            Ok((taken, start(settings)??))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the configuration says; but nobody serves the status page for the while, so that its port would
/// be open to no end.
fn without_page(home: &Home) -> Result<Settings, Failure> {
    let mut settings = Settings::load(home, None)?;
    settings.config.listen.status = None;
    Ok(settings)
}

fn taken(error: ListenError) -> Finding {
    let code = match &error {
        ListenError::Taken { .. } => "port_taken",
        ListenError::Ours { .. } | ListenError::Other { .. } => "cannot_listen",
    };
    let Failure { sentence, remedy, .. } = ServeError::Listen(error).into();
    Finding::failed(Check::Ports, code, sentence, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_proxy_for_the_while_opens_no_status_page_whether_ports_are_free_or_taken() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap();
        for imap in ["127.0.0.1:0".to_owned(), taken.to_string()] {
            let folder = tempfile::tempdir().unwrap();
            let home = Home::locate(Some(folder.path()), None).unwrap();
            let config = format!(
                "[listen]\nimap = \"{imap}\"\nsmtp = \"127.0.0.1:0\"\nstatus = \"127.0.0.1:0\"\n\
                 [secrets]\nkeychain = \"off\"\n"
            );
            std::fs::write(home.config_file(), config).unwrap();
            private_file::create_private_dir(&home.accounts()).unwrap();
            let (_, server) = listen(&home).unwrap();
            let status = server.status();
            assert!(status.listeners.keys().eq(["imap", "smtp"]), "{:?}", status.listeners);
            assert_eq!(status.warnings, [], "none is missed");
            server.stop().await;
        }
    }
}
