//! What mail programs do, and what must be there afterwards.

use std::{thread, time::Duration};

use super::{
    outcome::{Answer, Outcome, answer, ask, reply, told},
    world::World,
};
use crate::support::{
    messages, process, trial,
    wire::{Wire, stuffed},
};

/// As long as any time-out of Gatepost's own, and some more: a peer that is gone is noticed after two
/// minutes of silence and another of probes.
const PATIENCE: Duration = Duration::from_secs(160);
/// How long the tokens of [`take_over`] live.
pub(super) const TOKEN_LIFE: Duration = Duration::from_secs(6);
/// What was accepted arrives within this.
const DELIVERY: Duration = Duration::from_secs(30);
/// What was not told to have been accepted is looked for after this.
const SETTLED: Duration = Duration::from_millis(700);

/// Either is what became of it.
fn outcome(walked: Answer<()>) -> Outcome {
    walked.err().unwrap_or(Outcome::CarriedOn)
}

pub(super) fn sign_on_imap(world: &mut World) -> Outcome {
    world.reaches("before connecting");
    outcome(signed_on(world).and_then(|mut wire| ask(&mut wire, "a2", "SELECT INBOX").map(drop)))
}

/// A client that has signed on.
pub(super) fn signed_on(world: &World) -> Answer<Wire> {
    let mut wire = world.imap();
    wire.waits(PATIENCE);
    ask(&mut wire, "a1", &world.login())?;
    Ok(wire)
}

/// The same, before anything goes wrong.
fn well_signed_on(world: &World, mailbox: &str) -> Answer<Wire> {
    let mut wire = signed_on(world)?;
    ask(&mut wire, "a2", &format!("SELECT {mailbox}"))?;
    Ok(wire)
}

/// One that no other is like, of some buffers' size.
fn mail(world: &mut World) -> Vec<u8> {
    let number = world.next_try();
    let mut mail = messages::mail(&world.address, number, 900, 3000);
    // Behind the last boundary (RFC 2046 §5.1.1).
    mail.extend(
        (0..4000).flat_map(|line| format!("the end, and its line {line:06}\r\n").into_bytes()),
    );
    mail
}

pub(super) fn read(world: &mut World) -> Outcome {
    let mail = mail(world);
    empty(world, "INBOX");
    trial::append(&mut world.direct(), "INBOX", &mail);
    outcome(read_one(world, &mail))
}

fn read_one(world: &mut World, mail: &[u8]) -> Answer<()> {
    let mut wire = well_signed_on(world, "INBOX")?;
    world.reaches("amid a session");
    wire.send_while_open(b"a3 FETCH 1 (BODY.PEEK[])\r\n");
    let is_end = |bytes: &[u8]| bytes.ends_with(b"\r\n") && last_line(bytes).starts_with(b"a3 ");
    let bytes = wire.bytes_until(is_end);
    let announced = format!("BODY[] {{{}}}\r\n", mail.len());
    let Some(begin) = find(&bytes, announced.as_bytes()) else {
        // No byte of the mail came: words are due.
        let last = String::from_utf8_lossy(last_line(&bytes)).into_owned();
        let is_told = last.starts_with("* BYE ") && last.len() > 20;
        return Err(match is_told {
            true => told(&last),
            false => Outcome::defect("no mail, and no word", &wire),
        });
    };
    let literal = &bytes[begin + announced.len()..];
    if literal.len() < mail.len() {
        return Err(match mail.starts_with(literal) {
            // A word here would be taken for mail.
            true => {
                told("(the connection ends amid the literal: the client knows that it has not all)")
            }
            false => Outcome::defect("a mail with something else in it", &wire),
        });
    }
    if literal[..mail.len()] != *mail {
        return Err(Outcome::defect("the mail is changed", &wire));
    }
    match last_line(&bytes) {
        last if last.starts_with(b"a3 OK") => Ok(()),
        last if last.starts_with(b"* BYE ") => Err(told(&String::from_utf8_lossy(last))),
        _ => Err(Outcome::defect("no word behind the mail", &wire)),
    }
}

