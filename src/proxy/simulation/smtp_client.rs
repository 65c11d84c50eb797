//! SMTP clients, and what they believe of their mails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::DuplexStream;
use tokio::time::{sleep, timeout};

use super::schedule::{PATIENCE, Scene};
use super::talk::Talk;
use crate::proxy::continuity::tests::random::Random;
use crate::proxy::continuity::tests::wire::{Gauge, How};
use crate::proxy::trouble::Protocol;

/// A mail, and what its client was told of it.
pub(super) struct Mail {
    pub(super) name: String,
    /// As it is to arrive.
    text: Vec<u8>,
    fate: Fate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Accepted,
    /// Or its end was never sent.
    Refused,
    /// The session ended before its reply.
    Unknown,
}

impl Mail {
    /// Holds what arrived against what the client was told.
    pub(super) fn judge(&self, arrived: &[Vec<u8>]) -> Result<(), String> {
        let Self { name, text, fate } = self;
        let expected = match fate {
            Fate::Accepted => 1..=1,
            Fate::Refused => 0..=0,
            Fate::Unknown => 0..=1,
        };
        if !expected.contains(&arrived.len()) {
            return Err(format!("{name} is {fate:?} and arrived {} times", arrived.len()));
        }
        match arrived.iter().find(|arrived| *arrived != text) {
            Some(other) => Err(format!(
                "{name} arrived as {:?} and not as {:?}",
                String::from_utf8_lossy(other),
                String::from_utf8_lossy(text)
            )),
            None => Ok(()),
        }
    }
}

/// Who it is, and whose mail it sends.
pub(super) struct SmtpClient {
    pub(super) scene: Arc<Scene>,
    pub(super) account: usize,
    pub(super) name: String,
    pub(super) random: Random,
}

type Wire = Talk<DuplexStream>;

/// The session is over: as it must be, or not.
enum Over {
    Ended,
    Wrong(String),
}

impl From<String> for Over {
    fn from(words: String) -> Self {
        Self::Wrong(words)
    }
}

impl SmtpClient {
    pub(super) async fn live(mut self) -> Result<(), String> {
        for session in 0..1 + self.random.below(4) {
            sleep(self.pause()).await;
            let Some((stream, gauge)) = self.scene.connect(Protocol::Smtp, &mut self.random) else {
                continue;
            };
            let name = format!("{}s{session}", self.name);
            let talking = timeout(20 * PATIENCE, self.session(Talk::new(stream), &gauge, &name));
            match talking.await {
                Ok(Err(Over::Wrong(_))) if gauge.lock().unwrap().broken => {}
                Ok(Err(Over::Wrong(why))) => return Err(format!("{name}: {why}")),
                Ok(Ok(()) | Err(Over::Ended)) => {}
                Err(_) => return Err(format!("{name}: no answer")),
            }
        }
        Ok(())
    }

    fn pause(&mut self) -> Duration {
        let most = self.random.pick(&[2, 2, 2, 60, 60, 600, 5000]);
        Duration::from_millis(self.random.below(most * 1000))
    }

    async fn session(
        &mut self,
        mut talk: Wire,
        gauge: &Arc<Mutex<Gauge>>,
        name: &str,
    ) -> Result<(), Over> {
        self.reply(&mut talk, &[220], "").await?;
        let _ = talk.say("EHLO [127.0.0.1]\r\n").await;
        self.reply(&mut talk, &[250], "").await?;
        if self.random.chance(15) {
            self.sign_on(&mut talk, "not the password", &[535]).await?;
            self.scene.google.count("wrong passwords refused");
        }
        if self.random.chance(10) {
            sleep(Duration::from_secs(self.random.below(40))).await;
        }
        let (was_here, changes, password) = {
            let state = self.scene.google.state();
            let account = &state.accounts[self.account];
            (account.is_here, account.changes, account.password.clone())
        };
        let code = self.sign_on(&mut talk, &password, &[235, 535]).await?;
        if code == 535 {
            let state = self.scene.google.state();
            let account = &state.accounts[self.account];
            if was_here && account.is_here && account.changes == changes {
                return Err(Over::Wrong("the password is right, and the answer 535".into()));
            }
            return Ok(());
        }
        self.scene.google.count("SMTP sessions");
        for number in 0..self.random.below(5) {
            if self.random.chance(30) {
                let (command, code) = self.random.pick(&[("NOOP", 250), ("RSET", 250)]);
                let _ = talk.say(format!("{command}\r\n")).await;
                self.reply(&mut talk, &[code], "").await?;
            }
            if self.random.chance(4) {
                let how = self.random.pick(&[How::Closed, How::Reset, How::Silent]);
                gauge.lock().unwrap().cut(how);
                self.scene.google.count("clients vanished");
                return Ok(());
            }
            self.mail(&mut talk, gauge, format!("{name}m{number}")).await?;
            sleep(self.pause() / 10).await;
        }
        let _ = talk.say("QUIT\r\n").await;
        self.reply(&mut talk, &[221], "").await?;
        match talk.line().await {
            None => Ok(()),
            Some(more) => Err(Over::Wrong(format!("after 221 came {more:?}"))),
        }
    }

    async fn sign_on(
        &mut self,
        talk: &mut Wire,
        password: &str,
        codes: &[u16],
    ) -> Result<u16, Over> {
        let address = self.scene.google.state().accounts[self.account].address.clone();
        let plain = STANDARD.encode(format!("\0{address}\0{password}"));
        match self.random.below(3) {
            0 => drop(talk.say(format!("AUTH PLAIN {plain}\r\n")).await),
            1 => {
                let _ = talk.say("AUTH PLAIN\r\n").await;
                self.reply(talk, &[334], "").await?;
                let _ = talk.say(format!("{plain}\r\n")).await;
            }
            _ => {
                let _ = talk.say("AUTH LOGIN\r\n").await;
                self.reply(talk, &[334], "").await?;
                let _ = talk.say(format!("{}\r\n", STANDARD.encode(address))).await;
                self.reply(talk, &[334], "").await?;
                let _ = talk.say(format!("{}\r\n", STANDARD.encode(password))).await;
            }
        }
        self.reply(talk, codes, "").await
    }

