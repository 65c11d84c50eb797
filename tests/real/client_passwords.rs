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

/// Each of another person.
const PASSWORDS: [&str; 7] = [
    r#"a "quoted" one"#,
    r"back\slash \\ twice",
    "[brackets] and {9}",
    "100% sure, %s %20",
    "two  spaces and $HOME `id`",
    "Grüße aus Zürich",
    r#"all: " \ [ % ü $ ' #"#,
];

/// What a client can't do with which of these, by itself: both encode the password as ASCII.
const CANNOT: [(&str, Task, &[usize]); 2] =
    [("getmail6", Task::SignOn, &[5, 6]), ("Python imaplib, smtplib", Task::Send, &[5, 6])];

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
        let mistaken = Settings { password: "not this one".to_owned(), ..people[0].clone() };
        if try_out(&mistaken, "mistaken").is_ok() {
            wrong += &format!("{}, {}: a wrong password is no failure\n", client.name, task.word());
        }
    }
    wrong
}
