//! Lets mail arrive in an inbox, vanish from it and change its flags, at random: over a connection to
//! the mail store that Gatepost has no part in.

use std::{
    collections::BTreeSet,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    mail_client::Settings,
    messages::Numbers,
    mirror::Messages,
    servers::Dovecot,
    trial::{append, signed_on},
    wire::Wire,
};

/// An inbox is kept between these.
const FEWEST: usize = 3;
const MOST: usize = 40;

pub(crate) struct Postman {
    wire: Wire,
    numbers: Numbers,
    /// What `GATEPOST_SEED` must be for the same mail.
    pub(crate) seed: u64,
    /// How many messages have arrived, vanished, and had their flags changed.
    pub(crate) done: [u64; 3],
}

impl Postman {
    /// For a person's inbox, into which they put some mail; by a seed that is printed.
    pub(crate) fn for_inbox(plain: &Dovecot, address: &str) -> Self {
        let seed = std::env::var("GATEPOST_SEED").ok().map(|text| text.parse().expect("a number"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let seed = seed.unwrap_or(now.subsec_nanos().into());
        println!("the seed of {address}'s mail: {seed}");
        let mut wire = signed_on(&Settings::direct(plain, address));
        wire.command("p", "SELECT INBOX");
        let mut postman = Self { wire, numbers: Numbers(seed), seed, done: [0; 3] };
        (0..3).for_each(|_| postman.arrive());
        postman
    }

    /// Does one thing of several.
    pub(crate) fn act(&mut self) {
        let uids: Vec<u32> = self.messages().into_keys().collect();
        match self.numbers.below(10) {
            0..4 if uids.len() < MOST => self.arrive(),
            4..7 if uids.len() > FEWEST => self.vanish(&uids),
            // Net zero: as many as before, and not the same.
            7 if uids.len() > FEWEST => {
                self.vanish(&uids[..1]);
                self.arrive();
            }
            // Nobody may have heard of it.
            8 => {
                self.arrive();
                let last = self.messages().into_keys().last();
                self.vanish(last.as_slice());
            }
            _ if uids.is_empty() => self.arrive(),
            _ => self.change_flags(&uids),
        }
    }

    /// One new message, or up to three.
    pub(crate) fn arrive(&mut self) {
        for _ in 0..=self.numbers.below(3) {
            self.done[0] += 1;
            let mail = format!("Subject: number {}\r\n\r\n.\r\n", self.done[0]);
            append(&mut self.wire, "INBOX", mail.as_bytes());
        }
    }

    /// What is in the inbox now.
    pub(crate) fn messages(&mut self) -> Messages {
        self.wire.command("p", "NOOP");
        let lines = self.wire.command("p", "UID FETCH 1:* (FLAGS)");
        lines.iter().filter_map(|line| read(line)).collect()
    }

    /// A number below this.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.numbers.next() % limit
    }

    fn vanish(&mut self, among: &[u32]) {
        let Some(longest) = among.len().checked_sub(FEWEST.min(among.len() - 1)) else { return };
        let first = self.numbers.below(among.len() as u64);
        let count = (1 + self.numbers.below(6)).min(longest);
        let gone = &among[first..(first + count).min(among.len())];
        let set = gone.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        self.wire.command("p", &format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)"));
        self.wire.command("p", "EXPUNGE");
        self.done[1] += gone.len() as u64;
    }

    fn change_flags(&mut self, among: &[u32]) {
        let uid = among[self.numbers.below(among.len() as u64)];
        let flags = ["\\Seen", "\\Flagged", "\\Seen \\Answered", ""][self.numbers.below(4)];
        self.wire.command("p", &format!("UID STORE {uid} FLAGS.SILENT ({flags})"));
        self.done[2] += 1;
    }
}

fn read(line: &str) -> Option<(u32, BTreeSet<String>)> {
    let (_, data) = line.split_once(" FETCH (")?;
    let (_, uid) = data.split_once("UID ")?;
    let (_, flags) = data.split_once("FLAGS (")?;
    let uid = uid.split([' ', ')']).next()?.parse().ok()?;
    let flags = flags.split(')').next()?.split_ascii_whitespace();
    Some((uid, flags.filter(|flag| *flag != "\\Recent").map(str::to_owned).collect()))
}
