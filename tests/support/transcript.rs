//! Dialogues as text files. `tests/transcripts/README.md` explains how one is written.

use std::fmt;

use gatepost::protocol::StartTls;
use gatepost::protocol::line::LineEnds;
use gatepost::protocol::smtp::BareNewlines;

/// One file: what holds for all its scenes, and the scenes.
#[derive(Debug)]
pub(crate) struct Transcript {
    pub(crate) settings: Settings,
    pub(crate) scenes: Vec<Scene>,
}

/// What a file says before its first scene.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) kind: Kind,
    /// The local password of `you@gmail.com`.
    pub(crate) password: String,
    /// What IMAP capabilities the provider has before sign-on.
    pub(crate) capabilities: String,
    /// What the provider answers to EHLO.
    pub(crate) extensions: Vec<String>,
    pub(crate) bare_newlines: BareNewlines,
    pub(crate) start_tls: StartTls,
    /// How the client has ended its lines before.
    pub(crate) line_ends: LineEnds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ImapSignOn,
    SmtpSignOn,
    ImapRelay,
    SmtpRelay,
}

/// One connection from its first byte.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) title: String,
    pub(crate) rounds: Vec<Round>,
}

/// What one side says in one breath, and what comes of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Round {
    /// Where in the file it begins.
    pub(crate) line: usize,
    /// Who speaks; `None` for the greeting, before which nobody spoke.
    pub(crate) speaker: Option<Side>,
    pub(crate) said: Vec<u8>,
    pub(crate) heard: Heard,
    /// `IS:` lines.
    pub(crate) states: Vec<String>,
}

/// What came out of the machine under test.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) by_client: Vec<u8>,
    pub(crate) by_server: Vec<u8>,
    /// The credentials to check, each as `user | password`.
    pub(crate) asked: Vec<String>,
    /// How it ended; `None` while it goes on.
    pub(crate) end: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (who, bytes) in [("client", &self.by_client), ("server", &self.by_server)] {
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let shown = &line[..line.len().min(300)];
                writeln!(f, "    {who} hears {}", shown.escape_ascii())?;
            }
        }
        for asked in &self.asked {
            writeln!(f, "    asked: {asked}")?;
        }
        match &self.end {
            Some(end) => writeln!(f, "    end: {end}"),
            None => writeln!(f, "    goes on"),
        }
    }
}

/// Reads a file. Every mistake in it is an error with its line.
pub(crate) fn parse(text: &str) -> Result<Transcript, String> {
    let mut settings = Settings {
        kind: Kind::ImapSignOn,
        password: String::new(),
        capabilities: String::new(),
        extensions: Vec::new(),
        bare_newlines: BareNewlines::Refuse,
        start_tls: StartTls::NotOffered,
        line_ends: LineEnds::Any,
    };
    let mut kind = None;
    let mut scenes: Vec<Scene> = Vec::new();
    let has_heading = text.starts_with("# ");
    if !has_heading {
        return Err("line 1: a heading that names the source is missing".into());
    }
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let fail = |words: &str| format!("line {number}: {words}: {line}");
        // A comment or an empty line ends no round; the speaker does.
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(title) = line.strip_prefix("== ") {
            scenes.push(Scene { title: title.to_owned(), rounds: Vec::new() });
            continue;
        }
        let (key, value) = line.split_once(':').ok_or_else(|| fail("no `:`"))?;
        let value = value.strip_prefix(' ').unwrap_or(value);
        if let Some(scene) = scenes.last_mut() {
            dialogue_line(scene, number, key, value).map_err(|words| fail(&words))?;
            continue;
        }
        match key {
            "kind" => {
                kind = Some(match value {
                    "imap sign-on" => Kind::ImapSignOn,
                    "smtp sign-on" => Kind::SmtpSignOn,
                    "imap relay" => Kind::ImapRelay,
                    "smtp relay" => Kind::SmtpRelay,
                    _ => return Err(fail("no such kind")),
                });
            }
            "password" => settings.password = value.to_owned(),
            "capabilities" => settings.capabilities = value.to_owned(),
            "extension" => settings.extensions.push(value.to_owned()),
            "bare newlines" => {
                settings.bare_newlines = match value {
                    "refuse" => BareNewlines::Refuse,
                    "normalize" => BareNewlines::Normalize,
                    _ => return Err(fail("refuse or normalize")),
                };
            }
            "line ends" => {
                settings.line_ends = match value {
                    "any" => LineEnds::Any,
                    "crlf" => LineEnds::Crlf,
                    _ => return Err(fail("any or crlf")),
                };
            }
            "starttls" => {
                settings.start_tls = match value {
                    "offered" => StartTls::Offered,
                    "required" => StartTls::Required,
                    _ => return Err(fail("offered or required")),
                };
            }
            _ => return Err(fail("no such setting")),
        }
    }
    settings.kind = kind.ok_or("`kind:` is missing")?;
    if scenes.is_empty() || scenes.iter().any(|scene| scene.rounds.is_empty()) {
        return Err("a scene is missing or empty".into());
    }
    Ok(Transcript { settings, scenes })
}

