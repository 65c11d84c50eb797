use super::*;
use crate::accounts::encoding::hex;
use crate::secret::RefreshToken;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use proptest::prelude::*;

const TOKEN: &str = "1//0marker-refresh-token";

fn address() -> Address {
    Address::parse("Y.ou@gmail.com").unwrap()
}

fn grant(token: &str) -> Grant {
    Grant { refresh_token: RefreshToken::new(token) }
}

fn facts(granted: u64) -> GrantFacts {
    let sign_in_name = "you@gmail.com".to_owned();
    GrantFacts { sign_in_name, granted, grant_expires: Some(granted + 604_800) }
}

fn key_file() -> KeyFile {
    let home = tempfile::tempdir().unwrap();
    KeyFile::create(&home.path().join("key")).unwrap()
}

fn record(password: &NewPassword, key_file: Option<&KeyFile>) -> Record {
    Record::create(&address(), "gmail", facts(1_000), &grant(TOKEN), password, key_file).unwrap()
}

/// A record that all three kinds of slot open.
fn with_every_slot(password: &NewPassword, key_file: &KeyFile, kept: &KeychainKey) -> Record {
    let mut record = record(password, Some(key_file));
    let key = record.unlock_with_key_file(key_file).unwrap();
    record.set_keychain_slot(&key, kept).unwrap();
    record
}

fn kept() -> KeychainKey {
    KeychainKey::random().unwrap()
}

fn generated() -> NewPassword {
    NewPassword::generate().unwrap()
}

#[test]
fn a_record_comes_back_from_json_and_opens_with_each_slot() {
    let (password, key_file, kept) = (generated(), key_file(), kept());
    let made = with_every_slot(&password, &key_file, &kept);
    let read = Record::from_json(&made.to_json().unwrap()).unwrap();
    assert_eq!(read, made);
    for key in [
        read.unlock_with_password(password.password()).unwrap(),
        read.unlock_with_key_file(&key_file).unwrap(),
        read.unlock_with_keychain(&kept).unwrap(),
    ] {
        assert!(read.has_key(&key));
        assert_eq!(read.open(&key).unwrap(), grant(TOKEN));
    }
    assert_eq!(read.address().as_str(), "Y.ou@gmail.com");
    assert_eq!((read.provider(), read.sign_in_name()), ("gmail", "you@gmail.com"));
    assert_eq!((read.created(), read.granted()), (1_000, 1_000));
    assert_eq!(read.grant_expires(), Some(605_800));
    assert_eq!(read.grant_id().len(), 32);
    assert!(read.has_key_file_slot() && read.has_keychain_slot() && !read.password_is_slow());
    assert_eq!(read.opens_with(), ["password", "key-file", "keychain"]);
}

#[test]
fn what_a_slot_was_not_made_for_does_not_unlock() {
    let made = record(&generated(), None);
    assert!(!made.has_key_file_slot() && !made.has_keychain_slot());
    let wrong = made.unlock_with_password(generated().password());
    assert_eq!(wrong.unwrap_err(), UnlockError::WrongSecret);
    let empty = made.unlock_with_password(&LocalPassword::new(""));
    assert_eq!(empty.unwrap_err(), UnlockError::WrongSecret);
    assert_eq!(made.unlock_with_key_file(&key_file()).unwrap_err(), UnlockError::NoSuchSlot);
    assert_eq!(made.unlock_with_keychain(&kept()).unwrap_err(), UnlockError::NoSuchSlot);
    let made = with_every_slot(&generated(), &key_file(), &kept());
    assert_eq!(made.unlock_with_key_file(&key_file()).unwrap_err(), UnlockError::WrongSecret);
    assert_eq!(made.unlock_with_keychain(&kept()).unwrap_err(), UnlockError::WrongSecret);
}

