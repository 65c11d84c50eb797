//! Ctrl-C between two questions, while something is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::say_left;
use crate::cli::report::Exit;
use crate::config::Home;

/// Ends the program at a Ctrl-C, with the words that a person who leaves is told, until it is
/// dropped.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(super) fn watch(home: Home) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = over.clone();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            // Without it Ctrl-C ends the program as well, only without the words.
            let Ok(runtime) = runtime else { return };
            let pressed = runtime.block_on(tokio::signal::ctrl_c());
            if pressed.is_ok() && !is_over.load(Ordering::Relaxed) {
                say_left(&home);
                std::process::exit(Exit::Failed as i32);
            }
        });
        Self(over)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
