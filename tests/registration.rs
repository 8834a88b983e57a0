//! Clients that register themselves: what of the answer is believed, where it is kept, and to whom it is never shown.

use crate::{
    resource::{address, api, call, trusting},
    scene::{SECRET, Scene, begun, member},
    support::{
        binary::Home,
        resource::{Resource, ok},
    },
};
use serde_json::{Value, json};
use std::{
    fs,
    sync::{Arc, Mutex},
};
use tokenstrap::sandbox::{Running, Sandbox, approve};

fn strict() -> Running {
    Sandbox::builder().strict().start().unwrap()
}

/// An API that moves to whatever server is put there.
fn moving(issuer: &Arc<Mutex<String>>) -> Resource {
    let issuer = Arc::clone(issuer);
    api(move |path, origin| {
        let document = json!({"resource": format!("{origin}/mcp"), "authorization_servers": [*issuer.lock().unwrap()]});
        (path == "/.well-known/oauth-protected-resource/mcp").then(|| ok(&document.to_string()))
    })
}

/// Everything that a server was sent, with Basic credentials decoded.
fn seen_by(server: &Running) -> String {
    let decoded = |text: &str| {
        let basic = text.strip_prefix("Basic ").and_then(|text| data_encoding::BASE64.decode(text.as_bytes()).ok());
        basic.map_or_else(|| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let all = server
        .log()
        .into_iter()
        .map(|logged| format!("{} {:?} {:?} {:?}\n", logged.path, logged.query, logged.form, logged.authorization.as_deref().map(decoded)));
    all.collect()
}

fn shown(home: &Home) -> Value {
    serde_json::from_str(&call(home, ["show", "notes", "--json", "--reveal"]).run().expect_code(0).stdout).unwrap()
}

#[test]
fn d_07_a_moved_resource_shows_nothing_of_the_old_client_to_the_new_server() {
    let (first, second) = (strict(), strict());
    let issuer = Arc::new(Mutex::new(first.issuer().to_owned()));
    let (home, api) = (Home::new(), moving(&issuer));
    let resource = address(&api);
    let (login, page) = begun(call(&home, ["login", "notes", "--resource", &resource, "--register"]));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    let old = shown(&home);
    let (old_id, old_secret) = (old["client_id"].as_str().unwrap(), old["client_secret"].as_str().unwrap());

    *issuer.lock().unwrap() = second.issuer().to_owned();
    let refused = call(&home, ["login", "notes", "--no-browser"]).run().expect_code(6);

    assert!(refused.stderr.contains("--register") && refused.stderr.contains(second.issuer()), "{refused}");
    assert_eq!(second.requests(), second.requests_to("/.well-known/oauth-authorization-server"), "{}", seen_by(&second));
    // The grant of the old server goes on there until a new one has taken its place.
    let asked = first.token_requests();
    call(&home, ["token", "notes", "--force-refresh"]).run().expect_code(0);
    assert_eq!((first.token_requests(), second.token_requests()), (asked + 1, 0));

    let before = first.requests();
    let (login, page) = begun(call(&home, ["login", "notes", "--register"]));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    call(&home, ["token", "notes", "--force-refresh"]).run().expect_code(0);

    let new = shown(&home);
    assert_eq!((new["issuer"].as_str(), second.requests_to("/register"), first.requests()), (Some(second.issuer()), 1, before));
    assert_ne!(new["client_id"], old["client_id"]);
    let seen = seen_by(&second);
    assert!(!seen.contains(old_id) && !seen.contains(old_secret), "{seen}");
    assert!(seen.contains(new["client_id"].as_str().unwrap()));
}

#[test]
fn d_07_a_client_goes_home_when_its_server_comes_back_before_a_new_login_is_finished() {
    let (first, second) = (strict(), strict());
    let issuer = Arc::new(Mutex::new(first.issuer().to_owned()));
    let (home, api) = (Home::new(), moving(&issuer));
    let (login, page) = begun(call(&home, ["login", "notes", "--resource", &address(&api), "--register"]));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    let id = shown(&home)["client_id"].as_str().unwrap().to_owned();
    *issuer.lock().unwrap() = second.issuer().to_owned();
    call(&home, ["login", "notes", "--register", "--no-browser", "--timeout", "0s"]).run().expect_code(4);

    *issuer.lock().unwrap() = first.issuer().to_owned();
    let (_login, page) = begun(call(&home, ["login", "notes"]));

    assert_eq!(member(&page, "client_id").as_deref(), Some(id.as_str()));
    assert!(!seen_by(&second).contains(&id));
    assert_eq!(first.requests_to("/register"), 1);
}

#[test]
fn d_07_a_client_id_that_was_typed_for_one_issuer_is_not_shown_to_another() {
    let scene = Scene::with(|builder| builder.strict());
    let (login, page) = begun(scene.login_with_openid());
    approve(&page).unwrap();
    login.finish().expect_code(0);
    let other = strict();

    scene.call(["login", "till", "--issuer", other.issuer(), "--no-browser"]).run().expect_code(2).expect_stderr("--client-id");
    assert_eq!(other.requests(), 0);

    let file = scene.home.path(".config/tokenstrap/profiles/till.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("client_id = \"till\""), "{text}");
    fs::write(&file, text.replace(scene.server.issuer(), other.issuer())).unwrap();
    scene.call(["login", "till", "--no-browser"]).run().expect_code(6).expect_stderr("--client-id");

    assert!(!seen_by(&other).contains("till") && !seen_by(&other).contains(SECRET));
    fs::write(&file, text).unwrap();
    let import = scene.call(["import", "till", "--issuer", other.issuer(), "--replace"]).stdin("mock-refresh");
    import.run().expect_code(2).expect_stderr("there is no client id");
    assert!(!seen_by(&other).contains("till") && other.token_requests() == 0);
    let (_login, page) = begun(scene.call(["login", "till", "--issuer", other.issuer(), "--client-id", "demo"]));
    assert_eq!(member(&page, "client_id").as_deref(), Some("demo"));
}

#[test]
fn d_08_nothing_is_registered_unless_asked_for_and_once_is_enough() {
    let server = strict();
    let (home, api) = (Home::new(), trusting(server.issuer()));
    let resource = address(&api);

    call(&home, ["login", "notes", "--resource", &resource, "--no-browser"]).run().expect_code(2).expect_stderr("--register");
    assert!(api.asked().is_empty());

    for _ in 0..2 {
        let words = ["login", "notes", "--resource", &resource, "--register", "--no-browser", "--timeout", "0s"];
        call(&home, words).run().expect_code(4);
        assert_eq!(server.requests_to("/register"), 1);
    }
    let asked = server.log().into_iter().find(|logged| logged.path == "/register").unwrap();
    assert_eq!((asked.member("application_type"), asked.authorization.as_deref()), (Some("native"), None));
    let untaking = Sandbox::builder().strict().without("/register").start().unwrap();
    let words = ["login", "other", "--issuer", untaking.issuer(), "--register", "--no-browser"];
    call(&home, words).run().expect_code(6).expect_stderr("takes no registrations");
}

#[test]
fn d_08_nothing_is_registered_that_could_not_be_kept() {
    let (first, second) = (strict(), strict());
    let (home, api, other) = (Home::new(), trusting(first.issuer()), trusting(second.issuer()));
    let (login, page) = begun(call(&home, ["login", "notes", "--resource", &address(&api), "--register"]));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    let bundle = call(&home, ["export", "notes"]).run().expect_code(0).stdout;

    // A grant in the environment is read and never written.
    let login = call(&Home::new(), ["login", "notes", "--resource", &address(&other), "--register", "--no-browser"]);
    let outcome = login.env("TOKENSTRAP_STORE", "env").env("TOKENSTRAP_GRANT", bundle.trim_end()).run().expect_code(5);

    assert!(outcome.stderr.contains("cannot be written"), "{outcome}");
    assert_eq!((second.requests_to("/register"), second.requests_to("/.well-known/oauth-authorization-server")), (0, 1), "{outcome}");
}

#[test]
fn d_08_id_and_secret_are_in_the_record_before_the_browser_opens_and_the_secret_nowhere_else() {
    let server = strict();
    let (home, api) = (Home::new(), trusting(server.issuer()));

    let outcome =
        call(&home, ["login", "notes", "--resource", &address(&api), "--register", "--no-browser", "--timeout", "0s", "-vv"]).run();

    let outcome = outcome.expect_code(4);
    let (login, page) = begun(call(&home, ["login", "notes"]));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    assert_eq!(server.requests_to("/register"), 1);
    let kept = shown(&home);
    let secret = kept["client_secret"].as_str().unwrap();
    let settings = fs::read_to_string(home.path(".config/tokenstrap/profiles/notes.toml")).unwrap();
    assert!(secret.starts_with("mock-") && !outcome.stderr.contains(secret) && !settings.contains(secret), "{outcome}");
    assert!(!settings.contains(kept["client_id"].as_str().unwrap()), "{settings}");
    assert_eq!(kept["registration_endpoint"], server.at("/register"));
}

/// A server that answers a registration with this, and an API that trusts it.
fn answering(line: &'static str, document: impl Fn(&str) -> String + Send + 'static) -> Resource {
    api(move |path, origin| match path {
        "/.well-known/oauth-protected-resource/mcp" => {
            Some(ok(&json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin]}).to_string()))
        }
        "/.well-known/oauth-authorization-server" => Some(ok(&json!({
            "issuer": origin, "authorization_endpoint": format!("{origin}/authorize"), "token_endpoint": format!("{origin}/token"),
            "registration_endpoint": format!("{origin}/register"), "authorization_response_iss_parameter_supported": true,
        })
        .to_string())),
        "/register" => {
            let head = format!("HTTP/1.1 {line}\r\nContent-Type: application/json\r\nLocation: {origin}/elsewhere\r\n");
            Some((head, document(origin).into_bytes()))
        }
        _ => None,
    })
}

