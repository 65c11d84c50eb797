//! Real mail clients hold their connection and their IDLE over ten tokens, while mail arrives and
//! vanishes; and one that comes and goes sees the same mailbox as without Gatepost.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
    time::Duration,
};

use crate::support::{
    bed::ADDRESS,
    clients::mbsync,
    mail_client::{Held, Push, Script},
    postman::Postman,
    process,
    scene::{Scene, Setting},
    servers::PLAIN_PASSWORD,
    thunderbird::Running,
};

const LIMIT: Duration = Duration::from_secs(400);
/// How long a client may take to show what is true, once the mailbox stands still.
const SETTLED: Duration = Duration::from_secs(30);
/// How long a change of connections that is due may take to come.
const AWAITED: Duration = Duration::from_secs(90);
const TOKENS: u64 = 10;
/// How often Thunderbird may have to look again.
const LOOKS: u64 = 3;

#[test]
fn real_clients_hold_their_idle_over_ten_tokens() {
    let setting = Setting { token_life: Some(Duration::from_secs(8)), ..Setting::default() };
    setting.play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let mut postman = Postman::for_inbox(&plain, ADDRESS);
        let scripts = ["python-imaplib.py", "python-imapclient.py", "imapflow.js"];
        let mut held = scripts.map(|script| {
            Held::start(Script(script), &scene.settings(), &scene.bed.scratch(script))
        });
        let folder = scene.bed.scratch("thunderbird");
        let mut thunderbird = Running::start(&scene.settings(), &folder);
        thunderbird.ask("hold", &mut Push::new(&|| ())).unwrap();
        let shown = folder.join("uids");
        let mut looks = 0;
        let mut check = |postman: &mut Postman| {
            let truth: Vec<u32> = postman.messages().into_keys().collect();
            for (script, held) in scripts.iter().zip(&mut held) {
                let agrees = process::until(SETTLED, || held.uids() == truth);
                assert!(agrees, "{script} has {:?} and not {truth:?}", held.uids());
            }
            let uids = |shown: &str| shown.split(' ').filter_map(|uid| uid.parse().ok()).collect();
            let mut has: Vec<u32> = Vec::new();
            let agrees = |thunderbird: &mut Running, has: &mut Vec<u32>| {
                process::until(SETTLED, || {
                    thunderbird.ask("uids", &mut Push::new(&|| ())).unwrap();
                    *has = uids(&fs::read_to_string(&shown).unwrap());
                    *has == truth
                })
            };
            // Where mail arrives while Thunderbird fetches, and vanishes in the IDLE behind it, it takes no
            // notice of what it is told until it looks again: so it must have been told.
            if !agrees(&mut thunderbird, &mut has) {
                let told = told_in_inbox(scene);
                assert!(told.len() > scripts.len(), "{told:?}");
                let is_true = |told: &Vec<Option<u32>>| {
                    let mut both = told.iter().zip(&truth);
                    told.len() == truth.len() && both.all(|(told, uid)| told.is_none_or(|it| it == *uid))
                };
                assert!(told.values().all(is_true), "{told:?}, not {truth:?}");
                looks += 1;
                println!("Thunderbird looks again ({looks}): it has {has:?} and not {truth:?}");
                assert!(looks <= LOOKS, "Thunderbird does not notice what it is told");
                thunderbird.ask("hold", &mut Push::new(&|| ())).unwrap();
                assert!(agrees(&mut thunderbird, &mut has), "Thunderbird has {has:?} and not {truth:?}");
            }
        };
        check(&mut postman);

        let holding = Sessions::of(scene);
        let through = scene.bed.scratch("through");
        let mut syncs = 0;
        for token in 1..=TOKENS {
            let all_changed = process::until(AWAITED, || {
                postman.act();
                mbsync(&through, scene.proxy().imap, ADDRESS, &scene.password);
                syncs += 1;
                thread::sleep(Duration::from_millis(postman.below(500)));
                holding.open.keys().all(|id| Sessions::of(scene).open.get(id) >= Some(&token))
                    || !Sessions::of(scene).has_all_of(&holding)
            });
            assert!(all_changed, "a client still has its connection after {AWAITED:?}");
            check(&mut postman);
            let now = Sessions::of(scene);
            assert!(now.has_all_of(&holding), "a client was disconnected");
            assert_eq!(now.signed_on - holding.signed_on, syncs, "a client has signed on again");
        }
        let through = mbsync(&through, scene.proxy().imap, ADDRESS, &scene.password);
        let direct = mbsync(&scene.bed.scratch("direct"), plain.address(), ADDRESS, PLAIN_PASSWORD);
        // UIDs are each folder's own.
        let [through, direct] = [through, direct].map(|all| BTreeSet::from_iter(all.into_values()));
        assert!(through == direct, "{} and {} mails, not the same", through.len(), direct.len());
        let continuity = scene.home.status()["accounts"][0]["continuity"].clone();
        println!(
            "held: {} sessions of 4 clients, each over {TOKENS} tokens and more: {:?}; {syncs} syncs of \
             mbsync; {continuity}; {} arrived, {} vanished",
            holding.open.len(),
            Sessions::of(scene).open,
            postman.done[0],
            postman.done[1],
        );
        assert_eq!(continuity["ended"], serde_json::json!({}));
    });
}

