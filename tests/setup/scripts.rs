//! Without a terminal.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::desk::Desk;
use super::support::YOU;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_each_missing_answer_is_named() {
    let desk = Desk::new().await;
    let web = desk.download("web.json", r#"{"web":{"client_id":"x"}}"#);
    let there = desk.download("there.prf", "theirs");
    let nowhere = desk.path("nowhere.json").display().to_string();
    let told: String = [
        &[][..],
        &["you.at.gmail.com", "--for", "other"],
        &[YOU],
        &[YOU, "--for", "other"],
        &[YOU, "--for", "other", "--client", &nowhere],
        &[YOU, "--for", "other", "--client", &web],
        &[YOU, "--for", "outlook", "--no-sign-in", "--out", &there],
        &[YOU, "--for", "device", "--out", "device.txt"],
        &[YOU, "--for", "new-outlook", "--no-sign-in", "--at-login"],
    ]
    .map(|arguments| desk.told(arguments))
    .concat();
    insta::assert_snapshot!(told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_needs_no_terminal() {
    let desk = Desk::new().await;
    let client = desk.download_client();
    let out = desk.path("gatepost.prf").display().to_string();
    let arguments = [YOU, "--client", &client, "--for", "outlook", "--out", &out, "--send"];
    let output = tokio::task::block_in_place(|| {
        std::thread::scope(|scope| {
            let setup = scope.spawn(|| desk.output(&arguments));
            tokio::runtime::Handle::current().block_on(desk.consent(1));
            setup.join().unwrap()
        })
    });
    let said = String::from_utf8_lossy(&output.stderr);
    let put = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{put}");
    assert!(Path::new(&out).is_file());
    let password = put.split_whitespace().next().unwrap();
    assert!(!said.contains(password), "a password goes to the standard output only");
    assert!(put.contains("All is well."), "{put}");
    assert!(!said.contains('\x1b') && !put.contains('\x1b'), "no colour in a pipe");
    // Again: nothing is asked of anybody.
    let again = desk.told(&[YOU, "--for", "thunderbird", "--no-proof"]);
    assert!(again.contains("is signed in already") && again.contains("[exit 0]"), "{again}");
    // It may serve in the end; whoever comes then is told that it does.
    let mut serving = desk.command("setup");
    let serving = serving.args([YOU, "--for", "other", "--no-proof", "--run"]);
    let mut serving = serving.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(serving.stderr.take().unwrap()).lines();
    assert!(lines.by_ref().any(|line| line.unwrap() == "ready"), "it serves");
    let while_it_runs = desk.told(&[YOU, "--for", "other"]);
    assert!(while_it_runs.contains("Gatepost is running"), "{while_it_runs}");
    assert!(desk.command("stop").status().unwrap().success());
    assert_eq!(serving.wait().unwrap().code(), Some(0));
}
