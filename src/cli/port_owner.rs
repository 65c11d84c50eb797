//! Which program holds a port.

use listeners::Protocol;

/// The program that listens on `port`, as “dovecot (process 123)”. `None` where the system does not
/// tell: a program of another user's is often not shown.
pub(super) fn owner_of(port: u16) -> Option<String> {
    let process = listeners::get_process_by_port(port, Protocol::TCP).ok()?;
    (!process.name.is_empty()).then(|| format!("{} (process {})", process.name, process.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_port_is_named_and_nobody_else_is() {
        let ours = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = ours.local_addr().unwrap().port();
        let named = owner_of(port).unwrap();
        assert!(named.ends_with(&format!(" (process {})", std::process::id())), "{named}");
        drop(ours);
        assert_eq!(owner_of(port), None);
    }
}
