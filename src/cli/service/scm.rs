//! A service of Windows' Service Control Manager, for a server: it runs as LocalService, who has no
//! password and few rights.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState,
    ServiceStatus, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};
use windows_service::{Error, Result as OfWindows};

use super::State;
use super::command_line;
use super::entry::Entry;
use super::run_key::home_of;
use super::words::Told;
use crate::cli::background::STARTING;
use crate::cli::keys;
use crate::cli::mistake::Mistake;
use crate::cli::report::{Failure, say};
use crate::cli::running::STOPPING;
use crate::cli::terminal::UnderWay;
use crate::config::{Home, HomeError};
use crate::control::Running;
use crate::service_manager::{END, NAME, of_windows};
use crate::settings::Settings;

/// By it `run` knows who has started it.
pub(in crate::cli) const AS_SERVICE: &str = "as-service";

const ACCOUNT: &str = r"NT AUTHORITY\LocalService";
const DESCRIPTION: &str = "Lets mail programs on this computer sign on to Gmail with a password, and signs on there with OAuth 2.0.";

/// Who may do what in the service's home: the system and the administrators all, LocalService what it
/// takes to work there, and nobody else anything. By numbers, since the names differ by language.
const SYSTEM: &str = "*S-1-5-18:(OI)(CI)F";
const ADMINISTRATORS: &str = "*S-1-5-32-544:(OI)(CI)F";
const LOCAL_SERVICE: &str = "*S-1-5-19:(OI)(CI)M";

/// After these failures in a row it comes again after so long; after more, as after the last.
const AGAIN: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];
/// A day without any begins anew.
const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a start and an end may take, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(200);

/// What Windows says.
const NO_SUCH_SERVICE: i32 = 1060;
const ALREADY_RUNNING: i32 = 1056;
const NOT_ACTIVE: i32 = 1062;
const ACCESS_DENIED: i32 = 5;

