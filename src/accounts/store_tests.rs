use super::*;
use crate::accounts::{Grant, GrantFacts, NewPassword};
use crate::secret::RefreshToken;

const YOU: &str = "Y.ou@gmail.com";

fn home() -> (tempfile::TempDir, Store) {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(home.path().join("deep/accounts"));
    (home, store)
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn facts(granted: u64) -> GrantFacts {
    GrantFacts { sign_in_name: "you@gmail.com".to_owned(), granted, grant_expires: None }
}

fn grant() -> Grant {
    Grant { refresh_token: RefreshToken::new("1//token") }
}

fn record(text: &str) -> Record {
    let password = NewPassword::generate().unwrap();
    Record::create(&address(text), "gmail", facts(0), &grant(), &password, None).unwrap()
}

fn put(store: &Store, text: &str) -> Record {
    let stored = store.update::<StoreError>(&address(text), |_| Ok(Some(record(text))));
    stored.unwrap().unwrap()
}

#[test]
fn what_was_stored_is_loaded_under_any_spelling() {
    let (_home, store) = home();
    assert!(store.load(&address(YOU)).unwrap().is_none());
    assert!(store.list().unwrap().is_empty());
    let stored = put(&store, YOU);
    assert_eq!(store.load(&address("you+x@googlemail.com")).unwrap(), Some(stored));
    assert!(store.dir.join("you@gmail.com.json").exists());
}

#[test]
fn none_leaves_everything_as_it_is() {
    let (_home, store) = home();
    let stored = put(&store, YOU);
    let stamp = store.stamp(&address(YOU));
    let seen = store.update::<StoreError>(&address(YOU), |seen| {
        assert_eq!(seen, Some(stored));
        Ok(None)
    });
    assert!(seen.unwrap().is_none());
    assert_eq!(store.stamp(&address(YOU)), stamp);
}

#[test]
fn an_error_of_the_change_writes_nothing() {
    let (_home, store) = home();
    let refused = store.update(&address(YOU), |_| Err(StoreError::from(RecordError::WrongKey)));
    assert!(matches!(refused, Err(StoreError::Record(RecordError::WrongKey))));
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn the_record_of_another_account_is_not_stored() {
    let (_home, store) = home();
    let refused = store.update::<StoreError>(&address(YOU), |_| Ok(Some(record("me@gmail.com"))));
    assert_eq!(
        refused.unwrap_err().to_string(),
        "the record of me@gmail.com can't be stored as that of Y.ou@gmail.com"
    );
    assert!(store.list().unwrap().is_empty());
}

#[test]
fn the_stamp_tells_every_change() {
    let (_home, store) = home();
    assert_eq!(store.stamp(&address(YOU)), None);
    put(&store, YOU);
    let before = store.stamp(&address(YOU)).unwrap();
    assert_eq!(store.stamp(&address(YOU)).unwrap(), before);
    put(&store, YOU);
    assert_ne!(store.stamp(&address(YOU)).unwrap(), before);
}

#[test]
fn removing_says_whether_there_was_something() {
    let (_home, store) = home();
    assert!(!store.remove(&address(YOU)).unwrap());
    assert!(!store.dir.exists());
    put(&store, YOU);
    put(&store, "me@gmail.com");
    assert!(store.remove(&address(YOU)).unwrap());
    assert!(!store.remove(&address(YOU)).unwrap());
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn a_damaged_file_hides_no_other_and_is_never_touched() {
    let (_home, store) = home();
    put(&store, "a@gmail.com");
    put(&store, "c@gmail.com");
    let path = store.dir.join("b@gmail.com.json");
    let damaged = b"{\"format\": 1, \"header\": \x00".as_slice();
    fs::write(&path, damaged).unwrap();

    let listed = store.list().unwrap();
    assert_eq!(listed.len(), 3);
    assert!(matches!(&listed[1], Listed::Damaged { path: at, .. } if *at == path));
    assert!(matches!(&listed[2], Listed::Account(record) if **record != self::record(YOU)));

    let you = address("b@gmail.com");
    let refused = [
        store.load(&you).map(drop),
        store.remove(&you).map(drop),
        store.update::<StoreError>(&you, |_| Ok(Some(record("b@gmail.com")))).map(drop),
    ];
    for refused in refused {
        let refused = refused.unwrap_err();
        let text = refused.to_string();
        assert!(text.starts_with(&format!("{} is damaged (the record is not", path.display())));
        assert!(refused.remedy().contains("from a backup"), "{text}");
    }
    assert_eq!(fs::read(&path).unwrap(), damaged);
}

#[test]
fn a_record_under_a_name_that_is_not_its_own_is_damaged() {
    let (_home, store) = home();
    put(&store, YOU);
    let moved = store.dir.join("me@gmail.com.json");
    fs::copy(store.dir.join("you@gmail.com.json"), &moved).unwrap();
    let refused = store.load(&address("me@gmail.com")).unwrap_err().to_string();
    assert!(refused.contains("another address than its name says"), "{refused}");
    assert!(store.load(&address(YOU)).unwrap().is_some());
}

#[test]
fn a_newer_format_is_kept_and_said() {
    let (_home, store) = home();
    fs::create_dir_all(&store.dir).unwrap();
    let path = store.dir.join("you@gmail.com.json");
    fs::write(&path, b"{\"format\": 2, \"new\": true}").unwrap();
    let refused = store.update::<StoreError>(&address(YOU), |_| Ok(Some(record(YOU))));
    assert_eq!(
        refused.unwrap_err().to_string(),
        format!("{} is of format 2, which a newer Gatepost has written", path.display())
    );
    assert_eq!(fs::read(&path).unwrap(), b"{\"format\": 2, \"new\": true}");
}

#[test]
fn what_is_too_large_or_no_file_is_not_read() {
    let (_home, store) = home();
    fs::create_dir_all(store.dir.join("me@gmail.com.json")).unwrap();
    let large = File::create(store.dir.join("you@gmail.com.json")).unwrap();
    large.set_len(MAX_RECORD + 1).unwrap();
    let refused = |text| store.load(&address(text)).unwrap_err().to_string();
    assert!(refused(YOU).contains("larger than 256 KiB"));
    assert!(refused("me@gmail.com").contains("not a plain file"));
    let folder = store.load(&address("me@gmail.com"));
    assert!(matches!(folder, Err(StoreError::Damaged { .. })), "no fault of the disk's");
    assert_eq!(store.list().unwrap().len(), 2);
    large.set_len(256 * 1024).unwrap();
    assert!(!refused(YOU).contains("larger"), "it is read, and no record");
}

#[test]
fn other_files_in_the_folder_are_passed_over() {
    let (_home, store) = home();
    put(&store, YOU);
    for name in [".gatepost-x.tmp", "._you@gmail.com.json", "notes.txt", "json"] {
        fs::write(store.dir.join(name), b"x").unwrap();
    }
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    const EACH: u64 = 40;
    let (_home, store) = home();
    put(&store, YOU);
    let count_up = || {
        for _ in 0..EACH {
            let counted = store.update::<StoreError>(&address(YOU), |record| {
                let mut record = record.unwrap();
                record.renew("gmail", facts(record.granted() + 1), &grant())?;
                Ok(Some(record))
            });
            counted.unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(count_up);
        scope.spawn(count_up);
        // A reader never sees a half-written record.
        scope
            .spawn(|| (0..200).for_each(|_| assert!(store.load(&address(YOU)).unwrap().is_some())));
    });
    assert_eq!(store.load(&address(YOU)).unwrap().unwrap().granted(), 2 * EACH);
}

#[cfg(unix)]
#[test]
fn the_folder_is_0700_and_what_is_in_it_0600() {
    use std::os::unix::fs::PermissionsExt;
    let (_home, store) = home();
    put(&store, YOU);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(&store.dir), 0o700);
    assert_eq!(mode(store.dir.parent().unwrap()), 0o700);
    for entry in fs::read_dir(&store.dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[cfg(unix)]
#[test]
fn a_link_in_the_place_of_a_record_is_replaced_not_followed() {
    let (home, store) = home();
    put(&store, YOU);
    let (path, elsewhere) = (store.dir.join("you@gmail.com.json"), home.path().join("elsewhere"));
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    let before = fs::read(&elsewhere).unwrap();
    put(&store, YOU);
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn a_folder_that_is_none_is_told() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("accounts"), "a file").unwrap();
    assert!(Store::new(home.path().join("accounts")).list().is_err());
    assert!(Store::new(home.path().join("not yet")).list().unwrap().is_empty());
}

#[test]
fn what_is_missing_has_another_remedy_than_what_is_refused() {
    let told = |kind| failed("read", Path::new("you@gmail.com.json"), io::Error::from(kind));
    let missing = told(io::ErrorKind::NotFound);
    assert!(missing.remedy().contains("Put the account's file back"));
    let refused = told(io::ErrorKind::PermissionDenied);
    assert!(refused.remedy().contains("Let the user that runs Gatepost"));
    assert_eq!(refused.in_full(), format!("{refused}. {}", refused.remedy()));
}

/// A clock that counts in seconds, and two sign-ins within one.
#[cfg(unix)]
#[test]
fn a_file_of_the_same_time_and_length_is_another() {
    let (_home, store) = home();
    put(&store, YOU);
    let before = store.stamp(&address(YOU)).unwrap();
    let path = store.dir.join("you@gmail.com.json");
    let copy = store.dir.join("copy");
    fs::copy(&path, &copy).unwrap();
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    File::options().write(true).open(&copy).unwrap().set_modified(written).unwrap();
    fs::rename(&copy, &path).unwrap();
    assert_ne!(store.stamp(&address(YOU)).unwrap(), before);
}
