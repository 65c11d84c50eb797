//! A store that takes nothing, while refresh tokens rotate: what the log says of the one in memory.

use std::fs;

use gatepost::accounts::{Address, Grant, GrantFacts, Store, StoreError};
use gatepost::secret::RefreshToken;

use crate::log::Log;
use crate::support::{World, YOU};

const LOST: &str = "could not be stored before the stop and is lost (";
const STORED: &str = "the new refresh token is stored now";

/// A world whose newest refresh token is in memory only, since the store's lock can't be taken.
async fn unstored() -> World {
    let world = World::new().await;
    world.authorization().set_rotation(true);
    drop(world.signed_on().await);
    let lock = world.home.accounts().join(".lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    world.authorization().expire_access_tokens();
    drop(world.signed_on().await);
    let warnings = world.server().status().warnings;
    assert!(warnings.iter().any(|it| it.sentence.contains("only in memory")), "{warnings:?}");
    world
}

fn heal(world: &World) {
    fs::remove_dir(world.home.accounts().join(".lock")).unwrap();
}

#[tokio::test]
async fn a_token_that_is_lost_at_the_stop_is_told_with_what_to_do() {
    let log = Log::begin();
    let world = unstored().await;
    assert!(!log.text().contains(LOST));
    world.server().stop().await;
    let log = log.text();
    let told: Vec<_> = log.lines().filter(|line| line.contains(LOST)).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("ERROR") && told[0].contains(YOU), "{}", told[0]);
    assert!(told[0].contains("could not be locked"), "{}", told[0]);
    assert!(
        told[0].contains("Let the user that runs Gatepost read and write there."),
        "{}",
        told[0]
    );
}

#[tokio::test]
async fn a_token_that_is_stored_at_the_stop_is_not_lost() {
    let log = Log::begin();
    let mut world = unstored().await;
    heal(&world);
    world.restart().await;
    assert!(log.text().contains(STORED) && !log.text().contains(LOST), "{}", log.text());
    drop(world.signed_on().await);
}

#[tokio::test]
async fn a_token_of_a_grant_that_is_no_more_is_dropped_and_not_told_as_stored() {
    let log = Log::begin();
    let world = unstored().await;
    heal(&world);
    // Another process signs in again.
    let renew = |record: Option<gatepost::accounts::Record>| {
        let facts = GrantFacts { sign_in_name: YOU.into(), granted: 2, grant_expires: None };
        let mut record = record.unwrap();
        record.renew("gmail", facts, &Grant { refresh_token: RefreshToken::new("1//another") })?;
        Ok::<_, StoreError>(Some(record))
    };
    Store::new(world.home.accounts()).update(&Address::parse(YOU).unwrap(), renew).unwrap();
    let record = fs::read(world.record_file()).unwrap();
    world.server().stop().await;
    let log = log.text();
    assert!(!log.contains(STORED) && !log.contains(LOST), "{log}");
    let told = |file: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&file).unwrap();
    assert_eq!(told(fs::read(world.record_file()).unwrap()), told(record));
}
