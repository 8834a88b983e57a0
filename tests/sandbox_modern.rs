//! The sandbox as a strict server of today, through real sockets.

use crate::{
    raw,
    rehearsal::{
        CHALLENGE, HOME, VERIFIER, as_client, authorization, authorization_target, code, exchange, get, json, log_in, parameter, port,
        post, refresh, text,
    },
};
use serde_json::Value;
use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};
use tokenstrap::{
    oauth::{
        attempt::{Attempt, Ending, ExpectedIssuer},
        redirect_uri::RedirectUri,
    },
    redirect::{Heard, Listener},
    sandbox::{Robot, Running, Sandbox, approve},
    secret::Secret,
};

fn strict() -> Running {
    Sandbox::builder().strict().start().unwrap()
}

fn claims(id_token: &str) -> Value {
    let payload = id_token.split('.').nth(1).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

#[test]
fn k_07_pkce_with_s256_is_forced() {
    let sandbox = strict();
    for wrong in [
        [("code_challenge", ""), ("code_challenge_method", "")],
        [("code_challenge", ""), ("code_challenge_method", "S256")],
        [("code_challenge", CHALLENGE), ("code_challenge_method", "plain")],
        [("code_challenge", CHALLENGE), ("code_challenge_method", "")],
        [("code_challenge", "short"), ("code_challenge_method", "S256")],
    ] {
        let redirect = Robot::default().redirect_of(&authorization(&sandbox, &wrong)).unwrap();
        assert_eq!(parameter(&redirect, "error").as_deref(), Some("invalid_request"), "{wrong:?}");
    }
    let bound = code(&sandbox, &[]);
    for verifier in ["", "short", &"x".repeat(43), CHALLENGE] {
        let grant = [("grant_type", "authorization_code"), ("code", &bound), ("redirect_uri", HOME), ("code_verifier", verifier)];
        let seen = post(&sandbox, "/v1/token.json", &as_client(&sandbox, &grant));
        assert_eq!((seen.status, &json(&seen)["error"]), (400, &"invalid_grant".into()), "{verifier}");
    }
    assert_eq!(exchange(&sandbox, &bound).status, 200);
}

#[test]
fn k_07_every_redirect_says_the_issuer() {
    let sandbox = strict();
    for redirect in [
        Robot::default().redirect_of(&authorization(&sandbox, &[])).unwrap(),
        Robot::default().denying().redirect_of(&authorization(&sandbox, &[])).unwrap(),
        Robot::default().redirect_of(&authorization(&sandbox, &[("response_type", "token")])).unwrap(),
    ] {
        assert_eq!(parameter(&redirect, "iss").as_deref(), Some(sandbox.issuer()), "{redirect}");
    }
}

#[test]
fn k_07_reuse_of_a_refresh_token_ends_the_whole_family_and_no_other() {
    let sandbox = strict();
    let (first, other) = (log_in(&sandbox, &[]), log_in(&sandbox, &[]));
    let second = json(&refresh(&sandbox, text(&first, "refresh_token")));

    let reuse = refresh(&sandbox, text(&first, "refresh_token"));

    assert_eq!((reuse.status, &json(&reuse)["error"]), (400, &"invalid_grant".into()));
    assert_eq!(refresh(&sandbox, text(&second, "refresh_token")).status, 400);
    assert!(!sandbox.is_live_access_token(text(&second, "access_token")));
    assert!(sandbox.is_live_refresh_token(text(&other, "refresh_token")));
    assert_eq!((sandbox.live_refresh_tokens(), sandbox.reuse_events()), (1, 1));
}

#[test]
fn a_foreign_redirect_uri_gets_a_page_and_a_wrong_secret_gets_401() {
    let sandbox = strict();
    let seen = get(&sandbox, &authorization_target(&sandbox, &[("redirect_uri", "https://evil.example/cb")]), "");
    assert_eq!((seen.status, seen.header("location")), (400, None));

    let wrong = post(&sandbox, "/v1/token.json", &[("client_id", "demo"), ("client_secret", "x"), ("grant_type", "refresh_token")]);

    assert_eq!((wrong.status, &json(&wrong)["error"]), (401, &"invalid_client".into()));
    assert!(wrong.header("www-authenticate").is_some());
}

#[test]
fn discovery_names_what_is_offered_and_says_what_it_is_told_to() {
    let sandbox = Sandbox::builder()
        .strict()
        .without("/revoke")
        .metadata("issuer", "https://evil.example".into())
        .client_auth("client_secret_post")
        .start()
        .unwrap();

    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let document = json(&get(&sandbox, path, ""));
        assert_eq!(text(&document, "token_endpoint"), sandbox.token_endpoint());
        assert_eq!(text(&document, "issuer"), "https://evil.example");
        assert_eq!(document["token_endpoint_auth_methods_supported"], serde_json::json!(["client_secret_post"]));
        assert!(document.get("revocation_endpoint").is_none());
    }
    assert_eq!(post(&sandbox, "/revoke", &as_client(&sandbox, &[("token", "x")])).status, 404);
}

