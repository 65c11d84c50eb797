//! `gatepost check` on machines and with servers that are really broken: it names the one cause, and
//! calls nothing else wrong. What it writes for others to read has nothing in it that is somebody's own.
//!
//! One file for each side from which a world can break. `GATEPOST_WORLD=…` plays only the worlds with
//! these words in their names, and `-- --nocapture` shows how long each check took.

mod accounts;
mod frame;
mod machines;
mod networks;

use frame::play;

#[test]
fn of_the_machine() {
    play(machines::rows());
}

#[test]
fn of_the_network() {
    play(networks::rows());
}

#[test]
fn of_the_account() {
    play(accounts::rows());
}
