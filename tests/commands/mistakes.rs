//! What each plausible mistake is told, and how it looks.

use super::support::YOU;
use super::{gatepost, keep_account, told, told_with};

#[test]
fn mistakes_and_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let file = |name: &str, text: &str| {
        let path = home.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let web = file("web.json", r#"{"web":{"client_id":"x"}}"#);
    let html = file("page.json", "<html>");
    let missing = home.join("missing.json").display().to_string();
    let mut said = String::new();
    for arguments in [
        &["login", YOU][..],
        &["login", "not-an-address"],
        &["login", YOU, "--client", &missing],
        &["login", YOU, "--client", &web],
        &["login", YOU, "--client", &html],
        &["logout", YOU],
        &["password", YOU],
        &["password", YOU, "--new"],
        &["status"],
        &["reload"],
        &["stop"],
    ] {
        said.push_str(&told(home, arguments));
    }
    said.push_str(&told(home, &["--config", "nowhere.toml", "run"]));
    file("config.toml", "[secrets]\nkeychain = \"off\"\n");
    keep_account(home);
    said.push_str(&told(home, &["password", YOU, "--new"]));
    for stdin in ["\nold\n", "new\n", "new\nwrong\n"] {
        said.push_str(&told_with(home, &["password", YOU, "--new", "--password-stdin"], stdin));
    }
    file("config.toml", "[listen]\n\nimap_port = 143\n");
    said.push_str(&told(home, &["run"]));
    file("config.toml", "[provider.gmail]\nclient_id = \"a\"\nca_file = \"web.json\"\n");
    said.push_str(&told(home, &["run"]));
    insta::assert_snapshot!(said);
}

#[test]
fn settings_that_cant_be_given_and_their_words() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let configure = |config: &str| std::fs::write(home.join("config.toml"), config).unwrap();
    let there = home.join("there.prf").display().to_string();
    std::fs::write(&there, "theirs").unwrap();
    let nowhere = home.join("no/file.prf").display().to_string();
    let mut said = told(home, &["settings", YOU]);
    keep_account(home);
    for out in [&there, &nowhere] {
        said.push_str(&told(home, &["settings", YOU, "--for", "outlook", "--out", out]));
    }
    assert_eq!(std::fs::read(&there).unwrap(), b"theirs");
    configure("[listen]\nsmtp = \"\"\n");
    for program in ["outlook", "thunderbird", "apple"] {
        said.push_str(&told(home, &["settings", YOU, "--for", program]));
    }
    configure("[listen]\nimap = \"localhost:0\"\n");
    said.push_str(&told(home, &["settings", YOU]));
    configure("[listen]\nimap = \"\"\nsmtp = \"\"\n");
    said.push_str(&told(home, &["settings", YOU]));
    insta::assert_snapshot!(said);
}

#[test]
fn colour_is_for_who_wants_it() {
    let folder = tempfile::tempdir().unwrap();
    let said = |variables: &[(&str, &str)]| {
        let mut command = gatepost(folder.path());
        command.arg("stop").env_remove("NO_COLOR").envs(variables.iter().copied());
        String::from_utf8(command.output().unwrap().stderr).unwrap()
    };
    let plain = "gatepost: Gatepost is not running here.\n  -> Nothing to do.\n";
    assert_eq!(said(&[]), plain, "a pipe");
    assert_eq!(said(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]), plain);
    let painted = said(&[("CLICOLOR_FORCE", "1")]);
    assert!(painted.contains("\x1b[31mgatepost:\x1b[0m"), "{painted:?}");
}
