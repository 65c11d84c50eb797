//! Nothing secret goes to a server that doesn't prove who it is.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::support::{bed::make_certificates, scene::Setting};

const LIMIT: Duration = Duration::from_secs(180);

#[test]
fn a_server_whose_authority_is_unknown_is_refused() {
    Setting::with_smtp().play(LIMIT, |scene| {
        let strange = scene.bed.scratch("strange");
        make_certificates(&strange);
        scene.restart_with(&format!("ca_file = {:?}", strange.join("ca.pem")));
        scene.expect_bye();
        scene.expect_421();
        let log = scene.bed.dovecot.log();
        assert!(!log.contains("oauth2("), "a token was sent:\n{log}");
        scene.restart_with("");
        drop(scene.signed_on());
    });
}

#[test]
fn a_server_with_another_name_is_refused() {
    Setting::with_smtp().play(LIMIT, |scene| {
        // The certificate is for 127.0.0.1, not for 127.0.0.2, which leads to the same servers.
        let smtp = scene.bed.postfix.as_ref().expect("with_smtp").tls();
        let (imap, smtp) = (also_at(scene.bed.dovecot.address()), also_at(smtp));
        scene.restart_with(&format!("imap = \"{imap}\"\nsmtp = \"{smtp}\""));
        scene.expect_bye();
        scene.expect_421();
        let log = scene.bed.dovecot.log();
        assert!(log.contains("TLS handshaking"), "nobody came:\n{log}");
        scene.restart_with("");
        drop(scene.signed_on());
    });
}

/// Another address of this machine where connections are passed on to `server`.
fn also_at(server: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.2:0").expect("all of 127.0.0.0/8 is this machine");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(server).expect("the server listens");
            let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || pass_on(&mut from, &mut to));
            thread::spawn(move || pass_on(&mut { far }, &mut { near }));
        }
    });
    address
}

fn pass_on(from: &mut TcpStream, to: &mut TcpStream) {
    io::copy(from, to).ok();
    to.shutdown(Shutdown::Write).ok();
}
