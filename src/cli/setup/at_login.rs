//! The sixth step: how Gatepost starts by itself when its person logs in to the computer.

use std::path::Path;

/// The words for this system.
pub(super) fn words(program: &Path) -> String {
    words_for(std::env::consts::OS, &program.display().to_string())
}

fn words_for(system: &str, program: &str) -> String {
    match system {
        "windows" => format!(
            "\
Press Windows+R, type  shell:startup  and press Enter: a folder opens. Right-click in it ›
New › Shortcut, and enter
  \"{program}\" run
as the location of the item. In the shortcut's Properties set Run to Minimized."
        ),
        "macos" => format!(
            "\
Put these lines into ~/Library/LaunchAgents/gatepost.plist
  <?xml version=\"1.0\" encoding=\"UTF-8\"?>
  <plist version=\"1.0\"><dict>
    <key>Label</key><string>gatepost</string>
    <key>ProgramArguments</key>
    <array><string>{program}</string><string>run</string></array>
    <key>RunAtLoad</key><true/>
  </dict></plist>
and type
  launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/gatepost.plist"
        ),
        _ => format!(
            "\
Put these lines into ~/.config/systemd/user/gatepost.service
  [Service]
  Type=notify
  ExecStart=\"{program}\" run
  Restart=on-failure
  [Install]
  WantedBy=default.target
and type
  systemctl --user enable --now gatepost
Should it serve while you aren't logged in as well:  loginctl enable-linger"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_system_has_its_words() {
        let windows = words_for("windows", r"C:\Users\you\.cargo\bin\gatepost.exe");
        let macos = words_for("macos", "/Users/you/.cargo/bin/gatepost");
        let linux = words_for("linux", "/home/you/.cargo/bin/gatepost");
        insta::assert_snapshot!([windows, macos, linux].join("\n\n"));
    }
}
