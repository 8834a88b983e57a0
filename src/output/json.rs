//! `json`: one document in the words of RFC 6749 section 5.1, and when the token ends.
//!
//! Every member is always there; what is not known is `null`, so that a program need not ask twice.

use super::{Format, Handout};
use crate::{oauth::token::TokenType, secret::Secret};
use jiff::Timestamp;
use serde::Serialize;
use std::time::{Duration, SystemTime};

/// For programs.
pub(super) struct Json;

#[derive(Serialize)]
struct Document<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_at: Option<String>,
    expires_in: Option<u64>,
    scope: Option<String>,
}

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn about(&self) -> &'static str {
        "A JSON document with token, type, end and scope"
    }

    fn text(&self, handout: &Handout<'_>) -> Secret {
        let document = Document {
            access_token: handout.token(),
            token_type: match handout.tokens.token_type {
                TokenType::Bearer => "Bearer",
            },
            expires_at: handout.tokens.expires_at.and_then(rfc3339),
            expires_in: handout.tokens.remaining(handout.now).map(|left| left.as_secs()),
            scope: handout.tokens.scope.as_ref().map(|scope| scope.join(" ")),
        };
        // Room for it all from the start, so that growing leaves no copies of the token behind in freed memory.
        let mut text = Vec::with_capacity(handout.token().len() * 2 + 4096);
        serde_json::to_writer(&mut text, &document).expect("a document of texts and numbers is always JSON");
        Secret::new(String::from_utf8(text).expect("serde_json writes UTF-8"))
    }
}

/// The whole second at or before an instant, in UTC (RFC 3339); `None` beyond the year 9999.
fn rfc3339(at: SystemTime) -> Option<String> {
    let since: Duration = at.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok().map(|at| at.to_string())
}
