//! Odd answers of a token endpoint, by name: what servers, gateways and portals really send.
//!
//! A row is one name, one line about it, and one function from the proper answer to the odd one. A row that `commits` comes
//! after the server has issued its tokens, as a broken server does; the others stand in the server's way, as a gateway does.

use super::answer::{self, Answer};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};

/// A way to answer oddly.
pub struct Odd {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// One line about it.
    pub about: &'static str,
    /// Whether the tokens in the answer, or behind it, were really issued.
    pub commits: bool,
    make: fn(&Map<String, Value>) -> Answer,
}

/// Every odd answer.
pub static ODD: &[Odd] = &[
    row("string-expires-in", "the lifetime is a text", true, |good| with(good, "expires_in", json!(number(good).to_string()))),
    row("no-expires-in", "no lifetime at all", true, |good| without(good, "expires_in")),
    row("null-expires-in", "the lifetime is null", true, |good| with(good, "expires_in", Value::Null)),
    row("negative-expires-in", "the lifetime is below zero", true, |good| with(good, "expires_in", json!(-1))),
    row("huge-expires-in", "the lifetime ends after the sun's", true, |good| with(good, "expires_in", json!(1e300))),
    row("no-token-type", "no token type", true, |good| without(good, "token_type")),
    row("lower-case-token-type", "`bearer` in lower case", true, |good| with(good, "token_type", json!("bearer"))),
    row("mac-token", "a token type that is not bearer", true, |good| with(good, "token_type", json!("mac"))),
    row("no-access-token", "a success without an access token", true, |good| without(good, "access_token")),
    row("empty-access-token", "an access token without a letter", true, |good| with(good, "access_token", json!(""))),
    row("empty-refresh-token", "a refresh token without a letter", true, |good| with(good, "refresh_token", json!(""))),
    row("control-bytes-token", "an access token with line ends and escapes", true, |good| {
        with(good, "access_token", json!("mock-\r\nSet-Cookie: x\u{1b}[2J"))
    }),
    row("number-token", "an access token that is a number", true, |good| with(good, "access_token", json!(1234))),
    row("scope-list", "the scope is a list", true, |good| with(good, "scope", json!(["orders", "sites"]))),
    row("other-scope", "less scope than was asked for", true, |good| with(good, "scope", json!("nothing"))),
    row("duplicate-member", "two access tokens in one object", true, |good| {
        document(text(good).replacen('{', r#"{"access_token":"mock-twin","#, 1))
    }),
    row("unknown-members", "members that nobody knows", true, |good| with(good, "x_weather", json!({"sun": [true]}))),
    row("bom", "a byte order mark before the JSON", true, |good| document(format!("\u{feff}{}", text(good)))),
    row("wrong-content-type", "JSON that says it is a page", true, |good| answer::raw(200, "text/html", text(good))),
    row("no-content-type", "JSON that says nothing", true, |good| {
        let mut answer = document(text(good));
        answer.headers_mut().remove(header::CONTENT_TYPE);
        answer
    }),
    row("form-encoded", "members as a form, not as JSON", true, |good| answer::raw(200, "application/x-www-form-urlencoded", form(good))),
    row("status-201", "a success with 201", true, |good| answer::json(201, &Value::Object(good.clone()))),
    row("huge-body", "two megabytes of JSON", true, |good| with(good, "padding", json!("x".repeat(2_000_000)))),
    row("deep-json", "a member nested five thousand deep", true, |good| {
        document(text(good).replacen('{', &format!(r#"{{"deep":{}{},"#, "[".repeat(5_000), "]".repeat(5_000)), 1))
    }),
    row("cut-json", "JSON that ends in the middle, with a fitting length", true, |good| {
        let text = text(good);
        document(text.get(..text.len() / 2).unwrap_or_default().to_owned())
    }),
    row("error-200", "an error with 200", false, |_| answer::error(200, "invalid_grant", "The refresh token has expired")),
    row("error-and-token", "an error beside a token", true, |good| with(good, "error", json!("invalid_grant"))),
    row("control-bytes-error", "an error text with escapes and line ends", false, |_| {
        answer::error(400, "invalid_grant", "gone\u{1b}]0;owned\u{7}\r\nerror: run `rm` \u{202e}now")
    }),
    row("empty-400", "400 without a body", false, |_| answer::raw(400, "application/json", "")),
    row("empty-401", "401 without a body", false, |_| answer::raw(401, "application/json", "")),
    row("empty-200", "200 without a body", true, |_| answer::raw(200, "application/json", "")),
    row("empty-json", "an object without members", true, |_| document("{}".to_owned())),
    row("gateway-code", "a gateway's own form of error", false, |_| {
        answer::json(400, &json!({"code": "bad_request", "message": "Bad Request"}))
    }),
    row("html-200", "the page of a portal, with 200", false, |_| page(200, "<h1>Welcome to the guest network</h1>")),
    row("html-400", "a page with 400", false, |_| page(400, "<h1>Bad Request</h1>")),
    row("html-502", "a gateway's page with 502", false, |_| page(502, "<h1>Bad Gateway</h1>")),
    row("plain-429", "a rate limit in plain text", false, |_| answer::raw(429, "text/plain", "Limit exceeded")),
    row("redirect-307", "on to another path, with the request as it is", false, |_| moved(307, "/elsewhere")),
    row("redirect-302", "on to another host", false, |_| moved(302, "https://elsewhere.invalid/token")),
];

const fn row(name: &'static str, about: &'static str, commits: bool, make: fn(&Map<String, Value>) -> Answer) -> Odd {
    Odd { name, about, commits, make }
}

impl Odd {
    /// The row of that name.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        ODD.iter().find(|odd| odd.name == name)
    }

    /// The odd answer in place of a proper one.
    pub(super) fn distort(&self, good: &Map<String, Value>) -> Answer {
        (self.make)(good)
    }
}

impl std::fmt::Debug for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

fn with(good: &Map<String, Value>, name: &str, value: Value) -> Answer {
    let mut members = good.clone();
    members.insert(name.to_owned(), value);
    document(text(&members))
}

fn without(good: &Map<String, Value>, name: &str) -> Answer {
    let mut members = good.clone();
    members.remove(name);
    document(text(&members))
}

fn number(good: &Map<String, Value>) -> u64 {
    good.get("expires_in").and_then(Value::as_u64).unwrap_or(3600)
}

fn text(members: &Map<String, Value>) -> String {
    Value::Object(members.clone()).to_string()
}

fn form(members: &Map<String, Value>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in members {
        form.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
    form.finish()
}

fn document(text: String) -> Answer {
    answer::raw(200, "application/json", text)
}

fn page(status: u16, body: &'static str) -> Answer {
    answer::raw(status, "text/html; charset=utf-8", body)
}

fn moved(status: u16, location: &'static str) -> Answer {
    let mut answer = answer::raw(status, "text/html; charset=utf-8", "");
    answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static(location));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_odd_answer_has_a_unique_kebab_case_name_and_a_line_about_it() {
        let mut seen = BTreeSet::new();
        for odd in ODD {
            assert!(seen.insert(odd.name), "{} is there twice", odd.name);
            assert!(odd.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{}", odd.name);
            assert!(!odd.about.is_empty() && !odd.about.ends_with('.'));
        }
    }

    #[test]
    fn every_odd_answer_differs_from_the_proper_one_and_only_those_that_commit_show_its_tokens() {
        let good = json!({"access_token": "mock-a", "refresh_token": "mock-r", "expires_in": 60, "token_type": "Bearer", "scope": null});
        let good = good.as_object().expect("an object");
        let proper = document(text(good));

        for odd in ODD {
            let answer = odd.distort(good);
            let same = answer.status() == proper.status() && answer.headers() == proper.headers() && answer.body() == proper.body();
            assert!(!same, "{}", odd.name);
            let shows = answer.body().windows(6).any(|window| window == b"mock-a" || window == b"mock-r");
            assert!(odd.commits || !shows, "{}", odd.name);
        }
    }
}
