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
                save(target(transcript.settings.kind), &format!("{name}-{index}"), &input)?;
            }
        }
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
