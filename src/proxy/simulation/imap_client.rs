//! IMAP clients: they sign on in every way there is, do what clients do, and vanish.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep, timeout};

use super::schedule::{PATIENCE, Scene};
use super::talk::Talk;
use crate::proxy::continuity::tests::client::Client;
use crate::proxy::continuity::tests::property::act;
use crate::proxy::continuity::tests::random::Random;
use crate::proxy::continuity::tests::wire::{Gauge, How};
use crate::proxy::trouble::Protocol;

/// Who it is, and whose mail it wants.
pub(super) struct ImapClient {
    pub(super) scene: Arc<Scene>,
    pub(super) account: usize,
    /// No other client's begins with the same.
    pub(super) name: String,
    pub(super) random: Random,
}

impl ImapClient {
    /// Lives; gives its session if that goes on at the end.
    pub(super) async fn live(mut self) -> Result<Option<Client>, String> {
        sleep(self.pause()).await;
        for session in 0..1 + self.random.below(4) {
            let name = format!("{}s{session}c", self.name);
            let Some((stream, gauge)) = self.scene.connect(Protocol::Imap, &mut self.random) else {
                sleep(self.pause()).await;
                continue;
            };
            let begun = timeout(PATIENCE, self.sign_on(Talk::new(stream), &gauge, &name)).await;
            let begun = begun.map_err(|_| format!("{name}: no answer to its sign-on"))?;
            let Some(mut client) = begun.map_err(|why| format!("{name}: {why}"))? else {
                sleep(self.pause()).await;
                continue;
            };
            self.scene.google.count("IMAP sessions");
            let used = self.use_it(&mut client, &gauge).await;
            let stays = used.map_err(|why| format!("{name}: {why}"))?;
            let google = &self.scene.google;
            *google.state().counts.entry("IMAP commands answered").or_default() +=
                client.answered as u64;
            client.answered = 0;
            if stays {
                return Ok(Some(client));
            }
        }
        Ok(None)
    }

    /// From moments to hours.
    fn pause(&mut self) -> Duration {
        let most = self.random.pick(&[2, 2, 2, 2, 60, 60, 60, 1740, 1740, 7200]);
        Duration::from_millis(self.random.below(most * 1000))
    }

    /// Signs on; `None` if it was turned away, with words.
    async fn sign_on(
        &mut self,
        mut talk: Talk<DuplexStream>,
        gauge: &Arc<Mutex<Gauge>>,
        name: &str,
    ) -> Result<Option<Client>, String> {
        let greeting = talk.exact_line().await.ok_or("closed without a greeting")?;
        if greeting.starts_with("* BYE ") {
            return Ok(None);
        }
        if !greeting.starts_with("* OK [CAPABILITY ") {
            return Err(format!("the greeting is {greeting:?}"));
        }
        if self.random.chance(5) {
            // One that says nothing, or half a line.
            let _ = talk.say(self.random.pick(&["", "x LOGIN \"y"])).await;
            sleep(Duration::from_secs(self.random.below(400))).await;
            return Ok(None);
        }
        if self.random.chance(15) {
            let began = Instant::now();
            match self.log_in(&mut talk, "w0", "not the password", "").await? {
                Some(answer) if answer.starts_with("NO [AUTHENTICATIONFAILED]") => {}
                Some(answer) => return Err(format!("to a wrong password: {answer}")),
                None => return Ok(None),
            }
            if began.elapsed() < Duration::from_secs(1) {
                return Err("a wrong password costs nothing".into());
            }
            self.scene.google.count("wrong passwords refused");
        }
        let (was_here, changes, password) = {
            let state = self.scene.google.state();
            let account = &state.accounts[self.account];
            (account.is_here, account.changes, account.password.clone())
        };
        let pipelined =
            if self.random.chance(25) { format!("{name}1 NOOP\r\n") } else { String::new() };
        let answer = self.log_in(&mut talk, "l0", &password, &pipelined).await;
        if gauge.lock().unwrap().broken {
            return Ok(None);
        }
        let Some(answer) = answer? else {
            self.scene.google.count("IMAP clients turned away with a reason");
            return Ok(None);
        };
        if answer.starts_with("OK") {
            let mail = Arc::clone(&self.scene.google.state().accounts[self.account].mail);
            let mut client = Client::new(talk.stream, mail);
            client.name = name.to_owned();
            if !pipelined.is_empty() {
                client.begun("NOOP");
            }
            return Ok(Some(client));
        }
        let state = self.scene.google.state();
        let account = &state.accounts[self.account];
        if was_here && account.is_here && account.changes == changes {
            return Err(format!("the password is right, and the answer {answer:?}"));
        }
        Ok(None)
    }

