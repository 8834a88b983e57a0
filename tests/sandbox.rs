//! The sandbox in the manner of O-Series, through real sockets.

use crate::{
    raw,
    rehearsal::{
        CHALLENGE, HOME, VERIFIER, as_client, authorization, authorization_target, code, encoded, exchange, get, json, log_in, parameter,
        port, post, refresh, text,
    },
};
use std::{net::TcpStream, sync::mpsc, time::Duration};
use tokenstrap::sandbox::{Decision, Logged, Robot, Sandbox};

#[test]
fn a_login_brings_a_token_that_shows_its_company() {
    let sandbox = Sandbox::builder().start().unwrap();

    let redirect = Robot::default().redirect_of(&authorization(&sandbox, &[])).unwrap();
    let tokens = json(&exchange(&sandbox, &parameter(&redirect, "code").unwrap()));
    let company = json(&get(&sandbox, "/v1/companies/me.json", &format!("Authorization: Bearer {}\r\n", text(&tokens, "access_token"))));

    assert!(redirect.starts_with(&format!("{HOME}?code=mock-")), "{redirect}");
    assert_eq!(parameter(&redirect, "state").as_deref(), Some("the state"));
    assert_eq!(parameter(&redirect, "iss"), None);
    assert_eq!((&tokens["expires_in"], &tokens["token_type"], &tokens["scope"]), (&3600.into(), &"Bearer".into(), &().into()));
    assert_eq!((&company["id"], &company["name"]), (&5042.into(), &"Corner Cafe".into()));
    assert_eq!((&company["sites"]["count"], &company["registers"]["count"]), (&2.into(), &3.into()));
    assert_eq!((sandbox.requests(), sandbox.token_requests()), (4, 1));
}

#[test]
fn a_refresh_answers_without_a_refresh_token_and_the_old_one_stays_good() {
    let sandbox = Sandbox::builder().start().unwrap();
    let tokens = log_in(&sandbox, &[]);

    let refreshed = json(&refresh(&sandbox, text(&tokens, "refresh_token")));

    assert!(refreshed.get("refresh_token").is_none());
    assert!(sandbox.is_live_access_token(text(&refreshed, "access_token")));
    assert!(sandbox.is_live_refresh_token(text(&tokens, "refresh_token")));
    assert_eq!((sandbox.live_refresh_tokens(), sandbox.reuse_events()), (1, 0));
}

#[test]
fn k_01_nobody_but_this_machine_is_served() {
    let sandbox = Sandbox::builder().start().unwrap();

    assert!(sandbox.url().starts_with("http://127.0.0.1:"));
    assert!(TcpStream::connect(("127.0.0.2", port(&sandbox))).is_err());
}

