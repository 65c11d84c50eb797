//! Panics of tasks, which nobody waits for: noted by thread.

// They are const; what Windows' macro makes of that hides it from the lint.
#![allow(clippy::missing_const_for_thread_local)]

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on they are noted, on whatever thread, and told as before.
pub(super) fn note() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            COUNT.set(COUNT.get() + 1);
            LAST.with_borrow_mut(|last| *last = info.to_string());
            before(info);
        }));
    });
}

/// Those of this thread.
pub(super) fn count() -> u64 {
    COUNT.get()
}

/// The last one's words.
pub(super) fn last() -> String {
    LAST.with_borrow(String::clone)
}
