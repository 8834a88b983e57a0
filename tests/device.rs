//! Device logins (RFC 8628) of the built program at a server that means ill.

use crate::support::{
    binary::{Home, Invocation},
    resource::{Resource, ok, status},
};
use serde_json::{Value, json};
use std::fs;

/// A server whose device endpoint answers this, and whose token endpoint is never content.
fn server(answer: Value) -> Resource {
    Resource::plain(move |asked| {
        let issuer = format!("http://{}", asked.header("host").unwrap_or_default());
        match asked.target() {
            "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => ok(&json!({
                "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
                "device_authorization_endpoint": format!("{issuer}/device_authorization"),
                "code_challenge_methods_supported": ["S256"], "response_types_supported": ["code"],
            })
            .to_string()),
            "/device_authorization" => ok(&answer.to_string().replace("ISSUER", &issuer)),
            "/token" => {
                let (_, body) = ok("{\"error\": \"authorization_pending\"}");
                ("HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n".into(), body)
            }
            _ => status("404 Not Found", ""),
        }
    })
}

fn login(home: &Home, server: &Resource) -> Invocation {
    let call = home.tokenstrap().env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", crate::scene::KEY);
    call.args(["login", "till", "--device", "--client-id", "till", "--issuer"]).arg(format!("http://{}", server.address))
}

fn polls(server: &Resource) -> usize {
    server.asked().iter().filter(|asked| asked.target() == "/token").count()
}

/// An honest answer but for some members.
fn codes(members: Value) -> Value {
    let mut codes = json!({
        "device_code": "mock-device-code-canary", "user_code": "ABCD-EFGH", "verification_uri": "ISSUER/go", "expires_in": 2, "interval": 1,
    });
    codes.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    codes
}

#[test]
fn p_07_no_address_is_shown_or_opened_and_no_code_printed_that_is_not_what_it_seems() {
    for members in [
        json!({"verification_uri": "file:///etc/passwd"}),
        json!({"verification_uri": "javascript:alert(1)"}),
        json!({"verification_uri": "http://as.example/go"}),
        json!({"verification_uri": "https://user@as.example/go\u{1b}[2J"}),
        json!({"verification_uri_complete": "file:///etc/passwd"}),
        json!({"user_code": "AB\u{1b}[2JCD"}),
        json!({"user_code": "A".repeat(10_000)}),
        json!({"user_code": ""}),
        json!({"user_code": 4}),
    ] {
        let (home, server) = (Home::new(), server(codes(members.clone())));
        let opened = home.root().join("opened");
        let script = home.root().join("browser");
        fs::write(&script, format!("echo >'{}'\n", opened.display())).unwrap();

        let outcome = login(&home, &server).env("BROWSER", format!("/bin/sh {}", script.display())).run();

        if outcome.code != Some(6) {
            // An address that is left out takes nothing with it: the person types the other one.
            assert!(members.get("verification_uri_complete").is_some(), "{members}: {outcome}");
        }
        assert!(!outcome.stderr.contains(['\u{1b}', '\u{7}']) && !outcome.stderr.contains("file:"), "{members}: {outcome}");
        assert!(!opened.exists() && outcome.stderr.len() < 4096, "{members}: {outcome}");
    }
    let (home, server) = (Home::new(), server(codes(json!({"verification_uri": "https://x/|calc\u{7}"}))));
    let outcome = login(&home, &server).run().expect_code(4).expect_stderr("    https://x/%7Ccalc\n");
    assert!(!outcome.stderr.contains(['|', '\u{7}']), "{outcome}");
}

#[test]
fn p_10_numbers_of_a_server_make_neither_a_busy_loop_nor_an_endless_one() {
    let cases = [
        (json!({"interval": 0}), 2),
        (json!({"interval": -1}), 2),
        (json!({"interval": 1, "expires_in": "2"}), 2),
        (json!({"interval": 1_000_000_000_u64}), 0),
        (json!({"expires_in": 0}), 0),
        (json!({"expires_in": -3}), 0),
    ];
    // Each waits until its code has ended, so all at once.
    std::thread::scope(|scope| {
        for (members, most) in cases {
            scope.spawn(move || {
                let (home, server) = (Home::new(), server(codes(members.clone())));
                let outcome = login(&home, &server).run();
                assert!(outcome.code.is_some_and(|code| [4, 6].contains(&code)), "{members}: {outcome}");
                assert!(polls(&server) <= most, "{members}: {} polls, {outcome}", polls(&server));
                assert!(!outcome.stderr.contains("canary"), "{outcome}");
            });
        }
    });
}
