//! Other hands at a record's file: whatever still opens gives the same grant for the same account, and
//! all else is refused, by the file's name, and left as it is.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::{
    Address, Grant, GrantFacts, KeyFile, KeychainKey, NewPassword, Record, Store, StoreError,
};
use crate::secret::RefreshToken;

const SLOTS: usize = 3;

/// What opens both records of a test.
struct Keys {
    password: NewPassword,
    key_file: KeyFile,
    kept: KeychainKey,
    _folder: tempfile::TempDir,
}

/// An account on disk.
struct Account {
    address: Address,
    store: Store,
    file: PathBuf,
    record: Record,
    json: Vec<u8>,
    token: &'static str,
    _folder: tempfile::TempDir,
}

/// What became of a changed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    /// Not read as a record; the file is named.
    Refused,
    /// Read, and no slot leads to a grant.
    Sealed,
    /// Some slots lead to the same grant, others to none.
    SlotClosed,
    /// All of them do, and nothing in it reads otherwise.
    Same,
}

impl Keys {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            password: NewPassword::generate().unwrap(),
            key_file: KeyFile::create(&folder.path().join("key")).unwrap(),
            kept: KeychainKey::random().unwrap(),
            _folder: folder,
        }
    }
}

impl Account {
    fn new(keys: &Keys, address: &str, token: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let address = Address::parse(address).unwrap();
        let facts = GrantFacts {
            sign_in_name: address.canonical().to_owned(),
            granted: 1_700_000_000,
            grant_expires: Some(1_700_604_800),
        };
        let grant = Grant { refresh_token: RefreshToken::new(token) };
        let (password, key_file) = (&keys.password, Some(&keys.key_file));
        let mut record =
            Record::create(&address, "gmail", facts, &grant, password, key_file).unwrap();
        let key = record.unlock_with_key_file(&keys.key_file).unwrap();
        record.set_keychain_slot(&key, &keys.kept).unwrap();
        let json = record.to_json().unwrap();
        let file = folder.path().join(format!("{}.json", address.file_stem()));
        Self { address, store, file, record, json, token, _folder: folder }
    }

    /// What becomes of the account with this in its file.
    fn fate(&self, keys: &Keys, json: &[u8]) -> Fate {
        let Ok(read) = Record::from_json(json) else { return Fate::Refused };
        if read.address().file_stem() != self.address.file_stem() {
            return Fate::Refused;
        }
        self.fate_of(keys, &read)
    }

    /// The same by the file: what is refused is named, and nobody writes over it.
    fn fate_on_disk(&self, keys: &Keys, json: &[u8]) -> Fate {
        fs::write(&self.file, json).unwrap();
        let read = match self.store.load(&self.address) {
            Ok(read) => read.unwrap(),
            Err(error) => {
                assert!(error.to_string().contains(&self.file.display().to_string()), "{error}");
                let update = self.store.update::<StoreError>(&self.address, |_| panic!("{error}"));
                assert!(update.is_err() && self.store.remove(&self.address).is_err());
                assert_eq!(fs::read(&self.file).unwrap(), json, "left as it is");
                return Fate::Refused;
            }
        };
        self.fate_of(keys, &read)
    }

    fn fate_of(&self, keys: &Keys, read: &Record) -> Fate {
        let opened = [
            read.unlock_with_password(keys.password.password()),
            read.unlock_with_key_file(&keys.key_file),
            read.unlock_with_keychain(&keys.kept),
        ];
        let grants = opened.into_iter().flatten().flat_map(|key| read.open(&key));
        let grants = grants.inspect(|grant| {
            assert_eq!(grant.refresh_token.expose(), self.token);
            assert_eq!(read.address().as_str(), self.record.address().as_str());
            assert_eq!(read.sign_in_name(), self.record.sign_in_name());
        });
        match grants.count() {
            0 => Fate::Sealed,
            SLOTS => {
                assert_eq!(*read, self.record);
                Fate::Same
            }
            _ => Fate::SlotClosed,
        }
    }
}

