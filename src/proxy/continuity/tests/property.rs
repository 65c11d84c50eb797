//! Random mailboxes, commands, breaks and changes of connection: whatever happens, the client knows
//! what is true at the end, or was told BYE.
//!
//! `GATEPOST_CASES=10000 cargo test --lib continuity -- --nocapture` runs more of them, and
//! `GATEPOST_SEED=n` begins with another seed; a case is repeated by its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::client::{Client, Over};
use super::mailbox::{Flags, Mailbox, appended};
use super::model::{Kick, Kind, Lag, Mailboxes, Server, Trace};
use super::random::Random;
use super::wire::{How, Plan};
use super::{Outcome, Session, Terms, compare, mailboxes, on_paused_clock};

const CASES: u64 = 400;
const SEED: u64 = 20_261_125;
/// Once it took ten thousand cases to come upon these.
const FOUND: [u64; 1] = [20_262_824];

#[test]
fn a_client_knows_what_is_true_or_was_told_bye() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cases = number("GATEPOST_CASES").unwrap_or(CASES);
    let first = number("GATEPOST_SEED").unwrap_or(SEED);
    let mut sum = Sum::default();
    for seed in (first..first + cases).chain(FOUND) {
        let trace = Trace::default();
        match on_paused_clock(case(seed, trace.clone())) {
            Ok(outcome) => sum.add(&outcome),
            Err(why) => panic!("{}\nGATEPOST_SEED={seed} GATEPOST_CASES=1: {why}", trace.show()),
        }
    }
    println!("seeds {first}..{}: {cases} cases", first + cases);
    sum.print();
    assert!(sum.resumptions > 0 && sum.rotations > 0 && !sum.ended.is_empty());
}

#[derive(Default)]
struct Sum {
    answered: usize,
    breaks: usize,
    rotations: u64,
    resumptions: u64,
    ended: BTreeMap<String, u64>,
    told_bye: u64,
    cut_short: u64,
}

impl Sum {
    fn add(&mut self, (outcome, answered): &(Outcome, usize)) {
        self.answered += answered;
        self.breaks += outcome.breaks;
        self.rotations += outcome.count.rotations;
        self.resumptions += outcome.count.resumptions;
        for reason in outcome.count.ended.keys() {
            let words = outcome.lost.as_deref().unwrap_or_default();
            *self.ended.entry(format!("{reason}: {words}")).or_default() += 1;
        }
        self.told_bye += u64::from(matches!(outcome.over, Over::Bye(_)));
        self.cut_short += u64::from(outcome.over == Over::Cut);
    }

    fn print(&self) {
        let Self { answered, breaks, rotations, resumptions, ended, told_bye, cut_short } = self;
        let losses = resumptions + ended.values().sum::<u64>();
        println!(
            "{answered} commands answered; {breaks} connections broke by themselves; {rotations} rotations"
        );
        println!(
            "{losses} losses under a session: {resumptions} resumed, {told_bye} ended in BYE, \
             {cut_short} in the middle of a response"
        );
        for (reason, count) in ended {
            let share = *count as f64 * 100.0 / losses as f64;
            println!("  {reason}: {count} ({share:.1} %)");
        }
    }
}

async fn case(seed: u64, trace: Trace) -> Result<(Outcome, usize), String> {
    let mut random = Random::new(seed);
    let server = Server::new(kind(&mut random), mailboxes(some_mailbox(&mut random)), trace);
    server.keep_past();
    let calm = Arc::new(AtomicBool::new(false));
    let (is_calm, of_terms) = (Arc::clone(&calm), random.next());
    let breaks = random.chance(85);
    let mut session = Session::begin(Arc::clone(&server), move |number| {
        match is_calm.load(Ordering::Relaxed) || (number == 0 && !breaks) {
            true => Terms::default(),
            false => terms(&mut Random::new(of_terms ^ number as u64), number, breaks),
        }
    })
    .await;
    let world = tokio::spawn(world(Arc::clone(&server), Random::new(random.next()), breaks));
    let done = use_it(&mut session, &mut random).await;
    calm.store(true, Ordering::Relaxed);
    world.abort();
    done?;
    // Replicas have caught up by then.
    session.client.listen(Duration::from_secs(20)).await?;
    compare(&mut session.client, &session.server).await?;
    let answered = session.client.answered;
    session.end().await.map(|outcome| (outcome, answered))
}

