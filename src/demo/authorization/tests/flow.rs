use super::*;

#[tokio::test]
async fn a_code_becomes_tokens_once_and_a_refresh_gives_more() {
    let (server, http) = start().await;
    let answer = http.get(authorize_url(&server, &[])).send().await.unwrap();
    let parameters = redirected(&answer);
    assert_eq!(parameters["state"], "a state");
    let scope = "https://mail.google.com/ openid https://www.googleapis.com/auth/userinfo.email";
    assert_eq!(parameters["scope"], scope);

    let (status, tokens) = exchange(&http, &server, &parameters["code"]).await;
    assert_eq!((status, &tokens["expires_in"]), (200, &3599.into()));
    assert_eq!(
        (&tokens["token_type"], &tokens["scope"]),
        (&"Bearer".into(), &scope.into())
    );
    assert!(tokens.get("refresh_token_expires_in").is_none());
    let access = tokens["access_token"].as_str().unwrap();
    assert!(
        access.starts_with("ya29.") && (190..230).contains(&access.len()),
        "{access}"
    );
    assert_eq!(server.is_live(access).as_deref(), Some(ME));
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    assert!(refresh_token.starts_with("1//0"));

    let again = exchange(&http, &server, &parameters["code"]).await;
    assert_eq!(
        error(&again),
        (400, "invalid_grant", "Malformed auth code.")
    );

    let (status, more) = refresh(&http, &server, refresh_token).await;
    assert_eq!(status, 200);
    assert!(more.get("refresh_token").is_none());
    assert_ne!(more["access_token"], tokens["access_token"]);
    assert_eq!((server.exchanges(), server.refreshes()), (2, 1));
}

#[tokio::test]
async fn authorize_checks_what_google_checks() {
    let (server, http) = start().await;
    let refused = [
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "https://mail.google.com"), "invalid_scope"),
        (("login_hint", "stranger@gmail.com"), "access_denied"),
    ];
    for (change, expected) in refused {
        let answer = http
            .get(authorize_url(&server, &[change]))
            .send()
            .await
            .unwrap();
        let parameters = redirected(&answer);
        assert_eq!(parameters["error"], expected, "{change:?}");
        assert_eq!(parameters["state"], "a state");
    }
    let blocked = [
        ("client_id", "another"),
        ("redirect_uri", "https://127.0.0.1:1/"),
        ("redirect_uri", "http://localhost:1/"),
        ("redirect_uri", "http://127.0.0.2:1/"),
        ("redirect_uri", "http://127.0.0.1@evil.example/"),
    ];
    for change in blocked {
        let answer = http
            .get(authorize_url(&server, &[change]))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400, "{change:?}");
    }
    let answer = http.get(authorize_url(
        &server,
        &[("redirect_uri", "http://[::1]:9/x?y=z")],
    ));
    let location = answer.send().await.unwrap().headers()["location"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        location.starts_with("http://[::1]:9/x?y=z&state=a+state&code="),
        "{location}"
    );
}

#[tokio::test]
async fn the_login_hint_finds_its_user_and_a_switch_overrules_it() {
    let (server, http) = start().await;
    server.allow_user("First.Last@gmail.com");
    for (hint, consenting, expected) in [
        ("firstlast+x@googlemail.com", None, "First.Last@gmail.com"),
        (ME, Some("other@example.com"), "other@example.com"),
    ] {
        server.set_consenting_user(consenting);
        let answer = http
            .get(authorize_url(&server, &[("login_hint", hint)]))
            .send()
            .await;
        let code = redirected(&answer.unwrap())["code"].clone();
        let (_, tokens) = exchange(&http, &server, &code).await;
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(server.is_live(access).as_deref(), Some(expected));
    }
}

#[tokio::test]
async fn the_consent_page_leads_on_by_its_buttons() {
    let (server, http) = start().await;
    server.set_consent(Consent::Page);
    for (decision, expected) in [("allow", "code"), ("cancel", "error")] {
        let answer = http.get(authorize_url(&server, &[])).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let page = answer.text().await.unwrap();
        assert!(page.contains("not Google") && page.contains("light dark"));
        let request = page.split("name=\"request\" value=\"").nth(1).unwrap();
        let request = request.split('"').next().unwrap();
        let action = format!("http://{}/authorize/decision", server.address());
        let form = [("request", request), ("decision", decision)];
        let answer = http.post(&action).form(&form).send().await.unwrap();
        assert!(redirected(&answer).contains_key(expected));
        assert_eq!(
            http.post(&action)
                .form(&form)
                .send()
                .await
                .unwrap()
                .status(),
            400
        );
    }
    server.set_consent(Consent::Refused("admin_policy_enforced".to_owned()));
    let answer = http.get(authorize_url(&server, &[])).send().await.unwrap();
    assert_eq!(redirected(&answer)["error"], "admin_policy_enforced");
}

