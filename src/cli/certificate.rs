//! `gatepost certificate`: the certificate that mail programs are shown.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, ValueEnum};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;

use super::mistake::Mistake;
use super::report::{Failure, put, say};
use super::terminal::{Look, Mark};
use super::{log, running, settings};
use crate::certificate::{CertificateFolder, LocalCertificate, TrustStore};
use crate::config::{Config, Home};
use crate::control::Running;
use crate::sentence;
use crate::settings::SettingsError;

/// What follows once it is trusted.
pub(super) const TRUSTED: &str = "The certificate is trusted: mail programs may use STARTTLS, or the ports of `imaps` and `smtps` once the configuration has them. Start those that are open anew.";

/// What follows once it was made anew.
pub(super) const RENEWED: &str =
    "The certificate was made anew; run `gatepost certificate trust`, so that it is trusted.";

/// The certificate for TLS between mail programs and Gatepost
#[derive(Args)]
#[command(after_help = "\
Gatepost makes it on this machine for this machine's own names, and for those under
[certificate] in the configuration. Who trusts it trusts nothing else by it: nothing
more can be signed in its name.

Examples:
  gatepost certificate                        what it is for, and who trusts it
  gatepost certificate trust                  let the mail programs of this machine trust it
  gatepost certificate export --out ca.pem    for a phone or a scanner that asks for an authority
  gatepost certificate renew                  after a change of its names")]
pub(super) struct Certificate {
    /// What to do
    #[arg(value_enum, default_value_t = What::Show)]
    what: What,
    /// `export`: into this file, which must not be there yet
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// `show`: one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// What it is for, and who trusts it
    Show,
    /// Write its authority's certificate, which a mail program is to trust
    Export,
    /// Let the mail programs of this person trust it
    Trust,
    /// Make it anew, for the names that the configuration has now
    Renew,
}

