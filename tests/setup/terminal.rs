//! A program on a terminal, a person who types at it, and a recording of both (asciicast 2,
//! <https://docs.asciinema.org/manual/asciicast/v2/>).

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde_json::{Value, json};

pub(super) const COLUMNS: u16 = 100;
pub(super) const ROWS: u16 = 30;
/// Nothing on the screen takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A screen on which nothing moved for so long is complete.
const QUIET: Duration = Duration::from_millis(120);
/// What comes within this is one event: a word is not torn then.
const ONE_EVENT: Duration = Duration::from_millis(20);

/// Something in a recording, at a time since its start.
#[derive(Clone)]
enum Event {
    /// What the terminal showed.
    Shown(String),
    /// The person looked at a complete screen.
    Looked(String),
}

struct Seen {
    parser: vt100::Parser,
    events: Vec<(Duration, Event)>,
    last: Instant,
    ended: bool,
    /// What came since the last key, without its colours and moves.
    since: String,
    /// The first bytes of a character whose others have not come yet.
    torn: Vec<u8>,
}

pub(super) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
    begun: Instant,
    /// How long a person needs for a key, and to read a screen.
    pause: (Duration, Duration),
    _pty: Box<dyn MasterPty + Send>,
}

impl Terminal {
    /// Starts `command`. `human`: with a person's pauses.
    pub(super) fn start(command: CommandBuilder, human: bool) -> Self {
        let size = PtySize { rows: ROWS, cols: COLUMNS, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let begun = Instant::now();
        let seen = Arc::new(Mutex::new(Seen {
            parser: blank(),
            events: Vec::new(),
            last: begun,
            ended: false,
            since: String::new(),
            torn: Vec::new(),
        }));
        let sees = seen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal whose program is gone is an error on Linux.
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                sees.lock().unwrap().show(&buffer[..read], begun);
            }
            sees.lock().unwrap().ended = true;
        });
        let pause = match human {
            true => (Duration::from_millis(55), Duration::from_millis(1400)),
            false => (Duration::ZERO, Duration::ZERO),
        };
        let keys = pair.master.take_writer().unwrap();
        Self { child, keys, seen, begun, pause, _pty: pair.master }
    }

    /// Waits until these words have come since the last key and the screen is complete; gives it.
    pub(super) fn until(&mut self, words: &str) -> String {
        let screen = self.wait(words, QUIET);
        let event = Event::Looked(words.to_owned());
        self.seen.lock().unwrap().events.push((self.begun.elapsed(), event));
        sleep(self.pause.1);
        screen
    }

    /// The same where the screen doesn't rest: something is under way.
    pub(super) fn until_amid(&mut self, words: &str) {
        self.wait(words, Duration::ZERO);
    }

    fn wait(&self, words: &str, quiet: Duration) -> String {
        let begun = Instant::now();
        loop {
            let (screen, here) = {
                let seen = self.seen.lock().unwrap();
                let still = seen.ended || seen.last.elapsed() >= quiet;
                (seen.parser.screen().contents(), still && seen.since.contains(words))
            };
            if here {
                return screen;
            }
            assert!(begun.elapsed() < PATIENCE, "“{words}” does not come:\n{screen}");
            sleep(Duration::from_millis(10));
        }
    }

    pub(super) fn types(&mut self, text: &str) {
        for character in text.chars() {
            self.press(character.to_string().as_bytes());
            sleep(self.pause.0);
        }
    }

    pub(super) fn enter(&mut self) {
        self.press(b"\r");
    }

    /// So many times an arrow down, then Enter.
    pub(super) fn choose(&mut self, down: usize) {
        for _ in 0..down {
            self.press(b"\x1b[B");
            sleep(self.pause.0 * 4);
        }
        self.enter();
    }

    /// As a terminal tells a program that something was pasted or dragged in.
    pub(super) fn pastes(&mut self, text: &str) {
        self.press(format!("\x1b[200~{text}\x1b[201~").as_bytes());
    }

    pub(super) fn press(&mut self, keys: &[u8]) {
        self.seen.lock().unwrap().since.clear();
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    /// An empty screen for what happens elsewhere meanwhile.
    pub(super) fn look_elsewhere(&mut self) {
        self.seen.lock().unwrap().show(b"\x1b[2J\x1b[H", self.begun);
    }

    /// A line of it, once the program has written its own to their ends.
    pub(super) fn aside(&mut self, line: &str) {
        while self.seen.lock().unwrap().last.elapsed() < 2 * ONE_EVENT {
            sleep(ONE_EVENT);
        }
        self.seen.lock().unwrap().show(format!("{line}\r\n").as_bytes(), self.begun);
        sleep(self.pause.0 * 6);
    }

    /// Waits for the program's end; its exit code, and the recording.
    pub(super) fn end(mut self) -> (u32, Cast) {
        let begun = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.exit_code();
            }
            let screen = self.seen.lock().unwrap().parser.screen().contents();
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{screen}");
            sleep(Duration::from_millis(10));
        };
        while !self.seen.lock().unwrap().ended {
            assert!(begun.elapsed() < PATIENCE, "its terminal does not end");
            sleep(Duration::from_millis(10));
        }
        let mut seen = self.seen.lock().unwrap();
        seen.events.push((self.begun.elapsed(), Event::Looked("the end".to_owned())));
        (code, Cast(std::mem::take(&mut seen.events)))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Seen {
    fn show(&mut self, bytes: &[u8], begun: Instant) {
        self.parser.process(bytes);
        self.torn.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.torn) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(self.torn.drain(..whole).collect()).unwrap();
        self.since.push_str(&plain(&text));
        let now = Instant::now();
        let follows = now - self.last < ONE_EVENT;
        self.last = now;
        match self.events.last_mut() {
            Some((_, Event::Shown(shown))) if follows => shown.push_str(&text),
            _ => self.events.push((now - begun, Event::Shown(text))),
        }
    }
}