fn account() -> (Keys, Account) {
    let keys = Keys::new();
    let account = Account::new(&keys, "Y.ou@gmail.com", "1//0marker-refresh-token");
    assert_eq!(account.fate(&keys, &account.json), Fate::Same);
    (keys, account)
}

/// Which bytes of a JSON text are space between its parts.
fn spaces(json: &[u8]) -> Vec<bool> {
    let mut in_text = false;
    let is_space = json.iter().map(|byte| {
        // No text of a record has a quotation mark of its own.
        in_text ^= *byte == b'"';
        !in_text && byte.is_ascii_whitespace()
    });
    is_space.collect()
}

/// Every bit of every byte by itself, all bits of it at once, and each kind of space in its place.
#[test]
fn no_changed_byte_opens_another_grant_and_only_space_is_harmless() {
    let (keys, account) = account();
    let spaces = spaces(&account.json);
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let mut json = account.json.clone();
    for at in 0..json.len() {
        let was = json[at];
        let flipped = (0..8).map(|bit| was ^ (1 << bit)).chain([!was]);
        let spaced = b" \t\r\n".iter().copied().filter(|space| *space != was);
        for byte in flipped.chain(spaced) {
            json[at] = byte;
            let fate = account.fate(&keys, &json);
            *fates.entry(fate).or_default() += 1;
            // JSON lets any of four characters stand between its parts (RFC 8259 §2).
            let harmless = spaces[at] && b" \t\r\n".contains(&byte);
            assert_eq!(fate == Fate::Same, harmless, "byte {at}, {was:#x} made {byte:#x}");
        }
        json[at] = was ^ 1;
        assert_eq!(account.fate_on_disk(&keys, &json), account.fate(&keys, &json), "byte {at}");
        json[at] = was;
    }
    println!("{} bytes: {fates:?}", json.len());
    for fate in [Fate::Refused, Fate::Sealed, Fate::SlotClosed, Fate::Same] {
        assert!(fates.contains_key(&fate), "{fates:?}");
    }
}