pub(in crate::proxy) fn kind(random: &mut Random) -> Kind {
    Kind {
        esearch: random.chance(60),
        modseq: random.chance(60),
        qresync: random.chance(20),
        exists_first: random.chance(30),
        expunges_down: random.chance(50),
        search_looks_first: random.chance(40),
        talkative: random.chance(30),
        idles_up_to: usize::MAX,
        slow: Duration::from_millis(random.below(400)),
    }
}

pub(in crate::proxy) fn some_mailbox(random: &mut Random) -> Mailbox {
    // Now and then so many that their flags are not all told.
    let few = if random.chance(1) { 1010 } else { 0 };
    let mut mailbox = Mailbox::new(few + u32::try_from(random.below(14)).unwrap());
    for _ in 0..random.below(5) {
        mailbox.expunge(random.below(14) as usize);
    }
    mailbox
}

fn terms(random: &mut Random, number: usize, breaks: bool) -> Terms {
    let how = random.pick(&[How::Closed, How::Reset, How::Closed, How::Silent]);
    let mut plan = Plan { how, ..Plan::default() };
    match random.below(4) {
        0 if breaks => plan.from_server = random.below(2500) as usize,
        1 if breaks => plan.to_server = random.below(700) as usize,
        _ => {}
    }
    if random.chance(30) {
        plan.piece = 1 + random.below(40) as usize;
    }
    let lag = (number > 0 && random.chance(15)).then(|| Lag {
        behind: Duration::from_millis(random.below(6000)),
        lasts: Duration::from_millis(random.below(7000)),
    });
    let life = Duration::from_millis(1000 + random.below(40_000));
    Terms { refused: number > 0 && random.chance(10), plan, lag, life, way: Duration::ZERO }
}

/// What everybody else does.
async fn world(server: Arc<Server>, mut random: Random, breaks: bool) {
    let mut connected = server.connected();
    loop {
        // Often while one connection takes over from another.
        tokio::select! {
            biased;
            _ = connected.changed(), if random.chance(70) => {
                let slow = u64::try_from(server.kind.slow.as_millis()).unwrap();
                sleep(Duration::from_millis(random.below(1 + 4 * slow))).await;
            }
            () = sleep(Duration::from_millis(random.below(4000))) => {}
        }
        let name = if random.chance(85) { "INBOX" } else { "Archive" };
        match random.below(1000) {
            0..4 => server.change(|all| {
                all.get_mut(name).map(Mailbox::renew);
            }),
            4..7 => server.change(|all| drop(all.remove(name))),
            7..40 if breaks => server.kick(random.pick(&[Kick::WithBye, Kick::Without])),
            _ => server.change(|all| disturb(all, name, &mut random)),
        }
    }
}

pub(in crate::proxy) fn disturb(all: &mut Mailboxes, name: &str, random: &mut Random) {
    let Some(mailbox) = all.get_mut(name) else { return };
    let action = random.below(5);
    for _ in 0..=random.below(3) {
        let number = 1 + random.below(1 + mailbox.messages.len() as u64) as usize;
        match action {
            0 => mailbox.arrive(Flags::any(random.next())),
            1 => mailbox.expunge(number),
            2 => {
                if let Some(uid) = mailbox.messages.get(number - 1).map(|message| message.uid) {
                    let flags = Flags::any(random.next());
                    mailbox.set_flags(uid, |_| flags);
                }
            }
            // The number of messages stays the same.
            3 => {
                mailbox.expunge(number);
                mailbox.arrive(Flags::default());
            }
            // One that comes and goes, unseen.
            _ => {
                mailbox.arrive(Flags::default());
                mailbox.expunge(mailbox.messages.len());
            }
        }
    }
}

/// The client does what clients do.
async fn use_it(session: &mut Session, random: &mut Random) -> Result<(), String> {
    for _ in 0..3 + random.below(14) {
        if session.client.is_over() {
            return Ok(());
        }
        if random.chance(40) {
            session.client.listen(Duration::from_millis(random.below(6000))).await?;
        }
        if random.chance(8) {
            break_soon(session, random);
        }
        act(&mut session.client, session.server.kind, random).await?;
    }
    Ok(())
}

/// Lets the newest connection break at the next command or its answer.
fn break_soon(session: &Session, random: &mut Random) {
    let gauge = session.provider.gauge();
    let plan = &mut gauge.lock().unwrap().plan;
    match random.below(3) {
        0 => plan.from_server = 0,
        1 => plan.from_server = random.below(120) as usize,
        _ => plan.to_server = random.below(50) as usize,
    }
}

