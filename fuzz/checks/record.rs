//! The record of an account. An input is JSON; or `E` and edits of a sample record, four bytes
//! each, which reach behind base64 and so to the seals.
//!
//! - What is read is written and read again as the same.
//! - A record that opens, with whichever of its slots, gives the sample's grant under the sample's
//!   header: no change of a byte leads to another grant or another account.
//! - If every slot opens it, nothing was changed.
//! - Any record that can be read takes a new grant, without a panic, and the new grant opens.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::accounts::{Grant, KeyFile, Record};
use crate::private_file;
use crate::secret::{LocalPassword, RefreshToken};

/// What `Record::create` made for y.ou@gmail.com, with a local password and a key file.
pub(crate) const SAMPLE: &[u8] = include_bytes!("../sample/record.json");
const PASSWORD: &str = include_str!("../sample/password");
const KEY_FILE: &[u8] = include_bytes!("../sample/key");
const TOKEN: &str = "1//sample-refresh-token";
/// Marks an input that has edits in it.
pub(crate) const EDITS: u8 = b'E';
/// More edits are no harder to notice.
const MOST_EDITS: usize = 8;

struct Sample {
    record: Record,
    json: Value,
    password: LocalPassword,
    key_file: KeyFile,
    grant: Grant,
}

static SAMPLE_PARTS: LazyLock<Sample> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    private_file::create_atomically(&path, KEY_FILE).expect("a file");
    Sample {
        record: Record::from_json(SAMPLE).expect("the sample is a record"),
        json: serde_json::from_slice(SAMPLE).expect("the sample is JSON"),
        password: LocalPassword::new(PASSWORD.trim_end()),
        key_file: KeyFile::read(&path).expect("a key file"),
        grant: grant(TOKEN),
    }
});

pub fn check(input: &[u8]) {
    let sample = &*SAMPLE_PARTS;
    let Some(edits) = input.strip_prefix(&[EDITS]) else {
        check_json(sample, input);
        return;
    };
    let mut json = sample.json.clone();
    for edit in edits.chunks_exact(4).take(MOST_EDITS) {
        apply(&mut json, [edit[0], edit[1], edit[2], edit[3]]);
    }
    let json = serde_json::to_vec(&json).expect("JSON");
    if let Some((record, true)) = check_json(sample, &json) {
        assert_eq!(record, sample.record, "it was changed, and each slot still opens it");
    }
}

/// Reads JSON. Gives the record that it is, and whether each of two slots opens it.
fn check_json(sample: &Sample, json: &[u8]) -> Option<(Record, bool)> {
    let record = Record::from_json(json).ok()?;
    check_round_trip(&record);

    // What it costs to try a password, a record says itself; the slow derivation isn't the one
    // under test.
    let by_password =
        (!record.password_is_slow()).then(|| record.unlock_with_password(&sample.password).ok());
    let keys = [by_password.flatten(), record.unlock_with_key_file(&sample.key_file).ok()];
    let mut opened = 0;
    for key in keys.into_iter().flatten() {
        assert!(record.has_key(&key));
        if let Ok(grant) = record.open(&key) {
            opened += 1;
            assert_eq!(grant, sample.grant);
            assert_eq!(facts(&record), facts(&sample.record));
        }
        let mut renewed = record.clone();
        if renewed.rotate(&grant("1//another")).is_ok() {
            check_round_trip(&renewed);
            assert_eq!(renewed.open(&key).expect("it was sealed to this key"), grant("1//another"));
            assert_eq!(facts(&renewed), facts(&record));
        }
    }
    if opened == 0 {
        // A public key that is none is refused, not sealed to.
        let mut renewed = record.clone();
        match renewed.rotate(&sample.grant) {
            Ok(()) => check_round_trip(&renewed),
            Err(_) => assert_eq!(renewed, record),
        }
    }
    Some((record, opened == 2))
}

fn check_round_trip(record: &Record) {
    let json = record.to_json().expect("what was read can be written");
    let again = Record::from_json(&json).expect("what was written can be read");
    assert_eq!(again, *record);
    assert_eq!(again.to_json().expect("it could before"), json);
}

/// Everything in a header that is not a key.
fn facts(record: &Record) -> (&str, &str, &str, [u64; 2], Option<u64>, &str) {
    let times = [record.created(), record.granted()];
    let (address, name) = (record.address().as_str(), record.sign_in_name());
    (address, record.provider(), name, times, record.grant_expires(), record.grant_id())
}

fn grant(token: &str) -> Grant {
    Grant { refresh_token: RefreshToken::new(token) }
}

/// Changes one value: `which` it is, `how`, where in it, and by what.
fn apply(json: &mut Value, [which, how, at, by]: [u8; 4]) {
    let mut pointers = Vec::new();
    leaves(json, String::new(), &mut pointers);
    let pointer = &pointers[usize::from(which) % pointers.len()];
    if how % 8 == 7 {
        // Two values change places.
        let other = &pointers[usize::from(at) % pointers.len()];
        let (one, two) = (json.pointer(pointer).cloned(), json.pointer(other).cloned());
        for (pointer, value) in [(pointer, two), (other, one)] {
            if let (Some(place), Some(value)) = (json.pointer_mut(pointer), value) {
                *place = value;
            }
        }
        return;
    }
    let is_binary = pointer.ends_with("_key")
        || ["salt", "nonce", "ciphertext"].iter().any(|name| pointer.ends_with(name));
    match json.pointer_mut(pointer) {
        Some(Value::String(text)) if is_binary => {
            let mut bytes = STANDARD.decode(&*text).unwrap_or_default();
            change(&mut bytes, how, at, by);
            *text = STANDARD.encode(bytes);
        }
        Some(Value::String(text)) => {
            let mut bytes = std::mem::take(text).into_bytes();
            change(&mut bytes, how, at, by);
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        Some(Value::Number(number)) => {
            let changed = number.as_u64().unwrap_or_default() ^ u64::from(by) << (at % 64);
            *number = changed.into();
        }
        _ => {}
    }
}

fn change(bytes: &mut Vec<u8>, how: u8, at: u8, by: u8) {
    let length = bytes.len();
    let at = usize::from(at) % length.max(1);
    match how % 8 {
        0 => bytes.insert(at, by),
        1 => bytes.truncate(at),
        2 if length > 0 => drop(bytes.remove(at)),
        _ if length > 0 => bytes[at] ^= by,
        _ => bytes.push(by),
    }
}

/// The places of all values that hold no others.
fn leaves(json: &Value, at: String, pointers: &mut Vec<String>) {
    match json {
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| leaves(value, format!("{at}/{name}"), pointers));
        }
        Value::Array(values) => {
            let values = values.iter().enumerate();
            values.for_each(|(index, value)| leaves(value, format!("{at}/{index}"), pointers));
        }
        _ => pointers.push(at),
    }
}
