//! A mail client with a mailbox of some size. (What each client can do is in `client_table.rs`.)

use std::time::Duration;

use crate::support::{
    bed::ADDRESS, clients::mbsync, messages::mail, scene::Setting, servers::PLAIN_PASSWORD,
};

#[test]
fn mbsync_fetches_two_thousand_mails_as_it_does_without_the_proxy() {
    Setting::default().play(Duration::from_secs(400), |scene| {
        const MAILS: u64 = 2000;
        let mails = (1..=MAILS).map(|number| mail(ADDRESS, number, 3000, 20_000));
        scene.bed.store.fill_inbox(ADDRESS, mails);
        let (through, direct) = (scene.bed.scratch("through"), scene.bed.scratch("direct"));
        let through = mbsync(&through, scene.proxy().imap, ADDRESS, &scene.password);
        let plain = scene.bed.plain_dovecot();
        let direct = mbsync(&direct, plain.address(), ADDRESS, PLAIN_PASSWORD);
        assert_eq!(through.len(), usize::try_from(MAILS).unwrap());
        assert!(through.keys().eq(direct.keys()), "not the same UIDs");
        let different: Vec<_> =
            through.iter().filter(|(uid, mail)| direct[*uid] != **mail).collect();
        assert!(different.is_empty(), "{} mails differ", different.len());
    });
}
