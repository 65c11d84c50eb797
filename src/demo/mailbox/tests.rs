use super::*;

const ME: &str = "Someone@gmail.com";
const ALL_MAIL: &str = "[Gmail]/All Mail";

fn store() -> Mailboxes {
    let store = Mailboxes::default();
    store.add_user(ME);
    store
}

#[test]
fn a_message_is_one_thing_with_many_labels() {
    let store = store();
    let uid = store.deliver(ME, "inbox", b"a").unwrap();
    assert_eq!(store.messages(ME, ALL_MAIL).len(), 1);
    store.set_flags(ME, "INBOX", uid, &["\\seen", "\\Deleted"]);
    assert_eq!(
        store.messages(ME, "INBOX")[0].flags,
        ["\\Seen", "\\Deleted"]
    );
    let archived = &store.messages(ME, ALL_MAIL)[0];
    assert_eq!(archived.flags, ["\\Seen"], "only the label is deleted");
    assert_eq!(archived.modseq, store.messages(ME, "INBOX")[0].modseq);
    assert!(store.remove(ME, "INBOX", uid));
    assert!(!store.remove(ME, "INBOX", uid));
    assert_eq!(store.messages(ME, ALL_MAIL).len(), 1);
    assert_eq!(
        store.deliver(ME, "INBOX", b"b"),
        Some(uid + 1),
        "UIDs are never used again"
    );
}

#[test]
fn what_goes_to_the_trash_leaves_all_mail() {
    let store = store();
    let uid = store.deliver(ME, "INBOX", b"a").unwrap();
    let copied = store.change(ME, |account| account.copy("INBOX", &[uid], "[Gmail]/Trash"));
    assert_eq!(copied, Some(Some(vec![(uid, 1)])));
    assert!(store.messages(ME, ALL_MAIL).is_empty());
    assert_eq!(store.messages(ME, "INBOX").len(), 1);
}

#[test]
fn folders_come_go_and_change_their_validity() {
    let store = store();
    assert!(store.create_folder(ME, "Work") && !store.create_folder(ME, "Work"));
    assert!(store.create_folder(ME, "Work/Old"));
    assert!(
        store
            .change(ME, |account| account.rename("Work", "Play"))
            .unwrap()
    );
    assert!(store.folders(ME).contains(&"Play/Old".to_owned()));
    assert!(!store.change(ME, |account| account.delete("INBOX")).unwrap());
    assert!(
        store
            .change(ME, |account| account.delete("Play/Old"))
            .unwrap()
    );
    let before = store.uid_validity(ME, "Play");
    assert!(store.renew_uid_validity(ME, "Play"));
    assert_ne!(store.uid_validity(ME, "Play"), before);
    assert_eq!(
        store.deliver(ME, "[Gmail]", b"a"),
        None,
        "it can't be selected"
    );
    assert_eq!(store.deliver("nobody@gmail.com", "INBOX", b"a"), None);
}

#[test]
fn every_change_is_announced() {
    let store = store();
    let watch = store.watch();
    store.deliver(ME, "INBOX", b"a");
    assert!(watch.has_changed().unwrap());
}