    /// The next reply, which has one of these codes and names this, or tells that the session is over.
    async fn reply(&mut self, talk: &mut Wire, codes: &[u16], names: &str) -> Result<u16, Over> {
        loop {
            let Some(line) = talk.line().await else {
                // What was cut amid a reply can be ended by none.
                return match talk.buffer.is_empty() {
                    true => Err(format!("closed where {codes:?} was awaited").into()),
                    false => Err(Over::Ended),
                };
            };
            self.scene.google.trace.note("s:", &line);
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let Some(code) = code else { return Err(format!("{line:?} is no reply").into()) };
            if code == 421 && line.as_bytes().get(3) == Some(&b' ') {
                self.scene.google.count("SMTP clients turned away with a reason");
                return match talk.line().await {
                    None => Err(Over::Ended),
                    Some(more) => Err(format!("after 421 came {more:?}").into()),
                };
            }
            if line.as_bytes().get(3) == Some(&b'-') {
                continue;
            }
            self.scene.google.count("SMTP commands answered");
            let is_own = line.starts_with("550 5.6.0 The message has a bare CR or LF")
                || line == "451 4.4.2 The mail server has not said whether it took the message";
            return match codes.contains(&code) && (is_own || line.contains(names)) {
                true => Ok(code),
                false => Err(format!("{line:?} came, and not {codes:?} {names}").into()),
            };
        }
    }

    async fn mail(
        &mut self,
        talk: &mut Wire,
        gauge: &Arc<Mutex<Gauge>>,
        name: String,
    ) -> Result<(), Over> {
        let (sent, text) = self.text(&name);
        let mut mail = Mail { name: name.clone(), text, fate: Fate::Refused };
        let result = self.transaction(talk, gauge, &sent, &mut mail).await;
        self.scene.google.count(match mail.fate {
            Fate::Accepted => "mails accepted",
            Fate::Refused => "mails refused or given up",
            Fate::Unknown => "mails of which nothing was told",
        });
        self.scene.mails.lock().unwrap().push(mail);
        result
    }

    async fn transaction(
        &mut self,
        talk: &mut Wire,
        gauge: &Arc<Mutex<Gauge>>,
        sent: &[u8],
        mail: &mut Mail,
    ) -> Result<(), Over> {
        let name = mail.name.clone();
        let recipients: Vec<String> =
            (0..1 + self.random.below(3)).map(|number| format!("r{number}-{name}")).collect();
        let mut commands = vec![format!("MAIL FROM:<{name}@a.example>\r\n")];
        commands.extend(recipients.iter().map(|to| format!("RCPT TO:<{to}@b.example>\r\n")));
        commands.push("DATA\r\n".into());
        let is_pipelined = self.random.chance(40);
        if is_pipelined {
            let _ = talk.say(commands.concat()).await;
        }
        let mut code = 0;
        for (at, command) in commands.iter().enumerate() {
            if !is_pipelined {
                let _ = talk.say(command).await;
            }
            let names = match at {
                0 => &name,
                at if at <= recipients.len() => &recipients[at - 1],
                _ => "",
            };
            code = self.reply(talk, &[250, 354, 451, 503], names).await?;
        }
        if code != 354 {
            return Ok(());
        }
        let part = self.random.below(1 + sent.len() as u64) as usize;
        let _ = talk.say(&sent[..part]).await;
        if self.random.chance(5) {
            sleep(self.pause() / 20).await;
            gauge.lock().unwrap().cut(self.random.pick(&[How::Closed, How::Reset, How::Silent]));
            self.scene.google.count("clients vanished");
            return Err(Over::Ended);
        }
        // From here on the end of it may be on its way.
        mail.fate = Fate::Unknown;
        let _ = talk.say(&sent[part..]).await;
        let _ = talk.say(".\r\n").await;
        match self.reply(talk, &[250, 550, 451], &name).await? {
            250 => mail.fate = Fate::Accepted,
            550 => mail.fate = Fate::Refused,
            // It isn't known; and the session is over.
            _ => {
                self.reply(talk, &[], "").await?;
            }
        }
        Ok(())
    }

    /// What is sent, and what is to arrive.
    fn text(&mut self, name: &str) -> (Vec<u8>, Vec<u8>) {
        let mut lines = vec![format!("Subject: {name}"), String::new()];
        for _ in 0..self.random.below(30) {
            let line = self.random.pick(&[".", "..", ".QUIT", "250 OK", "", "* BYE", "word"]);
            lines.push(format!("{line}{}", "z".repeat(self.random.below(200) as usize)));
        }
        if self.random.chance(10) {
            lines.push("x".repeat(20_000));
        }
        let mut arrives: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let mut sent: String = lines
            .iter()
            .map(|line| format!("{}{line}\r\n", if line.starts_with('.') { "." } else { "" }))
            .collect();
        if self.random.chance(8) {
            let bare = self.random.pick(&["\n.\r\nMAIL FROM:<evil@x>\r\n", "\r.\r\n", "a\nb\r\n"]);
            sent.push_str(bare);
            let ends = bare.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
            arrives.push_str(&ends);
        }
        (sent.into_bytes(), arrives.into_bytes())
    }
}
