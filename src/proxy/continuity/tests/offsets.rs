//! A session whose first connection is cut at every byte, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::client::Over;
use super::mailbox::{Flags, Mailbox};
use super::model::{Kind, Server, Trace};
use super::wire::{How, Plan};
use super::{Outcome, Session, Terms, mailboxes, on_paused_clock};

#[test]
fn a_connection_may_be_cut_at_any_byte() {
    for kind in [Kind::default(), Kind { esearch: false, modseq: false, ..Kind::default() }] {
        for how in [How::Closed, How::Reset] {
            if how == How::Reset && !kind.esearch {
                continue;
            }
            let (from_server, to_server) = lengths(kind);
            let by =
                |from_server, to_server| Plan { from_server, to_server, how, ..Plan::default() };
            let never = usize::MAX;
            cut_each("server→client", kind, (0..from_server).map(|at| by(at, never)));
            cut_each("client→server", kind, (0..to_server).map(|at| by(never, at)));
        }
    }
}

fn cut_each(direction: &str, kind: Kind, plans: impl Iterator<Item = Plan>) {
    let mut came = BTreeMap::<String, u32>::new();
    let (mut all, mut how) = (0, How::Closed);
    for plan in plans {
        let trace = Trace::default();
        let outcome = on_paused_clock(recorded(kind, plan, trace.clone()));
        let outcome = outcome.unwrap_or_else(|why| panic!("{}\n{plan:?}: {why}", trace.show()));
        assert!(outcome.breaks == 1, "{plan:?} was not reached: {outcome:?}\n{}", trace.show());
        *came.entry(words(&outcome)).or_default() += 1;
        (all, how) = (all + 1, plan.how);
    }
    let esearch = if kind.esearch { "ESEARCH, CONDSTORE" } else { "plain" };
    println!("{direction}, {how:?}, {esearch}: {all} offsets: {came:?}");
}

fn words(outcome: &Outcome) -> String {
    match (&outcome.over, outcome.count.ended.keys().next()) {
        (Over::LoggedOut, _) => "went on".into(),
        (Over::Bye(_), Some(reason)) => format!("BYE ({reason})"),
        (Over::Cut, Some(reason)) => format!("closed mid-response ({reason})"),
        (over, None) => format!("{over:?}"),
    }
}

/// How many bytes pass in the recorded session, and end it well if nothing is cut.
fn lengths(kind: Kind) -> (usize, usize) {
    let lengths = async {
        let mut session = begin(kind, Plan::default(), Trace::default()).await;
        play(&mut session).await?;
        let gauge = session.provider.gauge();
        let lengths = {
            let gauge = gauge.lock().unwrap();
            (gauge.read, gauge.written)
        };
        let outcome = session.end().await?;
        assert_eq!((outcome.breaks, outcome.count.resumptions), (0, 0));
        Ok(lengths)
    };
    on_paused_clock(lengths).unwrap()
}

async fn recorded(kind: Kind, plan: Plan, trace: Trace) -> Result<Outcome, String> {
    let mut session = begin(kind, plan, trace).await;
    play(&mut session).await?;
    session.end().await
}

async fn begin(kind: Kind, plan: Plan, trace: Trace) -> Session {
    let server = Server::new(kind, mailboxes(Mailbox::new(4)), trace);
    let terms = move |number| match number {
        0 => Terms { plan, ..Terms::default() },
        _ => Terms::default(),
    };
    Session::begin(server, terms).await
}

async fn play(session: &mut Session) -> Result<(), String> {
    let server = Arc::clone(&session.server);
    let client = &mut session.client;
    let come = || server.change(|all| all.get_mut("INBOX").unwrap().arrive(Flags::default()));
    let gone = |number| server.change(|all| all.get_mut("INBOX").unwrap().expunge(number));
    let second = Duration::from_secs(1);
    for command in ["SELECT INBOX", "UID FETCH 1:* (FLAGS)", "FETCH 2 (UID BODY.PEEK[])"] {
        client.say(command).await?;
        client.settle().await?;
    }
    if !client.is_over() {
        client.say("IDLE").await?;
    }
    if !client.is_over() && client.await_leave().await? {
        come();
        client.listen(second).await?;
        gone(2);
        client.listen(second).await?;
        come();
        gone(1);
        client.listen(second).await?;
        client.say("DONE").await?;
    }
    client.settle().await?;
    come();
    for command in ["STORE 1 +FLAGS (\\Flagged)", "APPEND", "NOOP", "SEARCH ALL", "UID SEARCH ALL"]
    {
        if client.is_over() {
            return Ok(());
        }
        if command == "APPEND" {
            client.say("APPEND INBOX (\\Seen) {14}").await?;
            if client.await_leave().await? {
                client.write("Subject: x\r\n\r\n\r\n").await?;
            }
        } else {
            client.say(command).await?;
        }
        client.settle().await?;
    }
    Ok(())
}