/// A command or some, and their answers.
pub(in crate::proxy) async fn act(
    client: &mut Client,
    kind: Kind,
    random: &mut Random,
) -> Result<(), String> {
    if client.mailbox.is_none() && random.chance(70) {
        client.say(&selection(random, kind)).await?;
        return client.settle().await;
    }
    match random.below(12) {
        0..4 => {
            client.say("IDLE").await?;
            if !client.await_leave().await? {
                return client.settle().await;
            }
            client.listen(Duration::from_millis(random.below(20_000))).await?;
            match random.below(10) {
                // Its next command comes at once.
                0..2 => client.say_all(&["DONE", "STATUS INBOX (MESSAGES)"]).await?,
                2..6 if client.count() > 0 => {
                    client.say_all(&["DONE", "UID FETCH 1:* (FLAGS)"]).await?;
                }
                _ => client.say("DONE").await?,
            }
        }
        4 => {
            let text = appended(&client.next_tag());
            let (plus, length) = (random.chance(50), text.len());
            let sign = if plus { "+" } else { "" };
            let command = format!("APPEND INBOX (\\Seen) {{{length}{sign}}}");
            client.say(&command).await?;
            if plus || client.await_leave().await? {
                client.write(&format!("{text}\r\n")).await?;
            }
        }
        5 => {
            client.say(&selection(random, kind)).await?;
        }
        6 if random.chance(60) => {
            // Nothing that counts messages stands behind what may renumber them.
            let several: &[&[&str]] = &[
                &["NOOP", "STATUS INBOX (MESSAGES)"],
                &["STATUS Archive (MESSAGES)", "NOOP", "LIST \"\" *"],
                &["CHECK", "CHECK"],
            ];
            let mut several = random.pick(several).to_vec();
            if client.count() > 0 {
                several.insert(0, random.pick(&["FETCH 1:* (UID FLAGS)", "SEARCH ALL"]));
                several.push("UID FETCH 1:* (UID FLAGS)");
            }
            client.say_all(&several).await?;
        }
        _ => {
            let command = some_command(client.count() as u64, random, kind);
            client.say(&command).await?;
        }
    }
    client.settle().await
}

fn selection(random: &mut Random, kind: Kind) -> String {
    let verb = if random.chance(80) { "SELECT" } else { "EXAMINE" };
    let name = match random.below(10) {
        0 => "Archive",
        1 => "Nowhere",
        2 => "\"INBOX\"",
        _ => "INBOX",
    };
    let with = if kind.modseq && random.chance(15) { " (CONDSTORE)" } else { "" };
    format!("{verb} {name}{with}")
}

fn some_command(count: u64, random: &mut Random, kind: Kind) -> String {
    let fixed = |random: &mut Random| {
        let condstore = if kind.modseq { "ENABLE CONDSTORE" } else { "NOOP" };
        let qresync = if kind.qresync { "ENABLE QRESYNC" } else { condstore };
        let all = ["NOOP", "NOOP", "CHECK", "CAPABILITY", "ID (\"name\" \"x\")", "LIST \"\" *"];
        let rare = ["STATUS INBOX (MESSAGES)", condstore, qresync];
        if random.chance(70) { random.pick(&all) } else { random.pick(&rare) }.to_owned()
    };
    if count == 0 {
        return fixed(random);
    }
    let number = 1 + random.below(count);
    let flags = Flags::any(random.next());
    let silent = if random.chance(40) { ".SILENT" } else { "" };
    match random.below(14) {
        0 => "FETCH 1:* (UID FLAGS)".into(),
        1 => format!("FETCH {number} (UID FLAGS BODY.PEEK[])"),
        2 => "UID FETCH 1:* (FLAGS)".into(),
        3 => "UID FETCH 1:* (FLAGS BODY.PEEK[])".into(),
        4 => format!("STORE {number} +FLAGS{silent} ({flags})"),
        5 => format!("STORE {number} -FLAGS{silent} ({flags})"),
        6 => format!("UID STORE {number} FLAGS{silent} ({flags})"),
        7 => "SEARCH ALL".into(),
        8 => "UID SEARCH ALL".into(),
        9 if kind.esearch => "UID SEARCH RETURN (ALL) ALL".into(),
        10 => "EXPUNGE".into(),
        11 if random.chance(20) => random.pick(&["CLOSE", "UNSELECT"]).to_owned(),
        12 => format!("FETCH {number} (UID FLAGS)"),
        _ => fixed(random),
    }
}
