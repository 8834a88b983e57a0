//! The revocation answer (RFC 7009 section 2.2).
//!
//! The status decides before the body does. 200 means done, also for a token that the server does not know; 503 and
//! everything like it means later; what is left is a refusal, and the token has to be taken for alive.

use super::{json, message::Response};
use serde_json::Value;

/// What became of a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// The token is dead, or was so before.
    Done,
    /// The server cannot do it now (5xx, 429, 404 or a page of something in between).
    Later,
    /// The server will not; its error code, printable, where it sent one.
    Refused(Option<String>),
    /// The server revokes, but not tokens of this type (`unsupported_token_type`).
    Unsupported,
}

impl Revocation {
    /// Reads the answer.
    pub fn read(response: &Response) -> Self {
        match response.status.as_u16() {
            // Some servers answer 204, since there is nothing to say.
            200 | 204 => Self::Done,
            403 | 404 | 408 | 429 | 500.. => Self::Later,
            400 | 401 => match error(&response.body).as_deref() {
                Some("unsupported_token_type") => Self::Unsupported,
                code => Self::Refused(code.map(crate::text::printable)),
            },
            _ => Self::Refused(None),
        }
    }
}

fn error(body: &[u8]) -> Option<String> {
    let document = json::read(body).ok()?;
    document.get("error").and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};

    fn outcome(status: u16, body: &str) -> Revocation {
        let status = StatusCode::from_u16(status).expect("a status");
        Revocation::read(&Response { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec().into() })
    }

    #[test]
    fn t_23_the_status_decides_before_the_body() {
        assert_eq!(outcome(200, r#"{"error":"invalid_token"}"#), Revocation::Done);
        assert_eq!(outcome(503, "{}"), Revocation::Later);
        assert_eq!(outcome(429, "Limit exceeded"), Revocation::Later);
        assert_eq!(outcome(302, ""), Revocation::Refused(None));
        assert_eq!(outcome(400, r#"{"error":"unsupported_token_type"}"#), Revocation::Unsupported);
        assert_eq!(outcome(401, r#"{"error":"invalid\u001b_client"}"#), Revocation::Refused(Some("invalid<001B>_client".into())));
        assert_eq!(outcome(400, "<html>"), Revocation::Refused(None));
    }
}
