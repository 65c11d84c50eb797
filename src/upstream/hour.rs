//! What time a web server has, where this machine's clock makes its certificate look invalid.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::connect::{connect, handshake_with};
use crate::config::Host;
use crate::tls;

/// From the request to the end of the answer's head.
const ANSWER: Duration = Duration::from_secs(5);
/// No honest head is longer.
const LONGEST_HEAD: u64 = 16 * 1024;

/// Asks the web server `host` what time it has (RFC 9110 §6.6.1). Its name and who vouches for it are
/// checked, on a day on which its certificate is valid; nothing is told to it. `None` if it doesn't
/// say.
pub async fn hour(host: &Host, ca_file: Option<&Path>) -> Option<SystemTime> {
    let stream = connect(host).await.ok()?;
    let config = tls::timeless_config(ca_file).ok()?;
    let mut stream = handshake_with(stream, &host.name, &config).await.ok()?;
    let request = format!("HEAD / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", host.name);
    let mut head = Vec::new();
    let asked = timeout(ANSWER, async {
        stream.write_all(request.as_bytes()).await?;
        stream.take(LONGEST_HEAD).read_to_end(&mut head).await
    });
    // However it ended, what came may have it.
    let _ = asked.await;
    date_in(&String::from_utf8_lossy(&head))
}

fn date_in(head: &str) -> Option<SystemTime> {
    let fields = head.lines().skip(1).take_while(|line| !line.is_empty());
    let mut dates = fields.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("date").then(|| httpdate::parse_http_date(value.trim()).ok())?
    });
    dates.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_from_the_head_alone() {
        let date = "Thu, 01 Jan 1970 00:00:10 GMT";
        let at = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(10));
        assert_eq!(date_in(&format!("HTTP/1.1 404 Not Found\r\ndate: {date}\r\n\r\n")), at);
        assert_eq!(date_in(&format!("HTTP/1.1 200 OK\r\n\r\nDate: {date}\r\n")), None);
        assert_eq!(date_in("HTTP/1.1 200 OK\r\nDate: today\r\n\r\n"), None);
        assert_eq!(date_in(""), None);
    }
}
