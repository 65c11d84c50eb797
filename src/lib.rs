//! Gatepost: a local mail proxy. Mail clients sign on to it with a plain password; it signs on to
//! Gmail with OAuth 2.0 (SASL XOAUTH2) in their place and keeps the tokens fresh.
//!
//! The rooms of the house, from the bottom up. Imports run one way, from a later row to an earlier
//! one; `tests/architecture.rs` holds that.
//!
//! | room | what it does |
//! |---|---|
//! | `secret` | types for what must never be shown |
//! | `sentence` | from what systems and servers say to sentences for people |
//! | `service_manager` | what systemd, or Windows, is told of this process |
//! | `private_file` | files that only their owner may read, written whole or not at all |
//! | `private_memory` | no core dump, and no other program that looks into this one |
//! | `protocol` | IMAP, SMTP and SASL as pure state machines: no I/O, no clock, no log |
//! | `config` | `config.toml` as typed, then as used; where things lie on disk |
//! | `accounts` | the record of an account and its sealed grant |
//! | `tls` | whose certificates are trusted; a connection that may come under TLS |
//! | `certificate`, `mail_client` | the certificate that mail clients are shown; a mail client of Gatepost's own |
//! | `upstream`, `token` | connections to the provider; access tokens and their life |
//! | `settings` | the configuration in use, and what is made from it |
//! | `proxy`, `sign_in` | serving mail clients; getting a grant from a person |
//! | `check`, `autoconfig`, `notice` | the looks of `gatepost check`; what sets a mail program up; notices on the desktop |
//! | `status` | the status page, for people and for programs that watch |
//! | `control`, `demo` | the channel to a running proxy; the stand-in for Google |
//! | `cli` | the commands |

pub mod accounts;
pub mod autoconfig;
pub mod certificate;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod demo;
pub mod mail_client;
pub mod notice;
pub mod private_file;
pub mod private_memory;
pub mod protocol;
pub mod proxy;
pub mod secret;
pub mod sentence;
pub mod service_manager;
pub mod settings;
pub mod sign_in;
pub mod status;
pub mod tls;
pub mod token;
pub mod upstream;
