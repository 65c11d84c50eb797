use super::*;

#[tokio::test]
async fn tokens_expire_are_revoked_and_rotate() {
    let (server, http) = start().await;
    server.set_token_life(Duration::from_millis(300));
    server.set_testing(true);
    server.set_rotation(true);
    let first = server.grant(ME).unwrap();
    let (_, tokens) = refresh(&http, &server, &first).await;
    assert_eq!(
        (&tokens["expires_in"], &tokens["refresh_token_expires_in"]),
        (&1.into(), &604_799.into())
    );
    let access = tokens["access_token"].as_str().unwrap();
    assert!(server.is_live(access).is_some());
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(server.is_live(access).is_none());

    let dead = (400, "invalid_grant", "Token has been expired or revoked.");
    assert_eq!(error(&refresh(&http, &server, &first).await), dead);
    let second = tokens["refresh_token"].as_str().unwrap();
    server.set_rotation(false);
    server.set_token_life(Duration::from_secs(9));
    let (_, tokens) = refresh(&http, &server, second).await;
    let access = tokens["access_token"].as_str().unwrap();

    let revoke =
        |token: String| http.post(server.urls().revoke_url).form(&[("token", token)]).send();
    assert_eq!(revoke(access.to_owned()).await.unwrap().status(), 200);
    assert_eq!(revoke(second.to_owned()).await.unwrap().status(), 400);
    assert!(server.is_live(access).is_none());
    assert_eq!(error(&refresh(&http, &server, second).await), dead);
    assert_eq!(server.revocations(), 1);

    let access = server.access_token(ME).unwrap();
    server.expire_access_tokens();
    assert!(server.is_live(&access).is_none());
    let grant = server.grant(ME).unwrap();
    server.revoke_grants();
    assert_eq!(error(&refresh(&http, &server, &grant).await), dead);
}

/// Whoever lost the answer asks again with what he has, until the new one was used.
#[tokio::test]
async fn a_rotation_can_be_forgiven() {
    let (server, http) = start().await;
    server.set_rotation(true);
    server.forgive_rotation(true);
    let first = server.grant(ME).unwrap();
    let (_, lost) = refresh(&http, &server, &first).await;
    let (_, tokens) = refresh(&http, &server, &first).await;
    let second = tokens["refresh_token"].as_str().unwrap();
    let dead = (400, "invalid_grant", "Token has been expired or revoked.");
    let lost = lost["refresh_token"].as_str().unwrap();
    assert_eq!(error(&refresh(&http, &server, lost).await), dead);
    refresh(&http, &server, second).await;
    assert_eq!(error(&refresh(&http, &server, &first).await), dead);
}

#[tokio::test]
async fn every_token_fault_looks_as_it_should() {
    let (server, http) = start().await;
    let grant = server.grant(ME).unwrap();
    let fail = |fault| server.fail_token(fault, Times::Next(1));
    let send = || {
        let form = [
            ("client_id", server.client_id()),
            ("client_secret", server.client_secret()),
            ("grant_type", "refresh_token"),
            ("refresh_token", &grant),
        ];
        http.post(server.urls().token_url).form(&form).send()
    };
    fail(TokenFault::InvalidGrant {
        subtype: Some("invalid_rapt".to_owned()),
        description: "reauth related error (invalid_rapt)".to_owned(),
    });
    let (status, body) = refresh(&http, &server, &grant).await;
    assert_eq!((status, &body["error_subtype"]), (400, &"invalid_rapt".into()));
    for (fault, expected) in [
        (TokenFault::InvalidClient, (401, "invalid_client")),
        (TokenFault::DeletedClient, (401, "deleted_client")),
        (TokenFault::UnauthorizedClient, (401, "unauthorized_client")),
        (TokenFault::Status(500), (500, "internal_failure")),
    ] {
        fail(fault);
        let answer = refresh(&http, &server, &grant).await;
        assert_eq!((error(&answer).0, error(&answer).1), expected);
    }
    fail(TokenFault::Status(429));
    assert_eq!(send().await.unwrap().headers()["retry-after"], "1");
    fail(TokenFault::Slow(Duration::from_millis(200)));
    let before = Instant::now();
    assert_eq!(send().await.unwrap().status(), 200);
    assert!(before.elapsed() >= Duration::from_millis(200));
    fail(TokenFault::Reset);
    assert!(send().await.unwrap_err().is_request());
    fail(TokenFault::HalfAnswer);
    let half = send().await.unwrap();
    assert_eq!(half.status(), 200);
    assert!(half.bytes().await.is_err());
    fail(TokenFault::Html);
    let html = send().await.unwrap();
    assert_eq!(html.headers()["content-type"], "text/html; charset=utf-8");
    fail(TokenFault::Redirect);
    assert_eq!(send().await.unwrap().status(), 302);
    fail(TokenFault::Huge);
    assert!(send().await.unwrap().bytes().await.unwrap().len() > 1_000_000);
    fail(TokenFault::MissingScope);
    let (_, body) = refresh(&http, &server, &grant).await;
    assert!(!body["scope"].as_str().unwrap().contains("mail.google"));
    assert_eq!(server.is_live(body["access_token"].as_str().unwrap()), None);
    let code = code(&server, &http).await;
    fail(TokenFault::NoRefreshToken);
    let (status, body) = exchange(&http, &server, &code).await;
    assert_eq!((status, body.get("refresh_token")), (200, None));
    server.fail_token(TokenFault::Status(503), Times::UntilCleared);
    assert_eq!(send().await.unwrap().status(), 503);
    server.clear_faults();
    assert_eq!(send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn it_goes_down_comes_back_and_ends_with_its_last_handle() {
    let (server, http) = start().await;
    let grant = server.grant(ME).unwrap();
    assert_eq!(refresh(&http, &server, &grant).await.0, 200);
    server.fail_token(TokenFault::Slow(Duration::from_secs(60)), Times::Next(1));
    let waiting = tokio::spawn({
        let (server, http, grant) = (server.clone(), http.clone(), grant.clone());
        async move {
            let form = [("grant_type", "refresh_token"), ("refresh_token", grant.as_str())];
            http.post(server.urls().token_url).form(&form).send().await.is_err()
        }
    });
    while server.refreshes() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    server.stop().await;
    assert!(waiting.await.unwrap(), "an open connection ends with the server");
    assert!(tokio::net::TcpStream::connect(server.address()).await.is_err());
    server.restart().await.unwrap();
    assert_eq!(refresh(&http, &server, &grant).await.0, 200);
    let address = server.address();
    drop(server);
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(address).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still listening");
}
