use super::*;
use crate::oauth::redirect_uri::RedirectUri;
use proptest::prelude::*;
use std::collections::BTreeSet;

const MINIMAL: &str = r#"
name = "own"
title = "Our own server"
authorize_url = "https://as.example/authorize"
token_url = "https://as.example/token"
client_auth = "none"
"#;

fn with(line: &str) -> Result<Provider, BadProvider> {
    Provider::read(&format!("{MINIMAL}{line}\n"))
}

/// The minimal entry with another value for one field.
fn changed(field: &str, value: &str) -> Result<Provider, BadProvider> {
    let other = MINIMAL.lines().filter(|line| !line.starts_with(field)).collect::<Vec<_>>().join("\n");
    Provider::read(&format!("{field} = {value}\n{other}"))
}

#[test]
fn d_10_every_entry_is_sorted_unique_and_https_with_a_fact_for_each_address() {
    let mut seen = BTreeSet::new();
    assert!(PROVIDERS.is_sorted_by_key(|(name, _)| *name));
    for (name, text) in PROVIDERS {
        let entry = Provider::read(text).unwrap_or_else(|fault| unreachable!("{name}: {fault}"));
        assert_eq!(entry.name, *name);
        assert!(entry.names().all(|name| seen.insert(name.to_owned())), "{name} is taken");
        for (field, template) in entry.addresses() {
            assert!(template.as_str().starts_with("https://"), "{name}: {field}");
            assert!(entry.facts.contains_key(field), "{name}: nothing says where {field} was read");
        }
        // Words that a person acts on need a source as much as addresses do.
        for (field, said) in [
            ("steps", !entry.steps.is_empty()),
            ("mismatch", entry.mismatch.is_some()),
            ("revoke_hint", entry.revoke_hint.is_some()),
            ("refused_grant", !entry.refused_grant.is_empty()),
            ("scopes", !entry.scopes.is_empty()),
            ("params", !entry.params.is_empty()),
            ("client_auth", true),
            ("pkce", true),
            ("rotation", true),
            ("redirect", true),
        ] {
            assert!(!said || entry.facts.contains_key(field), "{name}: nothing says where {field} was read");
        }
        assert!(entry.facts.values().all(|fact| !fact.source.is_empty() && !fact.sure.says().is_empty()));
        assert!(!entry.steps.is_empty() && entry.steps.iter().any(|line| line.contains("{redirect_uri}")), "{name}");
    }
}

#[test]
fn no_entry_holds_a_secret() {
    for (name, text) in PROVIDERS {
        for line in text.lines().filter_map(|line| line.split_once('=')) {
            let field = line.0.trim();
            assert!(!["client_id", "client_secret", "secret", "token", "password", "key"].contains(&field), "{name}: {field}");
        }
    }
}

#[test]
fn every_entry_is_complete_with_its_defaults() {
    for entry in all() {
        let none = Variables::new();
        for (_, template) in entry.addresses() {
            assert!(entry.fill(template, &none).is_ok(), "{}: {}", entry.name, template.as_str());
        }
        assert!(entry.verify(&none).is_ok() && entry.hosts(&none).is_ok());
    }
}

#[test]
fn an_entry_is_found_by_its_name_and_by_its_alias() {
    assert_eq!(by_name("kounta").map(|entry| entry.name).as_deref(), Some("lightspeed-o"));
    assert_eq!(by_name("lightspeed-o").map(|entry| entry.title).as_deref(), Some("Lightspeed Restaurant O-Series (Kounta)"));
    assert!(by_name("").is_none() && by_name("Google").is_none());
}

#[test]
fn o_series_asks_for_the_redirect_uri_that_is_registered() {
    let entry = by_name("kounta").expect("an entry");
    let uri = entry.redirect_uri("/callback").expect("a redirect URI");

    assert_eq!(uri.as_str(), "http://127.0.0.1:18976/callback/lightspeed-o");
    assert!(entry.steps(&uri).contains(&"    http://127.0.0.1:18976/callback/lightspeed-o".to_owned()));
    assert_eq!(entry.verify(&Variables::new()).ok().flatten().map(|verify| verify.noun).as_deref(), Some("company"));
}

#[test]
fn a_tenant_is_put_into_every_address_of_its_entry() {
    let entry = by_name("microsoft").expect("an entry");
    let address = |tenant: &str| entry.fill(&entry.token_url, &Variables::from([("tenant".to_owned(), tenant.to_owned())]));

    assert!(address("contoso.onmicrosoft.com").is_ok_and(|url| url.url().path() == "/contoso.onmicrosoft.com/oauth2/v2.0/token"));
    for evil in ["..", "../..", "a/b", "a?b", "a#b", "%2e%2e", ""] {
        assert!(address(evil).is_err(), "{evil} was taken");
    }
    let gitlab = by_name("gitlab").expect("an entry");
    let own = Variables::from([("host".to_owned(), "git.example:8443".to_owned())]);
    assert_eq!(gitlab.hosts(&own), Ok(vec!["git.example:8443".to_owned()]));
}

#[test]
fn d_10_an_entry_of_ones_own_cannot_take_the_name_of_a_built_in_one() {
    assert!(!shadows(&with("").expect("an entry")));
    assert!(shadows(&with(r#"aliases = ["kounta"]"#).expect("an entry")));
    assert!(shadows(&changed("name", r#""github""#).expect("an entry")));
}

#[test]
fn z_13_what_an_entry_must_not_say_is_refused() {
    for line in [
        "client_secret = \"x\"",
        "unknown = 1",
        "pkce = \"plain\"",
        "aliases = [\"Own\"]",
        "aliases = [\"../x\"]",
        "revocation_url = \"http://as.example/revoke\"",
        "api_base = \"https://u:p@as.example/\"",
        "jwks_url = \"https://{host}/keys\"",
        "hosts = [\"as.example/path\"]",
        "hosts = [\"user@as.example\"]",
        "redirect = { host = \"as.example\" }",
        "redirect = { path = \"@evil.example/\" }",
        "redirect = { path = \"/a#b\" }",
        "[variables.x]\nabout = \"X\"\nrule = \"label\"\ndefault = \"a.b\"",
        "[verify]\nurl = \"//evil\"\nid = \"id\"\nlabel = \"id\"\nnoun = \"x\"",
        "[facts.x]\nsure = \"Z\"\nsource = \"x\"",
    ] {
        assert!(with(line).is_err(), "{line} was taken");
    }
    for value in ["\"http://evil.example/t\"", "\"file:///etc/passwd\"", "\"javascript:alert(1)\"", "\"//evil\"", "\"\"", "7"] {
        assert!(changed("token_url", value).is_err(), "{value} was taken");
    }
    assert!(changed("client_auth", "\"plain\"").is_err());
}

#[test]
fn a_refused_entry_is_shown_without_escapes() {
    let fault = changed("client_auth", r#""a\u001b[2J""#).expect_err("a fault");

    assert!(!fault.to_string().contains('\u{1b}'));
}

#[test]
fn a_server_on_this_machine_may_have_an_entry_too() {
    let entry = changed("token_url", "\"http://127.0.0.1:9000/token\"").expect("an entry");

    assert_eq!(entry.redirect_uri("/callback/own").ok(), RedirectUri::parse("http://127.0.0.1:0/callback/own").ok());
}

proptest! {
    #[test]
    fn z_13_no_text_brings_the_reader_down(line in "[a-z_]{1,16} = (\"[ -~]{0,20}\"|[0-9]{1,4}|\\[\\])|.{0,40}") {
        let _ = with(&line);
    }
}
