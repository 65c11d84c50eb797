//! Windows' Service Control Manager, where it has started this process.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;
use windows_service::Error;
use windows_service::service::{
    ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{
    ServiceControlHandlerResult as Answer, ServiceStatusHandle, register,
};
use windows_service::service_dispatcher;

use super::Word;

/// The name of the service.
pub const NAME: &str = "gatepost";

/// How long a start may take, and the end: sessions come to rest in twenty seconds at most.
const START: Duration = Duration::from_secs(60);
/// The same for the end, which the manager is to grant at a shutdown as well.
pub const END: Duration = Duration::from_secs(30);

type Work = Box<dyn FnOnce() -> u32 + Send>;

/// What [`main`] is to do: Windows hands nothing through to it.
static WORK: Mutex<Option<Work>> = Mutex::new(None);
/// Whom to tell; nobody in a process that the manager has not started.
static MANAGER: OnceLock<ServiceStatusHandle> = OnceLock::new();
/// It ends: nothing else is told any more.
static ENDS: AtomicBool = AtomicBool::new(false);
static STOP: Notify = Notify::const_new();

/// Does `work` as the service, to its end. It gives an exit code of Gatepost's own; 0 is no failure.
///
/// # Errors
/// If the manager has not started this process.
pub fn serve(work: impl FnOnce() -> u32 + Send + 'static) -> io::Result<()> {
    if let Ok(mut place) = WORK.lock() {
        *place = Some(Box::new(work));
    }
    service_dispatcher::start(NAME, main).map_err(of_windows)
}

/// What the system says, where it was the system.
pub fn of_windows(error: Error) -> io::Error {
    match error {
        Error::Winapi(error) => error,
        other => io::Error::other(other),
    }
}

/// Waits until the manager wants an end, which may have been before.
pub async fn stop_asked() {
    STOP.notified().await;
}

/// Called by Windows, on a thread of its own.
extern "system" fn main(_count: u32, _words: *mut *mut u16) {
    // Without it there is nobody to tell.
    let Ok(manager) = register(NAME, answer) else { return };
    let _ = MANAGER.set(manager);
    report(ServiceState::StartPending, START, 0);
    let work = WORK.lock().ok().and_then(|mut work| work.take());
    let code = work.map_or(0, |work| work());
    report(ServiceState::Stopped, Duration::ZERO, code);
}

/// A function, since the library frees a closure at the first `Stop`, and `Interrogate` may follow.
fn answer(control: ServiceControl) -> Answer {
    match control {
        ServiceControl::Stop | ServiceControl::Preshutdown => {
            report(ServiceState::StopPending, END, 0);
            STOP.notify_one();
            Answer::NoError
        }
        ServiceControl::Interrogate => Answer::NoError,
        _ => Answer::NotImplemented,
    }
}

pub(super) fn tell(words: &[Word<'_>]) {
    for word in words {
        match word {
            Word::Ready if !ENDS.load(Ordering::SeqCst) => {
                report(ServiceState::Running, Duration::ZERO, 0);
            }
            Word::Stopping => report(ServiceState::StopPending, END, 0),
            Word::Status(line) => tracing::trace!(line, "nothing for Windows' service manager"),
            stage => tracing::trace!(?stage, "nothing for Windows' service manager"),
        }
    }
}

fn report(state: ServiceState, patience: Duration, code: u32) {
    let Some(manager) = MANAGER.get() else { return };
    ENDS.fetch_or(state == ServiceState::StopPending, Ordering::SeqCst);
    let accepts = match state {
        // Before a shutdown there is more time than during it: five seconds.
        ServiceState::Running => ServiceControlAccept::STOP | ServiceControlAccept::PRESHUTDOWN,
        _ => ServiceControlAccept::empty(),
    };
    let exit_code = match code {
        0 => ServiceExitCode::NO_ERROR,
        code => ServiceExitCode::ServiceSpecific(code),
    };
    let told = manager.set_service_status(ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepts,
        exit_code,
        checkpoint: 0,
        wait_hint: patience,
        process_id: None,
    });
    if let Err(error) = told {
        tracing::debug!("the service manager can't be told ({error})");
    }
}
