//! SMTP, as much of it as the rows need.

use std::io;

use super::wire::Wire;

/// Serves one client.
pub(super) async fn serve(mut wire: Wire) -> io::Result<()> {
    wire.send(b"220 ready ESMTP\r\n").await?;
    loop {
        let line = wire.line().await?;
        let mut words = line.split(' ');
        let verb = words.next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let list = "250-at your service\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n\
                     250-AUTH LOGIN PLAIN XOAUTH2\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n\
                     250-CHUNKING\r\n250 SMTPUTF8\r\n";
                wire.send(list.as_bytes()).await?;
            }
            "AUTH" => {
                if words.nth(1).is_none() {
                    wire.send(b"334 \r\n").await?;
                    wire.line().await?;
                }
                wire.send(b"235 2.7.0 Accepted\r\n").await?;
            }
            "DATA" => {
                wire.send(b"354 Go ahead\r\n").await?;
                wire.skip_message().await?;
                wire.send(b"250 2.0.0 OK\r\n").await?;
            }
            "QUIT" => {
                return wire.send(b"221 2.0.0 closing\r\n").await;
            }
            _ => wire.send(b"250 2.1.0 OK\r\n").await?,
        }
    }
}
