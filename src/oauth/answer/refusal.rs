//! 400 and 401: the error response of RFC 6749 section 5.2, and what stands in its place.

use super::{Asked, Class, Purpose, Response, Save, Verdict};
use crate::{oauth::json, text::printable};
use serde_json::{Map, Value};

pub(super) fn judge(response: &Response, asked: &Asked) -> Verdict {
    let status = response.status.as_u16();
    if response.body.iter().all(u8::is_ascii_whitespace) {
        return Verdict::new(Class::LoginNeeded, format!("the authorization server answered {status} without a word"));
    }
    match json::read_leniently(&response.body) {
        Some(Value::Object(members)) => from_error(&members, asked),
        Some(_) => Verdict::new(Class::Refused, format!("the authorization server answered {status} with JSON that names no error")),
        None => Verdict::new(Class::Later, format!("the authorization server answered {status} with a page instead of an error code")),
    }
}

/// The same error inside an answer with status 200, as some servers send it. It never marks the grant (SECURITY T-16).
pub(super) fn inside_success(members: &Map<String, Value>, asked: &Asked) -> Verdict {
    Verdict { save: Save::Nothing, ..from_error(members, asked) }
}

fn from_error(members: &Map<String, Value>, asked: &Asked) -> Verdict {
    let code = error_code(members);
    let said = described(members, &code);
    match (code.as_str(), asked.purpose) {
        ("invalid_grant", Purpose::Refresh) => Verdict { save: Save::Mark, ..Verdict::new(Class::LoginNeeded, said) },
        ("invalid_grant" | "access_denied", Purpose::Exchange) => Verdict::new(Class::LoginNeeded, said),
        _ => Verdict::new(Class::Refused, said),
    }
}

/// `error` as RFC 6749 has it, or what gateways put in its place; an object or list is searched one level deep.
fn error_code(members: &Map<String, Value>) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(inner) => ["code", "type", "error", "message"].iter().find_map(|name| inner.get(*name)?.as_str().map(str::to_owned)),
        Value::Array(list) => list.first().and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let code = members.get("error").and_then(text).or_else(|| members.get("code").and_then(text));
    code.unwrap_or_default()
}

fn described(members: &Map<String, Value>, code: &str) -> String {
    let description = ["error_description", "error_message", "message"].iter().find_map(|name| members.get(*name)?.as_str());
    let code = if code.is_empty() { "an error without a code".to_owned() } else { format!("`{}`", printable(code)) };
    match description {
        // Cut again as a whole: the terminal shows at most 500 characters of what a server says.
        Some(description) => printable(&format!("the authorization server answered {code}: {description}")),
        None => format!("the authorization server answered {code}"),
    }
}
