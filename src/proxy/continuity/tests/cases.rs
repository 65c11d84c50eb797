//! Each situation in which a connection ends, and what must come of it.
//!
//! A row is a script: `> NOOP` is a command whose answer is awaited, `>> NOOP` one whose answer isn't,
//! `&&` stands between commands that go out at once. `cut` breaks the connection and keeps the next
//! ones from coming until `back`; `part` wants another connection. `come`, `gone` and `flag` are what
//! happens in the mailbox.

use std::time::Duration;

use super::mailbox::{Flags, Mailbox};
use super::model::{Kick, Kind, Lag, Server, Trace};
use super::wire::How;
use super::{Outcome, Session, Terms, mailboxes, on_paused_clock};

#[rustfmt::skip]
const ROWS: &[(&str, &str, &str, &str)] = &[
    // name | the server | what happens | what comes of it
    ("unselected",                 "",          "> NOOP; cut; back; > NOOP", "resumes"),
    ("unselected, planned",        "",          "> NOOP; part; wait 1; > NOOP", "rotates"),
    ("in IDLE, unselected",        "",          "> IDLE; cut; back; wait 1", "resumes"),
    ("in IDLE, unselected, planned", "",        "> IDLE; part; wait 1", "rotates"),
    ("in IDLE",                    "",          "open; > IDLE; cut; back; wait 1; come 1; wait 1", "resumes"),
    ("in IDLE, planned",           "",          "open; > IDLE; part; wait 1; come 1; wait 1", "rotates"),
    ("in IDLE, nothing fetched",   "",          "> SELECT INBOX; > IDLE; cut; gone 2; back; wait 1", "resumes"),
    ("the same without ESEARCH",   "plain",     "> SELECT INBOX; > IDLE; cut; gone 2; back; wait 1", "resumes"),
    ("IDLE at once, and lost",     "slow",      "> SELECT INBOX; >> IDLE; cut-up 4; wait 9", "resumes"),
    ("DONE while away",            "",          "open; > IDLE; cut; gone 1; >> DONE; wait 1; back; wait 1; > NOOP", "resumes"),
    ("DONE amid the change",       "slow",      "open; > IDLE; part; wait 1; gone 2; >> DONE; wait 9; > NOOP", "rotates"),
    ("DONE as the old one is left", "slow",     "open; > IDLE; part; wait 0.1; >> DONE; wait 9; > NOOP", "rotates"),
    ("arrives amid the change",    "slow",      "open; > IDLE; part; wait 1.5; come 2; wait 9", "rotates"),
    ("goes amid the change",       "slow",      "open; > IDLE; part; wait 2.5; gone 1,3; wait 9", "rotates"),
    ("between commands",           "",          "open; cut; back; wait 1; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("between commands, planned",  "",          "open; part; wait 1; > FETCH 1:* (UID FLAGS)", "rotates"),
    ("between, one came",          "",          "open; cut; come 1; back; wait 1; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("between, one gone, FETCH",   "",          "open; cut; gone 2; back; wait 1; > FETCH 1:* (UID FLAGS)", "BYE mailbox"),
    ("between, one gone, NOOP",    "",          "open; cut; gone 2; back; wait 1; > NOOP", "resumes"),
    ("between, one gone, IDLE",    "",          "open; cut; gone 2; back; wait 1; > IDLE; wait 1", "resumes"),
    ("between, one gone, UID FETCH", "",        "open; cut; gone 2; back; wait 1; > UID FETCH 1:* (FLAGS)", "resumes"),
    ("between, one gone, SELECT",  "",          "open; cut; gone 2; back; wait 1; > SELECT INBOX", "resumes"),
    ("between, one gone, APPEND",  "",          "open; cut; gone 2; back; wait 1; append", "resumes"),
    ("between, one gone, a pipeline", "",       "open; cut; gone 2; back; wait 1; > NOOP && CHECK", "BYE mailbox"),
    ("between, one gone, no end of a line", "", "open; cut; gone 2; back; wait 1; half NOOP; flood; wait 1; over", "BYE command"),
    ("between, one gone, planned", "",          "open; gone 2; part; wait 1; one connection; > FETCH 1:* (UID FLAGS); > NOOP", "rotates"),
    ("the same, and only IDLE comes", "",       "open; gone 2; part; wait 1; > IDLE; wait 1", "rotates"),
    ("the same, nothing fetched",  "",          "> SELECT INBOX; gone 2; part; wait 1; > NOOP; wait 60; > NOOP", "rotates"),
    ("FETCH while away",           "",          "open; cut; >> FETCH 1:* (UID FLAGS); wait 1; back; wait 1", "resumes"),
    ("FETCH while away, one gone", "",          "open; cut; gone 1; >> FETCH 1:* (UID FLAGS); wait 1; back; wait 1", "BYE mailbox"),
    ("NOOP while away",            "",          "open; cut; gone 1; >> NOOP; wait 1; back; wait 1", "resumes"),
    ("a pipeline while away",      "",          "open; cut; come 1; >> NOOP && CHECK && STATUS INBOX (MESSAGES); wait 1; back; wait 1", "resumes"),
    ("STORE while away",           "",          "open; cut; come 1; >> STORE 2 +FLAGS (\\Flagged); wait 1; back; wait 1", "resumes"),
    ("away for too long",          "",          "open; > IDLE; cut; wait 301", "BYE away"),
    ("away for less",              "",          "open; > IDLE; cut; wait 290; back; wait 20", "resumes"),
    ("NOOP, and away for too long", "",         "open; cut; >> NOOP; wait 31", "BYE away"),
    ("FETCH that never went out",  "",          "open; cut-up 0; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("FETCH that half went out",   "",          "open; cut-up 9; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("FETCH without an answer",    "",          "open; cut-down 0; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("mid-FETCH",                  "",          "open; cut-down 40; > FETCH 1:* (UID FLAGS)", "ends command"),
    ("mid-FETCH, between lines",   "",          "open; cut-down 28; > FETCH 1:* (UID FLAGS)", "ends command"),
    ("mid-literal",                "",          "open; cut-down 70; > FETCH 1 (UID BODY.PEEK[])", "ends command"),
    ("a body that is read",        "",          "open; cut-up 9; > FETCH 1 (BODY[])", "BYE command"),
    ("STORE without an answer",    "",          "open; cut-down 0; > STORE 1 +FLAGS (\\Seen)", "BYE command"),
    ("EXPUNGE without an answer",  "",          "open; cut-down 0; > EXPUNGE", "BYE command"),
    ("APPEND before its literal",  "",          "open; append-begin; cut; back; wait 1", "BYE command"),
    ("APPEND amid its literal",    "",          "open; append-half; cut; back; wait 1", "BYE command"),
    ("APPEND without an answer",   "",          "open; cut-up 45; append; wait 1", "BYE"),
    ("half a command",             "",          "open; half NO; cut; back; half OP\n; wait 1", "resumes"),
    ("half a command, planned",    "",          "open; half NO; part; wait 1; half OP\n; wait 1", "rotates"),
    ("SELECT without an answer",   "",          "> NOOP; cut-down 0; > SELECT INBOX; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("SELECT with half an answer", "",          "> NOOP; cut-down 60; > SELECT INBOX", "ends command"),
    ("a search is kept, planned",  "",          "open; unheard SEARCH RETURN (SAVE) ALL; part; wait 1; one connection; > NOOP", "left"),
    ("a search is kept",           "",          "open; unheard SEARCH RETURN (SAVE) ALL; cut; back; wait 1", "BYE"),
    ("NOOP is held",               "slow",      "> SELECT INBOX; part; >> NOOP; wait 0.2; gone 1; come 1; wait 9; > NOOP", "rotates"),
    ("NOOP is held, and lost",     "slow",      "> SELECT INBOX; >> NOOP; wait 0.2; cut; back; wait 9", "resumes"),
    ("a pipeline, planned",        "slow",      "open; part; >> NOOP && CHECK && UID FETCH 1:* (FLAGS); gone 1; wait 9; > NOOP", "rotates"),
    ("nothing fetched, and lost",  "holes",     "> SELECT INBOX; cut; come 1; back; wait 1; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("little fetched, and lost",   "holes",     "> SELECT INBOX; > FETCH 2 (UID FLAGS); come 1; > UID FETCH 30:* (FLAGS); cut; come 1; back; wait 1; > FETCH 1:* (UID FLAGS)", "resumes"),
    ("nothing fetched, one gone",  "holes",     "> SELECT INBOX; cut; gone 2; back; wait 1; > NOOP", "BYE mailbox"),
    ("one gone",                   "",          "open; > IDLE; cut; gone 3; back; wait 1", "resumes"),
    ("the first and the last gone", "",         "open; > IDLE; cut; gone 1,5; back; wait 1", "resumes"),
    ("all gone",                   "",          "open; > IDLE; cut; gone 1,2,3,4,5; back; wait 1", "resumes"),
    ("all gone, many come",        "",          "open; > IDLE; cut; gone 1,2,3,4,5; come 9; back; wait 1", "resumes"),
    ("one came",                   "",          "open; > IDLE; cut; come 1; back; wait 1", "resumes"),
    ("net zero",                   "",          "open; > IDLE; cut; gone 5; come 1; back; wait 1", "resumes"),
    ("net zero, planned",          "slow",      "open; > IDLE; part; wait 0.7; gone 5; come 1; wait 9", "rotates"),
    ("one came and went",          "",          "open; > IDLE; cut; come 1; gone 6; back; wait 1", "resumes"),
    ("the tail's one is gone",     "",          "open; > IDLE; come 1; wait 1; cut; gone 6; back; wait 1", "BYE mailbox"),
    ("the tail's two, and one more", "",        "open; > IDLE; come 2; wait 1; cut; come 1; back; wait 1", "resumes"),
    ("the tail's one for another", "",          "open; > IDLE; come 1; wait 1; cut; gone 6; come 1; back; wait 1", "BYE mailbox"),
    ("many UIDs were skipped",     "holes",     "open; > IDLE; cut; gone 2; come 1; back; wait 1", "resumes"),
    ("flags, few messages",        "",          "open; > IDLE; cut; flag 2; flag 4; back; wait 1", "resumes"),
    ("flags, planned",             "slow",      "open; > IDLE; part; wait 0.7; flag 2; wait 9", "rotates"),
    ("flags without HIGHESTMODSEQ", "no-modseq", "open; > IDLE; cut; flag 2; back; wait 1", "resumes"),
    ("flags and one gone",         "no-modseq", "open; > IDLE; cut; flag 2; gone 1; back; wait 1", "resumes"),
    ("flags, between commands",    "",          "open; cut; flag 2; back; wait 1", "resumes"),
    ("flags, CONDSTORE",           "",          "> ENABLE CONDSTORE; open; cut; flag 2; back; wait 1; > FETCH 1 (UID FLAGS)", "resumes"),
    ("flags, SELECT (CONDSTORE)",  "",          "> SELECT INBOX (CONDSTORE); > UID FETCH 1:* (FLAGS); cut; flag 2; back; wait 1", "resumes"),
    ("flags, CHANGEDSINCE",        "",          "open; > FETCH 1:* (UID FLAGS) (CHANGEDSINCE 1); cut; flag 2; back; wait 1; > FETCH 1 (UID FLAGS)", "resumes"),
    ("flags of 1200 messages",     "1200",      "open; > IDLE; cut; flag 7; flag 1100; back; wait 1", "resumes"),
    ("the same, planned",          "1200 slow", "open; > IDLE; part; wait 0.7; flag 7; gone 3; wait 20", "rotates"),
    ("the same, planned and silent", "1200",    "open; > IDLE; silent; flag 7; part; wait 8", "rotates"),
    ("the same, told by one that lags", "1200 lag-aside", "open; > IDLE; cut; flag 7; flag 1100; back; wait 1", "resumes"),
    ("the same without CONDSTORE", "1200 no-modseq", "open; > IDLE; cut; flag 7; back; wait 1", "resumes"),
    ("QRESYNC",                    "qresync",   "> ENABLE QRESYNC; open; > IDLE; cut; flag 2; gone 1,4; come 1; back; wait 1", "resumes"),
    ("EXAMINE",                    "",          "> EXAMINE INBOX; > UID FETCH 1:* (FLAGS); > IDLE; cut; gone 1; back; wait 1; > DONE; > STORE 1 +FLAGS (\\Seen)", "resumes"),
    ("not to be written to any more", "",       "open; > IDLE; cut; read-only; back; wait 10", "BYE mailbox"),
    ("UIDVALIDITY changed",        "",          "open; > IDLE; cut; renew; back; wait 10", "BYE mailbox"),
    ("UIDVALIDITY changed, planned", "slow",    "open; > IDLE; part; wait 0.7; renew; wait 20", "BYE mailbox"),
    ("the mailbox is gone",        "",          "open; > IDLE; cut; delete; back; wait 10", "BYE mailbox"),
    ("another mailbox",            "",          "open; > SELECT Archive; > UID FETCH 1:* (FLAGS); > IDLE; cut; back; wait 1", "resumes"),
    ("a mailbox that isn't",       "",          "open; > SELECT Nowhere; > IDLE; cut; back; wait 1", "resumes"),
    ("closed again",               "",          "open; > CLOSE; cut; gone 1; back; wait 1; > SELECT INBOX", "resumes"),
    ("a name as a literal",        "",          "> SELECT {5+}\r\nINBOX; > IDLE; cut; gone 1; back; wait 1", "resumes"),
    ("a replica that lags",        "lag",       "open; > IDLE; come 1; wait 1; cut; back; wait 9", "resumes"),
    ("a replica with what is gone", "lag",      "open; > IDLE; gone 2; wait 1; cut; back; wait 9", "resumes"),
    ("a replica with older flags", "lag",       "open; > IDLE; flag 2; wait 1; cut; back; wait 9", "resumes"),
    ("a replica with one that came and went", "lag", "open; come 1; wait 1; gone 6; come 1; > NOOP; wait 1.3; cut; >> NOOP; back; wait 9", "resumes"),
    ("the same, known by number", "lag",       "open; come 1; wait 1; gone 6; come 1; > NOOP; > FETCH 6 (FLAGS); wait 1.3; cut; >> NOOP; back; wait 9", "BYE mailbox"),
    ("the same, learnt at a NOOP", "lag",       "open; come 1; wait 1; gone 6; come 1; > NOOP; flag 6; > NOOP; wait 1.3; cut; >> NOOP; back; wait 9", "resumes"),
    ("the same, searched",         "lag",       "open; come 1; wait 1; gone 6; come 1; > NOOP; > SEARCH ALL; wait 1.3; cut; >> NOOP; back; wait 9", "BYE mailbox"),
    ("the tail's last is known",   "",          "open; come 2; > NOOP; > FETCH 7 (UID FLAGS); cut; >> NOOP; back; wait 1", "resumes"),
    ("BYE in IDLE",                "",          "open; > IDLE; bye; gone 1; wait 1", "resumes"),
    ("BYE between commands",       "",          "open; bye; come 1; wait 1", "resumes"),
    ("closed behind an answer",    "",          "open; >> NOOP; close; wait 1", "resumes"),
    ("reset in IDLE",              "",          "open; > IDLE; reset; gone 1; wait 1", "resumes"),
    ("IDLE refused from then on",  "no-idle",   "open; > IDLE; cut; gone 1; back; wait 1; > NOOP", "resumes"),
    ("IDLE refused as it begins",  "no-idle",   "open; cut; gone 1; >> IDLE; back; wait 1; > NOOP", "resumes"),
    ("silent in IDLE",             "",          "open; > IDLE; silent; gone 1; wait 70", "resumes"),
    ("silent in IDLE, planned",    "",          "open; > IDLE; silent; gone 1; part; wait 20", "rotates"),
    ("the client is busy, planned", "slow narrow", "open; > IDLE; wait 1; flag 1; flag 2; flag 3; flag 4; part; deaf 9; wait 20", "rotates"),
    ("silent, and a NOOP",         "",          "open; silent; gone 1; >> NOOP; wait 70", "resumes"),
    ("lost twice",                 "",          "open; > IDLE; cut; back; wait 1; gone 1; cut; come 1; back; wait 1", "resumes resumes"),
    ("changed twice",              "",          "open; > IDLE; part; wait 1; gone 1; come 1; wait 1; part; wait 1", "rotates rotates"),
    ("LOGOUT",                     "",          "open; > LOGOUT", "left"),
];

#[test]
fn each_loss_is_survived_or_told() {
    let mut failed = Vec::new();
    for (name, server, script, comes) in ROWS {
        let trace = Trace::default();
        let came = match on_paused_clock(play(server, script, trace.clone())) {
            Ok(outcome) => words(&outcome),
            Err(why) => format!("failed: {why}"),
        };
        let fits = match comes.strip_prefix("ends ") {
            Some(reason) => came.ends_with(reason) && !came.starts_with("failed"),
            None => came == *comes || (*comes == "BYE" && came.starts_with("BYE")),
        };
        if !fits {
            failed.push(format!("{name}: {comes}, and not {came}"));
            if std::env::var("GATEPOST_ROW").is_ok_and(|row| row == *name) {
                println!("{}", trace.show());
            }
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), ROWS.len(), failed.join("\n"));
}

/// `rotates` and `resumes`, as often as it does; then what ended it, and why.
pub(super) fn words(outcome: &Outcome) -> String {
    use super::client::Over;
    let Outcome { over, count, .. } = outcome;
    let rotates = (0..count.rotations).map(|_| "rotates".to_owned());
    let resumes = (0..count.resumptions).map(|_| "resumes".to_owned());
    let ended = count.ended.keys().map(|reason| match over {
        Over::Bye(_) => format!("BYE {reason}"),
        Over::Cut => format!("cut {reason}"),
        Over::LoggedOut => format!("left {reason}"),
    });
    let words: Vec<_> = rotates.chain(resumes).chain(ended).collect();
    match (words.is_empty(), over) {
        (true, Over::LoggedOut) => "left".into(),
        (true, over) => format!("{over:?}"),
        (false, _) => words.join(" "),
    }
}

pub(super) async fn play(given: &str, script: &str, trace: Trace) -> Result<Outcome, String> {
    let has = |word: &str| given.split(' ').any(|given| given == word);
    let kind = Kind {
        esearch: !has("plain"),
        modseq: !has("no-modseq"),
        qresync: has("qresync"),
        expunges_down: has("down"),
        idles_up_to: if has("no-idle") { 1 } else { usize::MAX },
        slow: if has("slow") { Duration::from_millis(500) } else { Duration::ZERO },
        ..Kind::default()
    };
    let size = given.split(' ').find_map(|word| word.parse().ok()).unwrap_or(5);
    let mut inbox = Mailbox::new(if has("holes") { 30 } else { size });
    if has("holes") {
        (1..=25).for_each(|_| inbox.expunge(2));
        inbox.uid_next = 1000;
    }
    let server = Server::new(kind, mailboxes(inbox), trace);
    server.keep_past();
    let lag = Lag { behind: Duration::from_secs(2), lasts: Duration::from_secs(3) };
    let lags_from = match (has("lag"), has("lag-aside")) {
        (true, _) => 1,
        (_, true) => 2,
        _ => usize::MAX,
    };
    let terms =
        move |number| Terms { lag: (number >= lags_from).then_some(lag), ..Terms::default() };
    let on_their_way = if has("narrow") { 64 } else { 1 << 22 };
    let mut session = Session::begin_with(server, terms, on_their_way).await;
    for step in script.split("; ") {
        session.step(step).await.map_err(|why| format!("at {step:?}: {why}"))?;
        if session.client.is_over() {
            break;
        }
    }
    session.end().await
}

impl Session {
    pub(super) async fn step(&mut self, step: &str) -> Result<(), String> {
        let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
        let client = &mut self.client;
        let seconds = || Duration::from_secs_f64(rest.parse().unwrap());
        match word {
            ">" if rest == "IDLE" => {
                client.say(rest).await?;
                client.await_leave().await?;
            }
            ">" => {
                client.say_all(&rest.split(" && ").collect::<Vec<_>>()).await?;
                client.settle().await?;
            }
            ">>" => client.say_all(&rest.split(" && ").collect::<Vec<_>>()).await?,
            "open" => {
                for command in ["SELECT INBOX", "UID FETCH 1:* (FLAGS)"] {
                    client.say(command).await?;
                    client.settle().await?;
                }
            }
            // The client doesn't read what it is told.
            "deaf" => tokio::time::sleep(seconds()).await,
            "wait" => client.listen(seconds()).await?,
            "append" | "append-begin" | "append-half" => self.append(word).await?,
            "half" => self.half(rest).await?,
            "flood" => client.write(&"x".repeat(1 << 18)).await?,
            "one" => match self.provider.turns.available_permits() {
                1 => {}
                _ => return Err("it has a second connection".into()),
            },
            "over" if client.is_over() => {}
            "over" => return Err("it goes on".into()),
            "unheard" => {
                client.say(rest).await?;
                client.listen(Duration::from_millis(1)).await?;
            }
            "part" => self.provider.part(),
            "back" => {
                self.provider.open.send_replace(true);
            }
            "cut" => {
                self.provider.open.send_replace(false);
                self.provider.gauge().lock().unwrap().cut(How::Closed);
                client.listen(Duration::from_millis(1)).await?;
            }
            "reset" => self.provider.gauge().lock().unwrap().cut(How::Reset),
            "silent" => self.provider.gauge().lock().unwrap().cut(How::Silent),
            "cut-up" => {
                self.provider.gauge().lock().unwrap().plan.to_server = rest.parse().unwrap();
            }
            "cut-down" => {
                self.provider.gauge().lock().unwrap().plan.from_server = rest.parse().unwrap();
            }
            "bye" => self.server.kick(Kick::WithBye),
            "close" => self.server.kick(Kick::Without),
            _ => self.happens(word, rest),
        }
        Ok(())
    }

    /// Somebody else does something to the mailbox.
    pub(super) fn happens(&self, word: &str, rest: &str) {
        let number = || rest.parse::<u32>().unwrap();
        self.server.trace.note("--", &format!("{word} {rest}"));
        self.server.change(|all| {
            let inbox = all.get_mut("INBOX").unwrap();
            match word {
                "come" => (0..number()).for_each(|_| inbox.arrive(Flags::default())),
                "gone" => {
                    rest.rsplit(',').for_each(|number| inbox.expunge(number.parse().unwrap()))
                }
                "flag" => drop(inbox.set_flags(number(), |flags| Flags(flags.0 ^ 0b10))),
                "renew" => inbox.renew(),
                "read-only" => inbox.read_only = true,
                "delete" => drop(all.remove("INBOX")),
                _ => panic!("{word}"),
            }
        });
    }

    async fn append(&mut self, how: &str) -> Result<(), String> {
        let client = &mut self.client;
        client.say("APPEND INBOX (\\Seen) {26}").await?;
        if how == "append-begin" {
            return client.listen(Duration::from_millis(1)).await;
        }
        if client.await_leave().await? {
            client.write("Subject: x\r\n\r\n").await?;
            if how == "append" {
                client.write("half of it\r\n\r\n").await?;
                client.settle().await?;
            }
        }
        Ok(())
    }

    /// A command that comes in pieces.
    async fn half(&mut self, piece: &str) -> Result<(), String> {
        match piece.strip_suffix('\n') {
            None => self.client.write_tag(piece).await?,
            Some(last) => {
                self.client.write(&format!("{last}\r\n")).await?;
                self.client.begun("NOOP");
            }
        }
        self.client.listen(Duration::from_millis(1)).await
    }
}