#[test]
fn an_id_token_repeats_the_nonce_and_names_the_account() {
    let sandbox = strict();
    let tokens = log_in(&sandbox, &[("scope", "openid orders"), ("nonce", "n-1")]);
    let bearer = format!("Authorization: Bearer {}\r\n", text(&tokens, "access_token"));

    let claims = claims(text(&tokens, "id_token"));

    assert_eq!((text(&claims, "iss"), text(&claims, "aud"), text(&claims, "nonce")), (sandbox.issuer(), "demo", "n-1"));
    assert_eq!(text(&claims, "sub"), "5042");
    assert_eq!(text(&tokens, "scope"), "openid orders");
    assert_eq!(text(&json(&get(&sandbox, "/userinfo", &bearer)), "sub"), "5042");
    let before = json(&get(&sandbox, "/jwks", ""));
    sandbox.change_key().unwrap();
    assert_ne!(before, json(&get(&sandbox, "/jwks", "")));
}

#[test]
fn without_the_scope_openid_there_is_no_id_token_and_no_userinfo() {
    let sandbox = strict();
    let tokens = log_in(&sandbox, &[]);

    assert!(tokens.get("id_token").is_none());
    assert_eq!(get(&sandbox, "/userinfo", &format!("Authorization: Bearer {}\r\n", text(&tokens, "access_token"))).status, 403);
    assert_eq!(get(&sandbox, "/userinfo", "Authorization: Bearer mock-x\r\n").status, 401);
}

#[test]
fn a_refresh_may_narrow_the_scope_and_never_widen_it() {
    let sandbox = strict();
    let tokens = log_in(&sandbox, &[("scope", "orders sites")]);
    let with = |scope| {
        let token = text(&tokens, "refresh_token");
        post(
            &sandbox,
            "/v1/token.json",
            &as_client(&sandbox, &[("grant_type", "refresh_token"), ("refresh_token", token), ("scope", scope)]),
        )
    };

    assert_eq!(json(&with("orders payments"))["error"], "invalid_scope");
    assert_eq!(with("orders").status, 200);
}

#[test]
fn a_revoked_refresh_token_takes_its_access_tokens_along_and_unknown_ones_are_fine() {
    let sandbox = strict();
    let tokens = log_in(&sandbox, &[]);
    let active = |token: &str| json(&post(&sandbox, "/introspect", &as_client(&sandbox, &[("token", token)])))["active"] == true;
    assert!(active(text(&tokens, "access_token")) && active(text(&tokens, "refresh_token")));

    for token in [text(&tokens, "refresh_token"), "unknown"] {
        assert_eq!(post(&sandbox, "/revoke", &as_client(&sandbox, &[("token", token)])).status, 200);
    }

    assert!(!active(text(&tokens, "access_token")) && !active(text(&tokens, "refresh_token")));
    assert_eq!(post(&sandbox, "/revoke", &[("token", "x")]).status, 401);
    assert_eq!(post(&sandbox, "/introspect", &[("token", "x")]).status, 401);
}

#[test]
fn a_public_client_shows_no_secret_and_a_secret_does_not_help_it() {
    let sandbox = Sandbox::builder().strict().public_client().start().unwrap();
    assert!(sandbox.client_secret().is_none());

    let tokens = log_in(&sandbox, &[]);

    assert_eq!(refresh(&sandbox, text(&tokens, "refresh_token")).status, 200);
    let guess = [("client_id", "demo"), ("client_secret", "x"), ("grant_type", "refresh_token")];
    assert_eq!(json(&post(&sandbox, "/v1/token.json", &guess))["error"], "invalid_client");
}

#[test]
fn a_device_waits_slows_down_and_gets_its_tokens_once() {
    let sandbox = Sandbox::builder().strict().device(Duration::from_secs(60), Duration::ZERO).slow_down(1).start().unwrap();
    let begun = json(&post(&sandbox, "/device_authorization", &as_client(&sandbox, &[("scope", "orders")])));
    let device_grant = "urn:ietf:params:oauth:grant-type:device_code";
    let poll = || {
        let members = [("grant_type", device_grant), ("device_code", text(&begun, "device_code"))];
        json(&post(&sandbox, "/v1/token.json", &as_client(&sandbox, &members)))
    };

    assert_eq!(poll()["error"], "slow_down");
    assert_eq!(poll()["error"], "authorization_pending");
    assert!(approve(text(&begun, "verification_uri_complete")).unwrap().body.contains("Go back to your device"));
    let tokens = poll();

    assert!(sandbox.is_live_access_token(text(&tokens, "access_token")));
    assert_eq!(poll()["error"], "invalid_grant");
}

