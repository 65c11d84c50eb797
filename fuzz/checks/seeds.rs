//! Inputs to begin with: each scene of the transcripts, and the sample record.

use std::fs;
use std::io;
use std::path::Path;

use crate::protocol::smtp::BareNewlines;
use crate::record;
use crate::script::{CUT, MANY, TURN};
use crate::transcript::{self, Kind, Scene, Settings, Side};

/// What is longer hides what it is about.
const LONGEST: usize = 4096;

/// Sessions that are taken over; a byte of 1 stands for the mark of a turn.
const LIES: [&str; 4] = [
    "a SELECT INBOX\r\n\u{1}* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 9] x\r\na OK [READ-WRITE] x\r\n\
     \u{1}\u{1}* 4 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 10] x\r\ngs OK [READ-WRITE] x\r\n\
     * ESEARCH (TAG \"gp1\") UID ALL 3,5,7,9\r\ngp1 OK x\r\n",
    "a ENABLE QRESYNC\r\nb SELECT INBOX\r\nc UID FETCH 1:* UID\r\n\u{1}* ENABLED QRESYNC\r\na OK x\r\n\
     * 2 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [HIGHESTMODSEQ 5] x\r\nb OK [READ-WRITE] x\r\n\
     * 1 FETCH (UID 3)\r\n* 2 FETCH (UID 5)\r\n* VANISHED 3\r\nc OK x\r\n\
     \u{1}\u{1}* ENABLED QRESYNC\r\nge0 OK x\r\n* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [HIGHESTMODSEQ 6] x\r\n\
     gs OK [READ-WRITE] x\r\n* ESEARCH (TAG \"gp1\") UID ALL 5\r\ngp1 OK x\r\n",
    "a EXAMINE INBOX\r\n\u{1}* 0 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\na OK [READ-ONLY] x\r\n\
     \u{1}\u{1}* 1 EXISTS\r\ngs OK [READ-ONLY] x\r\n* ESEARCH (TAG \"gp1\") UID ALL 1:4294967295\r\n\
     * 2 EXISTS\r\ngp1 OK x\r\n\u{1}\u{1}gp2 NO x\r\n* BYE x\r\n",
    "a SELECT INBOX\r\nb UID FETCH 1:* UID\r\n\u{1}* 3 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\na OK [READ-WRITE] x\r\n\
     * 1 FETCH (UID 3)\r\n* 2 FETCH (UID 5)\r\n* 3 FETCH (UID 7)\r\nb OK x\r\n\
     \u{1}\u{1}* 1 EXISTS\r\n* OK [UIDVALIDITY 7] x\r\n* OK [UIDNEXT 8] x\r\ngs OK [READ-WRITE] x\r\n\
     * ESEARCH (TAG \"gp1\") UID ALL 7\r\ngp1 OK x\r\n",
];

/// Writes them below `fuzz`, the folder of the fuzz targets.
pub fn write(fuzz: &Path) -> io::Result<()> {
    let corpus = fuzz.join("corpus");
    let save = |target: &str, name: &str, input: &[u8]| {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(name), input)
    };
    for entry in fs::read_dir(fuzz.join("../tests/transcripts"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".txt"))
        else {
            continue;
        };
        let transcript =
            transcript::parse(&fs::read_to_string(&path)?).map_err(io::Error::other)?;
        for (index, scene) in transcript.scenes.iter().enumerate() {
            let input = input(&transcript.settings, scene);
            if input.len() <= LONGEST {
                let name = format!("{name}-{index}");
                save(target(transcript.settings.kind), &name, &input)?;
                match transcript.settings.kind {
                    Kind::ImapRelay => {
                        save("imap_framing", &name, &input)?;
                        save("imap_lies", &name, &input)?;
                    }
                    Kind::SmtpRelay => save("smtp_framing", &name, &input[1..])?,
                    _ => {}
                }
            }
        }
    }
    for (index, lies) in LIES.iter().enumerate() {
        let input: Vec<u8> = lies.bytes().map(|byte| if byte == 1 { TURN } else { byte }).collect();
        save("imap_lies", &format!("takeover-{index}"), &input)?;
    }
    // What server and client can do, and then: a selection, arrivals, a search, news, a takeover.
    for can in [0x30, 0x31, 0x33, 0x3b, 0x3c] {
        save(
            "imap_takeover",
            &format!("story-{can}"),
            &[can, 2, 0, 0, 1, 3, 0, 4, 9, 1, 1, 5, 0, 6, 0, 8, 0],
        )?;
    }
    save("record", "sample", record::SAMPLE)?;
    for which in 0..24 {
        save("record", &format!("edit-{which}"), &[record::EDITS, which, 3, 5, 1])?;
    }
    Ok(())
}

fn target(kind: Kind) -> &'static str {
    match kind {
        Kind::ImapSignOn => "imap_sign_on",
        Kind::SmtpSignOn => "smtp_sign_on",
        Kind::ImapRelay => "imap_relay",
        Kind::SmtpRelay => "smtp_relay",
    }
}

fn input(settings: &Settings, scene: &Scene) -> Vec<u8> {
    let mut input = match (settings.kind, settings.bare_newlines) {
        (Kind::SmtpRelay, BareNewlines::Normalize) => b"n".to_vec(),
        (Kind::SmtpRelay, BareNewlines::Refuse) => b"r".to_vec(),
        _ => Vec::new(),
    };
    let mut last = Side::Client;
    for (index, round) in scene.rounds.iter().enumerate() {
        let Some(speaker) = round.speaker else {
            continue;
        };
        if speaker != last {
            input.push(TURN);
            last = speaker;
        } else if index > 0 {
            input.push(CUT);
        }
        input.extend(fold(&round.said));
    }
    input
}

/// Says a byte that comes very often the short way.
fn fold(said: &[u8]) -> Vec<u8> {
    let mut folded = Vec::new();
    for run in said.chunk_by(|one, two| one == two) {
        let byte = run[0];
        let mut left = run.len();
        while left >= 64 {
            let times = left.ilog2().min(15);
            folded.extend([MANY, times as u8, byte]);
            left -= 1 << times;
        }
        folded.extend(std::iter::repeat_n(byte, left));
    }
    folded
}
