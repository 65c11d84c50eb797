//! What is counted.

use std::io;

use crate::client::Door;
use crate::rows::message;

const MIB: usize = 1024 * 1024;
/// Messages in the list of flags.
const LINES: usize = 5_000;

pub(super) struct Operation {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Signs on by full TLS handshakes, where the others resume a session.
    pub(super) without_tickets: bool,
    /// How many are counted at first; then it is twice as many.
    pub(super) count: usize,
    /// In how many equal pieces one is told.
    pub(super) pieces: usize,
    pub(super) begin: fn(&Door) -> io::Result<Often>,
}

/// Does it so many times.
pub(super) type Often = Box<dyn FnMut(usize) -> io::Result<()>>;

const OPERATION: Operation = Operation {
    name: "",
    title: "",
    without_tickets: false,
    count: 0,
    pieces: 1,
    begin: |_| Ok(Box::new(|_| Ok(()))),
};

pub(super) const OPERATIONS: [Operation; 9] = [
    Operation {
        name: "sign-on",
        title: "Connect, sign on, LOGOUT (TLS resumed)",
        count: 20,
        begin: sign_on,
        ..OPERATION
    },
    Operation {
        name: "full-sign-on",
        title: "Connect, sign on, LOGOUT (TLS in full)",
        without_tickets: true,
        count: 20,
        begin: sign_on,
        ..OPERATION
    },
    Operation {
        name: "noop",
        title: "NOOP",
        count: 200,
        begin: |door| ask(door, "INBOX", "NOOP"),
        ..OPERATION
    },
    Operation {
        name: "small",
        title: "FETCH of a message of 2 KiB",
        count: 100,
        begin: |door| ask(door, "INBOX", "FETCH 7 (BODY.PEEK[])"),
        ..OPERATION
    },
    Operation {
        name: "literal",
        title: "FETCH of a literal of 1 MiB",
        count: 10,
        begin: literals,
        ..OPERATION
    },
    Operation {
        name: "list",
        title: "UID FETCH 1:* (FLAGS), a line of 5,000",
        count: 10,
        pieces: LINES,
        begin: |door| ask(door, "INBOX", "UID FETCH 1:* (FLAGS)"),
        ..OPERATION
    },
    Operation {
        name: "idle",
        title: "EXISTS to an idling client",
        count: 40,
        begin: arrivals,
        ..OPERATION
    },
    Operation { name: "append", title: "APPEND of 1 MiB", count: 10, begin: append, ..OPERATION },
    Operation { name: "data", title: "Mail of 1 MiB by DATA", count: 10, begin: data, ..OPERATION },
];

fn sign_on(door: &Door) -> io::Result<Often> {
    let door = door.clone();
    Ok(Box::new(move |count| (0..count).try_for_each(|_| door.imap()?.ask("LOGOUT"))))
}

fn ask(door: &Door, mailbox: &str, command: &'static str) -> io::Result<Often> {
    let mut client = door.imap()?;
    client.ask(&format!("SELECT {mailbox}"))?;
    Ok(Box::new(move |count| (0..count).try_for_each(|_| client.ask(command))))
}

/// All asked for at once.
fn literals(door: &Door) -> io::Result<Often> {
    let mut client = door.imap()?;
    client.ask("SELECT Large")?;
    Ok(Box::new(move |count| {
        client.send("a FETCH 1 (BODY.PEEK[])\r\n".repeat(count).as_bytes())?;
        (0..count).try_for_each(|_| client.answered())
    }))
}

/// Mail that arrives one by one.
fn arrivals(door: &Door) -> io::Result<Often> {
    let mut client = door.imap()?;
    client.ask("SELECT Busy")?;
    Ok(Box::new(move |count| {
        client.send(b"a IDLE\r\n")?;
        client.line_that_starts("+")?;
        (0..count).try_for_each(|_| client.line_that_starts("*"))?;
        client.send(b"DONE\r\n")?;
        client.answered()
    }))
}

fn append(door: &Door) -> io::Result<Often> {
    let mut client = door.imap()?;
    let message = message(MIB);
    Ok(Box::new(move |count| (0..count).try_for_each(|_| client.append("INBOX", &message))))
}

fn data(door: &Door) -> io::Result<Often> {
    let mut client = door.smtp()?;
    let message = message(MIB);
    Ok(Box::new(move |count| (0..count).try_for_each(|_| client.mail(&message))))
}