#[test]
fn the_keychain_has_another_name_for_each_record() {
    let (one, mut two) = (record(&generated(), None), record(&generated(), None));
    let name = two.keychain_name();
    assert!(name.starts_with("you@gmail.com ") && name.len() == 14 + 16, "{name}");
    assert_ne!(one.keychain_name(), name);
    two.renew("gmail", facts(9_000), &grant("1//new")).unwrap();
    assert_eq!(two.keychain_name(), name, "a new grant is no new record");
}

#[test]
fn a_keychain_slot_can_not_be_moved() {
    let (password, kept) = (generated(), kept());
    let one = with_every_slot(&password, &key_file(), &kept);
    let mut two = record(&password, None);
    two.0.slots.push(one.0.slots[2].clone());
    assert_eq!(two.unlock_with_keychain(&kept).unwrap_err(), UnlockError::WrongSecret);
}

#[test]
fn a_new_sign_in_needs_no_unlocking_and_keeps_the_slots() {
    let (password, key_file) = (generated(), key_file());
    let mut record = record(&password, Some(&key_file));
    let before = record.clone();
    let facts = GrantFacts {
        sign_in_name: "you@example.org".to_owned(),
        granted: 9_000,
        grant_expires: None,
    };
    record.renew("workspace", facts, &grant("1//new")).unwrap();
    assert_ne!(record.grant_id(), before.grant_id());
    assert_eq!((record.created(), record.granted(), record.grant_expires()), (1_000, 9_000, None));
    assert_eq!(record.sign_in_name(), "you@example.org");
    assert_eq!(record.provider(), "workspace");
    assert_eq!(record.0.slots, before.0.slots);
    let key = record.unlock_with_password(password.password()).unwrap();
    assert_eq!(record.open(&key).unwrap(), grant("1//new"));
}

#[test]
fn a_rotation_changes_nothing_but_the_sealed_grant() {
    let password = generated();
    let mut record = record(&password, None);
    let before = record.clone();
    record.rotate(&grant("1//rotated")).unwrap();
    assert_eq!(record.0.header, before.0.header);
    assert_eq!(record.0.slots, before.0.slots);
    let key = record.unlock_with_password(password.password()).unwrap();
    assert_eq!(record.open(&key).unwrap(), grant("1//rotated"));
}

#[test]
fn a_new_password_and_a_new_key_file_replace_the_old_ones() {
    let (old, new, old_file, new_file) = (generated(), generated(), key_file(), key_file());
    let mut record = record(&old, Some(&old_file));
    let key = record.unlock_with_password(old.password()).unwrap();
    record.set_password(&key, &new).unwrap();
    record.set_key_file_slot(&key, &new_file).unwrap();
    assert_eq!(record.0.slots.len(), 2);
    assert!(record.unlock_with_password(old.password()).is_err());
    assert!(record.unlock_with_key_file(&old_file).is_err());
    let again = record.unlock_with_key_file(&new_file).unwrap();
    assert_eq!(record.open(&again).unwrap(), grant(TOKEN));
    record.unlock_with_password(new.password()).unwrap();
}

#[test]
fn the_key_of_another_record_is_refused() {
    let password = generated();
    let (one, mut two) = (record(&password, None), record(&password, None));
    let key = one.unlock_with_password(password.password()).unwrap();
    let before = two.clone();
    assert!(!two.has_key(&key));
    assert!(matches!(two.open(&key), Err(RecordError::WrongKey)));
    assert!(matches!(two.set_password(&key, &generated()), Err(RecordError::WrongKey)));
    assert!(matches!(two.set_key_file_slot(&key, &key_file()), Err(RecordError::WrongKey)));
    assert!(matches!(two.set_keychain_slot(&key, &kept()), Err(RecordError::WrongKey)));
    assert_eq!(two, before);
}

