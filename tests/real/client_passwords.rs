//! Passwords with what has to be quoted, escaped or counted somewhere on their way, by every client
//! of [`CLIENTS`]. What a client can't carry itself it can't carry without Gatepost either.

use std::{
    collections::BTreeSet,
    fs,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crate::support::{
    clients::CLIENTS,
    mail_client::{Client, Push, Settings, Task},
    messages::letter,
    scene::{Scene, Setting},
};

const LIMIT: Duration = Duration::from_secs(600);

/// Ways to send a password (SMTP's or IMAP's, by the task) that a client can be told to take, in its
/// words; what it does by itself is beside them.
const FORMS: [(&str, Task, &[&str]); 14] = [
    ("NeoMutt", Task::SignOn, &["plain", "login"]),
    ("NeoMutt", Task::Send, &["plain", "login"]),
    ("mbsync", Task::SignOn, &["LOGIN", "PLAIN"]),
    ("curl", Task::SignOn, &["--login-options AUTH=PLAIN", "--login-options AUTH=PLAIN --sasl-ir"]),
    (
        "curl",
        Task::Send,
        &[
            "--login-options AUTH=PLAIN",
            "--login-options AUTH=PLAIN --sasl-ir",
            "--login-options AUTH=LOGIN",
            "--login-options AUTH=LOGIN --sasl-ir",
        ],
    ),
    ("Python imaplib, smtplib", Task::SignOn, &["PLAIN"]),
    ("ImapFlow, Nodemailer", Task::SignOn, &["LOGIN", "AUTH=PLAIN"]),
    ("ImapFlow, Nodemailer", Task::Send, &["LOGIN", "PLAIN"]),
    ("Mail::IMAPClient", Task::SignOn, &["PLAIN", "LOGIN"]),
    ("net-imap, net-smtp", Task::SignOn, &["PLAIN"]),
    ("net-imap, net-smtp", Task::Send, &["plain", "login"]),
    ("swaks", Task::SignOn, &["PLAIN", "LOGIN"]),
    ("msmtp", Task::Send, &["plain", "login"]),
    ("git send-email", Task::Send, &["PLAIN", "LOGIN"]),
];

/// Each of another person.
const PASSWORDS: [&str; 5] = [
    r#"a "quoted" back\slash \\"#,
    "[brackets] {9} and 100% %s",
    "two  spaces and $HOME `id`",
    "Grüße aus Zürich",
    ALL,
];
const ALL: &str = r#"all: " \ [ % ü $ ' #"#;

/// What a client can't do with which of these, by itself: both encode the password as ASCII.
const CANNOT: [(&str, Task, &[usize]); 2] =
    [("getmail6", Task::SignOn, &[3, 4]), ("Python imaplib, smtplib", Task::Send, &[3, 4])];

#[test]
fn every_client_signs_on_with_passwords_of_any_characters() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let people: Vec<_> =
            (1..).map(|number| format!("person{number}@gmail.com")).zip(PASSWORDS).collect();
        let through: Vec<_> = people
            .iter()
            .map(|(address, password)| scene.sign_in_another(address, Some(password)))
            .collect();
        let plain = scene.bed.plain_dovecot();
        let people: Vec<_> =
            people.iter().map(|(address, password)| (&**address, *password)).collect();
        plain.set_passwords(&people);
        let direct = |settings: &Settings| Settings {
            imap: plain.address(),
            smtp: scene.bed.postfix.as_ref().expect("with_smtp").plain(),
            ..settings.clone()
        };
        let (next, failures) = (AtomicUsize::new(0), Mutex::new(String::new()));
        // They wait more than they work.
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(client) = CLIENTS.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let wrong = check(scene, client, &through, direct);
                        failures.lock().unwrap().push_str(&wrong);
                    }
                });
            }
        });
        let failures = failures.into_inner().unwrap();
        assert!(failures.is_empty(), "{failures}");
    });
}

/// What is wrong with a client.
fn check(
    scene: &Scene,
    client: &Client,
    people: &[Settings],
    direct: impl Fn(&Settings) -> Settings,
) -> String {
    let mut wrong = String::new();
    for task in [Task::SignOn, Task::Send].into_iter().filter(|task| client.tasks.contains(task)) {
        let try_out = |settings: &Settings, way: &str| {
            let name = format!("{}-{}-{}-{way}", client.name, task.word(), settings.address);
            let folder = scene.bed.scratch(&name);
            fs::write(folder.join("mail"), letter(&settings.address, 1)).unwrap();
            let mut session = client.program.open(settings, &folder);
            session.perform(task, &mut Push::new(&|| ()))
        };
        let refused: BTreeSet<_> = (0..people.len())
            .filter(|number| try_out(&people[*number], "through").is_err())
            .collect();
        let cannot = CANNOT.iter().find(|it| (it.0, it.1) == (client.name, task));
        let cannot: BTreeSet<_> = cannot.into_iter().flat_map(|it| it.2).copied().collect();
        if refused != cannot {
            let words: Vec<_> =
                refused.iter().map(|n| (PASSWORDS[*n], try_out(&people[*n], "again"))).collect();
            wrong += &format!("{}, {}: {words:#?}\n", client.name, task.word());
        }
        for number in refused {
            if try_out(&direct(&people[number]), "direct").is_ok() {
                wrong += &format!(
                    "{}, {}: {:?} is refused by Gatepost alone\n",
                    client.name,
                    task.word(),
                    PASSWORDS[number]
                );
            }
        }
        let all = people.last().expect("somebody");
        let forms = FORMS.iter().find(|it| (it.0, it.1) == (client.name, task));
        for form in forms.into_iter().flat_map(|it| it.2) {
            let settings = Settings { auth: Some(form), ..all.clone() };
            if let Err(words) = try_out(&settings, form) {
                wrong += &format!("{}, {} by {form}: {words}\n", client.name, task.word());
            }
        }
        let mistaken = Settings { password: "not this one".to_owned(), ..people[0].clone() };
        if try_out(&mistaken, "mistaken").is_ok() {
            wrong += &format!("{}, {}: a wrong password is no failure\n", client.name, task.word());
        }
    }
    wrong
}