/// Below the text: every bit of every value that is bytes.
#[test]
fn every_bit_of_every_sealed_value_counts() {
    let (keys, account) = account();
    let whole: Value = serde_json::from_slice(&account.json).unwrap();
    let (mut values, mut bits) = (0, 0);
    for path in leaves(&whole) {
        let text = whole.pointer(&path).unwrap().as_str().unwrap_or_default();
        // A salt, a nonce, a key, what is sealed.
        let Some(mut bytes) = STANDARD.decode(text).ok().filter(|bytes| bytes.len() >= 24) else {
            continue;
        };
        if path.ends_with("grant_id") {
            continue;
        }
        values += 1;
        let wanted = if path.starts_with("/slots") { Fate::SlotClosed } else { Fate::Sealed };
        for bit in 0..8 * bytes.len() {
            bits += 1;
            bytes[bit / 8] ^= 1 << (bit % 8);
            let mut changed = whole.clone();
            *changed.pointer_mut(&path).unwrap() = STANDARD.encode(&bytes).into();
            let fate = account.fate(&keys, &serde_json::to_vec(&changed).unwrap());
            assert_eq!(fate, wanted, "bit {bit} of {path}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
    println!("{values} values, {bits} bits");
    // Three slots of a salt, a nonce and a key each; the public key; what is sealed, in two parts.
    assert_eq!(values, 3 * SLOTS + 3);
}

#[test]
fn a_file_that_was_cut_is_refused_at_each_length() {
    let (keys, account) = account();
    let ends = account.json.len() - 1;
    for length in 0..ends {
        assert_eq!(account.fate(&keys, &account.json[..length]), Fate::Refused, "{length} bytes");
    }
    assert_eq!(
        account.fate(&keys, &account.json[..ends]),
        Fate::Same,
        "without its last line break"
    );
    let longer = [&account.json[..], b"x"].concat();
    assert_eq!(account.fate_on_disk(&keys, &longer), Fate::Refused);
}

/// The same person, the same password, key file and keychain: and yet no part of one account's record
/// does anything in the other's.
#[test]
fn no_part_of_another_record_passes() {
    let keys = Keys::new();
    let ours = Account::new(&keys, "you@gmail.com", "1//0ours");
    let theirs = Account::new(&keys, "me@gmail.com", "1//0theirs");
    let read = |account: &Account| serde_json::from_slice::<Value>(&account.json).unwrap();
    let (whole, other) = (read(&ours), read(&theirs));
    let mut fates: BTreeMap<Fate, usize> = BTreeMap::new();
    let mut paths = leaves(&whole);
    paths.extend(
        ["/header", "/slots", "/slots/0", "/slots/1", "/slots/2", "/sealed_grant"].map(Into::into),
    );
    for path in &paths {
        let mut changed = whole.clone();
        *changed.pointer_mut(path).unwrap() = other.pointer(path).unwrap().clone();
        let fate = ours.fate(&keys, &serde_json::to_vec(&changed).unwrap());
        *fates.entry(fate).or_default() += 1;
        assert_eq!(fate == Fate::Same, changed == whole, "{path}");
    }
    println!("{} parts: {fates:?}", paths.len());
    assert_eq!(ours.fate_on_disk(&keys, &theirs.json), Fate::Refused, "under the name of another");
}

#[test]
fn slots_may_stand_in_any_order_and_not_for_one_another() {
    let (keys, account) = account();
    let whole: Value = serde_json::from_slice(&account.json).unwrap();
    let fate = |changed: &Value| account.fate(&keys, &serde_json::to_vec(changed).unwrap());
    for (one, two) in [(0, 1), (0, 2), (1, 2)] {
        let mut changed = whole.clone();
        changed["slots"].as_array_mut().unwrap().swap(one, two);
        fs::write(&account.file, serde_json::to_vec(&changed).unwrap()).unwrap();
        let read = account.store.load(&account.address).unwrap().unwrap();
        let key = read.unlock_with_password(keys.password.password()).unwrap();
        assert_eq!(read.open(&key).unwrap().refresh_token.expose(), account.token);

        for field in ["kind", "derivation", "nonce", "wrapped_key"] {
            let mut changed = whole.clone();
            let [first, second] = [one, two].map(|slot| whole["slots"][slot][field].clone());
            changed["slots"][one][field] = second;
            changed["slots"][two][field] = first;
            assert_eq!(fate(&changed), Fate::SlotClosed, "{field} of {one} and {two}");
        }
        let mut doubled = whole.clone();
        doubled["slots"][one] = whole["slots"][two].clone();
        assert_eq!(fate(&doubled), Fate::Refused);
    }
    let mut none = whole.clone();
    none["slots"] = Value::Array(Vec::new());
    assert_eq!(fate(&none), Fate::Sealed);
}

#[test]
fn every_bit_of_a_key_file_counts() {
    let (keys, account) = account();
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = keys.key_file.expose().to_vec();
    for bit in 0..8 * bytes.len() {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let file = folder.path().join("key");
        crate::private_file::write_atomically(&file, &bytes).unwrap();
        let changed = KeyFile::read(&file).unwrap();
        assert!(account.record.unlock_with_key_file(&changed).is_err(), "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

/// The paths of all that is no object and no list.
fn leaves(value: &Value) -> Vec<String> {
    let below = |name: String, value: &Value| {
        leaves(value).into_iter().map(move |path| format!("/{name}{path}")).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| below(name.clone(), value)).collect()
        }
        Value::Array(parts) => {
            parts.iter().enumerate().flat_map(|(at, value)| below(at.to_string(), value)).collect()
        }
        _ => vec![String::new()],
    }
}
