//! An answer to a register's call before it is sent, and the promise that it is JSON.

use super::answer::JSON;
use crate::{
    pos::{answers::safe, journal::Why},
    text::printable,
};
use hyper::body::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

/// An answer on its way, with what is told about it.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub status: u16,
    pub content_type: String,
    pub body: Bytes,
    /// Methods for an `Allow` header, where the method was wrong.
    pub allow: Option<&'static str>,
    pub asked: String,
    pub answered: String,
    pub example: Option<String>,
    pub why: Why,
    pub remarks: Vec<String>,
}

impl Default for Reply {
    fn default() -> Self {
        let text = String::new;
        let (status, content_type, body, allow, example) = (0, text(), Bytes::new(), None, None);
        Self {
            status,
            content_type,
            body,
            allow,
            asked: text(),
            answered: text(),
            example,
            why: Why::Told(Vec::new()),
            remarks: Vec::new(),
        }
    }
}

impl Reply {
    /// A document of this program.
    pub(super) fn json(status: u16, document: &Value, answered: impl Into<String>) -> Self {
        Self { status, content_type: JSON.to_owned(), body: document.to_string().into(), answered: answered.into(), ..Self::default() }
    }

    /// An error in words of this program.
    pub(super) fn error(status: u16, words: &str, answered: impl Into<String>) -> Self {
        Self::json(status, &serde_json::json!({ "error": words }), answered)
    }

    /// The same, or a safe answer in its place where it is not JSON. The content type is put right in either case.
    pub(super) fn sound(mut self, name: Option<&str>) -> Self {
        let media = self.content_type.split(';').next().unwrap_or_default().trim();
        let shown = || printable(&media.to_ascii_lowercase());
        if serde_json::from_slice::<IgnoredAny>(&self.body).is_err() {
            let what = if self.body.is_empty() { "it has no body".to_owned() } else { format!("it is `{}`", shown()) };
            self.remarks.push(format!("this answer is not JSON ({} and {what}), so a safe one was sent in its place", self.status));
            self.body = safe(name, "The answer was not JSON").to_string().into();
            self.status = 200;
            self.answered = format!("safe answer in place of what is not JSON, {}", String::from_utf8_lossy(&self.body));
        } else if !media.eq_ignore_ascii_case(JSON) {
            self.remarks.push(format!("the content type was `{}` and was put right", shown()));
        }
        // A status without a body cannot carry JSON (RFC 9110 section 15.3.5).
        if matches!(self.status, 204 | 205 | 304) || !(200..=599).contains(&self.status) {
            self.remarks.push(format!("status {} carries no JSON, so 200 was sent", self.status));
            self.status = 200;
        }
        JSON.clone_into(&mut self.content_type);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, content_type: &str, body: &'static str) -> Reply {
        Reply { status, content_type: content_type.to_owned(), body: Bytes::from_static(body.as_bytes()), ..Reply::default() }
    }

    #[test]
    fn what_is_not_json_is_replaced_by_what_a_register_can_take() {
        for (name, safe) in [(Some("search"), r#"{"members":{}}"#), (Some("balance"), r#"{"error":"The answer was not JSON"}"#)] {
            for wrong in ["<!doctype html>", "", "{", "{} {}", "NaN", "\u{feff}{}"] {
                let sound = reply(502, "text/html", wrong).sound(name);
                assert_eq!((sound.status, &*sound.content_type, &*sound.body), (200, JSON, safe.as_bytes()), "{wrong}");
                assert_eq!(sound.remarks.len(), 1);
            }
        }
    }

    #[test]
    fn json_goes_through_byte_for_byte_with_the_right_content_type() {
        let sound = reply(422, "text/plain; charset=x", r#"{"a": 1.0}"#).sound(Some("search"));
        assert_eq!((sound.status, &*sound.content_type, &*sound.body), (422, JSON, br#"{"a": 1.0}"#.as_slice()));
        assert_eq!(reply(204, JSON, "{}").sound(None).status, 200);
        assert!(reply(200, "application/json; charset=utf-8", "{}").sound(None).remarks.is_empty());
    }
}
