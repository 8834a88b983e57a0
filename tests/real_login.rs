//! The life of a grant with everything real: login in chromium, the GNOME Keyring, refresh, check, revocation.

use crate::support::{
    chromium::{Report, Visit},
    desk::{Desk, PROFILE},
    oidc::Options,
};
use serde_json::json;

fn visit(screenshot: &str) -> Visit {
    Visit { screenshot: Some(screenshot.to_owned()), ..Visit::default() }
}

/// Neither the address bar nor what scripts of the last page can read has a code or a state.
#[track_caller]
fn expect_no_code_left(report: &Report) {
    let left = |text: &String| text.contains("code=") || text.contains("state=");
    assert!(report.requested.iter().any(left), "no code came by: {report:#?}");
    assert!(report.href.ends_with("/done") && !left(&report.href), "{}", report.href);
    assert!(!report.performance.iter().any(left), "{:?}", report.performance);
    assert!(!left(&report.referrer) && !left(&report.html), "{report:#?}");
}

/// From the login to the grant's end.
fn live_and_die(client: &str, screenshot: &str) {
    let Some(mut desk) = Desk::with(&Options::default()) else { return };
    let Some((login, report)) = desk.log_in(client, &visit(screenshot)) else { return };
    expect_no_code_left(&report);
    assert_eq!(login.stdout, "", "{login}");
    let method = match client {
        "public" => "none".to_owned(),
        other => format!("client_secret_{other}"),
    };
    assert_eq!(desk.json(&["show", PROFILE])["client_auth"], *method);

    // A token that the server takes, and that is not asked for twice.
    let token = desk.token(&[]);
    assert_eq!(desk.userinfo(&token).json()["sub"], "merchant");
    let before = desk.server.requests().len();
    assert_eq!(desk.token(&[]), token);
    assert_eq!(desk.server.requests().len(), before);

    // Two refreshes in a row: each spends what the one before it brought.
    let mut refresh_tokens = vec![desk.refresh_token()];
    for _ in 0..2 {
        let fresh = desk.token(&["--force-refresh"]);
        assert_eq!(desk.userinfo(&fresh).status, 200);
        refresh_tokens.push(desk.refresh_token());
    }
    let requests = desk.server.token_requests();
    assert!(requests.iter().all(|request| request.error.is_none()), "{requests:#?}");
    assert_eq!(requests.len(), 3, "{requests:#?}");
    // The secret stands in the form of the one client, and in no other.
    let secret = desk.server.secret(client).unwrap_or_default().to_owned();
    assert!(requests.iter().all(|request| request.secrets.contains(&secret) == (client == "post")), "{requests:#?}");
    for (request, pair) in requests[1..].iter().zip(refresh_tokens.windows(2)) {
        assert_eq!(request.grant_type.as_deref(), Some("refresh_token"));
        assert_ne!(pair[0], pair[1]);
        assert!(pair.iter().all(|token| request.secrets.contains(token)), "{request:#?} {pair:?}");
    }

    // Revoked at the server, and nothing left here.
    let (last, token) = (refresh_tokens.pop().unwrap(), desk.token(&[]));
    desk.tokenstrap(&["logout", PROFILE, "--revoke"]).run().expect_code(0);
    assert_eq!(desk.spend(client, &last).json()["error"], "invalid_grant");
    assert_eq!(desk.userinfo(&token).status, 401);
    desk.tokenstrap(&["token", PROFILE]).run().expect_code(3).expect_stdout("");
    assert_eq!(desk.json(&["list"]), json!({"profiles": []}));
}

#[test]
fn l_25_a_client_with_a_secret_in_the_header_lives_and_dies_and_leaves_no_code_in_the_browser() {
    live_and_die("basic", "login-basic");
}

#[test]
fn l_25_a_client_with_a_secret_in_the_form_lives_and_dies_and_leaves_no_code_in_the_browser() {
    live_and_die("post", "login-post");
}

#[test]
fn l_25_a_client_without_a_secret_lives_and_dies_and_leaves_no_code_in_the_browser() {
    live_and_die("public", "login-public");
}