fn dialogue_line(scene: &mut Scene, line: usize, key: &str, value: &str) -> Result<(), String> {
    let (key, times) = match key.split_once('*') {
        Some((key, times)) => (key, times.parse().map_err(|_| "no number behind `*`")?),
        None => (key, 1),
    };
    let bytes = || unescape(value).map(|bytes| bytes.repeat(times));
    let (says, hears) = match key {
        "C" => (Some(Side::Client), None),
        "U" => (Some(Side::Server), None),
        "S" | ">C" => (None, Some(Side::Client)),
        ">U" => (None, Some(Side::Server)),
        "C>U" => (Some(Side::Client), Some(Side::Server)),
        "U>C" => (Some(Side::Server), Some(Side::Client)),
        "?" | "END" | "IS" => (None, None),
        _ => return Err("no such line".into()),
    };
    // A round is what one side says until the other speaks, or until something only heard is told.
    let goes_on = scene.rounds.last().is_some_and(|round| {
        let both = round.said.is_empty()
            || round.heard == Heard::default()
            || (round.heard.by_client == round.said && round.heard.by_server.is_empty())
            || (round.heard.by_server == round.said && round.heard.by_client.is_empty());
        says.is_none() || (round.speaker == says && both && round.states.is_empty())
    });
    if !goes_on {
        scene.rounds.push(Round { line, speaker: says, ..Round::default() });
    }
    let Some(round) = scene.rounds.last_mut() else {
        return Err("no round".into());
    };
    if says.is_some() {
        round.said.extend(bytes()?);
    }
    match (key, hears) {
        ("?", _) => (0..times).for_each(|_| round.heard.asked.push(value.to_owned())),
        ("IS", _) => round.states.push(value.to_owned()),
        ("END", _) => round.heard.end = Some(value.to_owned()),
        (_, Some(Side::Client)) => round.heard.by_client.extend(bytes()?),
        (_, Some(Side::Server)) => round.heard.by_server.extend(bytes()?),
        _ => {}
    }
    Ok(())
}

/// A line's bytes: CRLF is added, unless it ends in `<+>`; `<CR>`, `<LF>`, `<NUL>`, `<xE9>` and
/// `<300 times text>` are what they say.
fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let (mut rest, end) = match text.strip_suffix("<+>") {
        Some(rest) => (rest, ""),
        None => (text, "\r\n"),
    };
    let mut bytes = Vec::new();
    while let Some(open) = rest.find('<') {
        bytes.extend_from_slice(&rest.as_bytes()[..open]);
        rest = &rest[open..];
        let escaped = rest.find('>').and_then(|close| {
            let inner = &rest[1..close];
            escape(inner).map(|escaped| (escaped, close + 1))
        });
        match escaped {
            Some((escaped, length)) => {
                bytes.extend(escaped);
                rest = &rest[length..];
            }
            None => {
                bytes.push(b'<');
                rest = &rest[1..];
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(end.as_bytes());
    Ok(bytes)
}

fn escape(name: &str) -> Option<Vec<u8>> {
    match name {
        "CR" => return Some(b"\r".to_vec()),
        "LF" => return Some(b"\n".to_vec()),
        "NUL" => return Some(b"\0".to_vec()),
        _ => {}
    }
    if let Some(hex) = name.strip_prefix('x')
        && hex.len() == 2
    {
        return u8::from_str_radix(hex, 16).ok().map(|byte| vec![byte]);
    }
    let (times, text) = name.split_once(" times ")?;
    Some(text.as_bytes().repeat(times.parse().ok()?))
}
