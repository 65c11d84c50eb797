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
    /// Another user.
    Other,
    /// It does not tell, or this proxy's user is a service's, which has no browser.
    Unknown,
}

/// Users below are services' (login.defs, `UID_MIN`).
#[cfg(target_os = "linux")]
const FIRST_PERSON: u32 = 1000;

/// Looks at the connection that came from `peer` to `here`.
#[cfg(target_os = "linux")]
pub(super) fn look(peer: SocketAddr, here: SocketAddr) -> Neighbour {
    use std::os::unix::fs::MetadataExt;

    let file = if peer.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let table = std::fs::read_to_string(file).unwrap_or_default();
    let Ok(own) = std::fs::metadata("/proc/self").map(|it| it.uid()) else {
        return Neighbour::Unknown;
    };
    match owner(&table, peer, here) {
        Some(uid) if uid == own => Neighbour::Same,
        Some(_) if own == 0 || own >= FIRST_PERSON => Neighbour::Other,
        _ => Neighbour::Unknown,
    }
}

/// Other systems have no such table without rights of an administrator's.
#[cfg(not(target_os = "linux"))]
pub(super) fn look(_peer: SocketAddr, _here: SocketAddr) -> Neighbour {
    Neighbour::Unknown
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

    use super::*;

    #[test]
    fn a_connection_of_ones_own_is_known() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (stream, peer) = listener.accept().unwrap();
            assert_eq!(look(peer, stream.local_addr().unwrap()), Neighbour::Same, "{address}");
            let other_way = look(client.local_addr().unwrap(), peer);
            assert_eq!(other_way, Neighbour::Unknown, "there is no such connection");
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
