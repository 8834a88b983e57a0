//! What a login asks for, and what it takes, with a world that is played.

use crate::support::rig::{Rig, answer, name, pins};
use std::{collections::BTreeSet, time::Duration};
use tokenstrap::{
    flow::{self, Confirm, FlowError, LoggedIn},
    oauth::{attempt::ExpectedIssuer, grant, redirect_uri::RedirectUri},
    profile::Registration,
    secret::Secret,
};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

const TOKENS: &str = r#"{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-1"}"#;

fn login(rig: &Rig, scopes: &[&str], issuer: ExpectedIssuer) -> Result<LoggedIn, FlowError> {
    flow::login(
        &rig.world(),
        &flow::Login {
            profile: name(),
            registration: Registration { pins: pins(), client_secret: Some(Secret::new("client-secret")) },
            kind: grant::by_name("authorization_code").unwrap(),
            redirect_uri: RedirectUri::parse("http://127.0.0.1:41000/cb?x=a%2Fb").unwrap(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            scope_separator: " ".into(),
            params: std::collections::BTreeMap::new(),
            expected_issuer: issuer,
            pkce: true,
            patience: Duration::from_secs(60),
            confirm: &|_, _| Confirm::Keep,
            show: &|_| {},
        },
    )
}

fn parameter(url: &str, name: &str) -> Option<String> {
    url::Url::parse(url).unwrap().query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

fn willing() -> Rig {
    Rig { query: Some(|state| format!("code=good&state={state}")), ..Rig::new(|_, _| answer(200, TOKENS)) }
}

#[test]
fn a_02_and_a_03_verifier_and_state_are_fresh_long_and_unrelated() {
    let mut seen = BTreeSet::new();
    for _ in 0..200 {
        let rig = willing();
        login(&rig, &[], ExpectedIssuer::Unknown).unwrap();
        let body = rig.sent.borrow()[0].1.clone();
        let verifier = body.split('&').find_map(|pair| pair.strip_prefix("code_verifier=")).unwrap().to_owned();
        let (state, challenge) =
            (parameter(&rig.opened.borrow()[0], "state").unwrap(), parameter(&rig.opened.borrow()[0], "code_challenge").unwrap());

        assert!(verifier.len() >= 43 && verifier.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)));
        assert!(state.len() >= 22 && challenge.len() == 43);
        assert!(state != verifier && state != challenge && !state.contains("till"));
        assert!(seen.insert(verifier) && seen.insert(state));
    }
}

#[test]
fn a_04_a_nonce_goes_with_openid_and_only_with_it() {
    let (with, without) = (willing(), willing());
    login(&without, &["a"], ExpectedIssuer::Unknown).unwrap();
    login(&with, &["openid"], ExpectedIssuer::Unknown).unwrap();

    assert!(parameter(&with.opened.borrow()[0], "nonce").is_some_and(|nonce| nonce.len() >= 22));
    assert!(parameter(&without.opened.borrow()[0], "nonce").is_none());
}

#[test]
fn a_05_the_redirect_uri_is_the_same_in_both_requests() {
    let rig = willing();
    login(&rig, &[], ExpectedIssuer::Unknown).unwrap();

    let body = rig.sent.borrow()[0].1.clone();
    let sent = url::form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "redirect_uri").map(|(_, value)| value.into_owned());
    assert_eq!(sent.as_deref(), Some("http://127.0.0.1:41000/cb?x=a%2Fb"));
    assert_eq!(parameter(&rig.opened.borrow()[0], "redirect_uri"), sent);
}

#[test]
fn a_06_no_address_carries_a_secret() {
    let rig = willing();
    let done = login(&rig, &["openid"], ExpectedIssuer::Unknown).unwrap();

    let verifier = rig.sent.borrow()[0].1.split('&').find_map(|pair| pair.strip_prefix("code_verifier=")).unwrap().to_owned();
    let addresses: Vec<String> = rig.sent.borrow().iter().map(|(url, _)| url.clone()).chain(rig.opened.borrow().clone()).collect();
    for secret in ["client-secret", "access-1", "refresh-1", &verifier] {
        assert!(addresses.iter().all(|address| !address.contains(secret)));
    }
    assert!(done.record.pending.is_none());
}