/// What the manager has of the service.
pub(super) fn look() -> Result<Option<State>, Failure> {
    let access = ServiceAccess::QUERY_CONFIG | ServiceAccess::QUERY_STATUS;
    let Some(service) = open(access)? else { return Ok(None) };
    let config = service.query_config().map_err(refused)?;
    let status = service.query_status().map_err(refused)?;
    Ok(Some(State {
        place: format!(r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\{NAME}"),
        // The whole line, in spite of the field's name.
        command: command_line::words(&config.executable_path.to_string_lossy()),
        enabled: config.start_type == ServiceStartType::AutoStart,
        running: status.current_state == ServiceState::Running,
        lingers: None,
    }))
}

/// Makes the service or changes it, and starts it; the person is told what follows.
pub(super) fn install(home: Home) -> Result<(), Failure> {
    // Who is no administrator is told so, and not what they may not read.
    let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
    let manager = ServiceManager::local_computer(None::<&str>, access).map_err(refused)?;
    let usual = env::var_os("ProgramData").ok_or(Mistake::NoHome(HomeError))?;
    let is_named = home.arguments().iter().any(|(flag, _)| *flag == "--home");
    let home = home.or_at(&Path::new(&usual).join(NAME));
    let whole = std::path::absolute(home.data()).unwrap_or_else(|_| home.data().to_owned());
    // Without a backslash at its end, which a quote may not follow on a command line.
    let folder: PathBuf = whole.components().collect();
    let settings = Settings::load(&home, None)?;
    // Without the file that is named there it would not serve.
    keys::configured(&settings.config)?;
    let command = Entry::of(&home)?.command(&["run", &format!("--{AS_SERVICE}")]);
    let before = look()?;
    let same = before.as_ref().is_some_and(|before| before.command == command);
    let old_home = before.as_ref().and_then(|before| home_of(&before.command));
    let is_its_own = old_home.is_some_and(|old| old.data() == folder);
    let was_there = !is_its_own && hand_over(&folder, is_named)?;

    let info = info(&command);
    let service = match before {
        Some(_) => {
            let service = manager.open_service(NAME, ServiceAccess::all()).map_err(refused)?;
            service.change_config(&info).map(|()| service)
        }
        None => manager.create_service(&info, ServiceAccess::all()),
    };
    let service = service.map_err(|error| {
        // Only if it is empty, as one that was just made is; another try is to find none.
        let _ = fs::remove_dir(&folder);
        refused(error)
    })?;
    furnish(&service).map_err(refused)?;

    let serves = before.as_ref().is_some_and(|before| before.running);
    if serves && !same {
        let _sign = UnderWay::begin(STOPPING);
        stop(&service)?;
    }
    let by_hand = Running::find(&home).ok().filter(|_| !(serves && same));
    let told = match by_hand {
        Some(running) => Told::ServerBeside { process: running.process() },
        None => {
            let _sign = UnderWay::begin(STARTING);
            start(&service, &home)?;
            Told::ServerInstalled
        }
    };
    say(&told.to_string());
    if let Some(State { command, .. }) = before.filter(|_| !same) {
        say(&format!("  {}", Told::Replaced { command: &command.join(" ") }));
    }
    if was_there {
        say(&format!("  {}", Told::ServerFolder { home: &folder }));
    }
    if settings.config.key_file.is_none() {
        say(&format!("  {}", Told::ServerKeychain { config: home.config_file() }));
    }
    say(&format!("  {}", Told::ServerSignIn { home: &folder }));
    say(&format!("  {}", Told::LogFile { file: &home.logs().join("gatepost.log") }));
    Ok(())
}

/// Stops the service and takes it away; its home stays.
pub(super) fn uninstall() -> Result<(), Failure> {
    let state = look()?;
    let access = ServiceAccess::STOP | ServiceAccess::QUERY_STATUS | ServiceAccess::DELETE;
    let (Some(state), Some(service)) = (state, open(access)?) else {
        say(&Told::ServerNothingThere.to_string());
        return Ok(());
    };
    {
        let _sign = UnderWay::begin(STOPPING);
        stop(&service)?;
        service.delete().map_err(refused)?;
    }
    let home = home_of(&state.command).map(|home| home.data().display().to_string());
    say(&Told::ServerRemoved { home: &home.unwrap_or_default() }.to_string());
    Ok(())
}

fn open(access: ServiceAccess) -> Result<Option<Service>, Failure> {
    let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT);
    match manager.and_then(|manager| manager.open_service(NAME, access)) {
        Ok(service) => Ok(Some(service)),
        Err(error) if code(&error) == Some(NO_SUCH_SERVICE) => Ok(None),
        Err(error) => Err(refused(error)),
    }
}

fn info(command: &[String]) -> ServiceInfo {
    let mut words = command.iter().map(OsString::from);
    ServiceInfo {
        name: NAME.into(),
        display_name: "Gatepost".into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: words.next().unwrap_or_default().into(),
        launch_arguments: words.collect(),
        dependencies: Vec::new(),
        account_name: Some(ACCOUNT.into()),
        account_password: None,
    }
}

/// What a service has besides.
fn furnish(service: &Service) -> OfWindows<()> {
    service.set_description(DESCRIPTION)?;
    let again = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(FORGOTTEN),
        reboot_msg: None,
        command: None,
        actions: Some(AGAIN.map(again).to_vec()),
    })?;
    service.set_preshutdown_timeout(END)?;
    // Wine knows neither; Windows has had both since Vista.
    let niceties = [
        service.set_failure_actions_on_non_crash_failures(true),
        service.set_delayed_auto_start(true),
    ];
    for error in niceties.into_iter().filter_map(Result::err) {
        tracing::debug!("{}", of_windows(error));
    }
    Ok(())
}

