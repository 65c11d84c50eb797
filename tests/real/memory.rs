//! What a core dump of an idle Gatepost would show, state by state: as root, who may read the memory of
//! every process. And nobody else may.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    process::Command,
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use gatepost::accounts::{Address, Record};
use gatepost::secret::LocalPassword;
use hkdf::Hkdf;
use memchr::memmem;
use serde_json::Value;
use sha2::Sha256;

use crate::support::{
    bed::{ADDRESS, Bed},
    gatepost::{Home, PROMPT, Proxy, configuration},
    leaks::Secret,
    process,
    scene::{quoted, sign_in},
    wire::Wire,
    within,
};

const LIMIT: Duration = Duration::from_secs(240);
/// What was under way is over, and tasks have ended.
const AT_REST: Duration = Duration::from_millis(500);

/// What is in the writable memory of a process: its heap, its stacks, its data.
fn memory_of(proxy: &Proxy) -> Vec<u8> {
    let maps = fs::read_to_string(format!("/proc/{}/maps", proxy.pid())).unwrap();
    let mut memory = File::open(format!("/proc/{}/mem", proxy.pid())).unwrap();
    let mut all = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        memory.seek(SeekFrom::Start(from)).unwrap();
        // The kernel's own pages can't be read.
        let _ = (&mut memory).take(to - from).read_to_end(&mut all);
        all.push(0);
    }
    all
}

/// Google's access tokens in it, plain or in the message of XOAUTH2.
fn access_tokens(memory: &[u8]) -> BTreeSet<String> {
    let is_own = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let plain = memmem::find_iter(memory, b"ya29.").map(|at| {
        let token: Vec<u8> = memory[at..].iter().take_while(is_own).copied().collect();
        String::from_utf8(token).unwrap()
    });
    let start = STANDARD.encode(format!("user={}\x01auth=", address().canonical()));
    // What stands in the last group of four depends on what follows.
    let start = &start.as_bytes()[..start.trim_end_matches('=').len() / 4 * 4 - 4];
    let in_base64 = memmem::find_iter(memory, start).filter_map(|at| {
        let is_base64 = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
        let text: Vec<u8> = memory[at..].iter().take_while(is_base64).copied().collect();
        let whole = STANDARD.decode(&text[..text.len() / 4 * 4]).ok()?;
        let message = String::from_utf8_lossy(&whole).into_owned();
        let token = message.split_once("Bearer ")?.1.trim_end_matches('\u{1}').to_owned();
        Some(token)
    });
    plain.chain(in_base64).filter(|token| token.len() > 40).collect()
}

fn address() -> Address {
    Address::parse(ADDRESS).unwrap()
}

/// The private key of the record, by the record's format and not by Gatepost's code.
fn private_key(json: &[u8], key_file: &[u8]) -> Vec<u8> {
    let record: Value = serde_json::from_slice(json).unwrap();
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let bind = |fields: &[&[u8]]| {
        let length = |field: &[u8]| (field.len() as u64).to_be_bytes().to_vec();
        fields.iter().flat_map(|field| [length(field), field.to_vec()].concat()).collect::<Vec<_>>()
    };
    let slots = record["slots"].as_array().unwrap();
    let slot = slots.iter().find(|slot| slot["kind"] == "key-file").unwrap();
    let (label, kind) = (b"gatepost key slot, version 1", b"key-file");
    let mut key = [0; 32];
    let salt = bytes(&slot["derivation"]["salt"]);
    Hkdf::<Sha256>::new(Some(&salt), key_file).expand(&bind(&[label, kind]), &mut key).unwrap();
    let owner = bind(&[
        label,
        &1_u32.to_be_bytes(),
        address().canonical().as_bytes(),
        kind,
        &bytes(&record["header"]["public_key"]),
    ]);
    let cipher = XChaCha20Poly1305::new_from_slice(&key).unwrap();
    let nonce: [u8; 24] = bytes(&slot["nonce"]).try_into().unwrap();
    let payload = Payload { msg: &bytes(&slot["wrapped_key"]), aad: &owner };
    cipher.decrypt(&XNonce::from(nonce), payload).unwrap()
}

/// A home, and all its secrets but the access tokens.
struct Vault {
    bed: Bed,
    home: std::sync::Arc<Home>,
    password: String,
    key_file: Vec<u8>,
    private_key: Vec<u8>,
    refresh_tokens: Vec<String>,
}

impl Vault {
    fn new() -> Self {
        let bed = Bed::new();
        bed.google.set_rotation(true);
        let home = Home::new(&bed, "home", "\n[secrets]\nkey_file = \"gatepost.key\"");
        let key = "head -c 32 /dev/urandom > gatepost.key; chmod 600 gatepost.key";
        let mut shell = Command::new("sh");
        process::run_well(shell.args(["-c", key]).current_dir(home.folder()), b"", PROMPT);
        let password = sign_in(&home, ADDRESS, None);
        let key_file = fs::read(home.folder().join("gatepost.key")).unwrap();
        let mut vault = Self {
            bed,
            home,
            password,
            key_file,
            private_key: Vec::new(),
            refresh_tokens: Vec::new(),
        };
        vault.private_key = private_key(&vault.record(), &vault.key_file);
        vault.note_refresh_token();
        vault
    }

    fn record(&self) -> Vec<u8> {
        let file = format!("accounts/{}.json", address().canonical());
        fs::read(self.home.folder().join(file)).unwrap()
    }

