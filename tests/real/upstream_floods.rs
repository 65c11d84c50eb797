//! A server that never comes to an end: a session passes it on, and takes no more memory for it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use crate::support::{
    middle::{Authority, Behind, Middle},
    process,
    scene::Setting,
};

const LIMIT: Duration = Duration::from_secs(180);
const HOUR: Duration = Duration::from_secs(3600);

/// What a client reads of each flood, and the memory that the proxy may take more meanwhile.
const READ: usize = 128 * 1024 * 1024;
const BOUND: u64 = 24 * 1024 * 1024;

#[test]
fn a_hundred_megabytes_without_an_end_cost_a_buffer() {
    Setting::default().play(LIMIT, |scene| {
        let middle = Middle::at(Ipv4Addr::LOCALHOST);
        let authority = Authority::called("Floods");
        let trusted = scene.bed.scratch("floods").join("ca.pem");
        authority.is_trusted_in(&trusted);
        for begins in ["* 1 FETCH (X ", "* OK ", "", "* 1 FETCH (X {17179869180}\r\n"] {
            let flood = Behind::Plain(flood(begins));
            let port = middle.open(0, authority.sign(&["localhost"], HOUR, HOUR), flood);
            scene.restart_with(&format!("imap = \"localhost:{port}\"\nca_file = {trusted:?}"));
            let mut client = TcpStream::connect(scene.proxy().imap).expect("it listens");
            let login = format!("a {}\r\n", scene.login());
            client.write_all(login.as_bytes()).expect("it reads");
            let before = process::memory(scene.proxy().pid());
            let (mut bytes, mut read, mut most) = (vec![0; 1024 * 1024], 0, before);
            while read < READ {
                let length = client.read(&mut bytes).expect("it goes on");
                assert!(length > 0, "{begins:?}: it ended after {read} bytes");
                read += length;
                most = most.max(process::memory(scene.proxy().pid()));
            }
            let more = most - before;
            println!("{begins:?}: {} MB passed, {} kB of memory more", read >> 20, more >> 10);
            assert!(more < BOUND, "{begins:?}: {more} bytes");
        }
        scene.restart_with("");
        drop(scene.signed_on());
    });
}

/// An IMAP server, but for TLS, whose clients are signed on and then hear this, and no end of it.
fn flood(begins: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                stream.write_all(b"* OK Gimap ready\r\n")?;
                BufReader::new(stream.try_clone()?).read_line(&mut String::new())?;
                stream.write_all(b"g1 OK [CAPABILITY IMAP4rev1 IDLE] in\r\n")?;
                stream.write_all(begins.as_bytes())?;
                loop {
                    stream.write_all(&[b'x'; 64 * 1024])?;
                }
                #[allow(unreachable_code, reason = "it ends when its client goes")]
                std::io::Result::Ok(())
            });
        }
    });
    address
}
