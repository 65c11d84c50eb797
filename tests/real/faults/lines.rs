//! The lines that the faults come from do what they say, to the byte.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, mpsc::channel},
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    fault_proxy::{Fault, FaultyNetwork, Line, Way, When},
    machine::{Machine, or_left_out},
    process, within,
};

const LIMIT: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);
/// What the server says once it has heard [`ASKED`] bytes.
const SAID: usize = 300_000;
const ASKED: usize = 1000;
/// Where a connection fails, none of them where a buffer ends.
const CUTS: [u64; 5] = [0, 1, 12_345, 65_537, 299_999];
/// What a reader's system takes in any case.
const IN_A_BUFFER: u64 = 16_384;

/// A server that says the same to everybody, and a line to it. What it has heard of each comes by the
/// channel.
fn stage(network: &Arc<FaultyNetwork>) -> (Line, std::sync::mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let to = listener.local_addr().expect("bound");
    let (heard, hears) = channel();
    thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let heard = heard.clone();
            thread::spawn(move || {
                let mut asked = Vec::new();
                drop((&stream).take(ASKED as u64).read_to_end(&mut asked));
                heard.send(asked.len()).ok();
                if asked.len() == ASKED {
                    drop(stream.write_all(&said()));
                }
            });
        }
    });
    (network.line(to), hears)
}

/// No two places of it look alike.
fn said() -> Vec<u8> {
    (0..SAID / 4).flat_map(|number| u32::try_from(number).expect("small").to_be_bytes()).collect()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
    stream
}

/// What comes until the end, and whether that was a reset.
fn hear(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => (heard, false),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => (heard, true),
        Err(error) => panic!("after {} bytes: {error}", heard.len()),
    }
}

fn ask(line: &Line) -> (Vec<u8>, bool) {
    let mut stream = connect(line.address());
    drop(stream.write_all(&[b'?'; ASKED]));
    hear(&mut stream)
}

fn assert_well(line: &Line) {
    line.heals();
    assert!(ask(line) == (said(), false), "the line is not well again");
}

#[test]
fn a_connection_fails_behind_the_very_byte() {
    within(LIMIT, || {
        let (line, heard) = stage(&FaultyNetwork::new(None));
        for at in CUTS {
            for is_reset in [true, false] {
                let when = When::Beyond(Way::Down, at);
                line.suffers(if is_reset { Fault::Reset(when) } else { Fault::Close(when) });
                let (bytes, was_reset) = ask(&line);
                let due = &said()[..usize::try_from(at).expect("small")];
                // A reset overtakes what a slow reader has no room for.
                let right = if at > IN_A_BUFFER && is_reset {
                    due.starts_with(&bytes)
                } else {
                    due == bytes
                };
                assert!(right && was_reset == is_reset, "{at}: {}, {was_reset}", bytes.len());
                assert_eq!(heard.recv(), Ok(ASKED));
            }
        }
        for at in [0, 1, 999] {
            line.suffers(Fault::Close(When::Beyond(Way::Up, at)));
            assert_eq!(ask(&line).0, b"");
            assert_eq!(heard.recv().map(|bytes| bytes as u64), Ok(at));
        }
        let counts = line.counts();
        assert_eq!((counts.connections, counts.failed), (13, 13));
        assert_eq!(counts.down, CUTS.iter().sum::<u64>() * 2);
        assert_well(&line);
    });
}

#[test]
fn what_is_slow_or_silent_arrives_whole() {
    within(LIMIT, || {
        let (line, _heard) = stage(&FaultyNetwork::new(None));
        let late = Duration::from_millis(100);
        line.suffers(Fault::Latency(late, late));
        let begun = Instant::now();
        assert!(ask(&line) == (said(), false));
        assert!(begun.elapsed() >= 2 * late);
        line.suffers(Fault::Bandwidth(1_000_000));
        let begun = Instant::now();
        assert!(ask(&line) == (said(), false));
        assert!(begun.elapsed() >= Duration::from_millis(250));
        line.suffers(Fault::Silence(When::Beyond(Way::Down, 70_001)));
        let mut stream = connect(line.address());
        stream.write_all(&[b'?'; ASKED]).expect("room");
        let mut bytes = vec![0; 70_001];
        stream.read_exact(&mut bytes).expect("so many come");
        stream.set_read_timeout(Some(late)).expect("not zero");
        let error = stream.read(&mut [0]).expect_err("no more");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        line.heals();
        bytes.extend(hear(&mut stream).0);
        assert!(bytes == said());
        assert_well(&line);
    });
}

#[test]
fn a_line_refuses_and_takes_connections_again() {
    within(LIMIT, || {
        let (line, _heard) = stage(&FaultyNetwork::new(None));
        let mut stream = connect(line.address());
        assert!(process::until(PATIENCE, || line.counts().connections == 1));
        line.suffers(Fault::Refusal);
        let error = TcpStream::connect(line.address()).expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        stream.write_all(&[b'?'; ASKED]).expect("it is still there");
        assert!(hear(&mut stream) == (said(), false));
        line.suffers(Fault::Portal);
        let (page, _) = ask(&line);
        assert!(page.starts_with(b"HTTP/1.1 302 Found\r\nLocation: http://portal."));
        assert_well(&line);
    });
}

#[test]
fn what_is_lost_on_a_network_arrives_once_it_is_no_longer() {
    let body = || {
        let (line, _heard) = stage(&FaultyNetwork::new(Some(Arc::new(Machine::with_network()))));
        let mut stream = connect(line.address());
        line.suffers(Fault::Loss);
        let error = TcpStream::connect_timeout(&line.address(), Duration::from_millis(500));
        assert_eq!(error.expect_err("lost").kind(), ErrorKind::TimedOut);
        stream.write_all(&[b'?'; ASKED]).expect("room");
        stream.set_read_timeout(Some(Duration::from_millis(500))).expect("not zero");
        assert_eq!(stream.read(&mut [0]).expect_err("lost").kind(), ErrorKind::WouldBlock);
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        line.heals();
        assert!(hear(&mut stream) == (said(), false));
        // Whoever was refused while it was lost is no longer.
        assert!(process::until(PATIENCE, || TcpStream::connect(line.address()).is_ok()));
        assert_well(&line);
    };
    or_left_out("what is lost on a network", || within(LIMIT, body));
}
