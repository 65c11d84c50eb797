//! The list that a server gives to EHLO (RFC 5321 §4.1.1.1), and what of it a mail client sees.

use crate::protocol::StartTls;

/// The service extensions of a server: each its keyword and parameters, as the server wrote them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions(Vec<String>);

impl Extensions {
    /// The lines of an EHLO reply behind its first.
    pub fn new(lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(lines.into_iter().map(Into::into).collect())
    }

    /// True if the keyword is among them, in any letter case.
    pub fn has(&self, keyword: &str) -> bool {
        self.0.iter().any(|line| keyword_of(line).eq_ignore_ascii_case(keyword))
    }

    /// The list that a client sees: the provider's, less what only concerns the provider's own
    /// sign-on, and less CHUNKING, since a BDAT (RFC 3030) would have to be framed by its count;
    /// with Gatepost's AUTH.
    ///
    /// PLAIN and LOGIN and no more: some clients pick the first they know, and it must work.
    pub fn for_client(&self, start_tls: StartTls) -> Vec<String> {
        const HIDDEN: [&str; 5] = ["AUTH", "STARTTLS", "CHUNKING", "BINARYMIME", "XCLIENT"];
        let hidden = |line: &String| {
            // `AUTH=LOGIN …`, which some servers add for old clients, is hidden too.
            let keyword = keyword_of(line);
            HIDDEN.iter().any(|hidden| keyword.eq_ignore_ascii_case(hidden))
        };
        let shown = self.0.iter().filter(|line| !hidden(line)).cloned();
        let own: &[&str] = match start_tls {
            StartTls::NotOffered => &["AUTH PLAIN LOGIN"],
            StartTls::Offered => &["STARTTLS", "AUTH PLAIN LOGIN"],
            StartTls::Required => &["STARTTLS"],
        };
        shown.chain(own.iter().map(|line| (*line).to_owned())).collect()
    }
}

fn keyword_of(line: &str) -> &str {
    line.split([' ', '=']).next().unwrap_or_default()
}

/// A reply to EHLO: the greeting line and the list.
pub(super) fn ehlo_reply(greeting: &str, extensions: &Extensions, start_tls: StartTls) -> Vec<u8> {
    let lines = extensions.for_client(start_tls);
    let mut reply = format!("250-{greeting}\r\n");
    for (index, line) in lines.iter().enumerate() {
        let separator = if index + 1 == lines.len() { ' ' } else { '-' };
        reply.push_str(&format!("250{separator}{line}\r\n"));
    }
    reply.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_providers_with_gateposts_auth() {
        let gmail = Extensions::new([
            "SIZE 35882577",
            "8BITMIME",
            "AUTH LOGIN PLAIN XOAUTH2",
            "AUTH=PLAIN",
            "starttls",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            "SMTPUTF8",
        ]);
        assert!(gmail.has("StartTLS") && gmail.has("size") && !gmail.has("DSN"));
        let reply =
            String::from_utf8(ehlo_reply("localhost", &gmail, StartTls::NotOffered)).unwrap();
        assert_eq!(
            reply,
            "250-localhost\r\n250-SIZE 35882577\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n\
             250-SMTPUTF8\r\n250 AUTH PLAIN LOGIN\r\n"
        );
    }
}
