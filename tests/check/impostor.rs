//! Somebody who answers in a mail server's place, with a certificate of their own.

use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::support::papers::Papers;

/// Starts one; its port.
pub(crate) async fn start(papers: &Papers) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(papers.server.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { drop(acceptor.accept(stream).await) });
        }
    });
    port
}
