//! The real parts fit together before the program under test is put between them.

use crate::support::{
    binary::Home,
    chromium::{Browser, Visit},
    http::{self, Redirect, parameter},
    oidc::{Oidc, Options},
    running::Stream,
};
use rustix::process::Signal;
use serde_json::Value;

/// Verifier and challenge of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn authorization_url(server: &Oidc, client: &str, redirect: &Redirect) -> String {
    let query = [
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", &redirect.uri),
        ("scope", "openid orders:read"),
        ("state", "any-state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    url::Url::parse_with_params(&server.endpoint("authorization_endpoint"), query).unwrap().into()
}

/// Logs in as a stand-in client would; gives the token endpoint's answer and what the browser saw.
fn login(server: &Oidc, client: &str, visit: &Visit) -> Option<(Value, crate::support::chromium::Report)> {
    let redirect = Redirect::bind();
    let mut browser = Browser::ready(visit)?;
    browser.open(&authorization_url(server, client, &redirect));
    let code = parameter(&redirect.response(), "code").unwrap();
    let report = browser.report();
    let fields = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &redirect.uri), ("code_verifier", VERIFIER)];
    Some((token_request(server, client, &fields), report))
}

fn token_request(server: &Oidc, client: &str, fields: &[(&str, &str)]) -> Value {
    let mut fields = fields.to_vec();
    fields.push(("client_id", client));
    fields.extend(server.secret(client).map(|secret| ("client_secret", secret)));
    http::post(&server.endpoint("token_endpoint"), &fields).json()
}

#[test]
fn a_real_browser_brings_a_code_home_and_the_certified_server_takes_it() {
    let Some(mut server) = Oidc::start(&Options::default()) else { return };
    let visit = Visit { screenshot: Some("stand-in".to_owned()), ..Visit::default() };
    let Some((tokens, report)) = login(&server, "post", &visit) else { return };

    assert_eq!(tokens["token_type"], "Bearer", "{tokens}");
    assert_eq!(report.pressed, ["Allow"]);
    assert_eq!((report.title.as_str(), report.text.as_str()), ("Done", "That is all."));
    assert!(report.href.ends_with("/done"));
    assert!(report.requested.iter().any(|url| url.contains("code=")) && !report.performance.iter().any(|name| name.contains("code=")));
    let last = report.responses.iter().find(|document| document.url == report.href).unwrap();
    assert_eq!((last.status, last.headers["Content-Type"].as_str()), (200, "text/html"));
    assert!(report.html.contains("<title>Done</title>") && report.start.starts_with(server.issuer()) && !report.referrer.contains("code="));
    // The server has no icon; that is all a console may complain of.
    assert!(report.console.iter().all(|line| line.contains("favicon.ico")), "{:?}", report.console);
    let requests = server.token_requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!((requests[0].method.as_str(), requests[0].status), ("POST", 200));
    assert!(["refresh_token", "access_token"].iter().all(|name| requests[0].secrets.iter().any(|secret| tokens[name] == **secret)));
}

#[test]
fn the_certified_server_ends_the_grant_when_a_spent_refresh_token_comes_again() {
    let Some(mut server) = Oidc::start(&Options::default()) else { return };
    let Some((first, _)) = login(&server, "public", &Visit::default()) else { return };
    let refresh = |token: &Value| {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token.as_str().unwrap())];
        token_request(&server, "public", &fields)
    };

    let second = refresh(&first["refresh_token"]);
    let replay = refresh(&first["refresh_token"]);
    let after = refresh(&second["refresh_token"]);

    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(replay["error"], "invalid_grant", "{replay}");
    assert_eq!(after["error"], "invalid_grant", "{after}");
    assert_eq!(server.token_requests().iter().filter(|request| request.error.is_some()).count(), 2);
}

#[test]
fn a_resource_owner_who_says_no_sends_an_error_home() {
    let Some(server) = Oidc::start(&Options::default()) else { return };
    let redirect = Redirect::bind();
    let Some(mut browser) = Browser::ready(&Visit { refuse: true, ..Visit::default() }) else { return };
    browser.open(&authorization_url(&server, "basic", &redirect));

    let response = redirect.response();

    assert_eq!(browser.report().pressed, ["Refuse"]);
    assert_eq!(parameter(&response, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&response, "iss").as_deref(), Some(server.issuer()));
}

#[test]
fn access_tokens_are_jwts_where_the_test_wants_them() {
    let Some(server) = Oidc::start(&Options { jwt: true, rotation: false, ..Options::default() }) else { return };
    let Some((tokens, _)) = login(&server, "post", &Visit::default()) else { return };

    assert_eq!(tokens["access_token"].as_str().unwrap().split('.').count(), 3, "{tokens}");
}

#[test]
fn a_browser_given_in_the_environment_needs_no_shell() {
    let Some(server) = Oidc::start(&Options::default()) else { return };
    let redirect = Redirect::bind();
    let Some(browser) = Browser::ready(&Visit::default()) else { return };
    let command = browser.command();
    let (program, args) = command.split_once(' ').unwrap();

    let outcome =
        Home::new().program(program).args(args.split(' ')).arg(authorization_url(&server, "public", &redirect)).run().expect_code(0);

    assert_eq!(outcome.stdout, "");
    assert!(parameter(&redirect.response(), "code").is_some());
    browser.report();
}

#[test]
fn the_device_flow_ends_when_the_browser_has_typed_the_user_code() {
    let Some(mut server) = Oidc::start(&Options::default()) else { return };
    let fields = [("client_id", "public"), ("scope", "openid")];
    let device = http::post(&server.endpoint("device_authorization_endpoint"), &fields).json();
    let user_code = device["user_code"].as_str().unwrap().to_owned();
    let visit = Visit { user_code, until: "^/device/.+$".to_owned(), ..Visit::default() };
    let Some(mut browser) = Browser::ready(&visit) else { return };
    browser.open(device["verification_uri"].as_str().unwrap());
    browser.report();

    let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    let fields = [("grant_type", grant_type), ("device_code", device["device_code"].as_str().unwrap())];
    let tokens = token_request(&server, "public", &fields);

    assert!(tokens["access_token"].is_string(), "{tokens}");
    assert_eq!(server.token_requests()[0].grant_type.as_deref(), Some(grant_type));
}

#[test]
fn a_prompt_at_a_terminal_can_be_answered() {
    let script = r#"test -t 0 && test -t 2 || exit 9; printf 'name? ' >/dev/tty; read -r name; echo "hello $name" >&2; exit 4"#;
    let mut shell = Home::new().program("sh").args(["-c", script]).at_terminal();

    shell.expect(Stream::Terminal, "name? ");
    shell.send("till\r");

    assert_eq!(shell.wait_for_line(Stream::Terminal, "hello"), "hello till");
    shell.finish().expect_code(4);
}

#[test]
fn standard_output_can_stay_apart_from_the_terminal() {
    let shell = Home::new().program("sh").args(["-c", "echo answer; echo talk >&2"]).at_terminal_with_piped_stdout();

    let outcome = shell.finish().expect_code(0).expect_stdout("answer\n");

    assert_eq!(outcome.terminal, "talk\r\n");
}

#[test]
fn a_program_that_waits_can_be_ended_by_a_signal() {
    let mut shell = Home::new().program("sh").args(["-c", "echo ready; read -r forever"]).stdin_open().spawn();
    shell.expect(Stream::Out, "ready");

    shell.signal(Signal::TERM);

    // Its input stays open, so that only the signal can have ended it.
    let outcome = shell.outcome();
    assert_eq!((outcome.code, outcome.signal), (None, Some(Signal::TERM.as_raw())), "{outcome}");
}
