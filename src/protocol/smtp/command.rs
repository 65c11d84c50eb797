//! The grammar of the commands that matter to a proxy (RFC 5321 §4.1, RFC 4954, RFC 3030).

use nom::bytes::complete::{take_while, take_while1};
use nom::combinator::{all_consuming, opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// A command line.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::protocol) enum Command<'a> {
    Ehlo(&'a [u8]),
    Helo(&'a [u8]),
    /// The mechanism and an initial response.
    Auth(&'a [u8], Option<&'a [u8]>),
    StartTls,
    Data,
    /// The size of a chunk whose bytes follow at once; `None` where none can be read.
    Bdat(Option<u64>),
    /// MAIL or RCPT.
    Mail,
    Rcpt,
    Rset,
    Noop,
    Help,
    Quit,
    Unknown,
}

/// Reads a line without its end. Verbs are in any letter case. Some servers (Postfix is one) pass
/// over white space before a verb; a DATA that only the server saw would make a message's lines
/// commands here.
pub(in crate::protocol) fn parse(line: &[u8]) -> Command<'_> {
    let start = line.iter().position(|byte| !is_space_or_control(*byte));
    let line = &line[start.unwrap_or(line.len())..];
    let verb_end = line.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(line.len());
    let (verb, arguments) = line.split_at(verb_end);
    let argument = arguments.trim_ascii();
    match verb.to_ascii_uppercase().as_slice() {
        b"EHLO" => Command::Ehlo(argument),
        b"HELO" => Command::Helo(argument),
        b"AUTH" => match auth(arguments) {
            Ok((_, (mechanism, response))) => Command::Auth(mechanism, response),
            Err(_) => Command::Auth(b"", None),
        },
        b"STARTTLS" => Command::StartTls,
        b"DATA" => Command::Data,
        b"BDAT" => Command::Bdat(chunk_size(arguments)),
        b"MAIL" => Command::Mail,
        b"RCPT" => Command::Rcpt,
        b"RSET" => Command::Rset,
        b"NOOP" => Command::Noop,
        b"HELP" => Command::Help,
        b"QUIT" => Command::Quit,
        _ => Command::Unknown,
    }
}

/// The size of a chunk (RFC 3030 §2), read strictly: servers differ about what is nearly one, and what
/// one of them takes for a chunk, another takes for commands.
fn chunk_size(arguments: &[u8]) -> Option<u64> {
    let mut words = std::str::from_utf8(arguments).ok()?.strip_prefix(' ')?.split(' ');
    let size = words.next().filter(|size| size.bytes().all(|byte| byte.is_ascii_digit()))?;
    let is_whole = words.next().is_none_or(|word| word.eq_ignore_ascii_case("LAST"));
    size.parse().ok().filter(|_| is_whole && words.next().is_none())
}

fn is_space_or_control(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// A mechanism and an initial response.
type Auth<'a> = (&'a [u8], Option<&'a [u8]>);

/// `AUTH PLAIN  <response>`: some clients write two spaces.
fn auth(input: &[u8]) -> IResult<&[u8], Auth<'_>> {
    let spaces = || take_while1(|byte| byte == b' ');
    let word = || take_while1(|byte: u8| byte.is_ascii_graphic());
    let (input, mechanism) = preceded(spaces(), word()).parse(input)?;
    let (input, response) = opt(preceded(spaces(), word())).parse(input)?;
    let (input, _) = all_consuming(take_while(|byte| byte == b' ')).parse(input)?;
    Ok((input, (mechanism, response)))
}

/// True if `name` may stand in an EHLO that is sent on: a host name or an address literal
/// (RFC 5321 §4.1.3), nothing that could end the line.
pub fn is_valid_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 255 && name.iter().all(u8::is_ascii_graphic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_as_clients_write_them() {
        assert_eq!(parse(b"ehlo [10.0.0.1] "), Command::Ehlo(b"[10.0.0.1]"));
        assert_eq!(parse(b"AUTH PLAIN  AGEAYg=="), Command::Auth(b"PLAIN", Some(b"AGEAYg==")));
        assert_eq!(parse(b"auth login"), Command::Auth(b"login", None));
        assert_eq!(parse(b"AUTH LOGIN a b"), Command::Auth(b"", None));
        assert_eq!(parse(b"AUTH"), Command::Auth(b"", None));
        assert_eq!(parse(b"MAIL FROM: <a@b> SIZE=1"), Command::Mail);
        assert_eq!(parse(b"BDAT 12 LAST"), Command::Bdat(Some(12)));
        assert_eq!(parse(b"bdat 0"), Command::Bdat(Some(0)));
        let nearly = ["BDAT", "BDAT ", "BDAT x", "BDAT 1 3", "BDAT1 3", "BDAT +5", "BDAT\t5"];
        for line in nearly.into_iter().chain(["BDAT 5 LAST 5", "BDAT 18446744073709551616"]) {
            assert_eq!(parse(line.as_bytes()), Command::Bdat(None), "{line}");
        }
        assert_eq!(parse(b"DATAX"), Command::Unknown);
        assert_eq!(parse(b" \t\x0bdata"), Command::Data);
        assert_eq!(parse(b""), Command::Unknown);
    }
}
