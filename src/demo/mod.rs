//! The stand-in for Google: an authorization server, an IMAP server and an SMTP server that answer
//! as Google's do, in this process and on the loopback interface only.
//!
//! It serves two masters: `gatepost demo`, which shows the proxy at work with no Google account,
//! and the tests of the proxy, which use it as the upstream and switch its faults on and off.
//!
//! What it is not: a mail server to keep mail in (everything lies in memory), nor a full account of
//! Gmail. It reproduces the bytes of Gmail that public transcripts show, so it has a protocol code of
//! its own: it shares no line with the proxy's, lest one mistake hide another. The secrets it
//! makes are worth nothing outside it, so they are plain texts.

pub mod authorization;
pub mod faults;
mod random;
mod sync;
