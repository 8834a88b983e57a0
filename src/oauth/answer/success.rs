//! A status of success: tokens, tokens with a flaw, or something that only looks like them (RFC 6749 section 5.1).

use super::{Asked, Class, Expiry, Replay, Response, Save, Verdict, read_expires_in, refusal};
use crate::{
    oauth::{
        json::{self, JsonFault},
        token::{TokenSet, TokenType},
    },
    secret::Secret,
    text::printable,
};
use serde_json::{Map, Value};
use std::time::Duration;

/// Longest token text, in bytes. JWTs with large claims reach 8 KiB; more than this no header carries.
const LONGEST_TOKEN: usize = 64 * 1024;

pub(super) fn judge(response: &Response, asked: &Asked) -> Verdict {
    match json::read(&response.body) {
        Ok(Value::Object(members)) => from_members(&members, response, asked),
        Ok(_) => Verdict::new(Class::Refused, "the authorization server's answer is JSON, but not an object"),
        Err(JsonFault::NotJson) => not_json(response, asked),
        Err(fault) => match json::read_leniently(&response.body) {
            Some(Value::Object(members)) => suspect(&members, &format!("the authorization server's answer is flawed ({fault})")),
            _ => Verdict::new(Class::Refused, format!("the authorization server's answer cannot be read ({fault})")),
        },
    }
}

/// A page is a portal or a proxy and stays one; JSON that breaks off, or nothing, is an answer that was lost.
fn not_json(response: &Response, asked: &Asked) -> Verdict {
    let first = response.body.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None | Some(b'{' | 0xEF) => Verdict::new(Class::Later, "the authorization server's answer is incomplete")
            .left_open(Replay::AtOnce { most: asked.replays() }),
        Some(b'<') => Verdict::new(Class::Refused, "the authorization server answered with a web page instead of a token"),
        Some(_) => Verdict::new(Class::Refused, "the authorization server answered with text instead of a token"),
    }
}

fn from_members(members: &Map<String, Value>, response: &Response, asked: &Asked) -> Verdict {
    let Some(access_token) = members.get("access_token").filter(|value| !value.is_null()) else {
        return match members.get("error") {
            Some(error) if !error.is_null() => refusal::inside_success(members, asked),
            _ => suspect(members, "the authorization server's answer carries no access token"),
        };
    };
    let Some(access_token) = token_text(access_token) else {
        return suspect(members, "the access token has characters that no token may have");
    };
    let refresh_token = match members.get("refresh_token") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(value) => match token_text(value) {
            Some(token) => Some(token),
            None => return suspect(members, "the refresh token has characters that no token may have"),
        },
    };
    let mut remarks = Vec::new();
    if let Err(kind) = check_type(members.get("token_type"), &mut remarks) {
        return suspect(members, &format!("the token is of type `{kind}`, which is not a bearer token"));
    }
    if response.media_type() != "application/json" {
        remarks.push("the authorization server labels its answer with a wrong content type".to_owned());
    }
    let expires_in = life(members, asked, &mut remarks);
    let id_token = members.get("id_token").and_then(Value::as_str).filter(|text| !text.is_empty()).map(Secret::new);
    let tokens = TokenSet {
        access_token,
        token_type: TokenType::Bearer,
        refresh_token,
        id_token,
        requested_at: asked.sent_at,
        expires_at: expires_in.and_then(|seconds| asked.sent_at.checked_add(Duration::from_secs(seconds))),
        scope: scopes(members.get("scope")),
    };
    Verdict { save: Save::Tokens(Box::new(tokens)), remarks, ..Verdict::new(Class::Granted, "tokens") }
}

/// Keeps what may be the only live refresh token of an answer that is not believed.
fn suspect(members: &Map<String, Value>, reason: &str) -> Verdict {
    let mut verdict = Verdict::new(Class::Refused, reason);
    if let Some(refresh_token) = members.get("refresh_token").and_then(token_text) {
        verdict.save = Save::Suspect { refresh_token, access_token: members.get("access_token").and_then(token_text) };
    }
    verdict
}

/// 1 to 64 KiB of printable ASCII without blanks (RFC 6749 appendix A.12 and A.17 allow a blank, RFC 6750 does not).
fn token_text(value: &Value) -> Option<Secret> {
    let text = value.as_str()?;
    let well_formed = !text.is_empty() && text.len() <= LONGEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
    well_formed.then(|| Secret::new(text))
}

fn check_type(value: Option<&Value>, remarks: &mut Vec<String>) -> Result<(), String> {
    match value {
        None | Some(Value::Null) => {
            remarks.push("the authorization server does not name the type of its token; taken as a bearer token".to_owned());
            Ok(())
        }
        Some(Value::String(text)) if text.eq_ignore_ascii_case("bearer") => Ok(()),
        Some(Value::String(text)) => Err(printable(text)),
        Some(_) => Err("something else than a text".to_owned()),
    }
}

fn life(members: &Map<String, Value>, asked: &Asked, remarks: &mut Vec<String>) -> Option<u64> {
    match read_expires_in(members.get("expires_in")) {
        Expiry::Seconds(seconds) => Some(seconds),
        Expiry::Unsaid => asked.default_expires_in,
        Expiry::Garbage => {
            remarks.push("the authorization server's `expires_in` is not a number of seconds; the token's end is unknown".to_owned());
            asked.default_expires_in
        }
    }
}

/// Scopes as a text with blanks, a text with commas, or a list.
fn scopes(value: Option<&Value>) -> Option<Vec<String>> {
    let scopes: Vec<String> = match value? {
        Value::String(text) if text.contains(' ') || !text.contains(',') => text.split_whitespace().map(str::to_owned).collect(),
        Value::String(text) => text.split(',').filter(|scope| !scope.is_empty()).map(str::to_owned).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => return None,
    };
    Some(scopes)
}
