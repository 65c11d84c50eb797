//! What people and the world do meanwhile: mail comes and goes, grants end and are renewed, the
//! configuration is read again, accounts are signed out, the proxy is stopped and started.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::schedule::Scene;
use crate::accounts::Address;
use crate::proxy::continuity::tests::model::Kick;
use crate::proxy::continuity::tests::property::disturb;
use crate::proxy::continuity::tests::random::Random;

/// Mail comes and goes, and the server ends sessions.
pub(super) async fn mail(scene: Arc<Scene>, mut random: Random) {
    let accounts = scene.google.state().accounts.len() as u64;
    loop {
        let most = random.pick(&[3, 3, 60, 60, 1200]);
        sleep(Duration::from_millis(random.below(most * 1000))).await;
        let account = random.below(accounts) as usize;
        let mail = Arc::clone(&scene.google.state().accounts[account].mail);
        let name = if random.chance(85) { "INBOX" } else { "Archive" };
        match random.below(100) {
            0..5 if scene.weather.breaks > 0 => {
                scene.google.count("mail: all sessions ended");
                mail.kick(random.pick(&[Kick::WithBye, Kick::Without]));
            }
            _ => mail.change(|all| disturb(all, name, &mut random)),
        }
    }
}

/// People act, until then.
pub(super) async fn people(scene: Arc<Scene>, until: Instant, mut random: Random) {
    let accounts = scene.google.state().accounts.len() as u64;
    let span = until.saturating_duration_since(Instant::now());
    while Instant::now() < until {
        sleep(span.mul_f64(random.below(1000) as f64 / 2000.0)).await;
        let account = random.below(accounts) as usize;
        match random.below(100) {
            0..30 => reload(&scene, &mut random),
            30..40 => scene.with_server(|server| {
                scene.google.count("awakenings");
                server.wake();
            }),
            40..55 => {
                scene.google.count("grants ended by a person at Google");
                scene.google.end_grant(account, random.chance(60));
            }
            55..75 => sign_in(&scene, account),
            75..90 => {
                sign_out(&scene, account, random.chance(50)).await;
                if random.chance(70) {
                    sleep(Duration::from_secs(random.below(600))).await;
                    sign_in(&scene, account);
                }
            }
            _ => {
                scene.stop().await;
                sleep(Duration::from_secs(30 + random.below(300))).await;
                scene.start();
            }
        }
    }
}

fn reload(scene: &Scene, random: &mut Random) {
    let budget = 1 + random.below(4) as usize;
    let settings = scene.world.settings(budget, random.chance(50));
    scene.with_server(|server| {
        scene.google.count("reloads");
        scene.google.set_budget(budget, false);
        scene.google.reconsidered();
        if let Err(error) = server.take_up(settings) {
            scene.google.complain(format!("a reload failed: {error}"));
        }
    });
}

pub(super) fn sign_in(scene: &Scene, account: usize) {
    scene.google.count("sign-ins");
    scene.world.sign_in(&scene.google, account);
    scene.with_server(|server| {
        if let Err(error) = server.take_up_accounts() {
            scene.google.complain(format!("an account was not taken up: {error}"));
        }
    });
}

async fn sign_out(scene: &Scene, account: usize, with_grant: bool) {
    let address = scene.google.state().accounts[account].address.clone();
    let Some(server) = scene.server() else { return };
    scene.google.count("sign-outs");
    // Where it can't be ended, the person has it forgotten all the same.
    if with_grant {
        let _ = server.end_grant(&address).await;
    }
    forget(scene, account);
}

/// The account is forgotten here.
pub(super) fn forget(scene: &Scene, account: usize) {
    let address = scene.google.state().accounts[account].address.clone();
    scene.with_server(|server| {
        if let Err(error) = server.forget(&Address::parse(&address).unwrap()) {
            scene.google.complain(format!("an account was not forgotten: {error}"));
        }
        let mut state = scene.google.state();
        state.accounts[account].is_here = false;
        state.accounts[account].changes += 1;
    });
}