/// Without the sequences that move and colour; none of them is torn by more than its own end.
fn plain(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(
            part.trim_start_matches(|c: char| !c.is_ascii_alphabetic()).get(1..).unwrap_or(""),
        );
    }
    plain
}

fn blank() -> vt100::Parser {
    let [rows, columns] = [ROWS, COLUMNS].map(|count| NonZero::new(count).unwrap());
    vt100::Parser::new(rows, columns, 0)
}

/// A recording.
pub(super) struct Cast(Vec<(Duration, Event)>);

impl Cast {
    pub(super) fn read(text: &str) -> Self {
        let lines = text.lines().skip(1).map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let data = line[2].as_str().unwrap().to_owned();
            let event = match line[1].as_str().unwrap() {
                "o" => Event::Shown(data),
                "m" => Event::Looked(data),
                other => panic!("an event {other:?} in the recording"),
            };
            (Duration::from_secs_f64(line[0].as_f64().unwrap()), event)
        });
        Self(lines.collect())
    }

    pub(super) fn written(&self, title: &str) -> String {
        let header = json!({
            "version": 2, "width": COLUMNS, "height": ROWS, "title": title, "idle_time_limit": 3.0,
            "env": {"TERM": "xterm-256color"},
        });
        let mut text = format!("{header}\n");
        for (at, event) in &self.0 {
            let (kind, data) = match event {
                Event::Shown(data) => ("o", data),
                Event::Looked(data) => ("m", data),
            };
            let at = (at.as_secs_f64() * 1000.0).round() / 1000.0;
            text.push_str(&format!("{}\n", json!([at, kind, data])));
        }
        text
    }

    /// The same with some words in the place of others that are as long: no screen shifts.
    pub(super) fn with(mut self, words: &str, others: &str) -> Self {
        assert_eq!(words.len(), others.len(), "{words} {others}");
        for (_, event) in &mut self.0 {
            if let Event::Shown(text) = event {
                *text = text.replace(words, others);
            }
        }
        self
    }

    /// Each screen that the person looked at.
    pub(super) fn screens(&self) -> Vec<(String, String)> {
        let mut parser = blank();
        let mut screens = Vec::new();
        for (_, event) in &self.0 {
            match event {
                Event::Shown(text) => parser.process(text.as_bytes()),
                Event::Looked(at) => screens.push((at.clone(), parser.screen().contents())),
            }
        }
        screens
    }
}