/// The messages in INBOX as each open session was told of them, by the log of the wire; by their UIDs,
/// where those were told.
fn told_in_inbox(scene: &Scene) -> BTreeMap<u64, Vec<Option<u32>>> {
    let log = fs::read_to_string(scene.home.folder().join("logs/wire.log")).unwrap();
    let mut told: BTreeMap<u64, Vec<Option<u32>>> = BTreeMap::new();
    for line in log.lines() {
        let line = line.to_ascii_uppercase();
        let words: Vec<&str> = line.split(' ').collect();
        let &[_, "SESSION", id, "IMAP", side, ref said @ ..] = words.as_slice() else { continue };
        let id = id.parse().expect("a number");
        let number = |text: &str| text.parse::<u32>().expect("a number");
        match (side, said) {
            ("C:", [_, "SELECT" | "EXAMINE" | "CLOSE" | "UNSELECT", rest @ ..]) => {
                told.remove(&id);
                if matches!(rest, ["INBOX" | "\"INBOX\"", ..]) {
                    told.insert(id, Vec::new());
                }
            }
            ("S:", ["*", count, "EXISTS"]) => {
                told.entry(id).and_modify(|told| told.resize(number(count) as usize, None));
            }
            ("S:", ["*", which, "EXPUNGE"]) => {
                told.entry(id).and_modify(|told| {
                    told.remove(number(which) as usize - 1);
                });
            }
            ("S:", ["*", which, "FETCH", data @ ..]) => {
                let uid = data.iter().position(|word| word.trim_start_matches('(') == "UID");
                if let (Some(uid), Some(told)) = (uid, told.get_mut(&id)) {
                    told[number(which) as usize - 1] =
                        Some(number(data[uid + 1].trim_end_matches(')')));
                }
            }
            _ => {}
        }
    }
    let open = Sessions::of(scene).open;
    told.retain(|id, _| open.contains_key(id));
    told
}

/// The sessions of Gatepost's log.
struct Sessions {
    /// Those that have not ended, with how often another connection took over.
    open: BTreeMap<u64, u64>,
    signed_on: u64,
}

impl Sessions {
    fn of(scene: &Scene) -> Self {
        let mut sessions = Self { open: BTreeMap::new(), signed_on: 0 };
        for line in scene.log().lines() {
            let Some((_, rest)) = line.split_once("session{id=") else { continue };
            let id = rest.split(' ').next().and_then(|id| id.parse().ok()).expect("a number");
            if rest.contains("IMAP client signed on") {
                sessions.open.insert(id, 0);
                sessions.signed_on += 1;
            } else if rest.contains("another connection to the provider has taken over") {
                *sessions.open.entry(id).or_default() += 1;
            } else if rest.contains("session ended") {
                sessions.open.remove(&id);
            }
        }
        sessions
    }

    fn has_all_of(&self, before: &Self) -> bool {
        before.open.keys().all(|id| self.open.contains_key(id))
    }
}
