//! The sixth step: how Gatepost starts by itself when its person logs in to the computer.

use std::path::Path;

use crate::cli::settings::escape;
use crate::config::Home;

/// The words for this system.
pub(super) fn words(program: &Path, home: &Home) -> String {
    let mut command = vec![program.display().to_string()];
    for (flag, path) in home.arguments() {
        command.extend([flag.to_owned(), path.display().to_string()]);
    }
    words_for(std::env::consts::OS, &command)
}

/// `command` is the program and what stands before `run`.
fn words_for(system: &str, command: &[String]) -> String {
    let quoted = |word: &String| format!("\"{word}\"");
    let line = |quoted: &dyn Fn(&String) -> String| {
        let word = |word: &String| if word.starts_with("--") { word.clone() } else { quoted(word) };
        command.iter().map(word).collect::<Vec<_>>().join(" ")
    };
    match system {
        "windows" => {
            let line = line(&quoted);
            format!(
                "\
Press Windows+R, type  shell:startup  and press Enter: a folder opens. Right-click in it ›
New › Shortcut, and enter
  {line} run
as the location of the item. In the shortcut's Properties set Run to Minimized."
            )
        }
        "macos" => {
            let strings = command.iter().map(|word| format!("<string>{}</string>", escape(word)));
            let strings: String = strings.collect();
            format!(
                "\
Put these lines into ~/Library/LaunchAgents/gatepost.plist
  <?xml version=\"1.0\" encoding=\"UTF-8\"?>
  <plist version=\"1.0\"><dict>
    <key>Label</key><string>gatepost</string>
    <key>ProgramArguments</key>
    <array>{strings}<string>run</string></array>
    <key>RunAtLoad</key><true/>
  </dict></plist>
and type
  launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/gatepost.plist"
            )
        }
        _ => {
            // systemd.unit(5): % begins a specifier, \ and $ mean more as well.
            let escaped = |word: &String| {
                let word = word.replace('\\', "\\\\").replace('%', "%%").replace('$', "$$");
                quoted(&word)
            };
            let line = line(&escaped);
            format!(
                "\
Put these lines into ~/.config/systemd/user/gatepost.service
  [Service]
  Type=notify
  ExecStart={line} run
  Restart=on-failure
  [Install]
  WantedBy=default.target
and type
  systemctl --user enable --now gatepost
Should it serve while you aren't logged in as well:  loginctl enable-linger"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_words() {
        let words = |system, command: &[&str]| {
            words_for(system, &command.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
        };
        let windows = words("windows", &[r"C:\Users\you\.cargo\bin\gatepost.exe"]);
        let macos = words("macos", &["/Users/you/.cargo/bin/gatepost"]);
        let linux = words("linux", &["/home/you/.cargo/bin/gatepost"]);
        let elsewhere = ["gatepost", "--home", "/srv/50% & more"];
        let [plist, unit] = ["macos", "linux"].map(|system| words(system, &elsewhere));
        let all = [windows, macos, linux, plist, unit];
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