fn client(change: Value) -> String {
    let mut document = json!({
        "client_id": "c1", "client_secret": "canary-of-a-registration", "client_secret_expires_at": 0,
        "redirect_uris": ["http://127.0.0.1/callback"],
    });
    document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    document.to_string()
}

#[test]
fn d_08_an_answer_that_registers_something_else_is_refused_and_nothing_is_kept() {
    let changes = [
        json!({"redirect_uris": ["https://evil.example/callback"]}),
        json!({"redirect_uris": ["http://127.0.0.1/callback/"]}),
        json!({"redirect_uris": null}),
        json!({"registration_client_uri": "http://as.example/register/c1"}),
        json!({"client_id": "\u{1b}[2J"}),
        json!({"client_id": null}),
        json!({"client_secret": null}),
        json!({"client_secret": ["canary-of-a-registration"]}),
        json!({"token_endpoint_auth_method": "tls_client_auth"}),
        json!({"client_secret_expires_at": "soon"}),
    ];
    let answers = changes.into_iter().map(|change| ("201 Created", client(change), 6)).chain([
        ("201 Created", client(json!({})).replace("\"client_id\"", "\"client_id\":\"c0\",\"client_id\""), 6),
        ("201 Created", "<html>".to_owned(), 6),
        ("302 Found", client(json!({})), 6),
        ("307 Temporary Redirect", client(json!({})), 6),
        ("400 Bad Request", "{\"error\":\"invalid_client_metadata\",\"error_description\":\"no\\u001b[2J\"}".to_owned(), 6),
        ("401 Unauthorized", String::new(), 6),
        ("503 Busy", client(json!({})), 4),
        ("201 Created", client(json!({"client_name": "x".repeat(2 * 1024 * 1024)})), 4),
    ]);
    let home = Home::new();
    for (line, answer, expected) in answers {
        let body = answer.clone();
        let api = answering(line, move |_| body.clone());

        let outcome = call(&home, ["login", "notes", "--resource", &address(&api), "--register", "--no-browser"]).run();

        let (brief, outcome) = (&answer[..answer.len().min(200)], outcome.expect_code(expected));
        assert!(!outcome.stderr.contains("/authorize?") && !outcome.stderr.contains("canary-of"), "{brief}: {outcome}");
        assert!(!outcome.stderr.contains('\u{1b}'), "{brief}: {outcome}");
        assert_eq!(api.asked().iter().filter(|asked| asked.line.starts_with("POST ")).count(), 1, "{brief}: {outcome}");
        assert_eq!(api.asked().last().unwrap().line, "POST /register HTTP/1.1", "{brief}: {outcome}");
        call(&home, ["show", "notes"]).run().expect_code(3);
    }
}

#[test]
fn d_08_a_name_that_a_terminal_would_obey_is_never_shown_and_the_end_of_a_secret_is_told() {
    let change = json!({
        "client_name": "\u{1b}]0;PWN\u{7}", "client_secret_expires_at": 4_102_444_800_u64, "token_endpoint_auth_method": "client_secret_post",
    });
    let api = answering("201 Created", move |_| client(change.clone()));
    let home = Home::new();

    let words = ["login", "notes", "--resource", &address(&api), "--register", "--no-browser", "--timeout", "0s"];
    let outcome = call(&home, words).run().expect_code(4);

    assert!(!outcome.stderr.contains('\u{1b}') && !outcome.stderr.contains("PWN"), "{outcome}");
    assert!(outcome.stderr.contains("as client c1, with a secret that ends at 2100-01-01"), "{outcome}");
    // What the server made of the client is what it stays.
    call(&home, ["login", "notes", "--no-browser", "--timeout", "0s"]).run().expect_code(4);
    let sheet = call(&home, ["show", "notes"]).run().expect_code(0).stdout;
    assert!(sheet.contains("c1, client_secret_post, registered by itself"), "{sheet}");
}