#[test]
fn a_chosen_password_makes_a_slow_slot() {
    let chosen = LocalPassword::new("marker-chosen");
    let record = record(&NewPassword::chosen(chosen.clone()).unwrap(), None);
    assert!(record.password_is_slow());
    let record = Record::from_json(&record.to_json().unwrap()).unwrap();
    let key = record.unlock_with_password(&chosen).unwrap();
    assert_eq!(record.open(&key).unwrap(), grant(TOKEN));
    assert_not_in(&record, "marker-chosen");
}

#[test]
fn no_secret_stands_in_the_json_in_any_form() {
    let password = generated();
    let record = record(&password, Some(&key_file()));
    assert_not_in(&record, TOKEN);
    assert_not_in(&record, password.password().expose());
    assert!(!format!("{record:?}").contains("marker"));
    assert!(!format!("{:?}", grant(TOKEN)).contains("marker"));
}

/// Base64 of a text depends on where it stands, modulo three.
fn assert_not_in(record: &Record, secret: &str) {
    let json = String::from_utf8(record.to_json().unwrap()).unwrap();
    assert!(!json.contains(secret));
    for skip in 0..3 {
        let core = &secret.as_bytes()[skip..skip + 9];
        let bare = STANDARD_NO_PAD.encode(core);
        assert!(!json.contains(&bare) && !json.contains(&URL_SAFE.encode(core)));
        assert!(!json.contains(&hex(core)));
    }
    for blob in json.split('"').filter_map(|text| STANDARD.decode(text).ok()) {
        assert!(!blob.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[test]
fn a_sealed_grant_can_not_be_moved() {
    let password = generated();
    let mut record = record(&password, None);
    let key = record.unlock_with_password(password.password()).unwrap();

    // An older grant of the same record, and that of another one with the same key.
    let older = record.0.sealed_grant.clone();
    record.renew("gmail", facts(2_000), &grant("1//new")).unwrap();
    let mut moved = record.clone();
    moved.0.sealed_grant = older;
    assert!(matches!(moved.open(&key), Err(RecordError::BrokenSeal)));

    let mut other = record.clone();
    other.0.header.address = Address::parse("me@gmail.com").unwrap();
    assert!(matches!(other.open(&key), Err(RecordError::BrokenSeal)));
    assert!(other.unlock_with_password(password.password()).is_err());
}

#[test]
fn an_edited_header_no_longer_opens() {
    let password = generated();
    let record = record(&password, None);
    let key = record.unlock_with_password(password.password()).unwrap();
    let edits: [fn(&mut Header); 8] = [
        |header| header.address = Address::parse("you@gmail.com").unwrap(),
        |header| header.provider.push('x'),
        |header| header.sign_in_name = "other@gmail.com".to_owned(),
        |header| header.created += 1,
        |header| header.granted += 1,
        |header| header.grant_expires = None,
        |header| header.grant_id = "0".repeat(32),
        |header| header.public_key.0[31] ^= 0x80,
    ];
    for edit in edits {
        let mut edited = record.clone();
        edit(&mut edited.0.header);
        assert!(edited.open(&key).is_err());
        assert_ne!(edited, record);
    }
}

#[test]
fn other_formats_and_odd_records_are_refused() {
    let record = record(&generated(), None);
    let json = String::from_utf8(record.to_json().unwrap()).unwrap();
    let refusal = |json: &str| Record::from_json(json.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        refusal("{\"format\": 2, \"whatever\": []}"),
        "the record is of format 2, which a newer Gatepost has written"
    );
    assert!(refusal(&json.replace("\"created\"", "\"made\"")).contains("unknown field `made`"));
    assert!(refusal(&json.replace("\"gmail\"", "\"\"")).contains("provider's name is empty"));
    let name = "\"sign_in_name\": \"you@gmail.com\"";
    let smuggled = json.replace(name, "\"sign_in_name\": \"you@gmail.com\\u0001auth=\"");
    assert!(refusal(&smuggled).contains("sign-in name has a control character"));
    assert!(refusal("").contains("not well-formed"));
    let shouted = json.replace(record.grant_id(), &record.grant_id().replace(['0', '1'], "G"));
    assert!(shouted == json || refusal(&shouted).contains("grant id"));

    let mut doubled = record.clone();
    doubled.0.slots.push(record.0.slots[0].clone());
    assert!(refusal(&String::from_utf8(doubled.to_json().unwrap()).unwrap()).contains("two slots"));
}

#[test]
fn values_that_do_not_fit_leave_the_record_as_it_was() {
    let mut record = record(&generated(), None);
    let before = record.clone();
    let long = "x".repeat(16 * 1024 + 1);
    for token in ["", &long] {
        assert!(matches!(record.rotate(&grant(token)), Err(RecordError::Unfit { .. })));
        assert!(matches!(
            record.renew("gmail", facts(1), &grant(token)),
            Err(RecordError::Unfit { .. })
        ));
    }
    let unnamed = GrantFacts { sign_in_name: String::new(), ..facts(1) };
    assert!(matches!(
        record.renew("gmail", unnamed, &grant("t")),
        Err(RecordError::Unfit { what: "sign-in name", .. })
    ));
    assert_eq!(record, before);
}

#[test]
fn a_grant_with_characters_that_json_escapes_survives() {
    let password = generated();
    let mut record = record(&password, None);
    record.rotate(&grant("a\"b\\c/ü")).unwrap();
    let key = record.unlock_with_password(password.password()).unwrap();
    assert_eq!(record.open(&key).unwrap(), grant("a\"b\\c/ü"));
}

/// A record, its secrets, and its JSON without any space.
struct Sample {
    password: NewPassword,
    key_file: KeyFile,
    kept: KeychainKey,
    record: Record,
    json: Vec<u8>,
}

fn sample() -> Sample {
    let (password, key_file, kept) = (generated(), key_file(), kept());
    let record = with_every_slot(&password, &key_file, &kept);
    let json = serde_json::to_vec(&record.0).unwrap();
    Sample { password, key_file, kept, record, json }
}

impl Sample {
    /// Whatever still opens has to mean what it meant. Gives true if it was refused.
    fn refused_or_same(&self, json: &[u8]) -> bool {
        let Ok(read) = Record::from_json(json) else {
            return true;
        };
        let keys = [
            read.unlock_with_password(self.password.password()),
            read.unlock_with_key_file(&self.key_file),
            read.unlock_with_keychain(&self.kept),
        ];
        let mut refused = false;
        for key in keys {
            let Ok(opened) = key.map_err(|_| ()).and_then(|key| read.open(&key).map_err(|_| ()))
            else {
                refused = true;
                continue;
            };
            assert_eq!(opened, grant(TOKEN));
            assert_eq!(read.0.header, self.record.0.header);
        }
        refused
    }
}

#[test]
fn every_changed_byte_is_refused_or_means_the_same() {
    let sample = sample();
    assert!(!sample.refused_or_same(&sample.json));
    for at in 0..sample.json.len() {
        for flip in [0x01, 0x02, 0x20, 0x80] {
            let mut json = sample.json.clone();
            json[at] ^= flip;
            assert!(sample.refused_or_same(&json), "byte {at} flipped by {flip:#x} went unnoticed");
        }
        assert!(sample.refused_or_same(&sample.json[..at]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn random_damage_is_refused_or_means_the_same(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
        end in prop::option::of(any::<prop::sample::Index>()),
    ) {
        thread_local!(static SAMPLE: Sample = sample());
        SAMPLE.with(|sample| {
            let mut json = sample.json.clone();
            for (at, byte, how) in edits {
                let at = at.index(json.len());
                match how {
                    0 => json[at] = byte,
                    1 => json.insert(at, byte),
                    _ => drop(json.remove(at)),
                }
            }
            if let Some(end) = end {
                json.truncate(end.index(json.len()));
            }
            sample.refused_or_same(&json);
        });
    }
}
