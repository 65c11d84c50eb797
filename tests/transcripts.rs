//! Every file of `tests/transcripts` is played whole, byte by byte and at random splits, with the
//! same result each time. A bug in a protocol first becomes a scene there.

#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/player.rs"]
mod player;
#[path = "support/relay.rs"]
mod relay;
#[path = "support/split.rs"]
mod split;
#[path = "support/transcript.rs"]
mod transcript;

use std::path::PathBuf;

use split::Split;
use transcript::{Heard, Kind, Round, Scene, Settings, Side, Transcript};

/// So that a change of the format can't silently leave scenes out.
const FEWEST_SCENES: usize = 220;

#[test]
fn every_transcript_holds_whatever_the_splits() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder of transcripts")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|is| is == "txt"))
        .collect();
    files.sort();
    let mut scenes = 0;
    let mut failures = Vec::new();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a transcript");
        match transcript::parse(&text) {
            Ok(transcript) => {
                scenes += transcript.scenes.len();
                let failed = play(&transcript);
                failures.extend(failed.into_iter().map(|words| format!("{name}, {words}")));
            }
            Err(words) => failures.push(format!("{name}, {words}")),
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {scenes} scenes failed:\n\n{}",
        failures.len(),
        failures.join("\n")
    );
    assert!(scenes >= FEWEST_SCENES, "only {scenes} scenes were found");
}

/// Plays every scene in every way; the first failure of each scene.
fn play(transcript: &Transcript) -> Vec<String> {
    let settings = &transcript.settings;
    let scenes = transcript.scenes.iter();
    scenes
        .filter_map(|scene| {
            let mut failed = split::every_way().filter_map(|split| {
                let failed = play_scene(settings, &scene.rounds, split).err()?;
                Some(format!("scene `{}`, {split:?}, {failed}", scene.title))
            });
            failed.next().or_else(|| {
                let failed = play_at_once(settings, scene).err()?;
                Some(format!("scene `{}`, all at once, {failed}", scene.title))
            })
        })
        .collect()
}

fn play_scene(settings: &Settings, rounds: &[Round], split: Split) -> Result<(), String> {
    let mut player = player::player(settings);
    let greeted = rounds.first().is_some_and(|round| round.speaker.is_none());
    if !greeted {
        player.heard();
    }
    let mut end = None;
    for (index, round) in rounds.iter().enumerate() {
        for piece in split.cut(&round.said, index) {
            player.hear(round.speaker.unwrap_or(Side::Client), piece);
        }
        let heard = player.heard();
        // How it ended stays so.
        end = round.heard.end.clone().or(end);
        let expected = Heard { end: end.clone(), ..round.heard.clone() };
        if heard != expected {
            return Err(format!("line {}:\n  expected\n{expected:?}  but\n{heard:?}", round.line));
        }
        let is = player.state();
        if let Some(wanted) = round.states.iter().find(|wanted| **wanted != is) {
            return Err(format!("line {}: it is {is}, not {wanted}", round.line));
        }
    }
    match player.leftovers() {
        Some(leftovers) => Err(format!("at the end {leftovers}\n")),
        None => Ok(()),
    }
}

/// A sign-on must not depend on whether the client waits for the answers.
fn play_at_once(settings: &Settings, scene: &Scene) -> Result<(), String> {
    if !matches!(settings.kind, Kind::ImapSignOn | Kind::SmtpSignOn) {
        return Ok(());
    }
    let (greeting, rounds) = match scene.rounds.split_first() {
        Some((greeting, rounds)) if greeting.speaker.is_none() => (Some(greeting), rounds),
        _ => (None, scene.rounds.as_slice()),
    };
    let Some(first) = rounds.first() else {
        return Ok(());
    };
    let mut all = Round { line: first.line, speaker: Some(Side::Client), ..Round::default() };
    for round in rounds {
        all.said.extend_from_slice(&round.said);
        all.heard.by_client.extend_from_slice(&round.heard.by_client);
        all.heard.by_server.extend_from_slice(&round.heard.by_server);
        all.heard.asked.extend_from_slice(&round.heard.asked);
        all.heard.end = round.heard.end.clone().or(all.heard.end);
    }
    let rounds: Vec<Round> = greeting.cloned().into_iter().chain([all]).collect();
    play_scene(settings, &rounds, Split::Whole)
}

/// The runner itself: what is wrong is told, with the line.
#[test]
fn a_wrong_transcript_fails() {
    let says = |wrong: &str| {
        let text = format!("# RFC 9051 §6\nkind: imap relay\n== a scene\n{wrong}\n");
        let failed = transcript::parse(&text).map(|transcript| play(&transcript));
        failed.unwrap_or_else(|words| vec![words]).join("\n")
    };
    assert_eq!(says("C>U: a NOOP\nU>C: a OK"), "");
    assert!(says("C: a NOOP\n>U: a NOPE").contains("line 4"));
    assert!(says("C>U: a NOOP\nU>C: a OK<CR><+>").contains("client hears a OK"));
    assert!(says("C>U: a NOOP\nIS: quiet").contains("it is awaiting an answer"));
    assert!(says("C: DON<+>").contains("held back: 3 bytes"));
    assert!(says("C>U: a NOOP\nEND: closed").contains("goes on"));
    assert!(says("C a NOOP").contains("line 4"));
    assert!(says("X: a NOOP").contains("no such line"));
    assert!(transcript::parse("kind: imap relay\n").is_err());
}
