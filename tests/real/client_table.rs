//! Every client of [`CLIENTS`], doing all that it can by its nature: through Gatepost, and without
//! it, straight to a Dovecot and a Postfix with a plain password on the same mail store. What it
//! fetched, stored and sent is compared byte for byte.
//!
//! `cargo test --test real client_table -- --nocapture` prints the table. `CLIENTS="curl mbsync"`
//! before it keeps to these; `WIRE_LOGS=FOLDER` keeps what each said on the wire, a file a task, for
//! `tests/transcripts/`.

use std::{fmt::Write as _, fs, path::Path, time::Duration};

use crate::support::{
    bed::ADDRESS,
    clients::CLIENTS,
    mail_client::{Client, Settings, Task},
    scene::{Scene, Setting},
    servers::PLAIN_PASSWORD,
    trial::Trial,
};

const LIMIT: Duration = Duration::from_secs(900);

#[test]
fn client_table() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let plain = scene.bed.plain_dovecot();
        let postfix = scene.bed.postfix.as_ref().expect("with_smtp");
        let direct = Settings {
            imap: plain.address(),
            smtp: postfix.plain(),
            address: ADDRESS.to_owned(),
            password: PLAIN_PASSWORD.to_owned(),
            auth: None,
        };
        let through = scene.settings();
        let mut trial = Trial::prepare(&direct);
        let wanted = std::env::var("CLIENTS").ok();
        let wanted = |client: &&Client| {
            wanted
                .as_ref()
                .is_none_or(|names| names.split(' ').any(|name| client.name.starts_with(name)))
        };
        let (mut table, mut failures, mut notes) = (head(), String::new(), String::new());
        for client in CLIENTS.iter().filter(wanted) {
            let folders = ["direct", "through"]
                .map(|way| scene.bed.scratch(&format!("{}-{way}", client.name)));
            let mut sessions = [(&direct, &folders[0]), (&through, &folders[1])]
                .map(|(settings, folder)| client.program.open(settings, folder));
            write!(table, "| {} | {} |", client.name, client.program.version()).unwrap();
            for task in Task::ALL {
                if !client.tasks.contains(&task) {
                    table.push_str(" – |");
                    continue;
                }
                let mut cell = |way: usize| {
                    let tried = trial.try_out(client, &mut *sessions[way], &folders[way], task);
                    tried.map_or_else(
                        |words| {
                            let task = task.word();
                            // Without Gatepost it is the client's or the server's own affair.
                            let told = [&mut notes, &mut failures];
                            writeln!(told[way], "{}, {task}: {words}", client.name).unwrap();
                            "FAILED".to_owned()
                        },
                        |took| format!("{:.2}", took.as_secs_f64()),
                    )
                };
                let (without, logged) = (cell(0), wire_log(scene).len());
                write!(table, " {} ({without}) |", cell(1)).unwrap();
                if let Some(folder) = std::env::var_os("WIRE_LOGS") {
                    let name = format!("{} {}.log", client.name, task.word());
                    let said = wire_log(scene).split_off(logged);
                    fs::write(Path::new(&folder).join(name), said).unwrap();
                }
            }
            table.push('\n');
        }
        println!("{table}");
        if !notes.is_empty() {
            println!("Failed without Gatepost:\n{notes}");
        }
        assert!(failures.is_empty(), "{failures}");
    });
}

fn wire_log(scene: &Scene) -> Vec<u8> {
    fs::read(scene.home.folder().join("logs/wire.log")).unwrap_or_default()
}

fn head() -> String {
    let words: Vec<_> = Task::ALL.map(Task::word).into();
    format!(
        "Seconds through Gatepost (and without it: at a Dovecot and a Postfix that take a plain \
         password, over the same mail store); – is beyond the client by its nature.\n\n\
         | client | version | {} |\n|---|---|{}\n",
        words.join(" | "),
        "---|".repeat(words.len()),
    )
}
