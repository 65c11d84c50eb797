//! Whose program is at the other end of a connection within this machine, where the system tells.
//!
//! A link's token stands in a process list for a moment (the browser is started with it), and a cookie
//! goes to every port of `127.0.0.1`: another user of the machine who gets hold of one is refused here.

use std::net::SocketAddr;

/// What the system tells of the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Neighbour {
    /// The user that this proxy runs as.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "a word of Linux"))]
    Same,
    /// Another user, or one that could not be made out where the system tells.
    Other,
    /// It does not tell, or this proxy's user is a service's, which has no browser.
    Unknown,
}

/// How often the kernel's table is read: while others connect, a line may be missing from it.
#[cfg(target_os = "linux")]
const TRIES: usize = 3;

/// Looks at the connection that came from `peer` to `here`. It reads files of the kernel's, which takes
/// milliseconds where there are thousands of connections.
#[cfg(target_os = "linux")]
pub(super) fn look(peer: SocketAddr, here: SocketAddr) -> Neighbour {
    use std::os::unix::fs::MetadataExt;

    let Ok(own) = std::fs::metadata("/proc/self").map(|it| it.uid()) else {
        return Neighbour::Unknown;
    };
    if is_service(own) {
        return Neighbour::Unknown;
    }
    // A program may have made the connection to an IPv4 address by a socket for IPv6.
    let ends = [(peer, here), (mapped(peer), mapped(here))];
    for _ in 0..TRIES {
        let found = ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|file| {
            let table = std::fs::read_to_string(file).unwrap_or_default();
            ends.iter().find_map(|(peer, here)| owner(&table, *peer, *here))
        });
        if let Some(uid) = found {
            return if uid == own { Neighbour::Same } else { Neighbour::Other };
        }
    }
    Neighbour::Other
}

/// Other systems have no such table without rights of an administrator's.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(_peer: SocketAddr, _here: SocketAddr) -> Neighbour {
    Neighbour::Unknown
}

/// True for a user that no person is: those below `UID_MIN` (login.defs(5)) but for root, and those that
/// systemd makes for `DynamicUser=` (systemd.exec(5)).
#[cfg(target_os = "linux")]
fn is_service(uid: u32) -> bool {
    matches!(uid, 1..1000 | 61184..65520)
}

/// An IPv4 address as a socket for IPv6 has it (RFC 4291 §2.5.5.2).
#[cfg(target_os = "linux")]
fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        SocketAddr::V6(_) => address,
    }
}

/// The owner of the socket at `local`, connected to `remote` (proc_pid_net(5)).
#[cfg(target_os = "linux")]
fn owner(table: &str, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let (local, remote) = (as_listed(local), as_listed(remote));
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let is_it = fields.nth(1)? == local && fields.next()? == remote;
        // st, queues, timer, retransmits, uid.
        is_it.then(|| fields.nth(4)?.parse().ok()).flatten()
    })
}

/// An address as the kernel lists it: 32-bit words of the address as this machine holds them.
#[cfg(target_os = "linux")]
fn as_listed(address: SocketAddr) -> String {
    let octets = match address.ip() {
        std::net::IpAddr::V4(ip) => ip.octets().to_vec(),
        std::net::IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = octets.chunks_exact(4).map(|word| {
        let word: [u8; 4] = word.try_into().unwrap_or_default();
        format!("{:08X}", u32::from_ne_bytes(word))
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_connection_of_ones_own_is_known() {
        let service = std::fs::metadata("/proc/self").is_ok_and(|it| is_service(it.uid()));
        let (own, other) = match service {
            true => (Neighbour::Unknown, Neighbour::Unknown),
            false => (Neighbour::Same, Neighbour::Other),
        };
        for (address, as_known_to_client) in
            [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("127.0.0.1", "::ffff:127.0.0.1")]
        {
            let Ok(listener) = TcpListener::bind((address, 0)) else { continue };
            let port = listener.local_addr().unwrap().port();
            let Ok(client) = TcpStream::connect((as_known_to_client, port)) else { continue };
            let (stream, peer) = listener.accept().unwrap();
            let here = stream.local_addr().unwrap();
            assert_eq!(look(peer, here), own, "{as_known_to_client}");
            let nobody = SocketAddr::new(peer.ip(), 1);
            assert_eq!(look(nobody, here), other, "there is no such connection");
            drop(client);
        }
    }

    #[test]
    fn another_users_is_told_by_its_line() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:27C4 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0\n   \
            1: 0100007F:C350 0100007F:27C4 01 00000000:00000000 02:000A7214 00000000  1001        0 2 2 0 20 4 30 10 -1\n";
        let (peer, here) = ("127.0.0.1:50000".parse().unwrap(), "127.0.0.1:10180".parse().unwrap());
        assert_eq!(owner(table, peer, here), Some(1001));
        assert_eq!(owner(table, here, peer), None);
    }
}
