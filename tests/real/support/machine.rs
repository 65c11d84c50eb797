//! A machine of its own for one Gatepost: what is mounted in it, and the network that it is on, are
//! nobody else's. It ends with its value, and all that is in it.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    net::Ipv4Addr,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::Duration,
};

use nix::sched::{CloneFlags, setns};

use super::process;

const PATIENCE: Duration = Duration::from_secs(20);

/// Root may make none here: a container's root may not, unless it has CAP_SYS_ADMIN and CAP_NET_ADMIN.
/// [`Machine::new`] panics with it.
pub(crate) struct NotHere;

pub(crate) struct Machine {
    /// Holds the namespaces open.
    holder: Child,
    /// This side's address on a network of its own.
    cable: Option<Ipv4Addr>,
}

/// Does what needs one, or says that it is left out.
pub(crate) fn or_left_out(what: &str, body: impl FnOnce()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(body)) else { return };
    if !panic.is::<NotHere>() {
        resume_unwind(panic);
    }
    left_out(&this_test(), what);
}

/// The running test as `tests/promises` calls it. To be asked on the test's own thread, which has its name.
pub(crate) fn this_test() -> String {
    let path = thread::current().name().expect("a test's thread").to_owned();
    format!("{}::{path}", env!("CARGO_CRATE_NAME"))
}

/// Says that this test leaves something out, in a line that `tests/promises` looks for: to the test
/// harness it has passed.
pub(crate) fn left_out(test: &str, what: &str) {
    let words = format!("left out: {test}, as namespaces can't be made here: {what}\n");
    // Past what the harness keeps back: nothing is left out in silence.
    drop(io::stderr().write_all(words.as_bytes()));
}

impl Machine {
    /// With mounts of its own.
    pub(crate) fn new() -> Self {
        Self::hold(&[], None)
    }

    /// With mounts of its own, and alone on a network with this test, which has the address
    /// [`Machine::outside`] there.
    pub(crate) fn with_network() -> Self {
        // Networks for benchmarks (RFC 2544), eight addresses each; another run begins elsewhere.
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let first = u32::from(Ipv4Addr::new(198, 18, 0, 0))
            + (std::process::id() % 512) * 256
            + u32::from(number % 32) * 8;
        let [outside, inside] = [1, 2].map(|more| Ipv4Addr::from(first + more));
        let machine = Self::hold(&["--net"], Some(outside));
        let nobody = machine.nobody();
        let name = format!("gp{}x{number}", std::process::id());
        let pid = machine.holder.id();
        shell(
            &mut Command::new("sh"),
            &format!(
                "ip link add {name} type veth peer name eth0 netns {pid}
                 ip address add {outside}/29 dev {name}
                 ip link set {name} up"
            ),
        );
        machine.run(&format!(
            "ip link set lo up
             ip address add {inside}/29 dev eth0
             ip link set eth0 up
             ip neighbour add {nobody} lladdr 02:00:00:00:00:01 dev eth0 nud permanent
             ip route add default via {nobody} dev eth0
             ip route add default via {nobody} dev eth0 table 100"
        ));
        machine
    }

    fn hold(more: &[&str], cable: Option<Ipv4Addr>) -> Self {
        let mut holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private"])
            .args(more)
            .args(["sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("piped");
        drop(BufReader::new(stdout).read_line(&mut line));
        if line.trim() != "ready" {
            drop(holder.wait());
            resume_unwind(Box::new(NotHere));
        }
        Self { holder, cable }
    }

    /// What starts a program in it, before that program's own words.
    pub(crate) fn through(&self) -> Vec<String> {
        let target = self.holder.id().to_string();
        let mut words = vec!["nsenter", "--target", &target, "--mount"];
        if self.cable.is_some() {
            words.push("--net");
        }
        words.push("--");
        words.into_iter().map(str::to_owned).collect()
    }

    /// Does something on its network, at once: what is opened stays there.
    pub(crate) fn on_network<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let network = File::open(format!("/proc/{}/ns/net", self.holder.id())).expect("it lives");
        let moved = move || {
            setns(network, CloneFlags::CLONE_NEWNET).expect("root may");
            body()
        };
        // By a thread of its own, which alone moves.
        thread::scope(|scope| scope.spawn(moved).join())
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Runs a script in it.
    pub(crate) fn run(&self, script: &str) {
        let through = self.through();
        shell(Command::new(&through[0]).args(&through[1..]).arg("sh"), script);
    }

    /// How a path of its own is seen from here.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// This test's address on its network.
    pub(crate) fn outside(&self) -> Ipv4Addr {
        self.cable.expect("with_network")
    }

    /// Its own address there.
    pub(crate) fn inside(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.outside()) + 1)
    }

    /// An address on its network that nobody has: what is sent there is lost without a word.
    pub(crate) fn nobody(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.outside()) + 2)
    }

    /// Puts a folder onto a disk of its own, of 4 MB; see it by [`Machine::path`].
    pub(crate) fn small_disk(&self, folder: &Path) {
        let folder = folder.display();
        self.run(&format!(
            "mount -t tmpfs -o mode=700 none /mnt
             cp -a {folder}/. /mnt
             mount -t tmpfs -o size=4m,mode=700 none {folder}
             cp -a /mnt/. {folder}"
        ));
    }

    /// Fills such a disk to its last byte.
    pub(crate) fn fill(&self, folder: &Path) {
        self.run(&format!("! cat /dev/zero > {}/ballast 2> /dev/null", folder.display()));
    }

    /// Makes room on it.
    pub(crate) fn make_room(&self, folder: &Path) {
        self.run(&format!("rm {}/ballast", folder.display()));
    }

    /// Puts a file in another's place.
    pub(crate) fn replace(&self, file: &str, by: &Path) {
        self.run(&format!("mount --bind {} {file}", by.display()));
    }

    /// From now on what it sends to this port is lost.
    pub(crate) fn lose(&self, port: u16) {
        self.run(&format!("ip rule add ipproto tcp dport {port} table 100"));
    }

    /// From now on what it sends from this port is lost, or is no longer.
    pub(crate) fn loses_what_is_sent_from(&self, port: u16, is_lost: bool) {
        let verb = if is_lost { "add" } else { "del" };
        self.run(&format!("ip rule {verb} pref 10 ipproto tcp sport {port} blackhole"));
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

fn shell(command: &mut Command, script: &str) {
    process::run_well(command.args(["-euc", script]), b"", PATIENCE);
}
