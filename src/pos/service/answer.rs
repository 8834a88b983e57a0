//! What goes back over the wire: JSON, hardened, and not a byte of the request in it that was not asked for.

use crate::http::server::{self, full};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// On every answer (SECURITY K-02 and K-04).
const HARDENING: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
];

/// What a register reads.
pub(super) const JSON: &str = "application/json";

/// A JSON document.
pub(super) fn json(status: u16, document: &Value) -> server::Answer {
    sent(status, JSON, document.to_string())
}

/// An error with words of this program.
pub(super) fn error(status: u16, words: &str) -> server::Answer {
    json(status, &json!({ "error": words }))
}

/// Any body, hardened like the rest. A content type that cannot be a header becomes that of JSON.
pub(super) fn sent(status: u16, content_type: &str, body: impl Into<Bytes>) -> server::Answer {
    static HARDENED: LazyLock<HeaderMap> = LazyLock::new(|| {
        let pairs = HARDENING.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.chain([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))]).collect()
    });
    let mut answer = server::Answer::new(full(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.clone_from(&HARDENED);
    if let Some(other) = (content_type != JSON).then(|| HeaderValue::from_str(content_type).ok()).flatten() {
        headers.insert(header::CONTENT_TYPE, other);
    }
    answer
}