    fn note_refresh_token(&mut self) {
        let record = Record::from_json(&self.record()).unwrap();
        let key = record.unlock_with_password(&LocalPassword::new(self.password.clone())).unwrap();
        let token = record.open(&key).unwrap().refresh_token;
        self.refresh_tokens.push(token.expose().to_owned());
    }

    fn signed_on(&self, proxy: &Proxy) -> Wire {
        let mut wire = Wire::imap(proxy.imap);
        wire.command("a1", &format!("LOGIN {} {}", quoted(ADDRESS), quoted(&self.password)));
        wire
    }

    /// What is found of them, each secret that may be there by `may` and no other.
    fn look(&self, state: &str, proxy: &Proxy, may: &[&str]) -> BTreeSet<&'static str> {
        thread::sleep(AT_REST);
        let memory = memory_of(proxy);
        let mut found = BTreeSet::new();
        let mut texts = vec![
            ("client secret", self.bed.google.client_secret().to_owned()),
            ("local password", self.password.clone()),
        ];
        texts.extend(self.refresh_tokens.iter().map(|token| ("refresh token", token.clone())));
        for (name, text) in &texts {
            if Secret::new(name, text).forms().any(|form| memmem::find(&memory, form).is_some()) {
                found.insert(*name);
            }
        }
        for (name, bytes) in
            [("key of the key file", &self.key_file), ("private key", &self.private_key)]
        {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let forms = [bytes.clone(), STANDARD.encode(bytes).into_bytes(), hex.into_bytes()];
            if forms.iter().any(|form| memmem::find(&memory, form).is_some()) {
                found.insert(name);
            }
        }
        for token in access_tokens(&memory) {
            let live = self.bed.google.is_live(&token).is_some();
            found.insert(if live { "access token" } else { "access token that has ended" });
        }
        println!("{state} ({} KiB): {found:?}", memory.len() / 1024);
        let surplus: Vec<_> = found.iter().filter(|name| !may.contains(name)).collect();
        assert!(surplus.is_empty(), "{state}: {surplus:?} in memory");
        // Or the look finds nothing whatever there is.
        assert!(found.contains("client secret"), "{state}: {found:?}");
        found
    }
}

#[test]
fn the_memory_of_an_idle_gatepost_holds_what_it_must_and_no_more() {
    within(LIMIT, || {
        let mut vault = Vault::new();
        let open = ["client secret", "key of the key file", "private key"];
        let in_use = [&open[..], &["access token"]].concat();

        let proxy = vault.home.run_with(&[]);
        vault.look("open by its key file, before any sign-on", &proxy, &open);

        let wire = vault.signed_on(&proxy);
        vault.note_refresh_token();
        let found = vault.look("a signed-on session that idles", &proxy, &in_use);
        assert!(found.contains("access token"), "a session lives by one: {found:?}");
        drop(wire);

        // What has ended, at the server and here: each sign-on gets another token.
        vault.bed.google.expire_access_tokens();
        drop(vault.signed_on(&proxy));
        vault.note_refresh_token();
        vault.look("after the session, with another token", &proxy, &in_use);
        assert!(proxy.stop().success());

        // Nothing but the local password opens it.
        vault.home.configure(&configuration(&vault.bed, ""));
        let proxy = vault.home.run_with(&[]);
        vault.look("locked", &proxy, &["client secret"]);
        let wire = vault.signed_on(&proxy);
        vault.note_refresh_token();
        let unlocked = ["client secret", "private key", "access token"];
        vault.look("unlocked by the local password, in a session", &proxy, &unlocked);
        drop(wire);
        assert!(proxy.stop().success());

        // The wire log knows what it must leave out, as long as the session lasts.
        let proxy = vault.home.run();
        let wire = vault.signed_on(&proxy);
        vault.note_refresh_token();
        let logged = [&unlocked[..], &["local password"]].concat();
        vault.look("in a session that the wire log has", &proxy, &logged);
        drop(wire);
        assert!(proxy.stop().success());
    });
}

#[test]
fn nobody_else_looks_into_it_and_no_core_is_written() {
    within(LIMIT, || {
        let vault = Vault::new();
        let proxy = vault.home.run();
        let limits = fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
        // What the kernel closes to others than root is root's then (proc(5)).
        let user = 12_345;
        let folder = vault.home.folder();
        process::run_well(
            Command::new("chown").args(["-R", &format!("{user}:{user}")]).arg(folder),
            b"",
            PROMPT,
        );
        assert!(proxy.stop().success());
        let ids = ["--reuid", "12345", "--regid", "12345", "--clear-groups"];
        // The way to the home is closed to others.
        let copy = vault.bed.scratch("copy").join("gatepost");
        fs::copy(env!("CARGO_BIN_EXE_gatepost"), &copy).unwrap();
        vault.home.start_copy(&copy);
        vault.home.start_through(&[&["setpriv"], &ids[..]].concat());
        let proxy = vault.home.run();
        let read = |program: &str| {
            let mut command = Command::new("setpriv");
            let file = format!("/proc/{}/{program}", proxy.pid());
            command.args(ids).args(["head", "-c", "1", &file]);
            process::run(&mut command, b"", PROMPT).status.success()
        };
        assert!(read("status"), "what all may read");
        for closed in ["environ", "maps", "auxv"] {
            assert!(!read(closed), "/proc/PID/{closed} is open to the same user");
        }
        // And it is at home there all the same: it names its processes' owner, and serves.
        drop(vault.signed_on(&proxy));
        assert!(proxy.stop().success());
    });
}
