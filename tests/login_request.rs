//! The authorization request as the browser gets it, and what is refused before any browser opens.

use crate::scene::{Scene, appeared, begun, member};
use serde_json::json;
use tokenstrap::{
    oauth::redirect_uri::RedirectUri,
    sandbox::{PREFIX, approve},
};

/// What the browser was started with: how many arguments, and the first one.
fn opened(scene: &Scene, login: crate::support::binary::Invocation) -> (String, String) {
    let (browser, out) = scene.dumping_browser();
    login.env("BROWSER", browser).args(["--timeout", "0s"]).run().expect_code(4);
    let dump = appeared(&out);
    std::fs::remove_file(out).unwrap();
    let mut lines = dump.lines().map(str::to_owned);
    (lines.next().unwrap(), lines.next().unwrap())
}

#[test]
fn a_01_and_a_09_and_a_12_the_browser_gets_one_argument_with_s256_and_plain_ascii() {
    let scene = Scene::new();

    let login = scene.login().args(["--scope", "a b", "--param", "login_hint=\u{fc}@x y"]);
    let (count, page) = opened(&scene, login);

    assert_eq!(count, "1");
    assert!(page.starts_with(&format!("{}?", scene.server.authorization_endpoint())), "{page}");
    assert!(page.bytes().all(|byte| byte.is_ascii_graphic()), "{page}");
    assert_eq!(member(&page, "code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(member(&page, "code_challenge").unwrap().len(), 43);
    assert!(member(&page, "state").unwrap().len() >= 22);
    assert_eq!(member(&page, "scope").as_deref(), Some("a b"));
    assert_eq!(member(&page, "login_hint").as_deref(), Some("\u{fc}@x y"));
    assert_eq!(member(&page, "nonce"), None);
}

#[test]
fn a_01_a_server_that_rules_s256_out_is_refused_unless_told_otherwise_with_a_warning() {
    let scene = Scene::with(|builder| builder.strict().metadata("code_challenge_methods_supported", json!(["plain"])));
    let (browser, out) = scene.dumping_browser();

    scene.login_with_openid().env("BROWSER", &browser).run().expect_code(6).expect_stderr("--no-pkce");
    assert!(!out.exists());
    let outcome = scene.login_with_openid().env("BROWSER", &browser).args(["--no-pkce", "--timeout", "0s"]).run();
    outcome.expect_code(4).expect_stderr("warning: PKCE is left out");
}

#[test]
fn a_02_and_a_03_and_a_04_each_attempt_has_a_fresh_state_challenge_and_nonce() {
    let scene = Scene::with(|builder| builder.strict());
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let (_, page) = opened(&scene, scene.login_with_openid());
        for name in ["state", "code_challenge", "nonce"] {
            let value = member(&page, name).unwrap();
            assert!(value.len() >= 22 && seen.insert(value), "{name} in {page}");
        }
    }
}

#[test]
fn a_05_the_redirect_uri_is_the_same_bytes_in_both_requests() {
    let uri = "http://127.0.0.1:0/cb?x=a%2Fb";
    let scene = Scene::with(|builder| builder.redirect_uri(RedirectUri::parse("http://127.0.0.1/cb?x=a%2Fb").unwrap()));

    let (login, page) = begun(scene.login().args(["--redirect-uri", uri]));
    approve(&page).unwrap();

    login.finish().expect_code(0);
    assert!(page.contains("cb%3Fx%3Da%252Fb"), "{page}");
}

#[test]
fn a_07_and_a_08_and_a_11_dangerous_authorization_endpoints_are_refused_before_anything_opens() {
    let scene = Scene::new();
    let (browser, out) = scene.dumping_browser();
    for endpoint in [
        "file:///usr/bin/xcalc",
        "javascript:alert(1)",
        "data:text/html,x",
        "smb://x/y",
        "search-ms:query=x",
        "ms-msdt:/id",
        "vscode://x/y",
        "http://evil.example/",
        "http://127.0.0.1.evil.example/",
        "--app=http://127.0.0.1/",
        "/tmp/x.sh",
        "C:\\Windows\\System32\\calc.exe",
        "\\\\evil\\share\\x.exe",
        "https:///",
        "https://user:word@as.example/a",
        "http://127.0.0.1:1/a?client_id=evil&redirect_uri=https://evil.example",
        "http://127.0.0.1:1/a?state=x",
        "http://127.0.0.1:1/a?response_type=token",
        "http://127.0.0.1:1/a#fragment",
    ] {
        let login = scene.login_at(endpoint, &scene.server.token_endpoint()).env("BROWSER", &browser).args(["--timeout", "0s"]);
        let outcome = login.run().expect_code(6);
        assert!(!out.exists(), "{outcome}");
    }
    assert_eq!(scene.server.requests(), 0);
}

#[test]
fn a_10_and_a_14_what_a_shell_or_terminal_would_obey_arrives_encoded_in_one_argument() {
    let scene = Scene::new();
    let made = scene.home.root().join("pwn");
    for path in [
        "|calc.exe".to_owned(),
        format!("$(touch${{IFS}}{})", made.display()),
        format!("`touch {}`", made.display()),
        "%26calc".to_owned(),
        ";id".to_owned(),
        "'&&id".to_owned(),
        "\"x".to_owned(),
        "\u{1b}[2K\u{1b}[1AEVIL".to_owned(),
        "\u{202e}EVIL".to_owned(),
    ] {
        let endpoint = format!("http://127.0.0.1:1/{path}");
        let login = || scene.login_at(&endpoint, &scene.server.token_endpoint());
        let (count, page) = opened(&scene, login());

        assert_eq!(count, "1", "{page}");
        assert!(page.starts_with("http://127.0.0.1:1/") && !page.contains(['|', '$', '`', ';', '\'', '"', '\u{1b}', ' ']), "{page}");
        let printed = login().args(["--no-browser", "--timeout", "0s"]).run().expect_code(4);
        assert!(!printed.stderr.contains(['\u{1b}', '\u{202e}']), "{printed}");
    }
    assert!(!made.exists());
}

#[test]
fn t_01_clear_text_endpoints_elsewhere_are_refused() {
    let scene = Scene::new();
    for token in ["http://example.com/t", "http://127.0.0.1.nip.io/t", "http://0.0.0.0/t", "ftp://127.0.0.1/t", "https://u:p@as.example/t"]
    {
        let outcome = scene.login_at(&scene.server.authorization_endpoint(), token).arg("--no-browser").run().expect_code(6);
        assert!(!outcome.stderr.contains("/authorize?"), "{outcome}");
    }
    scene.call(["login", "till", "--client-id", "x", "--no-browser", "--issuer", "http://as.example"]).run().expect_code(6);
}

#[test]
fn l_15_a_wrong_or_missing_issuer_ends_the_login_with_6_and_no_token_request() {
    for iss in ["", "http://127.0.0.1:1", "HTTP://127.0.0.1"] {
        let scene = Scene::with(|builder| builder.strict().faults(|faults| faults.iss = Some(iss.to_owned())));
        let (login, page) = begun(scene.login_with_openid());

        approve(&page).unwrap();

        let outcome = login.finish().expect_code(6);
        assert_eq!(scene.server.token_requests(), 0, "{outcome}");
        assert!(!outcome.stderr.contains(&format!("code={PREFIX}")));
    }
}
