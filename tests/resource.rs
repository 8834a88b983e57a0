//! Logging in by the address of an API: what is believed of it, what is sent, and to whom.

use crate::{
    scene::{KEY, Scene, begun, change_record, member},
    support::{
        binary::{Home, Invocation},
        resource::{Asked, Resource, Said, ok, status},
        running::Stream,
    },
};
use serde_json::{Value, json};
use std::{fs, time::Duration};
use tokenstrap::{
    oauth::endpoint::Endpoint,
    sandbox::{Logged, Sandbox, approve},
};

/// An API that answers with these documents by path, and with 404 elsewhere.
pub(crate) fn api(answer: impl Fn(&str, &str) -> Option<Said> + Send + 'static) -> Resource {
    Resource::plain(move |asked: &Asked| {
        let origin = format!("http://{}", asked.header("host").unwrap_or_default());
        answer(asked.target(), &origin).unwrap_or_else(|| status("404 Not Found", ""))
    })
}

/// An API at `/mcp` that names this authorization server.
pub(crate) fn trusting(issuer: &str) -> Resource {
    let issuer = issuer.to_owned();
    api(move |path, origin| {
        let document = json!({"resource": format!("{origin}/mcp"), "authorization_servers": [issuer]});
        (path == "/.well-known/oauth-protected-resource/mcp").then(|| ok(&document.to_string()))
    })
}

pub(crate) fn address(api: &Resource) -> String {
    format!("http://{}/mcp", api.address)
}

pub(crate) fn call<'a>(home: &Home, args: impl IntoIterator<Item = &'a str>) -> Invocation {
    home.tokenstrap().env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY).args(args)
}

/// The requests that ask for tokens, or for somebody's consent to them.
fn asking(log: &[Logged]) -> Vec<&Logged> {
    log.iter().filter(|logged| ["/authorize", "/v1/token.json", "/device_authorization"].contains(&logged.path.as_str())).collect()
}

#[test]
fn t_25_a_login_by_the_address_of_an_api_says_at_every_step_what_the_token_is_for() {
    let server = Sandbox::builder().strict().start().unwrap();
    let (home, api) = (Home::new(), trusting(server.issuer()));
    let resource = address(&api);

    let (login, page) = begun(call(&home, ["login", "notes", "--resource", &resource, "--register"]));
    approve(&page).unwrap();
    let outcome = login.finish().expect_code(0).expect_stderr(&format!("{resource} trusts {}", server.issuer()));
    call(&home, ["token", "notes", "--force-refresh"]).run().expect_code(0);

    assert_eq!(member(&page, "resource").as_deref(), Some(resource.as_str()), "{outcome}");
    let log = server.log();
    let tokens: Vec<_> = asking(&log).into_iter().filter(|logged| logged.path == "/v1/token.json").collect();
    assert_eq!(
        tokens.iter().map(|logged| logged.member("grant_type")).collect::<Vec<_>>(),
        [Some("authorization_code"), Some("refresh_token")]
    );
    assert!(tokens.iter().all(|logged| logged.member("resource") == Some(resource.as_str())), "{outcome}");
    let shown: Value = serde_json::from_str(&call(&home, ["show", "notes", "--json"]).run().expect_code(0).stdout).unwrap();
    assert_eq!((&shown["resource"], &shown["hosts"], &shown["issuer"]), (&json!(resource), &json!([resource]), &json!(server.issuer())));
    // A token is shown below the address that it is for, and nowhere else on that host.
    call(&home, ["request", "notes", &resource]).run().expect_code(6).expect_stderr("404");
    assert!(api.asked().last().unwrap().header("authorization").is_some_and(|value| value.starts_with("Bearer mock-")));
    let before = api.asked().len();
    call(&home, ["request", "notes", &format!("http://{}/other", api.address)]).run().expect_code(6).expect_stderr("is not bound");
    assert_eq!(api.asked().len(), before);
}

#[test]
fn t_25_a_login_on_another_device_says_what_the_token_is_for() {
    let server = Sandbox::builder().strict().device(Duration::from_secs(60), Duration::ZERO).start().unwrap();
    let (home, api) = (Home::new(), trusting(server.issuer()));
    let resource = address(&api);

    let mut login = call(&home, ["login", "notes", "--resource", &resource, "--register", "--device"]).spawn();
    login.expect(Stream::Err, "On any device, open");
    let page = login.wait_for_line(Stream::Err, "/device").trim().to_owned();
    login.expect(Stream::Err, "and type");
    let code = login.wait_for_line(Stream::Err, "-").trim().to_owned();
    approve(&format!("{page}?user_code={code}")).unwrap();

    login.finish().expect_code(0);
    let log = server.log();
    assert!(asking(&log).iter().all(|logged| logged.member("resource") == Some(resource.as_str())), "{log:?}");
    assert!(asking(&log).len() >= 2);
}