/// Starts it unless it runs, and waits until it serves.
fn start(service: &Service, home: &Home) -> Result<(), Failure> {
    let log = home.logs().join("gatepost.log");
    let failed = |why: &str| Failure::from(Mistake::ServerNotStarted { why, log: &log });
    match service.start::<&str>(&[]) {
        Err(error) if code(&error) != Some(ALREADY_RUNNING) => {
            return Err(failed(without_stop(&of_windows(error).to_string())));
        }
        _ => {}
    }
    let status = settled(service, ServiceState::StartPending)?;
    match (status.current_state, status.exit_code) {
        (ServiceState::Running, _) => Ok(()),
        (_, ServiceExitCode::ServiceSpecific(code)) => {
            Err(failed(&format!("it ended with code {code}")))
        }
        (_, ServiceExitCode::Win32(0)) => Err(failed("it ended, or takes too long")),
        (_, ServiceExitCode::Win32(code)) => {
            let error = io::Error::from_raw_os_error(code.cast_signed());
            Err(failed(without_stop(&error.to_string())))
        }
    }
}

/// Stops it if it runs, and waits for its end.
fn stop(service: &Service) -> Result<(), Failure> {
    match service.stop() {
        Err(error) if code(&error) == Some(NOT_ACTIVE) => return Ok(()),
        stopped => stopped.map_err(refused)?,
    };
    match settled(service, ServiceState::StopPending)?.current_state {
        ServiceState::Stopped => Ok(()),
        state => {
            let why = format!("it is {state:?}");
            Err(Mistake::ServiceRefused { by: "Windows", why: &why }.into())
        }
    }
}

/// How it is once it isn't as given any more, or patience is at its end.
fn settled(service: &Service, passing: ServiceState) -> Result<ServiceStatus, Failure> {
    let begun = Instant::now();
    loop {
        let status = service.query_status().map_err(refused)?;
        if status.current_state != passing || begun.elapsed() > PATIENCE {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
}

/// Gives LocalService its home, where it may have been before; then true. What it makes is closed to all
/// others. In `%ProgramData%` every user may make folders: one that is there without having been named
/// might be a trap.
fn hand_over(folder: &Path, is_named: bool) -> Result<bool, Failure> {
    let unwritable =
        |error: io::Error| Failure::from(Mistake::FolderUnwritable { folder, error: &error });
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above).map_err(unwritable)?;
    }
    match fs::create_dir(folder) {
        Ok(()) => {
            let own = ["/inheritance:r", "/grant:r", SYSTEM, ADMINISTRATORS, LOCAL_SERVICE];
            icacls(folder, &own).inspect_err(|_| drop(fs::remove_dir(folder)))?;
            // Somebody may have been quick.
            match fs::read_dir(folder).map_err(unwritable)?.next() {
                None => Ok(false),
                Some(_) => Err(Mistake::FolderOfOthers { folder }.into()),
            }
        }
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(unwritable(error)),
        Err(_) if !is_named => Err(Mistake::FolderOfOthers { folder }.into()),
        Err(_) => icacls(folder, &["/grant", LOCAL_SERVICE]).map(|()| true),
    }
}

/// Windows' own program for access lists.
fn icacls(folder: &Path, change: &[&str]) -> Result<(), Failure> {
    let system = env::var_os("SystemRoot").map(PathBuf::from).unwrap_or_default();
    let mut command = Command::new(system.join("System32").join("icacls.exe"));
    let output = command.arg(folder).args(change).arg("/Q").output();
    let why = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let error = io::Error::other(without_stop(&why).to_owned());
    Err(Mistake::FolderUnwritable { folder, error: &error }.into())
}

fn code(error: &Error) -> Option<i32> {
    match error {
        Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

fn refused(error: Error) -> Failure {
    if code(&error) == Some(ACCESS_DENIED) {
        return Mistake::NoAdministrator.into();
    }
    let why = of_windows(error).to_string();
    Mistake::ServiceRefused { by: "Windows", why: without_stop(&why) }.into()
}

fn without_stop(words: &str) -> &str {
    words.trim().trim_end_matches('.')
}
