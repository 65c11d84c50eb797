//! The mail that the demo's mailbox begins with: plain and HTML, an attachment, names that are not
//! ASCII, a conversation, a draft. And the mail that arrives when its person asks for some.

use std::time::{Duration, SystemTime};

use lettre::Message;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, MultiPart, SinglePart};

use super::clock;
use super::mailbox::{DRAFTS, FLAGGED, INBOX, Mailboxes, SEEN, SENT_MAIL, SPAM};

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

/// A message; its dates are so many seconds before now.
struct Sample {
    folder: &'static str,
    flags: &'static [&'static str],
    age: u64,
    /// What stands before the `@` of its Message-ID.
    id: &'static str,
    /// The conversation so far.
    answers: &'static [&'static str],
    from: &'static str,
    to: &'static str,
    subject: &'static str,
    body: Body,
}

enum Body {
    Plain(&'static str),
    Rich { plain: &'static str, html: &'static str, file: (&'static str, &'static str) },
}

const YOU: &str = super::story::YOU;
const ADA: &str = "Ada Example <ada@example.com>";

/// The oldest first.
const SAMPLES: [Sample; 8] = [
    Sample {
        folder: SPAM,
        flags: &[],
        age: 6 * DAY,
        id: "prize",
        answers: &[],
        from: "Lottery <prize@example.net>",
        to: YOU,
        subject: "You have won",
        body: Body::Plain("Send us your password to collect the prize.\n\n(Never do that.)\n"),
    },
    Sample {
        folder: INBOX,
        flags: &[SEEN],
        age: 3 * DAY,
        id: "lunch",
        answers: &[],
        from: ADA,
        to: YOU,
        subject: "Lunch on Friday?",
        body: Body::Plain("At one, at the usual place?\n\nAda\n"),
    },
    Sample {
        folder: SENT_MAIL,
        flags: &[SEEN],
        age: 3 * DAY - HOUR,
        id: "lunch-1",
        answers: &["lunch"],
        from: YOU,
        to: ADA,
        subject: "Re: Lunch on Friday?",
        body: Body::Plain("Gladly. Does Jürgen come, too?\n\n> At one, at the usual place?\n"),
    },
    Sample {
        folder: INBOX,
        flags: &[SEEN],
        age: 3 * DAY - 2 * HOUR,
        id: "lunch-2",
        answers: &["lunch", "lunch-1"],
        from: ADA,
        to: YOU,
        subject: "Re: Lunch on Friday?",
        body: Body::Plain("He does.\n\n> Gladly. Does Jürgen come, too?\n"),
    },
    Sample {
        folder: INBOX,
        flags: &[FLAGGED],
        age: DAY,
        id: "zuerich",
        answers: &[],
        from: "Jürgen Müller <juergen@example.org>",
        to: YOU,
        subject: "Grüße aus Zürich – 10 % auf alles",
        body: Body::Rich {
            plain: "Schöne Grüße aus Zürich!\n\nDie Öffnungszeiten liegen bei.\n",
            html: "<!doctype html><html><body><h1>Schöne Grüße aus Zürich!</h1>\
                   <p>Die <b>Öffnungszeiten</b> liegen bei.</p></body></html>\n",
            file: (
                "Öffnungszeiten.csv",
                "Tag;geöffnet\r\nMontag;9–18 Uhr\r\nSamstag;10–16 Uhr\r\n",
            ),
        },
    },
    Sample {
        folder: DRAFTS,
        flags: &["\\Draft", SEEN],
        age: 2 * HOUR,
        id: "draft",
        answers: &[],
        from: YOU,
        to: ADA,
        subject: "A letter that was begun",
        body: Body::Plain("Dear Ada,\n\n"),
    },
    Sample {
        folder: INBOX,
        flags: &[],
        age: HOUR,
        id: "lunch-3",
        answers: &["lunch", "lunch-1", "lunch-2"],
        from: "Jürgen Müller <juergen@example.org>",
        to: YOU,
        subject: "Re: Lunch on Friday?",
        body: Body::Plain("Friday it is.\n\nJürgen\n"),
    },
    Sample {
        folder: INBOX,
        flags: &[],
        age: 0,
        id: "welcome",
        answers: &[],
        from: GATEPOST,
        to: YOU,
        subject: "Welcome to the demo",
        body: Body::Plain(
            "This mailbox lives in the memory of the demo and ends with it.\n\n\
             Read, write, move and delete as you like: nothing here is real, and nothing leaves \
             this\ncomputer. Whatever you send, to whomever, arrives in this inbox.\n",
        ),
    },
];

const GATEPOST: &str = "Gatepost <demo@example.com>";

/// Puts the samples into their folders.
pub(super) fn fill(mailboxes: &Mailboxes) -> Result<(), String> {
    SAMPLES.iter().try_for_each(|sample| {
        let bytes = sample.message()?.formatted();
        let arrived = clock::now().saturating_sub_unsigned(sample.age);
        let uid = mailboxes.append(YOU, sample.folder, &bytes, sample.flags, arrived);
        uid.map(|_| ()).ok_or_else(|| format!("there is no folder {}", sample.folder))
    })
}

/// Lets the next new mail arrive; gives its subject.
pub(super) fn deliver(mailboxes: &Mailboxes, number: usize) -> Result<String, String> {
    let subject = format!("New mail, number {number}");
    let message = Message::builder()
        .from(GATEPOST.parse().map_err(text)?)
        .to(YOU.parse().map_err(text)?)
        .subject(subject.as_str())
        .message_id(Some(format!("<new-{number}@demo.example.com>")))
        .header(ContentType::TEXT_PLAIN)
        .body("You pressed Enter, and this arrived.\n".to_owned())
        .map_err(text)?;
    mailboxes.deliver(YOU, INBOX, &message.formatted()).ok_or("there is no inbox")?;
    Ok(subject)
}

impl Sample {
    fn message(&self) -> Result<Message, String> {
        let id = |name: &str| format!("<{name}@demo.example.com>");
        let mut message = Message::builder()
            .from(self.from.parse().map_err(text)?)
            .to(self.to.parse().map_err(text)?)
            .subject(self.subject)
            .date(SystemTime::now() - Duration::from_secs(self.age))
            .message_id(Some(id(self.id)));
        if let Some(last) = self.answers.last() {
            let all: Vec<_> = self.answers.iter().copied().map(id).collect();
            message = message.in_reply_to(id(last)).references(all.join(" "));
        }
        match &self.body {
            Body::Plain(plain) => message.singlepart(SinglePart::plain((*plain).to_owned())),
            Body::Rich { plain, html, file: (name, content) } => {
                let csv = ContentType::parse("text/csv; charset=utf-8").map_err(text)?;
                let both =
                    MultiPart::alternative_plain_html((*plain).to_owned(), (*html).to_owned());
                let file = Attachment::new((*name).to_owned()).body((*content).to_owned(), csv);
                message.multipart(MultiPart::mixed().multipart(both).singlepart(file))
            }
        }
        .map_err(text)
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_are_mail() {
        let mailboxes = Mailboxes::default();
        mailboxes.add_user(YOU);
        fill(&mailboxes).unwrap();
        assert_eq!(deliver(&mailboxes, 1).as_deref(), Ok("New mail, number 1"));
        let inbox = mailboxes.messages(YOU, INBOX);
        assert_eq!(inbox.len(), 6);
        for message in
            mailboxes.folders(YOU).iter().flat_map(|folder| mailboxes.messages(YOU, folder))
        {
            let whole = String::from_utf8(message.bytes.to_vec()).unwrap();
            let (header, body) = whole.split_once("\r\n\r\n").unwrap();
            assert!(header.is_ascii() && !body.is_empty(), "{whole}");
            assert!(whole.lines().all(|line| line.len() <= 78), "{whole}");
            assert_eq!(whole.matches('\n').count(), whole.matches("\r\n").count(), "{whole}");
        }
        let starred = mailboxes.messages(YOU, "[Gmail]/Starred");
        assert_eq!(starred.len(), 1, "the flag is the label");
    }
}
