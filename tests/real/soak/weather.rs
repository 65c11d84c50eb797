//! What is wrong with the three lines, and for how long.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    fault_proxy::{Fault, FaultyNetwork, Line, Way, When},
    messages::Numbers,
    scene::Scene,
};

const NAMES: [&str; 3] = ["IMAP", "SMTP", "authorization"];
/// A line is well for up to so many milliseconds, then it suffers for up to so many.
const WELL: u64 = 20_000;
const ILL: u64 = 6_000;
/// Of a mail or of an answer.
const SOMEWHERE: u64 = 6_000;

pub(super) struct Weather {
    lines: [Line; 3],
    configuration: String,
    /// How often each fault came.
    had: Mutex<BTreeMap<String, u64>>,
}

impl Weather {
    /// A line to each of the scene's servers.
    pub(super) fn between(scene: &Scene, network: &Arc<FaultyNetwork>) -> Self {
        let bed = &scene.bed;
        let urls = bed.google.urls();
        let token: url::Url = urls.token_url.parse().expect("an address");
        let to = token.socket_addrs(|| None).expect("an address")[0];
        let postfix = bed.postfix.as_ref().expect("with SMTP");
        let lines = [bed.dovecot.address(), postfix.tls(), to].map(|server| network.line(server));
        let port = |number: usize| lines[number].address().port();
        let configuration = format!(
            "imap = \"localhost:{}\"\nsmtp = \"localhost:{}\"\ntoken_url = \"http://127.0.0.1:{}{}\"\n",
            port(0),
            port(1),
            port(2),
            token.path()
        );
        Self { lines, configuration, had: Mutex::default() }
    }

    /// What leads Gatepost to the lines.
    pub(super) fn provider(&self) -> String {
        self.configuration.clone()
    }

    /// Each line is well and ill in turn, by its own numbers.
    pub(super) fn blow(&self, time: Duration, seed: u64) {
        let end = Instant::now() + time;
        thread::scope(|scope| {
            for (line, (name, number)) in self.lines.iter().zip(NAMES.into_iter().zip(1..)) {
                let mut numbers = Numbers(seed.wrapping_mul(1_000).wrapping_add(number));
                scope.spawn(move || {
                    let pause = |most: u64, numbers: &mut Numbers| {
                        let wished = Duration::from_millis(numbers.below(most) as u64);
                        thread::sleep(wished.min(end.saturating_duration_since(Instant::now())));
                    };
                    while Instant::now() < end {
                        pause(WELL, &mut numbers);
                        let (fault, word) = any(&mut numbers);
                        line.suffers(fault);
                        *self.lock().entry(format!("{name}: {word}")).or_default() += 1;
                        pause(ILL, &mut numbers);
                        line.heals();
                    }
                });
            }
        });
    }

    pub(super) fn clears(&self) {
        self.lines.iter().for_each(Line::heals);
    }

    /// Each fault, and how often it came.
    pub(super) fn had(&self) -> BTreeMap<String, u64> {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.had.lock().expect("no panic while held")
    }
}

fn any(numbers: &mut Numbers) -> (Fault, &'static str) {
    let way = if numbers.below(2) == 0 { Way::Up } else { Way::Down };
    let at = When::Beyond(way, numbers.below(SOMEWHERE) as u64);
    match numbers.below(8) {
        0 => {
            let milliseconds = Duration::from_millis;
            (Fault::Latency(milliseconds(200), milliseconds(600)), "latency of 0.2 to 0.8 s")
        }
        1 => (Fault::Bandwidth(2_000), "2,000 bytes a second"),
        2 => (Fault::Silence(at), "silence amid the bytes"),
        3 => (Fault::Reset(When::Now), "reset at once"),
        4 => (Fault::Reset(at), "reset amid the bytes"),
        5 => (Fault::Close(at), "close amid the bytes"),
        6 => (Fault::Refusal, "connections refused"),
        _ => (Fault::Portal, "somebody else answers"),
    }
}
