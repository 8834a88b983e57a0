//! What goes back over the wire: every error of the API is JSON, every page is static, nothing may be framed or sniffed.

use crate::secret::Secret;
use http::{HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// A whole answer, body included.
pub(super) type Answer = http::Response<Bytes>;

/// Why a request is not served: the members of an error response (RFC 6749 section 5.2) and its status.
///
/// All words are this program's own, so that no byte of a request comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    /// HTTP status.
    pub status: u16,
    /// Error code.
    pub error: &'static str,
    /// For a person.
    pub description: &'static str,
}

impl Refused {
    /// A refusal with 400, the usual one.
    pub(super) const fn bad(error: &'static str, description: &'static str) -> Self {
        Self { status: 400, error, description }
    }

    /// A refusal with another status.
    pub(super) const fn with(status: u16, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description }
    }

    /// As it is sent.
    pub(super) fn answer(self) -> Answer {
        error(self.status, self.error, self.description)
    }
}

/// An error response.
pub(super) fn error(status: u16, code: &str, description: &str) -> Answer {
    let mut answer = json(status, &json!({ "error": code, "error_description": description }));
    if status == 401 {
        let scheme = if code == "invalid_token" { r#"Bearer error="invalid_token""# } else { r#"Basic realm="sandbox""# };
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    answer
}

/// A JSON document.
pub(super) fn json(status: u16, document: &Value) -> Answer {
    raw(status, "application/json", document.to_string())
}

/// Any text with any content type, hardened like the rest.
pub(super) fn raw(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Answer::new(body.into());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in HARDENING {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

/// On every answer (RFC 6749 section 5.1 for the caches, SECURITY L-24 and K-04 for the rest).
const HARDENING: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("pragma", "no-cache"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
];

/// A page. `style` is the text of its only style element, `form_action` where its forms may lead, redirects included.
pub(super) fn page(status: u16, body: String, style: &str, form_action: &str) -> Answer {
    let mut answer = raw(status, "text/html; charset=utf-8", body);
    let hash = data_encoding::BASE64.encode(ring::digest::digest(&ring::digest::SHA256, style.as_bytes()).as_ref());
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; form-action {form_action}; frame-ancestors 'none'; base-uri 'none'");
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

/// Sends the user agent elsewhere with GET (RFC 9110 section 15.4.4).
pub(super) fn see_other(location: &str) -> Answer {
    let mut answer = raw(303, "text/plain; charset=utf-8", "");
    match HeaderValue::from_str(location) {
        Ok(location) => drop(answer.headers_mut().insert(header::LOCATION, location)),
        Err(_) => return error(400, "invalid_request", "the redirect URI cannot be a header"),
    }
    answer
}

/// Lists the methods of a path (RFC 9110 section 15.5.6).
pub(super) fn method_not_allowed(allow: &'static str) -> Answer {
    let mut answer = error(405, "invalid_request", "this path is not asked with this method");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    answer
}

/// The bytes of a token that is sent to whom it was made for.
pub(super) fn shown(secret: &Secret) -> Value {
    Value::from(secret.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_hardened() {
        for answer in
            [error(400, "x", "y"), page(200, String::new(), "", "'self'"), see_other("http://127.0.0.1/"), method_not_allowed("GET")]
        {
            for (name, _) in HARDENING {
                assert!(answer.headers().contains_key(*name), "{name} is missing");
            }
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
        }
    }
}