fn last_line(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\r\n").unwrap_or(bytes);
    bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

fn empty(world: &World, mailbox: &str) {
    let mut direct = world.direct();
    direct.send(format!("c CREATE {mailbox}\r\n"));
    direct.reply("c");
    direct.command("e", &format!("SELECT {mailbox}"));
    direct.send("e STORE 1:* +FLAGS.SILENT (\\Deleted)\r\n");
    direct.reply("e");
    direct.command("e", "EXPUNGE");
}

pub(super) fn idle(world: &mut World) -> Outcome {
    outcome(idle_once(world, "in IDLE", Duration::ZERO))
}

/// As [`idle`]; the mail comes once the session's first token has ended, and the connection with it.
pub(super) fn take_over(world: &mut World) -> Outcome {
    outcome(idle_once(world, "before the token's end", TOKEN_LIFE + Duration::from_secs(4)))
}

fn idle_once(world: &mut World, moment: &str, later: Duration) -> Answer<()> {
    let mail = mail(world);
    let mut wire = signed_on(world)?;
    let selected = ask(&mut wire, "a2", "SELECT INBOX")?;
    let count = selected.iter().find_map(|line| line.strip_suffix(" EXISTS")?.strip_prefix("* "));
    let count: u32 = count.and_then(|count| count.parse().ok()).expect("a SELECT's EXISTS");
    wire.send("a3 IDLE\r\n");
    answer(&mut wire, "+ ")?;
    world.reaches(moment);
    thread::sleep(later);
    trial::append(&mut world.direct(), "INBOX", &mail);
    answer(&mut wire, &format!("* {} EXISTS", count + 1))?;
    wire.send("DONE\r\n");
    answer(&mut wire, "a3 ")?;
    // It is the mail that was told of.
    let fetched = ask(&mut wire, "a4", &format!("FETCH {} (RFC822.SIZE)", count + 1))?;
    let size = format!("RFC822.SIZE {}", mail.len());
    match fetched.iter().any(|line| line.contains(&size)) {
        true => Ok(()),
        false => Err(Outcome::defect("another mail than the one that came", &wire)),
    }
}

pub(super) fn append(world: &mut World) -> Outcome {
    empty(world, "Kept");
    let mail = mail(world);
    let appended = append_one(world, &mail);
    if appended.is_err() {
        thread::sleep(SETTLED);
    }
    let there = world.mails("Kept");
    stored(appended, &there, &mail)
}

fn append_one(world: &mut World, mail: &[u8]) -> Answer<()> {
    let mut wire = well_signed_on(world, "INBOX")?;
    world.reaches("before APPEND");
    wire.send_while_open(format!("a3 APPEND Kept (\\Seen) {{{}}}\r\n", mail.len()).as_bytes());
    answer(&mut wire, "+ ")?;
    let (first, rest) = mail.split_at(mail.len() / 2);
    wire.send_while_open(first);
    world.reaches("amid the mail");
    wire.send_while_open(rest);
    wire.send_while_open(b"\r\n");
    answer(&mut wire, "a3 ").map(drop)
}

/// What is told, held against what there is: these mails, of which each must be this one, whole.
fn stored(walked: Answer<()>, there: &[Vec<u8>], mail: &[u8]) -> Outcome {
    if there.iter().any(|found| !found.ends_with(mail)) {
        return Outcome::Defect("half a mail, or a changed one, is there".to_owned());
    }
    match (walked, there.len()) {
        (Ok(()), 1) => Outcome::CarriedOn,
        (Err(Outcome::Defect(what)), _) => Outcome::Defect(what),
        (Err(outcome), 0 | 1) => outcome,
        (walked, times) => Outcome::Defect(format!("{walked:?}, and it is there {times} times")),
    }
}

pub(super) fn sign_on_smtp(world: &mut World) -> Outcome {
    world.reaches("before connecting");
    outcome(smtp_signed_on(world).and_then(|mut wire| {
        wire.send_while_open(b"NOOP\r\n");
        reply(&mut wire, "250").map(drop)
    }))
}

fn smtp_signed_on(world: &World) -> Answer<Wire> {
    let mut wire = world.smtp();
    wire.waits(PATIENCE);
    wire.send("EHLO client.test\r\n");
    reply(&mut wire, "250")?;
    wire.send(format!("{}\r\n", world.auth_plain()));
    reply(&mut wire, "235")?;
    Ok(wire)
}

pub(super) fn send(world: &mut World) -> Outcome {
    empty(world, "INBOX");
    let mail = mail(world);
    let sent = send_one(world, &mail);
    // Mails of tries before are another matter.
    let subject = format!("Subject: {}\r\n", messages::subject(world.tries()));
    let arrived = |world: &World| {
        let mut mails = world.mails("INBOX");
        mails.retain(|mail| find(mail, subject.as_bytes()).is_some());
        mails
    };
    match sent.is_ok() {
        true => drop(process::until(DELIVERY, || !arrived(world).is_empty())),
        false => thread::sleep(SETTLED),
    }
    let there = arrived(world);
    stored(sent, &there, &mail)
}

fn send_one(world: &mut World, mail: &[u8]) -> Answer<()> {
    let mut wire = smtp_signed_on(world)?;
    world.reaches("before MAIL");
    let address = world.address.clone();
    for (command, code) in [
        (format!("MAIL FROM:<{address}> BODY=8BITMIME"), "250"),
        (format!("RCPT TO:<{address}>"), "250"),
        ("DATA".to_owned(), "354"),
    ] {
        wire.send_while_open(format!("{command}\r\n").as_bytes());
        reply(&mut wire, code)?;
    }
    let stuffed = stuffed(mail);
    let (first, rest) = stuffed.split_at(stuffed.len() / 2);
    wire.send_while_open(first);
    world.reaches("amid the mail");
    wire.send_while_open(rest);
    reply(&mut wire, "250").map(drop)
}