#[test]
fn l_15_and_d_06_a_wrong_issuer_ends_the_login_before_any_token_request() {
    let query: fn(&str) -> String = |state| format!("code=stolen&state={state}&iss=https%3A%2F%2Fevil.example");
    for issuer in [ExpectedIssuer::Required("https://as.example".into()), ExpectedIssuer::IfPresent("https://as.example".into())] {
        let rig = Rig { query: Some(query), ..Rig::new(|_, _| answer(200, TOKENS)) };

        login(&rig, &[], issuer).unwrap_err();

        assert!(rig.sent.borrow().is_empty());
    }
}

#[test]
fn d_06_the_redirect_of_one_login_never_finishes_another() {
    let rig = Rig { query: Some(|_| "code=stolen&state=of-another-login".into()), ..Rig::new(|_, _| answer(200, TOKENS)) };

    login(&rig, &[], ExpectedIssuer::Unknown).unwrap_err();

    assert!(rig.sent.borrow().is_empty());
}

#[test]
fn t_18_a_code_whose_answer_is_lost_is_not_sent_again() {
    let rig = Rig { query: Some(|state| format!("code=good&state={state}")), ..Rig::new(|_, _| crate::support::rig::lost()) };

    login(&rig, &[], ExpectedIssuer::Unknown).unwrap_err();

    assert_eq!(rig.sent.borrow().len(), 1);
}

#[test]
fn an_older_grant_stays_where_the_exchange_fails() {
    let rig =
        Rig { query: Some(|state| format!("code=good&state={state}")), ..Rig::new(|_, _| answer(400, r#"{"error":"invalid_grant"}"#)) };
    rig.grant(Some("refresh-0"), Duration::from_secs(3600));

    login(&rig, &[], ExpectedIssuer::Unknown).unwrap_err();

    assert!(rig.record().current.unwrap().tokens.refresh_token.unwrap().matches("refresh-0"));
}

#[test]
fn m_04_no_type_that_holds_a_secret_shows_it() {
    let rig = willing();
    let done = login(&rig, &["openid"], ExpectedIssuer::Unknown).unwrap();

    let shown = format!("{done:?} {:?}", rig.record());
    for secret in ["client-secret", "access-1", "refresh-1"] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[test]
fn s_02_a_store_that_refuses_is_found_before_anything_opens() {
    let home = crate::support::binary::Home::new();
    let opened = home.path("opened");
    let flags = [
        "login",
        "till",
        "--store",
        "file",
        "--provider",
        "github",
        "--client-id",
        "x",
        "--client-auth",
        "none",
        "--redirect-uri",
        "http://127.0.0.1:0/callback/github",
    ];

    home.tokenstrap().args(flags).env("BROWSER", format!("touch {}", opened.display())).run().expect_code(5).expect_stderr("no key opens");

    assert!(!opened.exists());
}

#[test]
fn p_05_the_verifier_is_never_printed() {
    let home = crate::support::binary::Home::new();
    let server = tokenstrap::sandbox::Sandbox::builder().start().unwrap();
    let secret = server.client_secret().unwrap().expose().to_owned();
    let endpoints = ["--auth-url".to_owned(), server.authorization_endpoint(), "--token-url".to_owned(), server.token_endpoint()];
    let link = home
        .tokenstrap()
        .args([
            "login",
            "till",
            "--store",
            "file",
            "--client-auth",
            "post",
            "--client-id",
            "demo",
            "--client-secret-env",
            "S",
            "--link",
            "-vv",
        ])
        .args(endpoints)
        .env("S", secret)
        .env("TOKENSTRAP_KEY", KEY)
        .run()
        .expect_code(0);
    let redirect = tokenstrap::sandbox::Robot::default().redirect_of(link.stdout.trim()).unwrap();

    let finish = home.tokenstrap().args(["login", "till", "--finish", "-vv"]).env("TOKENSTRAP_KEY", KEY).stdin(format!("{redirect}\n"));
    let finish = finish.run().expect_code(0);

    let log = server.log();
    let exchange = log.iter().find(|logged| logged.member("code_verifier").is_some()).unwrap();
    let verifier = exchange.member("code_verifier").unwrap().to_owned();
    for text in [&link.stdout, &link.stderr, &finish.stdout, &finish.stderr] {
        assert!(!text.contains(&verifier));
    }
}
