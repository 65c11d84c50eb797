//! Mail with everything in it that has ever been changed on its way: the same at every run.

use base64::{Engine, engine::general_purpose::STANDARD};

/// Numbers that look random and are the same at every run (splitmix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> usize {
        usize::try_from(self.next() % limit).expect("small")
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()).flatten().take(size).collect()
    }
}

/// A line of each mail, by which one that got out is known.
pub(crate) const A_LINE: &str = "Grüße aus Zürich — ½ €, 日本語";

/// One mail, with lines that end in CRLF: 8-bit text in UTF-8 and in ISO 8859-1, lines that begin
/// with dots or look like the protocol's own, a line of up to `longest` characters, and a binary
/// attachment of up to `attachment` bytes.
pub(crate) fn mail(address: &str, number: u64, longest: u64, attachment: u64) -> Vec<u8> {
    let mut numbers = Numbers(number);
    let mut mail = format!(
        "From: {address}\r\nTo: <{address}>\r\nSubject: {subject}\r\n\
         Date: Mon, 23 Nov 2026 04:05:06 +0000\r\nMessage-ID: <{number}.bed@example.com>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=-{number}\"\r\n\r\n\
         --=-{number}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n",
        subject = subject(number),
    )
    .into_bytes();
    mail.extend(format!("{A_LINE}\r\n.\r\n..\r\n.one dot\r\n").bytes());
    mail.extend(
        b"* 3 EXISTS\r\na1 OK done\r\n+ go on\r\n{42}\r\n~{7+}\r\nFrom here on\r\n 250 OK\r\n",
    );
    mail.extend(std::iter::repeat_n(b'x', numbers.below(longest)));
    mail.extend(format!("\r\n\r\n--=-{number}\r\nContent-Type: text/plain; charset=").bytes());
    mail.extend(
        b"iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\xf6\xfc\xa0\xff\r\n\r\n",
    );
    mail.extend(format!("--=-{number}\r\nContent-Type: application/octet-stream\r\n").bytes());
    mail.extend(b"Content-Transfer-Encoding: base64\r\n\r\n");
    let size = numbers.below(attachment);
    for line in STANDARD.encode(numbers.bytes(size)).as_bytes().chunks(76) {
        mail.extend(line);
        mail.extend(b"\r\n");
    }
    mail.extend(format!("--=-{number}--\r\n").bytes());
    mail
}

/// A plain letter, of the kind that every client can send as it is: 8-bit text, dots, a long line,
/// lines that end like the protocol's own.
pub(crate) fn letter(address: &str, number: u64) -> Vec<u8> {
    let long = "long ".repeat(180);
    format!(
        "From: {address}\r\nTo: {address}\r\nSubject: letter {number}\r\n\
         Date: Mon, 23 Nov 2026 04:05:06 +0000\r\nMessage-ID: <{number}.letter@example.com>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n\
         Grüße aus Zürich — ½ €, 日本語\r\n.\r\n..\r\n.one dot\r\n* 3 EXISTS {{5}}\r\n{{7+}}\r\n\
         {long}end\r\n\r\nletter {number}\r\n"
    )
    .into_bytes()
}

/// The mails of a small mailbox that has been through a lot.
pub(crate) fn odd_mails(address: &str) -> Vec<Vec<u8>> {
    let ordinary = (1..=20).map(|number| mail(address, number, 900, 20_000));
    let short = [
        "Subject: no body\r\n\r\n",
        "Subject: no line end at its end\r\n\r\nthe end",
        "Subject: only dots\r\n\r\n.\r\n..\r\n.\r\n",
        "Subject: {5}\r\nX-{7}: {8+}\r\n\r\nhello {5}\r\n~{3}\r\n)\r\n* BYE\r\n",
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX-Raw: Grüße\r\n\r\n\r\n\r\n",
        "Subject: folded\r\n  once\r\n\tand twice\r\n\r\n \r\n\tx \r\n",
    ];
    let long = format!("Subject: a long line\r\n\r\n{}\r\n", "0123456789".repeat(500));
    ordinary.chain(short.map(|text| text.into())).chain([long.into()]).collect()
}

/// The subject of that mail, which no other has.
pub(crate) fn subject(number: u64) -> String {
    format!("bed mail number {number:06}")
}
