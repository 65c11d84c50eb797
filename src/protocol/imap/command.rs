//! The grammar of the commands that a client may give before it has signed on (RFC 9051 §6.1, §6.2),
//! as clients write them: trailing spaces, back slashes that nothing escapes and 8-bit atoms pass.

use nom::branch::alt;
use nom::bytes::complete::{tag, take, take_while, take_while1};
use nom::character::complete::{char, digit1};
use nom::combinator::{all_consuming, map_res, opt, value};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};
use zeroize::Zeroizing;

/// A whole command, literals included.
#[derive(Debug)]
pub(super) struct Command<'a> {
    /// The client's tag.
    pub(super) tag: &'a [u8],
    /// What it asks.
    pub(super) body: Body<'a>,
}

/// What a command asks.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Capability,
    Noop,
    Id,
    Logout,
    StartTls,
    Login {
        user: Zeroizing<Vec<u8>>,
        password: Zeroizing<Vec<u8>>,
    },
    Authenticate {
        mechanism: &'a [u8],
        initial: Option<&'a [u8]>,
    },
    /// A known command with arguments that it can't have.
    BadArguments(&'static str),
    /// Any other.
    Unknown,
}

/// Reads a command without its final CRLF. `Err` holds the tag, if there is one to answer to.
pub(super) fn parse(command: &[u8]) -> Result<Command<'_>, Option<&[u8]>> {
    let (rest, tag) = tag_word(command).map_err(|_| None)?;
    let (arguments, name) = word(rest).map_err(|_| Some(tag))?;
    let body = match name.to_ascii_uppercase().as_slice() {
        b"CAPABILITY" => Body::Capability,
        b"NOOP" => Body::Noop,
        b"ID" => Body::Id,
        b"LOGOUT" => Body::Logout,
        b"STARTTLS" => Body::StartTls,
        b"LOGIN" => match login(arguments) {
            Ok((_, (user, password))) => Body::Login { user, password },
            Err(_) => Body::BadArguments("LOGIN takes a user name and a password"),
        },
        b"AUTHENTICATE" => match authenticate(arguments) {
            Ok((_, (mechanism, initial))) => Body::Authenticate { mechanism, initial },
            Err(_) => Body::BadArguments("AUTHENTICATE takes a mechanism and at most one response"),
        },
        _ => Body::Unknown,
    };
    Ok(Command { tag, body })
}

/// The password in a whole LOGIN command, for those who must not show it.
pub(in crate::protocol) fn login_password(command: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    match parse(command).ok()?.body {
        Body::Login { password, .. } => Some(password),
        _ => None,
    }
}

/// A tag (RFC 9051 §9: ASTRING-CHARs without `+`) and the space behind it.
fn tag_word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let is_tag = |byte: u8| byte.is_ascii_graphic() && !b"(){%*\"\\+".contains(&byte);
    terminated(take_while1(is_tag), char(' ')).parse(input)
}

fn word(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|byte: u8| byte.is_ascii_graphic())(input)
}

type Secret = Zeroizing<Vec<u8>>;

/// A mechanism and an initial response.
type Authenticate<'a> = (&'a [u8], Option<&'a [u8]>);

fn login(input: &[u8]) -> IResult<&[u8], (Secret, Secret)> {
    let (input, _) = take_while1(|byte| byte == b' ')(input)?;
    let (input, user) = astring(input)?;
    let (input, _) = take_while1(|byte| byte == b' ')(input)?;
    let (input, password) = astring(input)?;
    let (input, _) = all_consuming(take_while(|byte| byte == b' ')).parse(input)?;
    Ok((input, (user, password)))
}

fn authenticate(input: &[u8]) -> IResult<&[u8], Authenticate<'_>> {
    let (input, _) = take_while1(|byte| byte == b' ')(input)?;
    let (input, mechanism) = word(input)?;
    let (input, _) = take_while(|byte| byte == b' ')(input)?;
    let (input, initial) = opt(word).parse(input)?;
    let (input, _) = all_consuming(take_while(|byte| byte == b' ')).parse(input)?;
    Ok((input, (mechanism, initial)))
}

/// A string in any of its forms (RFC 9051 §4.3), or a bare word.
fn astring(input: &[u8]) -> IResult<&[u8], Secret> {
    alt((literal, quoted, atom)).parse(input)
}

