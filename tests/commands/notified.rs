//! What systemd is told, on a socket as its own (sd_notify(3)).

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Proxy, gatepost, run, support};

const QUIET: &str =
    "[listen]\nimap = \"127.0.0.1:0\"\nsmtp = \"\"\nstatus = \"\"\n[secrets]\nkeychain = \"off\"\n";

/// The time after which systemd would end it; a beat is due in half of it.
const WATCHDOG: Duration = Duration::from_millis(400);

/// Systemd's end.
struct Manager(UnixDatagram);

impl Manager {
    fn new(home: &Path) -> Self {
        std::fs::write(home.join("config.toml"), QUIET).unwrap();
        let socket = UnixDatagram::bind(home.join("notify")).unwrap();
        socket.set_read_timeout(Some(support::PATIENCE)).unwrap();
        Self(socket)
    }

    fn starts(&self, home: &Path, watchdog_of: Option<u32>) -> Proxy {
        let mut command = gatepost(home);
        command.arg("run").env("NOTIFY_SOCKET", home.join("notify"));
        command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
        command.envs(watchdog_of.map(|process| ("WATCHDOG_PID", process.to_string())));
        Proxy::start_by(command).0
    }

    fn told(&self) -> String {
        let mut datagram = [0; 4096];
        let length = self.0.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    /// The next that is no beat.
    fn told_besides(&self) -> String {
        loop {
            let told = self.told();
            if !told.starts_with("WATCHDOG=1\n") {
                return told;
            }
        }
    }
}

#[test]
fn each_stage_and_each_beat_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let manager = Manager::new(home);
    let mut proxy = manager.starts(home, None);
    let status = "STATUS=0 accounts; 0 IMAP and 0 SMTP sessions\n";
    assert_eq!(manager.told(), format!("READY=1\n{status}"));
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(manager.told(), format!("WATCHDOG=1\n{status}"));
    }
    // None comes before its time; later ones are a busy machine's.
    let (least, passed) = (WATCHDOG / 2 * 4, begun.elapsed());
    assert!(passed >= least, "five beats took {passed:?}");

    // By signal and by command, and also one that takes nothing up.
    let mut times = Vec::new();
    for how in ["signal", "command", "mistake"] {
        match how {
            "signal" => {
                let process = proxy.child.id().to_string();
                assert!(Command::new("kill").args(["-HUP", &process]).status().unwrap().success());
            }
            "command" => assert_eq!(run(home, &["reload"]).status.code(), Some(0)),
            _ => {
                std::fs::write(home.join("config.toml"), "lissen = 1\n").unwrap();
                assert_eq!(run(home, &["reload"]).status.code(), Some(2));
            }
        }
        let told = manager.told_besides();
        let time = told.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(how);
        times.push(time.trim_end().parse::<u64>().unwrap());
        assert_eq!(manager.told_besides(), "READY=1\n", "{how}");
    }
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");

    assert_eq!(run(home, &["stop"]).status.code(), Some(0));
    let told = manager.told_besides();
    assert_eq!(told, "STOPPING=1\nSTATUS=Stopping; sessions come to rest\n");
    assert_eq!(proxy.child.wait().unwrap().code(), Some(0));
}

/// The process that the watchdog is for may be another one: whoever started this.
#[test]
fn a_watchdog_of_another_process_is_left_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let manager = Manager::new(folder.path());
    let _proxy = manager.starts(folder.path(), Some(std::process::id()));
    assert!(manager.told().starts_with("READY=1\n"));
    manager.0.set_read_timeout(Some(WATCHDOG * 3)).unwrap();
    assert!(manager.0.recv(&mut [0; 64]).is_err(), "no beat");
}

/// The service that starts `run --background` is not the one that it starts.
#[test]
fn the_process_in_the_background_tells_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let manager = Manager::new(home);
    let mut command = gatepost(home);
    command.args(["run", "--background"]).env("NOTIFY_SOCKET", home.join("notify"));
    assert!(command.stderr(Stdio::null()).status().unwrap().success());
    assert_eq!(run(home, &["stop"]).status.code(), Some(0));
    manager.0.set_nonblocking(true).unwrap();
    assert!(manager.0.recv(&mut [0; 64]).is_err(), "nothing was told");
}
