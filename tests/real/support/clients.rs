//! Real mail clients, driven by their own command lines or by the scripts in `tests/clients/`.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use serde_json::Value;

use super::{
    bed::Bed,
    mail_client::{
        Client, Script,
        Task::{Append, Fetch, Idle, List, Send, SignOn, Sync},
    },
    process,
    thunderbird::Thunderbird,
};

/// The rows of the table (`client_table.rs`).
pub(crate) const CLIENTS: &[Client] = &[
    Client {
        name: "NeoMutt",
        tasks: &[SignOn, List, Fetch, Append, Send, Idle, Sync],
        adds: &[
            "Content-",
            "Date:",
            "From:",
            "Lines:",
            "Message-ID:",
            "Mime-Version:",
            "MIME-Version:",
            "Status:",
            "User-Agent:",
        ],
        program: &Script("neomutt.sh"),
    },
    Client {
        name: "mbsync",
        tasks: &[SignOn, List, Fetch, Append, Sync],
        adds: &["X-TUID:"],
        program: &Script("mbsync.sh"),
    },
    Client {
        name: "OfflineIMAP",
        tasks: &[SignOn, List, Fetch, Append, Idle, Sync],
        adds: &[],
        program: &Script("offlineimap.sh"),
    },
    Client {
        name: "getmail6",
        tasks: &[SignOn, Fetch, Idle, Sync],
        adds: &["X-getmail-retrieved-from-mailbox:"],
        program: &Script("getmail.sh"),
    },
    Client {
        name: "fetchmail",
        tasks: &[SignOn, Fetch, Idle, Sync],
        adds: &[],
        program: &Script("fetchmail.sh"),
    },
    Client {
        name: "curl",
        tasks: &[SignOn, List, Fetch, Append, Send, Sync],
        adds: &[],
        program: &Script("curl.sh"),
    },
    Client {
        name: "Python imaplib, smtplib",
        tasks: &[SignOn, List, Fetch, Append, Send, Sync],
        adds: &[],
        program: &Script("python-imaplib.py"),
    },
    Client {
        name: "IMAPClient",
        tasks: &[SignOn, List, Fetch, Append, Idle, Sync],
        adds: &[],
        program: &Script("python-imapclient.py"),
    },
    Client {
        name: "imap-tools",
        tasks: &[SignOn, List, Fetch, Append, Idle, Sync],
        adds: &[],
        program: &Script("python-imap-tools.py"),
    },
    Client {
        name: "ImapFlow, Nodemailer",
        tasks: &[SignOn, List, Fetch, Append, Send, Idle, Sync],
        adds: &[],
        program: &Script("imapflow.js"),
    },
    Client {
        name: "Mail::IMAPClient",
        tasks: &[SignOn, List, Fetch, Append, Idle, Sync],
        adds: &[],
        program: &Script("mail-imapclient.pl"),
    },
    Client {
        name: "net-imap, net-smtp",
        tasks: &[SignOn, List, Fetch, Append, Send, Idle, Sync],
        adds: &[],
        program: &Script("net-imap.rb"),
    },
    Client { name: "swaks", tasks: &[SignOn, Send], adds: &[], program: &Script("swaks.sh") },
    Client { name: "msmtp", tasks: &[Send], adds: &[], program: &Script("msmtp.sh") },
    Client {
        name: "git send-email",
        tasks: &[Send],
        adds: &["Date:", "Message-ID:", "Message-Id:", "X-Mailer:"],
        program: &Script("git-send-email.sh"),
    },
    Client {
        name: "Thunderbird",
        tasks: &[SignOn, List, Fetch, Append, Send, Idle, Sync],
        adds: &["X-Mozilla-Status"],
        program: &Thunderbird,
    },
];

/// How long one run of a client may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// Runs a script of `tests/clients/` with this JSON object as its input; gives its JSON answer.
pub(crate) fn python(script: &str, input: &Value) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let mut python = Command::new("python3");
    let output = process::run_well(python.arg(path), input.to_string().as_bytes(), PATIENCE);
    serde_json::from_slice(&output).expect("the script prints one JSON value")
}

/// `curl`, ready to run. `secrets` are lines of its configuration, which go by its standard input.
fn curl_command(arguments: &[&str]) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "60", "--config", "-"]).args(arguments);
    curl
}

/// Runs `curl` with a user and an OAuth token, straight to a server of the bed. No success is
/// expected of it.
pub(crate) fn curl_with_token(
    bed: &Bed,
    arguments: &[&str],
    (user, mechanism, token): (&str, &str, &str),
) -> Output {
    let mut curl = curl_command(arguments);
    curl.arg("--cacert").arg(bed.authority());
    curl.args(["--user", user, "--login-options", &format!("AUTH={mechanism}")]);
    process::run(&mut curl, format!("oauth2-bearer = {token}\n").as_bytes(), PATIENCE)
}

/// What `mbsync` made of a mailbox: each message by its UID.
pub(crate) type Synced = BTreeMap<u32, Vec<u8>>;

/// Makes a folder under `scratch` with `mbsync` what an inbox is: a new one, or that of the last time.
pub(crate) fn mbsync(scratch: &Path, server: SocketAddr, user: &str, password: &str) -> Synced {
    let (folder, configuration) = (scratch.join("mail"), scratch.join("mbsyncrc"));
    fs::create_dir_all(&folder).expect("a folder of ours");
    let text = format!(
        "IMAPStore far\nHost {}\nPort {}\nUser {user}\nPass {password:?}\nSSLType None\n\
         AuthMechs LOGIN\n\nMaildirStore near\nPath {folder}/\nInbox {folder}/INBOX\n\n\
         Channel all\nFar :far:INBOX\nNear :near:INBOX\nSync Pull\nCreate Near\nExpunge Near\n\
         SyncState {folder}/state\n",
        server.ip(),
        server.port(),
        folder = folder.display(),
    );
    fs::write(&configuration, text).expect("a folder of ours");
    let mut mbsync = Command::new("mbsync");
    mbsync.arg("-c").arg(&configuration).arg("all");
    process::run_well(&mut mbsync, b"", Duration::from_secs(240));
    ["cur", "new"]
        .into_iter()
        .flat_map(|part| fs::read_dir(folder.join("INBOX").join(part)).expect("a Maildir"))
        .map(|entry| read_synced(&entry.expect("an entry").path()))
        .collect()
}

/// A message as mbsync stored it: the UID is in its name (`,U=7`). A line that mbsync may have added
/// itself (`X-TUID`) is no part of it.
fn read_synced(path: &Path) -> (u32, Vec<u8>) {
    let name = path.file_name().expect("a file").to_string_lossy();
    let uid = name.split_once(",U=").map(|(_, rest)| rest.split([':', ',']).next());
    let uid = uid.flatten().and_then(|uid| uid.parse().ok()).expect("a UID in the name");
    let bytes = fs::read(path).expect("a file of ours");
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    (uid, lines.filter(|line| !line.starts_with(b"X-TUID: ")).flatten().copied().collect())
}