#[test]
fn t_25_an_api_that_describes_another_one_ends_with_6_and_its_server_is_never_asked() {
    let server = Sandbox::builder().strict().start().unwrap();
    let home = Home::new();
    for other in ["https://other.example/mcp", "{}/mcp/", "{}/MCP", "{}", "null"] {
        let issuer = server.issuer().to_owned();
        let api = api(move |path, origin| {
            let document = json!({"resource": other.replace("{}", origin), "authorization_servers": [issuer]});
            (path == "/.well-known/oauth-protected-resource/mcp").then(|| ok(&document.to_string()))
        });

        let outcome = call(&home, ["login", "notes", "--resource", &address(&api), "--register", "--no-browser"]).run().expect_code(6);

        assert!(outcome.stderr.contains("another resource"), "{outcome}");
        assert_eq!(api.asked().len(), 1, "{outcome}");
    }
    assert_eq!(server.requests(), 0);
}

#[test]
fn t_25_an_api_without_a_server_to_trust_is_refused_and_the_root_is_asked_only_after_404() {
    const OWN: &str = "/.well-known/oauth-protected-resource/mcp";
    const ROOT: &str = "/.well-known/oauth-protected-resource";
    let server = Sandbox::builder().strict().start().unwrap();
    let home = Home::new();
    let try_it = |own: &'static str, servers: Value, expected: i32, asked: &[&str]| {
        let api = api(move |path, origin| match (path, own) {
            (OWN, "") => None,
            (OWN, line) => Some(status(line, "Location: http://127.0.0.1:1/x\r\n")),
            (ROOT, _) => Some(ok(&json!({"resource": format!("{origin}/mcp"), "authorization_servers": servers}).to_string())),
            _ => None,
        });
        let outcome =
            call(&home, ["login", "notes", "--resource", &address(&api), "--client-id=demo", "--no-browser", "--timeout=0s"]).run();
        let outcome = outcome.expect_code(expected);
        let targets: Vec<_> = api.asked().iter().map(|asked| asked.target().to_owned()).collect();
        assert_eq!(targets, asked, "{outcome}");
    };

    let named = json!([server.issuer()]);
    try_it("", named.clone(), 4, &[OWN, ROOT]);
    for line in ["401 Unauthorized", "403 Forbidden", "410 Gone", "302 Found"] {
        try_it(line, named.clone(), 6, &[OWN]);
    }
    try_it("503 Busy", named, 4, &[OWN]);
    for servers in [json!([]), Value::Null, json!("x"), json!([7]), json!(["http://as.example"]), json!(["https://as.example/#x"])] {
        try_it("", servers, 6, &[OWN, ROOT]);
    }
}

#[test]
fn t_25_where_the_server_is_named_the_api_is_not_asked_and_still_what_the_token_is_for() {
    let scene = Scene::with(|builder| builder.strict());
    let api = trusting("http://127.0.0.1:1");
    let resource = address(&api);

    let (login, page) = begun(scene.login_with_openid().args(["--resource", &resource]));
    approve(&page).unwrap();
    login.finish().expect_code(0);

    assert_eq!(member(&page, "resource").as_deref(), Some(resource.as_str()));
    assert!(
        scene
            .server
            .log()
            .iter()
            .filter_map(|logged| logged.member("grant_type").map(|_| logged))
            .all(|logged| logged.member("resource").is_some())
    );
    assert!(api.asked().is_empty());
    let twice = scene.login_with_openid().args(["--param", "resource=https://evil.example", "--no-browser"]).run().expect_code(6);
    assert!(!twice.stderr.contains("/authorize?"), "{twice}");
}

