//! The keyboard while the browser is waited for. A thread that sits in a read of stdin would take
//! the first line of the next answer; this one looks every moment whether it is still wanted.

use std::io::stderr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{execute, terminal};
use tokio::sync::{Notify, mpsc};

use crate::cli::report::say;

/// How long the thread may be a moment late.
const LOOK: Duration = Duration::from_millis(50);
/// The longest line that is taken; an address that Google sends the browser to has some 500 bytes.
const MAX_LINE: usize = 8192;
const ALT_GR: KeyModifiers = KeyModifiers::CONTROL.union(KeyModifiers::ALT);

/// Hands on what is pasted, and that the person wants to leave. Lets go of the terminal when dropped.
pub(super) struct Keyboard {
    unwanted: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What the keyboard says.
pub(super) struct Typed {
    pub(super) lines: mpsc::Receiver<String>,
    /// Esc or Ctrl-C was pressed.
    pub(super) left: Arc<Notify>,
}

impl Keyboard {
    pub(super) fn listen() -> (Self, Typed) {
        let (line, lines) = mpsc::channel(4);
        let left = Arc::new(Notify::new());
        let unwanted = Arc::new(AtomicBool::new(false));
        let (seen, leave) = (unwanted.clone(), left.clone());
        let thread = std::thread::spawn(move || {
            // Without it Ctrl-C would end the program amid whatever is under way.
            if terminal::enable_raw_mode().is_err() {
                return;
            }
            let _ = execute!(stderr(), event::EnableBracketedPaste);
            if listen(&seen, &line) {
                leave.notify_one();
            }
            let _ = execute!(stderr(), event::DisableBracketedPaste);
            let _ = terminal::disable_raw_mode();
        });
        (Self { unwanted, thread: Some(thread) }, Typed { lines, left })
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        self.unwanted.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// True if the person leaves.
fn listen(unwanted: &AtomicBool, lines: &mpsc::Sender<String>) -> bool {
    let mut line = String::new();
    while !unwanted.load(Ordering::Relaxed) {
        match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => {}
            Err(_) => return false,
        }
        let key = match event::read() {
            Ok(Event::Paste(text)) => {
                let room = MAX_LINE.saturating_sub(line.len());
                line.extend(text.chars().filter(|c| !c.is_control()).take(room));
                // Nothing that is typed here is shown.
                say("\rPasted. Press Enter.\r");
                continue;
            }
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => key,
            Ok(_) => continue,
            Err(_) => return false,
        };
        match key.code {
            KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Enter if !line.trim().is_empty() => {
                let _ = lines.try_send(std::mem::take(&mut line));
            }
            KeyCode::Backspace => drop(line.pop()),
            // Ctrl-V is no v. With Alt as well it is AltGr, which writes some characters on Windows.
            KeyCode::Char(_) if key.modifiers.intersection(ALT_GR) == KeyModifiers::CONTROL => {}
            KeyCode::Char(c) if line.len() < MAX_LINE => line.push(c),
            _ => {}
        }
    }
    false
}
