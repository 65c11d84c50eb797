//! Which command does what.

use super::{Refusal, parse::Cursor, session::Session};
use crate::demo::wire::Stream;

/// What a command that went well says behind its tag and OK.
pub(super) type Answer = Result<String, Refusal>;

/// Gmail's words for most of them.
pub(super) const SUCCESS: &str = "Success";

impl<S: Stream> Session<'_, S> {
    /// Executes a command whose name has been read; untagged answers go to `out`.
    pub(super) fn execute(
        &mut self,
        name: &str,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        match name {
            "CAPABILITY" => {
                cursor.end()?;
                let all = self.shared.capabilities(self.user.is_some());
                push(out, &format!("* CAPABILITY {all}"));
                return Ok(format!("Thats all she wrote! {}", self.id));
            }
            "NOOP" => {
                cursor.end()?;
                self.synchronize(true, out);
                return success();
            }
            "LOGOUT" => {
                self.leaving = true;
                push(out, "* BYE LOGOUT Requested");
                return Ok("73 good day (Success)".to_owned());
            }
            "ID" => {
                push(
                    out,
                    &format!(
                        "* ID (\"name\" \"GImap\" \"vendor\" \"Google, Inc.\" \"support-url\" \
                         \"https://support.google.com/mail\" \"version\" \"demo\" \
                         \"remote-host\" \"127.0.0.1\" \"connection-token\" \"{}\")",
                        self.id
                    ),
                );
                return Ok(format!("Success {}", self.id));
            }
            "LOGIN" if self.user.is_none() => return Err(self.login()),
            _ if self.user.is_none() => return Err(unknown()),
            _ => {}
        }
        let answer = match name {
            "NAMESPACE" => {
                push(out, "* NAMESPACE ((\"\" \"/\")) NIL NIL");
                success()
            }
            "ENABLE" => self.enable(cursor, out),
            "LIST" => self.list(cursor, out),
            "XLIST" => self.xlist(cursor, out),
            "LSUB" => self.lsub(cursor, out),
            "STATUS" => self.status(cursor, out),
            "CREATE" => self.create(cursor),
            "DELETE" => self.delete(cursor),
            "RENAME" => self.rename(cursor),
            "SUBSCRIBE" => self.subscribe(cursor, true),
            "UNSUBSCRIBE" => self.subscribe(cursor, false),
            "GETQUOTA" | "GETQUOTAROOT" => self.quota(name, cursor, out),
            "SELECT" => self.select(cursor, false, out),
            "EXAMINE" => self.select(cursor, true, out),
            "APPEND" => self.append(cursor),
            // What would have to be undone before the bytes could be read again.
            "COMPRESS" => Err(Refusal::No("Compression is not to be had here".to_owned())),
            "CHECK" | "CLOSE" | "UNSELECT" | "EXPUNGE" | "SEARCH" | "FETCH" | "STORE" | "COPY"
            | "MOVE" | "UID"
                if self.selected.is_none() =>
            {
                Err(Refusal::Bad("No mailbox selected".to_owned()))
            }
            "CHECK" => success(),
            "CLOSE" => self.close(true),
            "UNSELECT" => self.close(false),
            "EXPUNGE" => self.expunge(None, out),
            "SEARCH" | "FETCH" | "STORE" | "COPY" | "MOVE" => {
                cursor.space()?;
                self.on_messages(name, false, cursor, out)
            }
            "UID" => {
                cursor.space()?;
                let name = cursor.keyword()?;
                cursor.space()?;
                self.on_messages(&name, true, cursor, out)
            }
            _ => Err(unknown()),
        };
        // RFC 3501 §7.4.1: no EXPUNGE while message numbers are being talked about.
        let by_number = matches!(name, "SEARCH" | "FETCH" | "STORE");
        if answer.is_ok() && name != "SELECT" && name != "EXAMINE" {
            self.synchronize(!by_number, out);
        }
        answer
    }

    fn on_messages(
        &mut self,
        name: &str,
        by_uid: bool,
        cursor: &mut Cursor<'_>,
        out: &mut Vec<u8>,
    ) -> Answer {
        match name {
            "SEARCH" => self.search(by_uid, cursor, out),
            "FETCH" => self.fetch(by_uid, cursor, out),
            "STORE" => self.store(by_uid, cursor, out),
            "COPY" => self.copy(by_uid, cursor),
            "MOVE" => self.move_(by_uid, cursor, out),
            "EXPUNGE" if by_uid => {
                let set = cursor.sequence_set()?;
                cursor.end()?;
                self.expunge(Some(&set), out)
            }
            _ => Err(unknown()),
        }
    }

    /// ENABLE (RFC 5161).
    fn enable(&mut self, cursor: &mut Cursor<'_>, out: &mut Vec<u8>) -> Answer {
        let mut enabled = String::new();
        while cursor.eat(b' ') {
            let name = cursor.keyword()?;
            self.condstore |= name == "CONDSTORE";
            if matches!(name.as_str(), "CONDSTORE" | "UTF8=ACCEPT") {
                enabled.push(' ');
                enabled.push_str(&name);
            }
        }
        push(out, &format!("* ENABLED{enabled}"));
        success()
    }
}

/// One line of the answer.
pub(super) fn push(out: &mut Vec<u8>, line: &str) {
    out.extend_from_slice(line.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

pub(super) fn success() -> Answer {
    Ok(SUCCESS.to_owned())
}

fn unknown() -> Refusal {
    Refusal::Bad("Unknown command".to_owned())
}
