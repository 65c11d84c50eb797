//! The pages as people see them: pure functions from what is so to HTML. The templates beside this
//! file are checked as they are compiled, and escape what they are given; nothing in them has a
//! style or a script of its own, so that the strictest policy for contents can hold.
//!
//! | file | its job |
//! |---|---|
//! | `overview` | whether all is well; `account` a card, `chart` its traffic |
//! | `settings` | what is entered in a mail program, and the password that is shown once |
//! | `notes` | pages that say one thing |
//! | `frame` | what is around each page, and the files that go with them |
//! | `words`, `prose` | numbers, times and sentences as a person reads them |

mod account;
mod chart;
mod frame;
mod notes;
mod overview;
mod prose;
#[cfg(test)]
mod samples;
mod settings;
#[cfg(test)]
mod tests;
mod words;

pub(in crate::status) use frame::asset;
pub(in crate::status) use notes::{Message, forget, message, onward, opened, under_way};
pub(in crate::status) use overview::{Overview, fragment, overview};
pub(in crate::status) use settings::{settings, settings_file, signed_in};