#[test]
fn k_02_other_hosts_get_421_in_json_and_no_page_may_read_an_answer() {
    let sandbox = Sandbox::builder().start().unwrap();
    let port = port(&sandbox);

    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1", "127.0.0.1:1", &format!("127.0.0.1:{port}.evil.example")] {
        let seen = raw::ask(port, format!("GET /v1/companies/me.json HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\n\r\n"));
        assert_eq!(seen.status, 421, "{host}");
        assert_eq!(json(&seen)["error"], "misdirected_request");
        assert_eq!(seen.header("access-control-allow-origin"), None);
    }
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("LOCALHOST:{port}"), format!("[::1]:{port}")] {
        let seen = raw::ask(port, format!("GET /v1/companies/me.json HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(seen.status, 401, "{host}");
    }
    let proxied = raw::ask(port, format!("GET http://evil.example/authorize HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"));
    assert_eq!(proxied.status, 400);
}

#[test]
fn k_03_whatever_is_issued_begins_with_mock() {
    let sandbox = Sandbox::builder().rotating().start().unwrap();
    let code = code(&sandbox, &[]);
    let tokens = json(&exchange(&sandbox, &code));
    let refreshed = json(&refresh(&sandbox, text(&tokens, "refresh_token")));

    let issued = [&tokens, &refreshed].map(|answer| [text(answer, "access_token"), text(answer, "refresh_token")]);
    for token in issued.concat().into_iter().chain([code.as_str(), sandbox.client_secret().unwrap().expose()]) {
        assert!(token.starts_with("mock-"), "{token}");
    }
}

#[test]
fn k_04_every_refusal_is_json_that_nobody_sniffs_and_reflects_nothing() {
    let sandbox = Sandbox::builder().start().unwrap();
    let port = port(&sandbox);
    let with_host = format!("HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n");
    let huge = format!("POST /v1/token.json {with_host}Content-Length: 1000000\r\n\r\n");
    let flood = format!("GET / {with_host}{}\r\n", "X-Flood: y\r\n".repeat(5_000));

    for (request, status) in [
        (format!("GET /%3Cscript%3E {with_host}\r\n"), 404),
        (format!("GET /<script> {with_host}\r\n"), 400),
        (format!("GET /v1/token.json {with_host}\r\n"), 405),
        (format!("HEAD /authorize {with_host}\r\n"), 405),
        (format!("OPTIONS /v1/token.json {with_host}\r\n"), 405),
        (huge, 413),
        (format!("POST /v1/token.json {with_host}Content-Type: text/plain\r\nContent-Length: 3\r\n\r\na=b"), 415),
        (format!("POST /v1/token.json {with_host}Content-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]"), 400),
        (flood, 431),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ] {
        let seen = raw::ask(port, &request);
        let shown = request.lines().next().unwrap();
        assert_eq!(seen.status, status, "{shown}");
        assert_eq!(seen.header("content-type"), Some("application/json"), "{shown}");
        assert_eq!(seen.header("x-content-type-options"), Some("nosniff"), "{shown}");
        assert!(!seen.body.contains("<script") && !seen.body.contains("%3C"), "{shown}");
        assert!(shown.starts_with("HEAD") || json(&seen)["error"].is_string(), "{shown}");
    }
    assert_eq!(post(&sandbox, "/v1/companies/me.json", &[]).header("allow"), Some("GET"));
}

#[test]
fn k_06_idle_connections_and_endless_requests_do_not_keep_others_waiting() {
    let sandbox = Sandbox::builder().start().unwrap();
    let port = port(&sandbox);
    let idle: Vec<TcpStream> = (0..200).map(|_| raw::connect(port)).collect();

    assert_eq!(get(&sandbox, "/v1/companies/me.json", "").status, 401);
    assert_eq!(get(&sandbox, "/v1/companies/me.json", "Content-Length: 1000000000\r\n").status, 401);
    let long = get(&sandbox, &format!("/{}", "a".repeat(9_000)), "");

    assert_eq!((long.status, &json(&long)["error"]), (414, &"invalid_request".into()));
    drop(idle);
}

#[test]
fn k_07_a_code_is_good_once_and_a_replay_revokes_what_it_bought() {
    let sandbox = Sandbox::builder().start().unwrap();
    let code = code(&sandbox, &[]);
    let tokens = json(&exchange(&sandbox, &code));

    let replay = exchange(&sandbox, &code);

    assert_eq!((replay.status, &json(&replay)["error"]), (400, &"invalid_grant".into()));
    assert!(!sandbox.is_live_access_token(text(&tokens, "access_token")));
    assert!(!sandbox.is_live_refresh_token(text(&tokens, "refresh_token")));
}

#[test]
fn k_07_a_code_that_is_too_old_is_worth_nothing() {
    let sandbox = Sandbox::builder().code_life(Duration::ZERO).start().unwrap();

    let late = exchange(&sandbox, &code(&sandbox, &[]));

    assert_eq!((late.status, &json(&late)["error"]), (400, &"invalid_grant".into()));
}

#[test]
fn k_07_a_foreign_redirect_uri_gets_a_bare_500_page_and_nothing_is_sent_there() {
    let sandbox = Sandbox::builder().start().unwrap();
    for wrong in [
        [("redirect_uri", "http://127.0.0.1:9/callback/lightspeed-o/")],
        [("redirect_uri", "http://127.0.0.1:9/other")],
        [("redirect_uri", "https://evil.example/callback")],
        [("redirect_uri", "")],
        [("client_id", "somebody")],
    ] {
        let seen = get(&sandbox, &authorization_target(&sandbox, &wrong), "");
        assert_eq!(seen.status, 500, "{wrong:?}");
        assert_eq!(seen.header("location"), None);
        assert_eq!(seen.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(!seen.body.contains("evil"));
    }
}

#[test]
fn a_redirect_uri_has_to_be_the_same_in_both_requests() {
    let sandbox = Sandbox::builder().start().unwrap();
    let code = code(&sandbox, &[]);
    let other = HOME.replace(":9/", ":10/");
    let grant = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &other), ("code_verifier", VERIFIER)];

    let seen = post(&sandbox, "/v1/token.json", &as_client(&sandbox, &grant));

    assert_eq!((seen.status, &json(&seen)["error"]), (400, &"redirect_uri_mismatch".into()));
}

