//! What show, list and check say of a grant of a real server; the device flow; access tokens that are JWTs.

use crate::support::{
    canary::found_in,
    chromium::{Browser, Visit},
    desk::{Desk, PROFILE},
    oidc::Options,
    running::Stream,
};
use serde_json::json;

#[test]
fn show_list_and_check_tell_of_a_grant_and_nothing_of_its_secrets() {
    let Some(mut desk) = Desk::with(&Options::default()) else { return };
    let Some((login, _)) = desk.log_in("basic", &Visit::default()) else { return };

    let show = desk.json(&["show", PROFILE]);
    let list = desk.json(&["list"]);
    let check = desk.json(&["check", PROFILE]);
    let texts = [["show", PROFILE].as_slice(), &["list"], &["check", PROFILE]].map(|args| desk.tokenstrap(args).run().expect_code(0));

    let issuer = desk.server.issuer();
    let host = issuer.strip_prefix("http://").unwrap();
    assert_eq!(
        (&show["issuer"], &show["client_id"], &show["client_auth"]),
        (&json!(issuer), &json!("basic"), &json!("client_secret_basic"))
    );
    assert_eq!((&show["store"], &show["account"]["id"], &show["login_needed"]), (&json!("keychain"), &json!("merchant"), &json!(false)));
    assert_eq!((&show["rotations"], &show["has_refresh_token"]), (&json!(0), &json!(true)));
    assert!((3500..=3600).contains(&show["expires_in"].as_u64().unwrap()), "{show}");
    assert_eq!(show["unverified_claims"], json!(null), "an opaque token has no claims");
    assert_eq!(list["profiles"][0]["profile"], PROFILE);
    assert_eq!((&list["profiles"][0]["account"]["id"], &list["profiles"][0]["problem"]), (&json!("merchant"), &json!(null)));
    assert_eq!((&check["alive"], &check["asked"], &check["host"]), (&json!(true), &json!("userinfo"), &json!(host)));
    assert_eq!(check["account"]["id"], "merchant");
    let secrets: Vec<String> = desk.server.token_requests().into_iter().flat_map(|request| request.secrets).collect();
    let mut secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    secrets.push("canary-secret-of-basic");
    assert!(secrets.len() > 3);
    for said in [login.to_string(), show.to_string(), list.to_string(), check.to_string()].iter().chain(&texts.map(|text| text.to_string()))
    {
        assert_eq!(found_in(said.as_bytes(), &secrets), [""; 0], "{said}");
    }
}

#[test]
fn an_access_token_that_is_a_jwt_serves_like_any_other_and_its_claims_are_shown_as_unverified() {
    let Some(mut desk) = Desk::with(&Options { jwt: true, ..Options::default() }) else { return };
    let Some((_, report)) = desk.log_in("post", &Visit::default()) else { return };
    assert!(report.href.ends_with("/done"));

    let token = desk.token(&[]);
    let fresh = desk.token(&["--force-refresh"]);
    let text = desk.tokenstrap(&["show", PROFILE]).run().expect_code(0);
    let show = desk.json(&["show", PROFILE]);

    assert_eq!((token.split('.').count(), fresh.split('.').count()), (3, 3));
    assert_ne!(token, fresh);
    let claims = text.stdout.lines().find(|line| line.starts_with("claims")).unwrap();
    assert!(claims.contains("(unverified)") && claims.contains("merchant"), "{text}");
    assert_eq!(show["unverified_claims"]["iss"], desk.server.issuer());
    assert_eq!(show["unverified_claims"]["aud"], "urn:tokenstrap:orders");
    let last = desk.refresh_token();
    desk.tokenstrap(&["logout", PROFILE, "--revoke"]).run().expect_code(0);
    assert_eq!(desk.spend("post", &last).json()["error"], "invalid_grant");
    assert!(desk.server.token_requests().iter().rev().skip(1).all(|request| request.error.is_none()));
}

#[test]
fn a_device_login_ends_when_the_code_was_typed_into_a_browser() {
    let Some(mut desk) = Desk::with(&Options::default()) else { return };
    let mut login = desk.login("public").arg("--device").spawn();
    let address = login.wait_for_line(Stream::Err, "/device").trim().to_owned();
    login.expect(Stream::Err, "and type\n");
    let user_code = login.wait_for_line(Stream::Err, "-").trim().to_owned();

    let visit = Visit { user_code, until: "^/device/.+$".to_owned(), screenshot: Some("device".to_owned()), ..Visit::default() };
    let Some(mut browser) = Browser::ready(&visit) else { return };
    browser.open(&address);
    browser.report();
    login.finish().expect_code(0);

    let token = desk.token(&[]);
    assert_eq!(desk.userinfo(&token).json()["sub"], "merchant");
    let first = desk.refresh_token();
    desk.token(&["--force-refresh"]);
    assert_ne!(desk.refresh_token(), first);
    assert!(
        desk.server.token_requests().iter().all(|request| request.error.as_deref().is_none_or(|error| error == "authorization_pending"))
    );
}