    /// The tagged answer without its tag; `None` after BYE.
    async fn log_in(
        &mut self,
        talk: &mut Talk<DuplexStream>,
        tag: &str,
        password: &str,
        behind: &str,
    ) -> Result<Option<String>, String> {
        let address = self.scene.google.state().accounts[self.account].address.clone();
        let plain = STANDARD.encode(format!("\0{address}\0{password}"));
        let length = password.len();
        // What is said, and what once the server wants more.
        let (first, then) = match self.random.below(6) {
            0 => (format!("{tag} LOGIN {address} \"{password}\"\r\n{behind}"), String::new()),
            1 => (
                format!("{tag} LOGIN \"{address}\" {{{length}}}\r\n"),
                format!("{password}\r\n{behind}"),
            ),
            2 => (
                format!("{tag} LOGIN \"{address}\" {{{length}+}}\r\n{password}\r\n{behind}"),
                String::new(),
            ),
            3 => (format!("{tag} AUTHENTICATE PLAIN\r\n"), format!("{plain}\r\n{behind}")),
            4 => (format!("{tag} AUTHENTICATE PLAIN {plain}\r\n{behind}"), String::new()),
            _ => (
                format!("{tag} CAPABILITY\r\n{tag} LOGIN \"{address}\" \"{password}\"\r\n{behind}"),
                String::new(),
            ),
        };
        let mut answers = if first.contains("CAPABILITY\r\n") { 2 } else { 1 };
        let _ = talk.say(first).await;
        loop {
            let line = talk.exact_line().await.ok_or("closed without a word at its sign-on")?;
            self.scene.google.trace.note("s:", &line);
            if line.starts_with("* BYE ") {
                return match talk.exact_line().await {
                    None => Ok(None),
                    Some(more) => Err(format!("after BYE came {more:?}")),
                };
            }
            if line.starts_with('+') {
                let _ = talk.say(&then).await;
            } else if let Some(answer) = line.strip_prefix(&format!("{tag} ")) {
                answers -= 1;
                if answers == 0 {
                    return Ok(Some(answer.to_owned()));
                }
            } else if !line.starts_with("* ") {
                return Err(format!("at its sign-on came {line:?}"));
            }
        }
    }

    /// True if the session goes on at the end.
    async fn use_it(
        &mut self,
        client: &mut Client,
        gauge: &Arc<Mutex<Gauge>>,
    ) -> Result<bool, String> {
        client.settle().await?;
        let kind = self.scene.google.state().accounts[self.account].mail.kind;
        for _ in 0..2 + self.random.below(8) {
            client.listen(self.pause()).await?;
            if client.is_over() {
                return Ok(false);
            }
            if self.random.chance(4) {
                self.vanish(client, gauge).await;
                return Ok(false);
            }
            if self.random.chance(25) {
                self.idle(client).await?;
            }
            if !client.is_over() {
                act(client, kind, &mut self.random).await?;
            }
        }
        if client.is_over() || self.random.chance(30) {
            return Ok(!client.is_over());
        }
        client.say("LOGOUT").await?;
        client.settle().await?;
        Ok(false)
    }

    async fn idle(&mut self, client: &mut Client) -> Result<(), String> {
        client.say("IDLE").await?;
        if client.await_leave().await? {
            client.listen(self.pause()).await?;
            client.say("DONE").await?;
        }
        client.settle().await
    }

    /// Leaves without a word, perhaps amid a command.
    async fn vanish(&mut self, client: &mut Client, gauge: &Arc<Mutex<Gauge>>) {
        let beginnings =
            ["", "NOOP\r\n", "UID FETCH 1:* (FL", "APPEND INBOX {100}\r\n", "IDLE\r\n"];
        let _ = client.write_tag(self.random.pick(&beginnings)).await;
        sleep(Duration::from_millis(self.random.below(500))).await;
        let how = self.random.pick(&[How::Closed, How::Reset, How::Silent]);
        gauge.lock().unwrap().cut(how);
        self.scene.google.count("clients vanished");
    }
}