#[test]
fn state_is_demanded() {
    let sandbox = Sandbox::builder().start().unwrap();

    let redirect = Robot::default().redirect_of(&authorization(&sandbox, &[("state", "")])).unwrap();

    assert_eq!(parameter(&redirect, "error").as_deref(), Some("invalid_request"));
    assert_eq!(parameter(&redirect, "error_description").as_deref(), Some("The state parameter is required"));
}

#[test]
fn a_challenge_is_checked_where_there_is_one_and_not_demanded() {
    let sandbox = Sandbox::builder().start().unwrap();
    let plain = code(&sandbox, &[("code_challenge", ""), ("code_challenge_method", "")]);
    let bound = code(&sandbox, &[]);
    let grant = |code| [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", HOME)];

    assert_eq!(post(&sandbox, "/v1/token.json", &as_client(&sandbox, &grant(&plain))).status, 200);
    let missing = post(&sandbox, "/v1/token.json", &as_client(&sandbox, &grant(&bound)));
    assert_eq!(json(&missing)["error"], "code_verifier_missing");
    let wrong = [grant(&bound).as_slice(), &[("code_verifier", CHALLENGE)]].concat();
    assert_eq!(json(&post(&sandbox, "/v1/token.json", &as_client(&sandbox, &wrong)))["error"], "code_verifier_mismatch");
    assert_eq!(exchange(&sandbox, &bound).status, 200, "a wrong guess does not spend the code");
}

#[test]
fn a_person_who_denies_sends_access_denied_home() {
    let sandbox = Sandbox::builder().start().unwrap();

    let redirect = Robot::default().denying().redirect_of(&authorization(&sandbox, &[])).unwrap();

    assert_eq!(parameter(&redirect, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&redirect, "state").as_deref(), Some("the state"));
    assert_eq!(parameter(&redirect, "code"), None);
}

#[test]
fn the_token_belongs_to_the_company_that_was_picked() {
    let sandbox = Sandbox::builder().start().unwrap();
    let redirect = Robot::default().picking(5117).redirect_of(&authorization(&sandbox, &[])).unwrap();
    let tokens = json(&exchange(&sandbox, &parameter(&redirect, "code").unwrap()));

    let seen = get(&sandbox, "/v1/companies/me.json", &format!("Authorization: Bearer {}\r\n", text(&tokens, "access_token")));

    assert_eq!(json(&seen)["name"], "Harbour Kiosk");
}

#[test]
fn without_a_page_the_decision_comes_at_once() {
    let granting = Sandbox::builder().decision(Decision::Granted).start().unwrap();
    let denying = Sandbox::builder().decision(Decision::Denied).start().unwrap();

    let location = |sandbox| get(sandbox, &authorization_target(sandbox, &[]), "").header("location").unwrap().to_owned();
    assert!(location(&granting).contains("code=mock-"));
    assert!(location(&denying).contains("error=access_denied"));
}

#[test]
fn the_page_holds_nothing_of_the_request_and_its_button_works_once() {
    let sandbox = Sandbox::builder().start().unwrap();
    let page = get(&sandbox, &authorization_target(&sandbox, &[("state", "<CANARY>\""), ("scope", "CANARY"), ("nonce", "CANARY")]), "");

    assert_eq!(page.status, 200);
    assert!(!page.body.contains("CANARY"));
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self' http://127.0.0.1:9;"] {
        assert!(policy.contains(part), "{part} in {policy}");
    }
    assert!(!page.body.contains("<script") && !policy.contains("unsafe"));
    let ticket = page.body.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let press = [("ticket", ticket), ("company", "5042"), ("decision", "grant")];
    assert_eq!(post(&sandbox, "/authorize", &press).status, 303);
    assert_eq!(post(&sandbox, "/authorize", &press).status, 400);
}

