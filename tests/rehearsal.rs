//! A client of the sandbox, as far as its own tests need one.

use crate::raw::{self, Seen};
use serde_json::Value;
use tokenstrap::sandbox::{Robot, Running};

/// A redirect URI that every sandbox knows; nobody listens there.
pub(crate) const HOME: &str = "http://127.0.0.1:9/callback/lightspeed-o";

/// The verifier and challenge of RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) fn port(sandbox: &Running) -> u16 {
    sandbox.url().rsplit(':').next().unwrap().parse().unwrap()
}

pub(crate) fn encoded(members: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish()
}

pub(crate) fn get(sandbox: &Running, target: &str, headers: &str) -> Seen {
    let port = port(sandbox);
    raw::ask(port, format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"))
}

pub(crate) fn post_bytes(sandbox: &Running, path: &str, members: &[(&str, &str)]) -> String {
    let (port, form) = (port(sandbox), encoded(members));
    let kind = "Content-Type: application/x-www-form-urlencoded";
    format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{kind}\r\nContent-Length: {}\r\n\r\n{form}", form.len())
}

pub(crate) fn post(sandbox: &Running, path: &str, members: &[(&str, &str)]) -> Seen {
    raw::ask(port(sandbox), post_bytes(sandbox, path, members))
}

pub(crate) fn json(seen: &Seen) -> Value {
    assert_eq!(seen.header("content-type"), Some("application/json"), "{seen:?}");
    serde_json::from_str(&seen.body).unwrap()
}

/// The members with those that say who asks.
pub(crate) fn as_client<'a>(sandbox: &'a Running, members: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let secret = sandbox.client_secret().map(|secret| ("client_secret", secret.expose()));
    [("client_id", sandbox.client_id())].into_iter().chain(secret).chain(members.iter().copied()).collect()
}

/// An authorization URL with everything that is right, `changed` members replaced; an empty value leaves one out.
pub(crate) fn authorization(sandbox: &Running, changed: &[(&str, &str)]) -> String {
    let usual = [
        ("client_id", sandbox.client_id()),
        ("redirect_uri", HOME),
        ("response_type", "code"),
        ("state", "the state"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let kept = usual.iter().filter(|(name, _)| changed.iter().all(|(other, _)| other != name));
    let members: Vec<_> = kept.chain(changed.iter().filter(|(_, value)| !value.is_empty())).copied().collect();
    format!("{}?{}", sandbox.authorization_endpoint(), encoded(&members))
}

/// The same without scheme and host, for [`get`].
pub(crate) fn authorization_target(sandbox: &Running, changed: &[(&str, &str)]) -> String {
    authorization(sandbox, changed).strip_prefix(sandbox.url()).unwrap().to_owned()
}

pub(crate) fn parameter(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

pub(crate) fn code(sandbox: &Running, changed: &[(&str, &str)]) -> String {
    parameter(&Robot::default().redirect_of(&authorization(sandbox, changed)).unwrap(), "code").unwrap()
}

pub(crate) fn exchange(sandbox: &Running, code: &str) -> Seen {
    let grant = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", HOME), ("code_verifier", VERIFIER)];
    post(sandbox, "/v1/token.json", &as_client(sandbox, &grant))
}

pub(crate) fn refresh(sandbox: &Running, token: &str) -> Seen {
    post(sandbox, "/v1/token.json", &as_client(sandbox, &[("grant_type", "refresh_token"), ("refresh_token", token)]))
}

/// What a whole login brings.
pub(crate) fn log_in(sandbox: &Running, changed: &[(&str, &str)]) -> Value {
    json(&exchange(sandbox, &code(sandbox, changed)))
}

pub(crate) fn text<'a>(document: &'a Value, name: &str) -> &'a str {
    document[name].as_str().unwrap_or_else(|| panic!("{name} is no text in {document}"))
}
