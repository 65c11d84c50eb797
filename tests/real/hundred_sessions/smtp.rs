//! A session that sends.

use std::time::Instant;

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Deck, Session, Tally, account::Account};
use crate::support::{
    mail_client::Settings,
    messages::{Numbers, mail},
    scene::plain,
    wire::{Wire, stuffed},
};

type Round<'a> = fn(&mut SmtpSession<'a>);

/// How much may be attached to a mail, in bytes.
const ATTACHMENTS: [u64; 4] = [1, 2_000, 20_000, 200_000];

pub(super) struct SmtpSession<'a> {
    number: u64,
    accounts: &'a [Account],
    settings: &'a Settings,
    numbers: Numbers,
    deck: Deck<Round<'a>>,
    wire: Wire,
    /// How many it has thought of, so that each has a number of its own.
    mails: u64,
    sent: Vec<Sent>,
    tally: Tally,
}

/// A mail that the server took.
pub(super) struct Sent {
    pub(super) number: u64,
    from: String,
    pub(super) to: Vec<String>,
}

impl Sent {
    /// Its bytes.
    pub(super) fn mail(&self) -> Vec<u8> {
        mail(&self.from, self.number, 2000, ATTACHMENTS[(self.number % 4) as usize])
    }

    /// The commands before the mail.
    fn envelope(&self) -> Vec<String> {
        let from = format!("MAIL FROM:<{}> BODY=8BITMIME\r\n", self.from);
        let to = self.to.iter().map(|to| format!("RCPT TO:<{to}>\r\n"));
        [from].into_iter().chain(to).chain(["DATA\r\n".to_owned()]).collect()
    }
}

impl Session for SmtpSession<'_> {
    fn round(&mut self) {
        self.deck.draw(&mut self.numbers)(self);
    }

    fn has_done_all(&self) -> bool {
        self.deck.is_through
    }

    fn leave(&mut self) {
        self.ask("QUIT", "221");
        self.wire.expect_end();
    }

    fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }
}

impl<'a> SmtpSession<'a> {
    /// Most of what it does is sending one mail after the other.
    const ROUNDS: [Round<'a>; 8] = [
        Self::send_one,
        Self::send_one,
        Self::send_one,
        Self::send_to_two,
        Self::send_pipelined,
        Self::think_better_of_it,
        Self::say_what_is_wrong,
        Self::sign_on_anew,
    ];

    pub(super) fn begin(number: u64, accounts: &'a [Account], numbers: Numbers) -> Self {
        let settings = &Account::of(number, accounts).settings;
        let mut session = Self {
            number,
            accounts,
            settings,
            numbers,
            deck: Deck::new(&Self::ROUNDS),
            wire: Wire::smtp(settings.smtp),
            mails: 0,
            sent: Vec::new(),
            tally: Tally::default(),
        };
        session.sign_on();
        session
    }

    pub(super) fn into_sent(self) -> Vec<Sent> {
        self.sent
    }

    fn send_one(&mut self) {
        let mail = self.next_mail(1);
        self.send_each_in_turn(mail);
    }

    fn send_to_two(&mut self) {
        let mail = self.next_mail(2);
        self.send_each_in_turn(mail);
    }

    /// RFC 2920: the envelope in one go, and what comes next right behind the mail.
    fn send_pipelined(&mut self) {
        let mail = self.next_mail(2);
        let envelope = mail.envelope().join("");
        let asked = Instant::now();
        self.wire.send(envelope);
        for code in ["250", "250", "250", "354"] {
            self.wire.expect_smtp(code);
            self.tally.answered(asked);
        }
        let asked = Instant::now();
        self.wire.send([&stuffed(&mail.mail()), &b"NOOP\r\n"[..]].concat());
        for code in ["250", "250"] {
            self.wire.expect_smtp(code);
            self.tally.answered(asked);
        }
        self.sent.push(mail);
    }

    /// What is given up before DATA is never sent.
    fn think_better_of_it(&mut self) {
        let mail = self.next_mail(1);
        for command in &mail.envelope()[..2] {
            self.ask(command.trim_end(), "250");
        }
        self.ask("RSET", "250");
    }

    fn say_what_is_wrong(&mut self) {
        self.ask("DATA", "503");
        self.ask("RCPT TO:<nobody@example.com>", "503");
        self.ask("BLURDYBLOOP", "500");
        self.ask("VRFY anna", "502");
    }

    fn sign_on_anew(&mut self) {
        self.leave();
        self.wire = Wire::smtp(self.settings.smtp);
        self.sign_on();
    }

    fn sign_on(&mut self) {
        let Settings { address, password, .. } = self.settings;
        if self.numbers.below(2) == 0 {
            self.ask(&format!("AUTH PLAIN {}", plain(address, password)), "235");
        } else {
            self.ask("AUTH LOGIN", "334");
            self.ask(&STANDARD.encode(address), "334");
            self.ask(&STANDARD.encode(password), "235");
        }
        self.tally.sign_ons += 1;
    }

    /// A new mail to so many of the accounts.
    fn next_mail(&mut self, recipients: usize) -> Sent {
        let first = self.numbers.below(self.accounts.len() as u64);
        let to = self.accounts.iter().cycle().skip(first).take(recipients);
        let to = to.map(|account| account.settings.address.clone()).collect();
        self.mails += 1;
        let number = self.number * 1_000_000 + self.mails;
        Sent { number, from: self.settings.address.clone(), to }
    }

    fn send_each_in_turn(&mut self, mail: Sent) {
        for command in mail.envelope() {
            let code = if command == "DATA\r\n" { "354" } else { "250" };
            self.ask(command.trim_end(), code);
        }
        let asked = Instant::now();
        self.wire.send(stuffed(&mail.mail()));
        self.wire.expect_smtp("250");
        self.tally.answered(asked);
        self.sent.push(mail);
    }

    fn ask(&mut self, command: &str, code: &str) {
        let asked = Instant::now();
        self.wire.send(format!("{command}\r\n"));
        self.wire.expect_smtp(code);
        self.tally.answered(asked);
    }
}