#[test]
fn a_device_that_polls_too_fast_is_told_so_and_one_that_is_denied_gets_nothing() {
    let sandbox = Sandbox::builder().strict().start().unwrap();
    let begun = json(&post(&sandbox, "/device_authorization", &as_client(&sandbox, &[])));
    let poll = || {
        let members = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", text(&begun, "device_code"))];
        json(&post(&sandbox, "/v1/token.json", &as_client(&sandbox, &members)))
    };
    assert_eq!(poll()["error"], "authorization_pending");
    assert_eq!(poll()["error"], "slow_down");

    let sandbox_page = Robot::default().denying().visit(text(&begun, "verification_uri_complete")).unwrap();

    assert!(sandbox_page.body.contains("The device gets nothing"));
    assert_eq!(get(&sandbox, "/device?user_code=%3Cscript%3E", "").status, 400);
    assert!(!get(&sandbox, "/device?user_code=%3Cscript%3E", "").body.contains("script"));
}

#[test]
fn a_device_code_that_is_too_old_is_expired() {
    let sandbox = Sandbox::builder().strict().device(Duration::ZERO, Duration::ZERO).start().unwrap();
    let begun = json(&post(&sandbox, "/device_authorization", &as_client(&sandbox, &[])));
    let members = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", text(&begun, "device_code"))];

    assert_eq!(json(&post(&sandbox, "/v1/token.json", &as_client(&sandbox, &members)))["error"], "expired_token");
}

#[test]
fn the_robot_comes_home_to_the_listener_and_sees_its_last_page() {
    let sandbox = strict();
    let listener = Listener::bind(&RedirectUri::parse("http://127.0.0.1:0/callback").unwrap()).unwrap();
    let uri = listener.redirect_uri().clone();
    let expected = ExpectedIssuer::Required(sandbox.issuer().to_owned());
    let attempt = Arc::new(Mutex::new(Attempt::new(Secret::new("the state"), uri.clone(), expected)));
    let (heard, news) = mpsc::channel();
    let running = listener.start(Arc::clone(&attempt), heard).unwrap();
    let url = authorization(&sandbox, &[("redirect_uri", uri.as_str())]);

    let robot = thread::spawn(move || approve(&url));
    assert_eq!(news.recv_timeout(Duration::from_secs(10)).unwrap(), Heard::Ended);
    running.conclude(true);
    let arrival = robot.join().unwrap().unwrap();

    assert_eq!(arrival.status, 200);
    assert!(arrival.url.ends_with("/done"), "{}", arrival.url);
    assert!(matches!(attempt.lock().unwrap().ending(), Some(Ending::Code { code, .. }) if code.expose().starts_with("mock-")));
}

#[test]
fn k_07_what_one_client_was_given_serves_no_other_and_a_registered_one_goes_home_only() {
    let sandbox = strict();
    let body = format!(r#"{{"redirect_uris":["{HOME}"],"token_endpoint_auth_method":"client_secret_post"}}"#);
    let head = format!("POST /register HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", port(&sandbox));
    let register = |body: &str, kind: &str| {
        raw::ask(port(&sandbox), format!("{head}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    };
    let seen = register(&body, "application/json");
    assert_eq!(seen.status, 201, "{seen:?}");
    let registered = json(&seen);
    let (id, secret) = (text(&registered, "client_id"), text(&registered, "client_secret"));
    let own = [("client_id", id), ("client_secret", secret)];
    let by_code = |code: &str, client: &[(&str, &str)]| {
        let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", HOME), ("code_verifier", VERIFIER)];
        post(&sandbox, "/v1/token.json", &[client, &grant].concat())
    };

    assert_eq!(by_code(&code(&sandbox, &[]), &own).status, 400);
    assert_eq!(exchange(&sandbox, &code(&sandbox, &[("client_id", id)])).status, 400);
    let tokens = json(&by_code(&code(&sandbox, &[("client_id", id)]), &own));
    assert_eq!(refresh(&sandbox, text(&tokens, "refresh_token")).status, 400);
    let again = [("grant_type", "refresh_token"), ("refresh_token", text(&tokens, "refresh_token"))];
    assert_eq!(post(&sandbox, "/v1/token.json", &[&own[..], &again].concat()).status, 200);

    let elsewhere = authorization_target(&sandbox, &[("client_id", id), ("redirect_uri", "https://evil.example/cb")]);
    assert_eq!(get(&sandbox, &elsewhere, "").header("location"), None);
    for (body, kind, status) in [
        (body.as_str(), "text/plain", 415),
        ("[]", "application/json", 400),
        (r#"{"redirect_uris":["x"]}"#, "application/json", 400),
        (r#"{"token_endpoint_auth_method":"private_key_jwt"}"#, "application/json", 400),
    ] {
        assert_eq!(register(body, kind).status, status, "{body}");
    }
}
