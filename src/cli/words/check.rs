//! What `gatepost check` finds wrong by itself.

use std::path::Path;

use super::{Chapter, YOU, every};
use crate::check::{Ailment, Check, Outcome};
use crate::config::{Host, Security};

pub(super) fn chapter() -> String {
    let host = Host { name: "smtp.gmail.com".to_owned(), port: 465, security: Security::Tls };
    let mut chapter = Chapter::default();
    for (heading, outcome) in
        [("What is wrong", Outcome::Failed), ("What is to be known", Outcome::Noted)]
    {
        chapter.heading(heading);
        for ailment in ailments(&host) {
            let found = ailment.found(Check::Reading);
            if found.outcome == outcome {
                let code = found.code.unwrap_or_default();
                chapter.told(&found.sentence, &found.remedy.unwrap_or_default(), &code);
            }
        }
    }
    chapter.heading("What is looked at");
    for check in checks() {
        chapter.line(check.label());
    }
    chapter.0
}

fn ailments(host: &Host) -> Vec<Ailment<'_>> {
    let (folder, file) = (Path::new("gatepost"), Path::new("accounts/you@gmail.com.json"));
    let (why, place) = ("permission denied", "localhost:10143");
    let mut all = every![Ailment<'_>:
        Ailment::FolderNotOurs { .. } => Ailment::FolderNotOurs { folder, why },
        Ailment::FolderUnwritable { .. } =>
            Ailment::FolderUnwritable { folder, why: "read-only file system" },
        Ailment::FileNotOurs { .. } => Ailment::FileNotOurs { file },
        Ailment::FileOpen { .. } => Ailment::FileOpen { file, mode: 0o644 },
        Ailment::DiskFull { .. } =>
            Ailment::DiskFull { folder, why: "no space left on device" },
        Ailment::DiskNearlyFull { .. } => Ailment::DiskNearlyFull { folder, free: 7_000_000 },
        Ailment::NobodySignedIn => Ailment::NobodySignedIn,
        Ailment::NotRunning => Ailment::NotRunning,
        Ailment::Unaskable { .. } => Ailment::Unaskable { file: Path::new("control.json") },
        Ailment::NoName { .. } => Ailment::NoName { host, why: "name or service not known" },
        Ailment::NoConnection { .. } =>
            Ailment::NoConnection { host, why: "connection refused", other: None },
        Ailment::NoLocalhost { .. } =>
            Ailment::NoLocalhost { name: "localhost", why: "name or service not known" },
        Ailment::NoNetwork => Ailment::NoNetwork,
        Ailment::NoTls { .. } => Ailment::NoTls { host, why: "received corrupt message" },
        Ailment::Interceptor { .. } => Ailment::Interceptor { host, program: "Avast" },
        Ailment::Stranger { .. } => Ailment::Stranger { host, issuer: Some("Example Corp") },
        Ailment::Watched { .. } => Ailment::Watched { host, program: "Avast" },
        Ailment::WrongDate { .. } => Ailment::WrongDate { host },
        Ailment::OtherName { .. } => Ailment::OtherName { host },
        Ailment::Tls { .. } => Ailment::Tls { host, why: "no ciphersuites in common" },
        Ailment::ClockOff { .. } => Ailment::ClockOff { off: "2 hours", side: "behind" },
        Ailment::ByProxy { .. } => Ailment::ByProxy {
            variable: "HTTPS_PROXY",
            sentence: "Google's sign-in server can't be reached (proxy authentication required).",
        },
        Ailment::CutOff => Ailment::CutOff,
        Ailment::NotTakenUp { .. } => Ailment::NotTakenUp { address: YOU },
        Ailment::Record { .. } =>
            Ailment::Record { why: "accounts/you@gmail.com.json is damaged" },
        Ailment::WrongPassword { .. } => Ailment::WrongPassword { address: YOU },
        Ailment::Locked { .. } => Ailment::Locked { address: YOU },
        Ailment::Testing { .. } => Ailment::Testing { address: YOU, days: 3 },
        Ailment::ConnectionsInUse { .. } => Ailment::ConnectionsInUse { limit: 12 },
        Ailment::PortSilent { .. } => Ailment::PortSilent { place, why: "connection refused" },
        Ailment::OtherProgram { .. } => Ailment::OtherProgram { place },
        Ailment::LocalTls { .. } =>
            Ailment::LocalTls { place, why: "invalid peer certificate: UnknownIssuer" },
        Ailment::NotLetIn { .. } =>
            Ailment::NotLetIn { words: "Wrong user name or local password" },
        Ailment::Words { .. } => Ailment::Words { words: "Gatepost is stopping" },
        Ailment::ServerOff { .. } => Ailment::ServerOff { service: "SMTP" },
        Ailment::SendingLimit => Ailment::SendingLimit,
        Ailment::NotTaken { .. } =>
            Ailment::NotTaken { words: "552 5.2.3 Your message exceeded the size limits." },
        Ailment::NotArrived { .. } => Ailment::NotArrived { subject: "Gatepost check abc" },
    ];
    let other = Some(("starttls://smtp.gmail.com:587", "gmail"));
    all.extend([
        Ailment::NoConnection { host, why: "no answer in time", other },
        Ailment::Stranger { host, issuer: None },
        Ailment::ConnectionsInUse { limit: 1 },
        Ailment::Testing { address: YOU, days: 1 },
    ]);
    all
}

fn checks() -> Vec<Check> {
    every![Check:
        Check::Configuration => Check::Configuration,
        Check::Home => Check::Home,
        Check::Disk => Check::Disk,
        Check::Client => Check::Client,
        Check::Accounts => Check::Accounts,
        Check::Running => Check::Running,
        Check::Ports => Check::Ports,
        Check::SignInServer => Check::SignInServer,
        Check::Clock => Check::Clock,
        Check::ImapServer => Check::ImapServer,
        Check::SmtpServer => Check::SmtpServer,
        Check::Unlocked => Check::Unlocked,
        Check::Token => Check::Token,
        Check::Identity => Check::Identity,
        Check::ImapSignOn => Check::ImapSignOn,
        Check::SmtpSignOn => Check::SmtpSignOn,
        Check::Reading => Check::Reading,
        Check::Sending => Check::Sending,
        Check::RoundTrip => Check::RoundTrip,
    ]
}