#[tokio::test]
async fn token_checks_the_client_the_verifier_and_the_redirect() {
    let (server, http) = start().await;
    let grant = server.grant(ME).unwrap();
    let with = |field: (&'static str, &'static str)| {
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", &grant),
            field,
        ]
        .to_vec()
    };
    let answer = post(&http, &server, &with(("client_secret", ""))).await;
    assert_eq!(
        error(&answer),
        (400, "invalid_request", "client_secret is missing.")
    );
    let answer = post(&http, &server, &with(("client_secret", "wrong"))).await;
    assert_eq!(error(&answer), (401, "invalid_client", "Unauthorized"));
    let answer = post(&http, &server, &with(("client_id", "wrong"))).await;
    assert_eq!(
        error(&answer),
        (401, "invalid_client", "The OAuth client was not found.")
    );
    let basic = http
        .post(server.urls().token_url)
        .basic_auth(server.client_id(), Some(server.client_secret()))
        .form(&[("grant_type", "refresh_token"), ("refresh_token", &grant)]);
    assert_eq!(basic.send().await.unwrap().status(), 200);

    for (change, expected) in [
        (
            ("code_verifier", "wrong"),
            (400, "invalid_grant", "Invalid code verifier."),
        ),
        (
            ("code_verifier", ""),
            (400, "invalid_grant", "Missing code verifier."),
        ),
        (
            ("redirect_uri", "http://127.0.0.1:1/"),
            (400, "redirect_uri_mismatch", "Bad Request"),
        ),
    ] {
        let code = code(&server, &http).await;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        fields.retain(|field| field.0 != change.0);
        fields.push(change);
        let answer = post(&http, &server, &fields).await;
        assert_eq!(error(&answer), expected);
        let spent = exchange(&http, &server, &code).await;
        assert_eq!(spent.0, 400, "a code is spent by a failed exchange as well");
    }
}

#[tokio::test]
async fn userinfo_and_tokeninfo_say_whose_token_it_is() {
    let (server, http) = start().await;
    let access = server.access_token(ME).unwrap();
    let urls = server.urls();
    let userinfo = |token: &str| http.get(&urls.userinfo_url).bearer_auth(token).send();
    let body: Value = userinfo(&access).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&body["email"], &body["email_verified"]),
        (&ME.into(), &true.into())
    );
    assert_eq!(userinfo("dead").await.unwrap().status(), 401);
    server.fail_userinfo(
        UserinfoFault::WrongAccount("x@y.z".to_owned()),
        Times::Next(1),
    );
    server.fail_userinfo(UserinfoFault::Status(500), Times::Next(1));
    let body: Value = userinfo(&access).await.unwrap().json().await.unwrap();
    assert_eq!(body["email"], "x@y.z");
    assert_eq!(userinfo(&access).await.unwrap().status(), 500);
    assert_eq!(server.userinfo_requests(), 4);

    let tokeninfo = |token: &str| {
        http.get(format!("{}?access_token={token}", urls.tokeninfo_url))
            .send()
    };
    let body: Value = tokeninfo(&access).await.unwrap().json().await.unwrap();
    assert_eq!(
        (&body["email"], &body["aud"]),
        (&ME.into(), &server.client_id().into())
    );
    assert_eq!(body["expires_in"], "3599");
    let dead = tokeninfo("dead").await.unwrap();
    assert_eq!(dead.status(), 400);
    assert_eq!(
        dead.json::<Value>().await.unwrap()["error"],
        "invalid_token"
    );
}

#[tokio::test]
async fn the_client_file_has_googles_form() {
    let (server, _) = start().await;
    let file: Value = serde_json::from_str(&server.client_json()).unwrap();
    let installed = &file["installed"];
    assert_eq!(installed["client_id"], server.client_id());
    assert_eq!(installed["token_uri"], server.urls().token_url.as_str());
    assert!(
        installed["client_secret"]
            .as_str()
            .unwrap()
            .starts_with("GOCSPX-")
    );
    assert_eq!(
        installed["redirect_uris"],
        serde_json::json!(["http://localhost"])
    );
}
