//! The commands, one file each, and what they say when something is wrong.

mod background;
mod certificate;
mod check;
mod completions;
mod demo;
mod help;
mod keys;
mod log;
mod login;
mod logout;
mod manual;
mod mistake;
mod page;
mod password;
mod port_owner;
mod report;
mod run;
mod running;
mod service;
mod settings;
mod setup;
mod signing_in;
mod terminal;
#[cfg(test)]
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::accounts::{Address, Record, Store};
use crate::config::Home;
use crate::private_memory;
use mistake::Mistake;
use report::Failure;

/// A local mail proxy: mail programs sign on to it with a password, it signs on to Gmail with
/// OAuth 2.0 in their place.
#[derive(Parser)]
#[command(name = "gatepost", version, after_help = EXAMPLES, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  gatepost setup                                           be led through everything
  gatepost demo                                            see it work, without a Google account
  gatepost login you@gmail.com --client ~/Downloads/client_secret_….json   the first time
  gatepost run                                             serve your mail program";

/// What `--help` has above the options that every command takes.
const EVERYWHERE: &str = "With every command";

/// Where things lie.
#[derive(Args)]
struct Place {
    /// One folder with everything: configuration, accounts, client
    #[arg(long, value_name = "DIR", env = "GATEPOST_HOME", global = true, help_heading = EVERYWHERE)]
    home: Option<PathBuf>,
    /// Another configuration file
    #[arg(long, value_name = "FILE", env = "GATEPOST_CONFIG", global = true, help_heading = EVERYWHERE)]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    Setup(setup::Setup),
    /// Sign in to Google, once
    Login(login::Login),
    Run(run::Run),
    Service(service::Service),
    /// Renew the local password of an account
    Password(password::Password),
    Check(check::Check),
    Settings(settings::Settings),
    Certificate(certificate::Certificate),
    /// Show how the running Gatepost and its accounts are
    Status(running::Status),
    /// Let the running Gatepost read its configuration and its accounts again
    #[command(after_help = "\
Examples:
  gatepost reload   after a change in config.toml")]
    Reload,
    /// Let the running Gatepost finish what is under way, and end
    #[command(after_help = "\
Examples:
  gatepost stop   mail programs are told, and connect again once it runs again")]
    Stop,
    /// End the grant at Google and forget the account
    Logout(logout::Logout),
    /// See the whole thing work with a stand-in for Google
    Demo(demo::Demo),
    Completions(completions::Completions),
    Manual(manual::Manual),
}

/// Runs the command that was typed.
pub fn main() -> ExitCode {
    private_memory::keep();
    let cli = Cli::parse();
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => failure.tell(),
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Place { home, config } = cli.place;
    let home = || Home::locate(home.as_deref(), config.as_deref()).map_err(Mistake::NoHome);
    match cli.command {
        Command::Setup(setup) => setup.run(home()?),
        Command::Login(login) => login.run(&home()?),
        Command::Run(run) => run.run(home()?),
        Command::Service(service) => service.run(home()?),
        Command::Password(password) => password.run(&home()?),
        Command::Check(check) => check.run(&home()?),
        Command::Settings(settings) => settings.run(&home()?),
        Command::Certificate(certificate) => certificate.run(&home()?),
        Command::Status(status) => status.run(&home()?),
        Command::Reload => running::reload(&home()?),
        Command::Stop => running::stop(&home()?),
        Command::Logout(logout) => logout.run(&home()?),
        Command::Demo(demo) => demo.run(),
        Command::Completions(completions) => completions.run(),
        Command::Manual(manual) => manual.run(),
    }
}

/// The record of the account that was typed.
fn record_of(store: &Store, typed: &str) -> Result<Record, Failure> {
    let known = Address::parse(typed).map(|address| store.load(&address)).unwrap_or(Ok(None))?;
    Ok(known.ok_or(Mistake::NoAccount { typed })?)
}

/// Runs a command's work to its end.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::from(Mistake::CantStart(&error)))?;
    let outcome = runtime.block_on(work);
    // A thread that waits for a line of stdin would hold the process.
    runtime.shutdown_background();
    outcome
}
