//! The whole way at a certified server that nobody here wrote: the API names it, the client registers itself, a person consents
//! in chromium, and the tokens are for that API and no other.

use crate::{
    resource::{address, api, call},
    support::{
        binary::Home,
        chromium::{Browser, Visit},
        oidc::{Oidc, Options},
        resource::ok,
    },
};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn claims(token: &str) -> Value {
    let payload = token.trim().split('.').nth(1).unwrap_or_else(|| panic!("no JWT: {token}"));
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

#[test]
fn t_25_and_d_08_a_certified_server_registers_the_client_and_makes_tokens_out_for_the_api_alone() {
    let issuer = Arc::new(Mutex::new(String::new()));
    let named = Arc::clone(&issuer);
    let api = api(move |path, origin| {
        let document = json!({"resource": format!("{origin}/mcp"), "authorization_servers": [*named.lock().unwrap()]});
        (path == "/.well-known/oauth-protected-resource/mcp").then(|| ok(&document.to_string()))
    });
    let resource = address(&api);
    let Some(mut server) = Oidc::start(&Options { resource: Some(resource.clone()), ..Options::default() }) else { return };
    server.issuer().clone_into(&mut issuer.lock().unwrap());
    let Some(browser) = Browser::ready(&Visit::default()) else { return };
    let home = Home::new();

    let words = ["login", "notes", "--resource", &resource, "--register", "--scope", "openid", "--scope", "orders:read"];
    let outcome = call(&home, words).env("BROWSER", browser.command()).run().expect_code(0);
    let first = call(&home, ["token", "notes"]).run().expect_code(0).stdout;
    let second = call(&home, ["token", "notes", "--force-refresh"]).run().expect_code(0).stdout;

    assert_ne!(first, second, "{outcome}");
    let shown: Value = serde_json::from_str(&call(&home, ["show", "notes", "--json"]).run().expect_code(0).stdout).unwrap();
    for token in [&first, &second] {
        let claims = claims(token);
        assert_eq!((&claims["aud"], &claims["iss"]), (&json!(resource), &json!(server.issuer())), "{claims}");
        assert_eq!((&claims["client_id"], &claims["scope"]), (&shown["client_id"], &json!("orders:read")), "{claims}");
    }
    let requests = server.token_requests();
    assert_eq!(requests.iter().filter(|request| request.error.is_none()).count(), 2, "{requests:#?}");
    assert_eq!(server.requests().iter().filter(|request| request.route.as_deref() == Some("registration")).count(), 1);
}