#[test]
fn a_wrong_secret_gets_invalid_client_with_400_and_both_placements_are_taken() {
    let sandbox = Sandbox::builder().client("till", "s3cret:%").start().unwrap();
    let token = log_in(&sandbox, &[]);
    let grant = [("grant_type", "refresh_token"), ("refresh_token", text(&token, "refresh_token"))];

    let wrong = post(&sandbox, "/v1/token.json", &[grant.as_slice(), &[("client_id", "till"), ("client_secret", "x")]].concat());
    assert_eq!((wrong.status, &json(&wrong)["error"]), (400, &"invalid_client".into()));
    let form = encoded(&grant);
    let basic = data_encoding::BASE64.encode(b"till:s3cret%3A%25");
    let head = format!("Host: 127.0.0.1:{}\r\nAuthorization: Basic {basic}\r\nContent-Length: {}", port(&sandbox), form.len());
    let kind = "Content-Type: application/x-www-form-urlencoded";
    assert_eq!(raw::ask(port(&sandbox), format!("POST /v1/token.json HTTP/1.1\r\n{head}\r\n{kind}\r\n\r\n{form}")).status, 200);
}

#[test]
fn basic_credentials_stand_for_the_developers_own_company() {
    let sandbox = Sandbox::builder().client("till", "s").start().unwrap();
    let with = |credentials: &str| {
        let encoded = data_encoding::BASE64.encode(credentials.as_bytes());
        get(&sandbox, "/v1/companies/me.json", &format!("Authorization: Basic {encoded}\r\n"))
    };

    assert_eq!(json(&with("till:s"))["name"], "Workshop");
    assert_eq!(with("till:x").status, 401);
}

#[test]
fn nothing_modern_is_offered_and_without_an_extension_the_answer_is_406() {
    let sandbox = Sandbox::builder().start().unwrap();

    for path in ["/.well-known/openid-configuration", "/jwks", "/userinfo", "/revoke", "/introspect", "/device"] {
        let seen = get(&sandbox, path, "");
        assert_eq!(seen.status, 404, "{path}");
        json(&seen);
    }
    assert_eq!(get(&sandbox, "/v1/companies/me", "Accept: */*\r\n").status, 406);
    assert_eq!(get(&sandbox, "/v1/companies/me", "Accept: application/json\r\n").status, 401);
    assert!(log_in(&sandbox, &[("scope", "openid")]).get("id_token").is_none());
}

#[test]
fn credentials_in_the_address_and_repeated_members_are_refused() {
    let sandbox = Sandbox::builder().start().unwrap();
    let token = log_in(&sandbox, &[]);
    let grant = as_client(&sandbox, &[("grant_type", "refresh_token"), ("refresh_token", text(&token, "refresh_token"))]);

    let in_query = post(&sandbox, "/v1/token.json?client_secret=x", &grant);
    assert_eq!((in_query.status, &json(&in_query)["error"]), (400, &"invalid_request".into()));
    let twice = post(&sandbox, "/v1/token.json", &[grant.as_slice(), &[("grant_type", "refresh_token")]].concat());
    assert_eq!((twice.status, &json(&twice)["error"]), (400, &"invalid_request".into()));
    assert_eq!(post(&sandbox, "/v1/token.json", &grant).status, 200);
}

#[test]
fn who_watches_is_told_each_answered_request_in_order() {
    let (watcher, seen) = mpsc::channel::<Logged>();
    let sandbox = Sandbox::builder().watched_by(watcher).start().unwrap();

    log_in(&sandbox, &[]);

    let told: Vec<String> = (0..3).map(|_| format!("{:?}", seen.recv_timeout(Duration::from_secs(5)).unwrap())).collect();
    assert_eq!(told, ["GET /authorize -> 200", "POST /authorize -> 303", "POST /v1/token.json -> 200"]);
}

#[test]
fn a_sandbox_that_is_stopped_gives_its_port_back() {
    let sandbox = Sandbox::builder().start().unwrap();
    let port = port(&sandbox);

    sandbox.stop();

    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(Sandbox::builder().port(port).start().is_ok());
}