impl Certificate {
    pub(super) fn run(self, home: &Home) -> Result<ExitCode, Failure> {
        log::start(LevelFilter::ERROR)?;
        if self.out.is_some() && self.what != What::Export {
            return Err(Mistake::OnlyFor { flag: "--out", command: "certificate export" }.into());
        }
        if self.json && self.what != What::Show {
            return Err(Mistake::OnlyFor { flag: "--json", command: "certificate show" }.into());
        }
        let config = Config::of(home).map_err(SettingsError::from)?;
        let folder = CertificateFolder::new(home.certificates());
        if let (Some(own), true) = (&config.certificate.own, self.what != What::Show) {
            return Err(Mistake::CertificateIsYours { file: &own.file }.into());
        }
        if self.what != What::Show && is_by_sudo() {
            return Err(Mistake::BySudo.into());
        }
        let names = &config.certificate.names;
        match self.what {
            What::Show => show(&folder, &config, self.json)?,
            What::Export => {
                export(&folder.load_or_make(names)?, self.out.as_deref())?;
            }
            What::Trust => trust(home, &folder, &folder.load_or_make(names)?)?,
            What::Renew => renew(home, &folder, names)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn export(certificate: &LocalCertificate, out: Option<&Path>) -> Result<(), Failure> {
    match out {
        Some(path) => {
            settings::create(path, certificate.authority_pem().as_bytes())?;
            say(&format!("{} is written.", path.display()));
        }
        None => put(certificate.authority_pem().trim_end()),
    }
    Ok(())
}

fn show(folder: &CertificateFolder, config: &Config, as_json: bool) -> Result<(), Failure> {
    let row = |what: &str, value: &str| put(&format!("{what:<14}{value}"));
    if let Some(own) = &config.certificate.own {
        if as_json {
            put(&json!({"own": own.file, "key": own.key}).to_string());
        } else {
            row("Your own", &own.file.display().to_string());
            row("Its key", &own.key.display().to_string());
        }
        return Ok(());
    }
    let Some(certificate) = folder.load()? else {
        return Err(Mistake::NoCertificate.into());
    };
    let now = SystemTime::now();
    let is_trusted = folder.is_trusted(&certificate);
    let stores: Vec<_> =
        TrustStore::all().into_iter().map(|store| (store.has(&certificate), store)).collect();
    if as_json {
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let stores = stores.iter().map(|(has, it)| json!({"store": it.name(), "trusted": has}));
        let stores: Vec<_> = stores.collect();
        let shown = json!({
            "own": null,
            "names": certificate.names(),
            "authority": certificate.authority_name(),
            "sha256": certificate.fingerprint(),
            "expires_at": seconds(certificate.until(now)),
            "last_expires_at": seconds(certificate.ends()),
            "trusted": is_trusted,
            "stores": stores,
        });
        put(&shown.to_string());
        return Ok(());
    }
    row("For", &certificate.names().join(", "));
    row("Authority", &certificate.authority_name());
    row("SHA-256", &certificate.fingerprint());
    row(
        "Ends",
        &format!(
            "{}; the next follows by itself until {}",
            day(certificate.until(now)),
            day(certificate.ends())
        ),
    );
    row(
        "STARTTLS",
        match (is_trusted, stores.iter().all(|(has, _)| *has)) {
            (true, true) => "offered",
            (true, false) => {
                "offered, but not trusted everywhere: run `gatepost certificate trust`"
            }
            (false, _) => "not offered before `gatepost certificate trust`",
        },
    );
    let look = Look::of_stdout();
    for (has, store) in &stores {
        let mark = look.mark(if *has { Mark::Good } else { Mark::LeftOut });
        let words = if *has { "trusted by" } else { "not trusted by" };
        put(&format!("{mark} {words} {}", store.name()));
    }
    Ok(())
}

/// As in an HTTP date, without the time of day.
fn day(at: SystemTime) -> String {
    httpdate::fmt_http_date(at).get(5..16).unwrap_or_default().to_owned()
}

fn trust(
    home: &Home,
    folder: &CertificateFolder,
    certificate: &LocalCertificate,
) -> Result<(), Failure> {
    let look = Look::of_stderr();
    let file = folder.authority_file(certificate)?;
    let mut is_everywhere = true;
    for store in TrustStore::all() {
        if let (Some(question), false) = (store.question(), store.has(certificate)) {
            say(question);
        }
        match store.add(certificate, &file) {
            Ok(()) => say(&format!("{} trusted by {}", look.mark(Mark::Good), store.name())),
            Err(error) => {
                is_everywhere = false;
                let (name, reason) = (store.name(), sentence::plain(&error.reason));
                say(&format!("{} not trusted by {name} ({reason})", look.mark(Mark::Bad)));
                say(&format!("  {} {}", look.arrow(), error.remedy));
            }
        }
    }
    if !is_everywhere {
        return Err(Mistake::NotTrusted.into());
    }
    folder.set_trusted(certificate)?;
    take_up(home)?;
    say(TRUSTED);
    Ok(())
}

fn renew(home: &Home, folder: &CertificateFolder, names: &[String]) -> Result<(), Failure> {
    // One that can't be read any more can't be taken out of anything either.
    let old = folder.load().ok().flatten();
    folder.make(names)?;
    if let Some(old) = old {
        for store in TrustStore::all() {
            if let Err(error) = store.remove(&old) {
                let (name, reason) = (store.name(), sentence::plain(&error.reason));
                say(&format!("The old one stays with {name} ({reason})."));
                say(&format!("  {} {}", Look::of_stderr().arrow(), error.remedy));
            }
        }
    }
    take_up(home)?;
    say(RENEWED);
    Ok(())
}

/// A proxy that runs uses it from now on.
fn take_up(home: &Home) -> Result<(), Failure> {
    Running::find(home).map_or(Ok(()), |running| running::read_again(&running))
}

/// By `sudo` it would be root's certificate that is made and trusted, or files of this person's that only
/// root can read.
fn is_by_sudo() -> bool {
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|it| it == value);
    let is_sudo = std::env::var_os("SUDO_UID").is_some() && !is("SUDO_UID", "0");
    cfg!(unix) && is_sudo && is("USER", "root")
}