fn literal(input: &[u8]) -> IResult<&[u8], Secret> {
    let size = map_res(digit1, |digits: &[u8]| {
        std::str::from_utf8(digits).unwrap_or_default().parse::<usize>()
    });
    let announcement = terminated(size, (opt(char('+')), char('}'), opt(char('\r')), char('\n')));
    let (input, size) = (char('{'), announcement).map(|(_, size)| size).parse(input)?;
    let (input, bytes) = take(size)(input)?;
    Ok((input, Zeroizing::new(bytes.to_vec())))
}

fn quoted(input: &[u8]) -> IResult<&[u8], Secret> {
    delimited(char('"'), quoted_text, char('"')).parse(input)
}

fn quoted_text(mut input: &[u8]) -> IResult<&[u8], Secret> {
    let mut text = Zeroizing::new(Vec::with_capacity(input.len()));
    loop {
        let (rest, plain) = take_while(|byte| !matches!(byte, b'"' | b'\\'))(input)?;
        text.extend_from_slice(plain);
        // `\"` and `\\` stand for their second character. A back slash before any other stands for
        // itself: some clients don't know that it has to be escaped.
        let escape = alt((
            value(Some(b'"'), tag("\\\"")),
            value(Some(b'\\'), tag("\\\\")),
            value(Some(b'\\'), tag("\\")),
        ));
        let (rest, escaped) = opt(escape).map(Option::flatten).parse(rest)?;
        match escaped {
            Some(byte) => text.push(byte),
            None => return Ok((rest, text)),
        }
        input = rest;
    }
}

fn atom(input: &[u8]) -> IResult<&[u8], Secret> {
    let (input, bytes) =
        take_while1(|byte: u8| !matches!(byte, b' ' | b'"' | b'\r' | b'\n' | 0))(input)?;
    Ok((input, Zeroizing::new(bytes.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn login_of(command: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        match parse(command).ok()?.body {
            Body::Login { user, password } => Some((user.to_vec(), password.to_vec())),
            _ => None,
        }
    }

    #[test]
    fn login_takes_every_form_of_string() {
        let is = |command: &str, user: &str, password: &str| {
            assert_eq!(
                login_of(command.as_bytes()),
                Some((user.into(), password.into())),
                "{command}"
            );
        };
        is("a LOGIN u p", "u", "p");
        is("a login u p ", "u", "p");
        is("a LOGIN \"u\" \"p\"  ", "u", "p");
        is(r#"a LOGIN "u" "a\"b\\c""#, "u", r#"a"b\c"#);
        is(r#"a LOGIN "u" "a\b""#, "u", r"a\b");
        is("a LOGIN {1}\r\nu {3}\r\na b", "u", "a b");
        is("a LOGIN {1+}\r\nu \"p\"", "u", "p");
        is("a LOGIN \"u\" {4+}\r\n{2}\"", "u", "{2}\"");
        is("a LOGIN u@x.y p[%]*\\", "u@x.y", "p[%]*\\");
        is("a LOGIN u \"ü\"", "u", "ü");
        is("a LOGIN u \"\"", "u", "");
    }

    #[test]
    fn what_is_no_login_is_said() {
        for command in
            ["a LOGIN", "a LOGIN u", "a LOGIN u p x", "a LOGIN \"u p", "a LOGIN {5}\r\nu p"]
        {
            assert!(
                matches!(parse(command.as_bytes()).unwrap().body, Body::BadArguments(_)),
                "{command}"
            );
        }
        assert!(matches!(parse(b"a XYZZY").unwrap().body, Body::Unknown));
        assert!(parse(b"").is_err());
        assert!(parse(b"+ LOGIN u p").is_err());
        assert_eq!(parse(b"a ").err(), Some(Some(b"a".as_slice())));
    }

    proptest! {
        #[test]
        fn nothing_makes_the_grammar_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn quoted_and_literal_passwords_come_through(password in "[^\r\n\0]{0,40}") {
            let escaped = password.replace('\\', "\\\\").replace('"', "\\\"");
            let quoted = format!("a LOGIN u \"{escaped}\"");
            prop_assert_eq!(login_of(quoted.as_bytes()).unwrap().1, password.as_bytes());
            let literal = format!("a LOGIN u {{{}+}}\r\n{password}", password.len());
            prop_assert_eq!(login_of(literal.as_bytes()).unwrap().1, password.as_bytes());
        }
    }
}