#[test]
fn t_25_and_d_09_a_later_edit_of_the_resource_is_refused_and_nothing_is_sent() {
    let server = Sandbox::builder().strict().start().unwrap();
    let (home, api) = (Home::new(), trusting(server.issuer()));
    let (login, page) = begun(call(&home, ["login", "notes", "--resource", &address(&api), "--register"]));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    let before = server.requests();
    let file = home.path(".config/tokenstrap/profiles/notes.toml");
    let text = fs::read_to_string(&file).unwrap();

    fs::write(&file, text.replace("/mcp", "/other")).unwrap();

    let outcome = call(&home, ["token", "notes", "--force-refresh"]).run().expect_code(6);
    assert!(outcome.stderr.contains("another resource than its grant is bound to"), "{outcome}");
    assert_eq!(server.requests(), before);
    fs::write(&file, text).unwrap();
    call(&home, ["token", "notes", "--force-refresh"]).run().expect_code(0);
}

#[test]
fn t_22_the_place_of_a_resource_is_not_bound_to_the_tokens_of_the_next_one() {
    let server = Sandbox::builder().strict().start().unwrap();
    let (home, one, two) = (Home::new(), trusting(server.issuer()), trusting(server.issuer()));
    let log_in = |resource: &str| {
        let (login, page) = begun(call(&home, ["login", "notes", "--resource", resource, "--register"]));
        approve(&page).unwrap();
        login.finish().expect_code(0);
    };
    log_in(&address(&one));
    call(&home, ["bind", "notes", "files.example"]).run().expect_code(0);

    log_in(&address(&two));

    let bound = call(&home, ["bind", "notes"]).run().expect_code(0).stdout;
    assert_eq!(bound, format!("files.example\n{}\n", address(&two)));
    call(&home, ["request", "notes", &address(&one)]).run().expect_code(6).expect_stderr("is not bound");
    // Also what the user binds is not reached where clouds keep their credentials (D-04).
    call(&home, ["bind", "notes", "169.254.169.254"]).run().expect_code(0);
    call(&home, ["request", "notes", "https://169.254.169.254/x"]).run().expect_code(6).expect_stderr("a link-local address");
}

#[test]
fn d_04_what_a_resource_names_never_leads_to_a_link_local_address() {
    let evil = "https://169.254.169.254/latest";
    let home = Home::new();
    let api_of_evil = trusting(evil);
    let login = |resource: &str| call(&home, ["login", "notes", "--resource", resource, "--register", "--no-browser"]).run();

    for resource in ["https://169.254.169.254/", "https://[fe80::1]/", "https://[::ffff:169.254.169.254]/x", &address(&api_of_evil)] {
        login(resource).expect_code(6).expect_stderr("a link-local address");
    }
    let registering = Sandbox::builder().strict().metadata("registration_endpoint", evil.into()).start().unwrap();
    login(&address(&trusting(registering.issuer()))).expect_code(6).expect_stderr("a link-local address");
    for member in ["token_endpoint", "jwks_uri"] {
        let server = Sandbox::builder().strict().metadata(member, evil.into()).start().unwrap();
        let resource = address(&trusting(server.issuer()));
        let words = ["login", "notes", "--resource", &resource, "--register", "--scope", "openid"];
        let (login, page) = begun(call(&Home::new(), words));
        // Nobody comes home to a page of success.
        let _ = approve(&page);
        let outcome = login.finish().expect_code(6);
        assert!(outcome.stderr.contains("a link-local address"), "{member}: {outcome}");
    }
    // Clear text is never fetched at all, wherever it leads (D-02).
    let server = Sandbox::builder().strict().metadata("jwks_uri", "http://169.254.169.254/latest".into()).start().unwrap();
    login(&address(&trusting(server.issuer()))).expect_code(6).expect_stderr("jwks_uri");
}

#[test]
fn d_04_a_refresh_is_barred_by_what_the_grant_is_bound_to_whatever_the_settings_say() {
    let server = Sandbox::builder().strict().start().unwrap();
    let (home, api) = (Home::new(), trusting(server.issuer()));
    let (login, page) = begun(call(&home, ["login", "notes", "--resource", &address(&api), "--register"]));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    change_record(&home, "notes", |record| {
        record.registration.as_mut().unwrap().pins.token_endpoint = Endpoint::typed("https://169.254.169.254/token").unwrap();
    });
    let file = home.path(".config/tokenstrap/profiles/notes.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.lines().filter(|line| !line.starts_with("resource")).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();

    let outcome = call(&home, ["token", "notes", "--force-refresh"]).run().expect_code(6);

    assert!(outcome.stderr.contains("a link-local address"), "{outcome}");
}
