//! A request over a connection in memory: what reqwest does with it, with the same library below, the
//! same TLS, and none of the system's sockets.

use std::sync::Arc;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use oauth2::http;
use reqwest::Body;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::simulated::Connecting;

/// Sends it once the server has proved that it is `host`; an error is what the network says. When this
/// is dropped the connection is.
pub(super) async fn answer(
    connecting: Connecting,
    host: String,
    tls: Arc<ClientConfig>,
    request: reqwest::Request,
) -> Result<reqwest::Response, String> {
    let line = connecting.await.map_err(words)?;
    let name = ServerName::try_from(host.clone()).map_err(words)?;
    let stream = TlsConnector::from(tls).connect(name, line).await.map_err(words)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(words)?;
    let mut request: http::Request<Body> = request.try_into().map_err(words)?;
    let path = request.uri().path().to_owned();
    *request.uri_mut() = path.parse().map_err(words)?;
    request.headers_mut().insert("host", host.parse().map_err(words)?);
    let asked = async {
        let (head, body) = sender.send_request(request).await.map_err(words)?.into_parts();
        let body = http::Response::new(Body::wrap(body));
        let body = reqwest::Response::from(body).bytes().await.map_err(words)?;
        Ok(http::Response::from_parts(head, Body::from(body)).into())
    };
    tokio::pin!(asked, connection);
    tokio::select! {
        biased;
        answer = &mut asked => answer,
        _ = &mut connection => asked.await,
    }
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}
