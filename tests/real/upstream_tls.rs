//! Nothing secret goes to a server that doesn't prove who it is.

use std::{
    io::{self, BufRead, BufReader, Read},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
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

/// TLS that is none any more, or that proves nothing, by another's code than Gatepost's.
#[test]
fn a_server_with_old_or_empty_tls_is_refused() {
    Setting::default().play(LIMIT, |scene| {
        for (name, options) in [
            ("TLS 1.0", "-tls1 -cipher ALL:@SECLEVEL=0"),
            ("TLS 1.1", "-tls1_1 -cipher ALL:@SECLEVEL=0"),
            ("nobody's certificate", "-tls1_2 -nocert -cipher aNULL:@SECLEVEL=0"),
            ("no encryption", "-tls1_2 -cipher eNULL:@SECLEVEL=0"),
        ] {
            let server = Openssl::serve(&scene.bed.authority(), options);
            let port = server.port;
            scene
                .restart_with(&format!("imap = \"localhost:{port}\"\nsmtp = \"localhost:{port}\""));
            scene.expect_bye();
            scene.expect_421();
            assert!(scene.log().contains("did not prove who it is"), "{name}: {}", scene.log());
            let [heard, errors] = server.end();
            assert!(errors.contains("ERROR"), "{name}, nobody came: {errors}");
            assert!(!heard.contains("AUTH") && !heard.contains("EHLO"), "{name}: {heard}");
        }
        scene.restart_with("");
        drop(scene.signed_on());
    });
}

/// `openssl s_server` with the bed's certificate, which tells what it hears.
struct Openssl {
    port: u16,
    child: Child,
    told: BufReader<ChildStdout>,
}

impl Openssl {
    fn serve(authority: &Path, options: &str) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-cert", "server.pem", "-key"])
            .arg("server.key")
            .args(options.split(' '))
            .current_dir(authority.parent().expect("a folder"))
            // It leaves at the end of its input.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("openssl");
        let mut told = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        // `ACCEPT 127.0.0.1:40000`
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert!(told.read_line(&mut line).expect("it tells") > 0, "openssl ended: {options}");
        }
        let port = line.trim().rsplit(':').next().expect("a port").parse().expect("a number");
        Self { port, child, told }
    }

    /// Ends it; all that it told, and its errors.
    fn end(mut self) -> [String; 2] {
        self.child.kill().expect("a child of ours");
        let [mut told, mut errors] = [String::new(), String::new()];
        self.told.read_to_string(&mut told).expect("text");
        let stderr = self.child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut errors).expect("text");
        [told, errors]
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
