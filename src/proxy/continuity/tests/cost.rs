//! What a change of connections costs on a mailbox of 100,000 messages.

use std::time::Duration;

use tokio::time::Instant;

use super::cases::words;
use super::mailbox::Mailbox;
use super::model::{Kind, Server, Trace};
use super::session::runs;
use super::{Session, Terms, mailboxes, on_paused_clock};

const MESSAGES: u32 = 100_000;
/// From the proxy to the server.
const WAY: Duration = Duration::from_millis(50);

#[test]
fn what_a_change_costs() {
    on_paused_clock(async {
        for (what, holes) in [("without holes", false), ("with every third missing", true)] {
            for esearch in [true, false] {
                bytes(what, holes, esearch).await?;
            }
        }
        println!(
            "a command's answer comes after so many round trips at the worst moment; 1 is its own:"
        );
        for flags in [false, true] {
            for planned in [true, false] {
                for command in ["DONE", "NOOP"] {
                    round_trips(flags, planned, command).await?;
                }
            }
        }
        Ok(())
    })
    .unwrap();
}

fn server(messages: u32, holes: bool, esearch: bool) -> std::sync::Arc<Server> {
    let mut inbox = Mailbox::new(messages);
    if holes {
        inbox.messages.retain(|message| message.uid % 3 != 0);
    }
    let kind = Kind { esearch, ..Kind::default() };
    Server::new(kind, mailboxes(inbox), Trace::default())
}

/// In IDLE, one gone and one come.
async fn bytes(what: &str, holes: bool, esearch: bool) -> Result<(), String> {
    let messages = if holes { MESSAGES / 2 * 3 } else { MESSAGES };
    let server = server(messages, holes, esearch);
    let mut session = Session::begin(server, |_| Terms::default()).await;
    session.step("> SELECT INBOX").await?;
    let first = session.provider.gauge();
    let count = || {
        let gauge = first.lock().unwrap();
        (gauge.lines, gauge.written, gauge.read)
    };
    let before = count();
    session.step("> IDLE").await?;
    let after = count();
    let runs = runs(&session.server.mailbox("INBOX").unwrap().uids()).split(',').count();
    let search = if esearch { "ESEARCH" } else { "plain SEARCH" };
    println!(
        "{MESSAGES} messages {what}, {search}: learning the list: {} lines, {} bytes sent, {} received; \
         kept as {runs} runs",
        after.0 - before.0,
        after.1 - before.1,
        after.2 - before.2,
    );
    session.step("part").await?;
    session.step("wait 1").await?;
    let second = session.provider.gauge();
    let (lines, written, read) = {
        let gauge = second.lock().unwrap();
        (gauge.lines, gauge.written, gauge.read)
    };
    println!(
        "  a change: {lines} lines, {written} bytes sent, {read} received on the new connection"
    );
    session.provider.open.send_replace(false);
    session.step("cut").await?;
    session.happens("gone", "500");
    session.step("back").await?;
    session.step("wait 1").await?;
    let outcome = session.end().await?;
    println!("  then a loss, with one gone: {}", words(&outcome));
    Ok(())
}

/// The client's command comes at each moment of a change; with `flags`, some have changed in a mailbox
/// of 1200.
async fn round_trips(flags: bool, planned: bool, command: &str) -> Result<(), String> {
    let mut worst = (0.0, 0);
    for at in (0..700).step_by(if flags { 70 } else { 10 }) {
        let server = server(if flags { 1200 } else { 100 }, false, true);
        let terms = |_| Terms { way: WAY, ..Terms::default() };
        let mut session = Session::begin(server, terms).await;
        session.step("open").await?;
        if command == "DONE" {
            session.step("> IDLE").await?;
        }
        if planned {
            session.step("part").await?;
        } else {
            session.step("cut").await?;
        }
        if flags {
            session.happens("flag", "7");
        }
        session.step("back").await?;
        session.client.listen(Duration::from_millis(at)).await?;
        let began = Instant::now();
        session.client.say(command).await?;
        session.client.settle().await?;
        let round_trips = began.elapsed().as_secs_f64() / (2.0 * WAY.as_secs_f64());
        if round_trips > worst.0 {
            worst = (round_trips, at);
        }
        session.end().await?;
    }
    let way = if planned { "planned" } else { "after a loss" };
    let place = if command == "DONE" { "in IDLE" } else { "between commands" };
    let flags = if flags { ", flags of 1200 messages changed" } else { "" };
    println!("  {way}, {command} {place}{flags}: {:.1} ({} ms after it began)", worst.0, worst.1);
    Ok(())
}
