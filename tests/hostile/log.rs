//! What the log says while a test runs.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;

/// The target of the wire log, as a line has it.
const WIRE: &str = " gatepost::wire: ";

/// All that is logged on this thread, on which a test's runtime does everything, down to `debug`.
pub(crate) struct Log {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn begin() -> Self {
        Self::of(Targets::new().with_target("gatepost", LevelFilter::DEBUG))
    }

    /// With the wire log, of every account.
    pub(crate) fn begin_with_wire() -> Self {
        let own = Targets::new().with_target("gatepost", LevelFilter::DEBUG);
        Self::of(own.with_target("gatepost::wire", LevelFilter::TRACE))
    }

    fn of(wanted: Targets) -> Self {
        let lines = Lines::default();
        let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(lines.clone());
        let subscriber = tracing_subscriber::registry().with(wanted).with(layer);
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// The log, without the wire log.
    pub(crate) fn text(&self) -> String {
        self.lines(false)
    }

    pub(crate) fn wire(&self) -> String {
        self.lines(true)
    }

    fn lines(&self, of_wire: bool) -> String {
        let text = String::from_utf8_lossy(&self.lines.0.lock().unwrap()).into_owned();
        text.split_inclusive('\n').filter(|line| line.contains(WIRE) == of_wire).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
