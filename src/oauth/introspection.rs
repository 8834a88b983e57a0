//! The introspection answer (RFC 7662 section 2.2).
//!
//! `active` decides and nothing else does: an answer without a true `active` is about a dead token, whatever else it
//! says. The raw answer is never shown; what is shown of it are the few members that are named here.

use super::json::{self, JsonFault};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// What the server says of a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Introspection {
    /// Whether the token is good.
    pub active: bool,
    /// What it allows.
    pub scope: Option<Vec<String>>,
    /// Whom it was issued to.
    pub client_id: Option<String>,
    /// A person's name for the resource owner, raw.
    pub username: Option<String>,
    /// The resource owner.
    pub sub: Option<String>,
    /// When it ends.
    pub expires_at: Option<SystemTime>,
}

impl Introspection {
    /// Reads the body of a successful answer. Members of the wrong type count as absent, except `active`.
    ///
    /// # Errors
    /// [`JsonFault`]; JSON that is no object is [`JsonFault::NotJson`].
    pub fn read(body: &[u8]) -> Result<Self, JsonFault> {
        let Value::Object(members) = json::read(body)? else { return Err(JsonFault::NotJson) };
        if members.get("active") != Some(&Value::Bool(true)) {
            return Ok(Self::default());
        }
        let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
        let instant = |seconds: u64| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        Ok(Self {
            active: true,
            scope: text("scope").map(|scope| scope.split_whitespace().map(str::to_owned).collect()),
            client_id: text("client_id"),
            username: text("username"),
            sub: text("sub"),
            expires_at: members.get("exp").and_then(Value::as_u64).and_then(instant),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn t_24_only_a_true_active_means_alive() {
        for body in ["{}", r#"{"active":false,"scope":"a"}"#, r#"{"active":"true"}"#, r#"{"active":1}"#, r#"{"active":null}"#] {
            assert_eq!(Introspection::read(body.as_bytes()), Ok(Introspection::default()), "{body}");
        }
        assert!(Introspection::read(br#"{"active":true,"active":false}"#).is_err());
    }

    #[test]
    fn what_is_known_of_a_living_token_is_read() {
        let body = br#"{"active":true,"scope":"a  b","exp":1700000000,"sub":7,"username":"ines"}"#;
        let answer = Introspection::read(body).expect("an answer");

        assert_eq!(answer.scope, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(answer.username.as_deref(), Some("ines"));
        assert_eq!(answer.sub, None);
        assert_eq!(answer.expires_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)));
    }

    proptest! {
        #[test]
        fn no_answer_brings_the_reader_down(exp in any::<u64>(), tail in any::<Vec<u8>>()) {
            let _ = Introspection::read(format!(r#"{{"active":true,"exp":{exp}}}"#).as_bytes());
            let _ = Introspection::read(&tail);
        }
    }
}
