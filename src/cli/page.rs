//! `gatepost status --open`: the status page in the browser.

use std::process::ExitCode;

use super::block_on;
use super::mistake::Mistake;
use super::report::{Failure, say};
use crate::config::Home;
use crate::control::{Answer, Request, Running};
use crate::status::Link;

/// Said whether or not a browser could be started: nobody knows if it shows itself.
pub(super) const OPENED: &str = "Your browser opens Gatepost's page. If it does not, open this address in it, within two minutes; it serves once:";

pub(super) fn open(home: &Home) -> Result<ExitCode, Failure> {
    let running = Running::find(home)?;
    let link = match block_on(async { Ok(running.ask(Request::Page).await?) })? {
        Answer::Page { page, token } => Link { page, token }.expose(),
        Answer::NoPage(why) => return Err(why.into()),
        _ => return Err(Mistake::StrangeAnswer.into()),
    };
    // A machine without a browser has the address.
    let _ = open::that_detached(link.as_str());
    say(&format!("{OPENED}\n\n  {link}\n"));
    Ok(ExitCode::SUCCESS)
}
