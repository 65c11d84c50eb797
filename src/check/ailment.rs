//! What the looks find wrong, beside what the rooms below know already: one sentence, one remedy, and a
//! word for programs.

use std::path::Path;

use super::{Check, Finding};
use crate::config::Host;
use crate::sentence;

/// What is wrong, or to be known.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ailment<'a> {
    /// The folder: it is another user's.
    FolderNotOurs { folder: &'a Path, why: &'a str },
    /// The folder: it can't be written for another reason.
    FolderUnwritable { folder: &'a Path, why: &'a str },
    /// A file in the folder is another user's.
    FileNotOurs { file: &'a Path },
    /// A file in the folder can be read by others.
    FileOpen { file: &'a Path, mode: u32 },
    /// The disk: nothing fits on it.
    DiskFull { folder: &'a Path, why: &'a str },
    /// The disk: so many bytes are free.
    DiskNearlyFull { folder: &'a Path, free: u64 },
    /// There is no account.
    NobodySignedIn,
    /// No proxy runs for this home.
    NotRunning,
    /// One runs, and what leads to it isn't there.
    Unaskable { file: &'a Path },

    /// A server's name has no address.
    NoName { host: &'a Host, why: &'a str },
    /// A server's port can't be reached. `other`: one of its ports that can, and how it is written.
    NoConnection { host: &'a Host, why: &'a str, other: Option<(&'a str, &'a str)> },
    /// `localhost` has no address.
    NoLocalhost { name: &'a str, why: &'a str },
    /// None of the servers' ports can be reached.
    NoNetwork,
    /// What answers there does not speak TLS.
    NoTls { host: &'a Host, why: &'a str },
    /// A known program stands in between, untrusted.
    Interceptor { host: &'a Host, program: &'a str },
    /// Somebody stands in between.
    Stranger { host: &'a Host, issuer: Option<&'a str> },
    /// A known program stands in between, trusted by the system.
    Watched { host: &'a Host, program: &'a str },
    /// The certificate isn't valid today.
    WrongDate { host: &'a Host },
    /// The certificate is another server's.
    OtherName { host: &'a Host },
    /// TLS says no.
    Tls { host: &'a Host, why: &'a str },
    /// This machine's clock is off; by how much, to which side.
    ClockOff { off: &'a str, side: &'a str },
    /// HTTP gets nowhere by the proxy that the environment names.
    ByProxy { sentence: &'a str, variable: &'a str },

    /// The running proxy can't reach what the check can.
    CutOff,
    /// The running proxy does not know the account.
    NotTakenUp { address: &'a str },
    /// The account's record can't be read.
    Record { why: &'a str },
    /// The local password is another one.
    WrongPassword { address: &'a str },
    /// Nothing opens the account.
    Locked { address: &'a str },
    /// The grant ends soon, whatever is done.
    Testing { address: &'a str, days: u64 },
    /// Every connection that the account may have is in use.
    ConnectionsInUse { limit: usize },

    /// Nobody takes a mail program's connection.
    PortSilent { place: &'a str, why: &'a str },
    /// Another program takes it.
    OtherProgram { place: &'a str },
    /// TLS can't begin there.
    LocalTls { place: &'a str, why: &'a str },
    /// The program's own mail client is refused.
    NotLetIn { words: &'a str },
    /// What else a mail program is told.
    Words { words: &'a str },
    /// There is no way for a message to oneself.
    ServerOff { service: &'a str },
    /// Google's limit of sent messages.
    SendingLimit,
    /// Gmail took no message.
    NotTaken { words: &'a str },
    /// Gmail took a message that did not come.
    NotArrived { subject: &'a str },
}

impl Ailment<'_> {
    /// It, found by this look.
    pub(crate) fn found(self, check: Check) -> Finding {
        match self {
            Self::DiskNearlyFull { .. } | Self::Watched { .. } | Self::Testing { .. } => {
                Finding::noted(check, self.code(), self.sentence(), self.remedy())
            }
            _ => Finding::failed(check, self.code(), self.sentence(), self.remedy()),
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::FolderNotOurs { .. } | Self::FileNotOurs { .. } => "not_ours",
            Self::FolderUnwritable { .. } => "not_writable",
            Self::FileOpen { .. } => "too_open",
            Self::DiskFull { .. } => "disk_full",
            Self::DiskNearlyFull { .. } => "little_space",
            Self::NobodySignedIn => "no_account",
            Self::NotRunning => "not_running",
            Self::Unaskable { .. } => "no_answer",
            Self::NoName { .. } => "dns",
            Self::NoConnection { .. } | Self::NoNetwork | Self::ByProxy { .. } | Self::CutOff => {
                "unreachable"
            }
            Self::NoLocalhost { .. } => "no_localhost",
            Self::NoTls { .. } => "no_tls",
            Self::Interceptor { .. } | Self::Stranger { .. } => "tls_intercepted",
            Self::Watched { .. } => "tls_watched",
            Self::WrongDate { .. } => "tls_date",
            Self::OtherName { .. } => "tls_name",
            Self::Tls { .. } => "tls",
            Self::ClockOff { .. } => "clock_off",
            Self::NotTakenUp { .. } => "not_taken_up",
            Self::Record { .. } => "record",
            Self::WrongPassword { .. } => "wrong_password",
            Self::Locked { .. } => "locked",
            Self::Testing { .. } => "testing",
            Self::ConnectionsInUse { .. } => "connections_in_use",
            Self::PortSilent { .. } => "no_connection",
            Self::OtherProgram { .. } => "other_program",
            Self::LocalTls { .. } => "local_tls",
            Self::NotLetIn { .. } => "not_let_in",
            Self::Words { .. } => "words",
            Self::ServerOff { .. } => "server_off",
            Self::SendingLimit => "sending_limit",
            Self::NotTaken { .. } => "not_taken",
            Self::NotArrived { .. } => "not_arrived",
        }
    }

    fn sentence(self) -> String {
        match self {
            Self::FolderNotOurs { folder, why } => {
                format!("{} is not yours to write to ({why}).", folder.display())
            }
            Self::FolderUnwritable { folder, why } => {
                format!("{} can't be written to ({why}).", folder.display())
            }
            Self::FileNotOurs { file } => {
                format!("{} belongs to another user of this computer.", file.display())
            }
            Self::FileOpen { file, mode } => {
                format!("{} can be read by other users (mode {mode:04o}).", file.display())
            }
            Self::DiskFull { folder, why } => {
                format!("The disk with {} is full ({why}).", folder.display())
            }
            Self::DiskNearlyFull { folder, free } => {
                let free = free / 1_000_000;
                format!("Only {free} MB are free on the disk with {}.", folder.display())
            }
            Self::NobodySignedIn => "Nobody has signed in yet.".into(),
            Self::NotRunning => {
                "Gatepost is not running; this check serves for itself meanwhile.".into()
            }
            Self::Unaskable { file } => format!(
                "Gatepost is running, and can't be asked how it is, since there is no {}.",
                file.display()
            ),
            Self::NoName { host, why } => {
                format!("The name {} can't be looked up ({why}).", host.name)
            }
            Self::NoConnection { host, why, .. } => {
                format!("Port {} of {} can't be reached ({why}).", host.port, host.name)
            }
            Self::NoLocalhost { name, why } => format!(
                "The name {name} can't be looked up, so that no mail program finds Gatepost ({why})."
            ),
            Self::NoNetwork => "None of Google's servers can be reached.".into(),
            Self::NoTls { host, why } => {
                format!("What answers at {host} does not speak TLS ({why}).")
            }
            Self::Interceptor { host, program } => format!(
                "{program} stands between this computer and {host}, and Gatepost does not trust its certificate."
            ),
            Self::Stranger { host, issuer: Some(issuer) } => format!(
                "Somebody stands between this computer and {host}: the certificate there is signed by “{issuer}”, whom this computer does not trust."
            ),
            Self::Stranger { host, issuer: None } => format!(
                "Somebody stands between this computer and {host}: this computer does not trust the certificate there."
            ),
            Self::Watched { host, program } => format!(
                "{program} opens the encrypted connection to {host} on its way, and can read your mail."
            ),
            Self::WrongDate { host } => format!(
                "The certificate of {host} is not valid on the day that this computer's clock shows."
            ),
            Self::OtherName { host } => {
                format!("What answers at {host} has the certificate of another server.")
            }
            Self::Tls { host, why } => format!("{host} did not prove who it is ({why})."),
            Self::ClockOff { off, side } => {
                format!("This computer's clock is {off} {side} the sign-in server's.")
            }
            Self::ByProxy { sentence, .. } => sentence.to_owned(),
            Self::CutOff => {
                "The running Gatepost can't reach Google's sign-in server, though this check can."
                    .into()
            }
            Self::NotTakenUp { address } => {
                format!("The running Gatepost does not know {address}.")
            }
            Self::Record { why } => sentence::of(why),
            Self::WrongPassword { address } => {
                format!("This is not the local password of {address}.")
            }
            Self::Locked { address } => {
                format!("{address} is locked until its first mail program signs on.")
            }
            Self::Testing { days: 0 | 1, .. } => {
                "You must sign in again within a day, because your Google client is in “Testing”."
                    .into()
            }
            Self::Testing { days, .. } => format!(
                "You must sign in again in {days} days, because your Google client is in “Testing”."
            ),
            Self::ConnectionsInUse { limit: 1 } => {
                "A mail program uses the only connection of this account.".into()
            }
            Self::ConnectionsInUse { limit } => {
                format!("Mail programs use all {limit} connections of this account.")
            }
            Self::PortSilent { place, why } => {
                format!("Nothing answers at {place} ({why}).")
            }
            Self::OtherProgram { place } => format!("What answers at {place} is not Gatepost."),
            Self::LocalTls { place, why } => format!(
                "A mail program that trusts whom this system trusts can't begin TLS at {place} ({why})."
            ),
            Self::NotLetIn { words } | Self::Words { words } => sentence::of(words),
            Self::ServerOff { service } => format!(
                "A message to yourself needs IMAP and SMTP, and the configuration switches {service} off."
            ),
            Self::SendingLimit => {
                "Google's daily limit of sent messages is used up for this account.".into()
            }
            Self::NotTaken { words } => {
                format!("The message was not taken: {}.", words.trim().trim_end_matches('.'))
            }
            Self::NotArrived { subject } => format!(
                "Gmail took the message “{subject}”, and it was not in the inbox within a minute."
            ),
        }
    }

    fn remedy(self) -> String {
        match self {
            Self::FolderNotOurs { .. } => {
                "Run Gatepost as the user whose folder it is, or name another with --home.".into()
            }
            Self::FolderUnwritable { .. } => {
                "Make the folder writable, or name another with --home.".into()
            }
            Self::FileNotOurs { .. } => "Run Gatepost as the user whose files they are.".into(),
            Self::FileOpen { file, .. } => format!("Run `chmod 600 {}`.", file.display()),
            Self::DiskFull { .. } => {
                "Make room on the disk: without it a renewed sign-in can't be kept.".into()
            }
            Self::DiskNearlyFull { .. } => "Make room on the disk before it is full.".into(),
            Self::NobodySignedIn => {
                "Run `gatepost setup`, which leads you, or `gatepost login you@gmail.com`.".into()
            }
            Self::NotRunning => "Start it with `gatepost run`.".into(),
            Self::Unaskable { .. } => {
                "End its process, and start it anew with `gatepost run`.".into()
            }
            Self::NoName { .. } => {
                "Check that this computer is on the network, and the DNS server in its network settings.".into()
            }
            Self::NoConnection { other: Some((written, provider)), .. } => format!(
                "Put `smtp = \"{written}\"` under [provider.{provider}] into the configuration: that port answers."
            ),
            Self::NoConnection { host, other: None, .. } => format!(
                "Allow connections to port {} in the firewall and the antivirus program.",
                host.port
            ),
            Self::NoLocalhost { name, .. } => {
                format!("Put the line `127.0.0.1 {name}` into this computer's hosts file.")
            }
            Self::NoNetwork => {
                "Check that this computer is on the network, and that its firewall lets Gatepost out."
                    .into()
            }
            Self::NoTls { .. } | Self::OtherName { .. } => {
                "Open any page in the browser: a sign-in page of the network (a hotel's, a train's) may stand in the way.".into()
            }
            Self::Interceptor { program, .. } => format!(
                "Switch off the scanning of encrypted connections in {program}, or name its root certificate in `ca_file` in the configuration."
            ),
            Self::Stranger { issuer: Some(issuer), .. } => format!(
                "If you know “{issuer}” (an antivirus program, your company), name its root certificate in `ca_file` in the configuration; else use another network, or sign in to this one in the browser."
            ),
            Self::Stranger { issuer: None, .. } | Self::Tls { .. } => {
                "Name the certificate of your antivirus or your company's proxy in `ca_file` in the configuration; if you have neither, use another network.".into()
            }
            Self::Watched { program, .. } => format!(
                "If you don't want that, switch off the scanning of encrypted connections in {program}."
            ),
            Self::WrongDate { .. } => {
                "Set the clock; if it is right, use another network.".into()
            }
            Self::ClockOff { .. } => "Let the system set the clock over the internet.".into(),
            Self::ByProxy { variable, .. } => {
                format!("Check the proxy that {variable} names in the environment.")
            }
            Self::CutOff => {
                "Stop it, and start it with HTTPS_PROXY in its environment as it is here.".into()
            }
            Self::NotTakenUp { .. } => {
                "Let it read the accounts again with `gatepost reload`.".into()
            }
            Self::Record { .. } => {
                "Put back a copy from a backup; without one, move the file away and sign in again.".into()
            }
            Self::WrongPassword { address } => format!(
                "Type the one that `gatepost login` showed; if it is lost, run `gatepost login {address} --new-password`."
            ),
            Self::Locked { .. } => {
                "Run `gatepost check` on a terminal, where it asks for the local password.".into()
            }
            Self::Testing { address, .. } => format!(
                "Publish the client (Google Auth Platform › Audience › Publish app), then run `gatepost login {address}`."
            ),
            Self::ConnectionsInUse { .. } => "Close a mail program of this account.".into(),
            // The running one serves what it read when it started, or since.
            Self::PortSilent { .. } => {
                "Let Gatepost read the configuration again with `gatepost reload`.".into()
            }
            Self::OtherProgram { .. } => {
                "Set another port under [listen] in the configuration, and in the mail program.".into()
            }
            Self::LocalTls { .. } => "Run `gatepost certificate trust`; if the certificate is your own, let this system trust its issuer.".into(),
            Self::NotLetIn { .. } => {
                "End the running Gatepost with `gatepost stop`, and start it anew.".into()
            }
            Self::Words { .. } => {
                "Look at gatepost.log in the folder `logs` beside the accounts.".into()
            }
            Self::ServerOff { .. } => "Leave --send out.".into(),
            Self::SendingLimit => "Wait, for a day at most.".into(),
            Self::NotTaken { .. } => {
                "Do what the server says; `gatepost run --log-wire` with your address writes down the whole exchange, without its secrets.".into()
            }
            Self::NotArrived { .. } => {
                "Look for it under “All Mail” and “Spam” in the browser: a filter may have moved it.".into()
            }
        }
    }
}
