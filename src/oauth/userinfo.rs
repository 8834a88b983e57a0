//! The UserInfo answer (OpenID Connect Core 1.0 section 5.3.2).
//!
//! Only the plain JSON form is read. Its `sub` has to be the one of the ID token, where there is one: without that
//! comparison an answer about somebody else could be put in its place (section 5.3.4).

use super::{
    id_token::is_subject,
    json::{self, JsonFault},
};
use serde_json::{Map, Value};

/// What the server tells about the person.
#[derive(Debug, Clone, PartialEq)]
pub struct UserInfo {
    /// Unique within the issuer.
    pub sub: String,
    /// Everything it says, raw.
    pub claims: Map<String, Value>,
}

/// Why the answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserInfoFault {
    /// Not a JSON document that can be trusted.
    #[error("the user information cannot be read: {0}")]
    Json(#[from] JsonFault),
    /// No `sub`, or one that no server may send.
    #[error("the user information has no usable `sub`")]
    NoSubject,
    /// It is about somebody else than the ID token.
    #[error("the user information is about somebody else than the ID token")]
    OtherSubject,
}

impl UserInfo {
    /// Reads the body of a successful answer; `verified` is the `sub` of the ID token.
    ///
    /// # Errors
    /// [`UserInfoFault`].
    pub fn read(body: &[u8], verified: Option<&str>) -> Result<Self, UserInfoFault> {
        let Value::Object(claims) = json::read(body)? else { return Err(UserInfoFault::NoSubject) };
        let sub = claims.get("sub").and_then(Value::as_str).filter(|sub| is_subject(sub)).ok_or(UserInfoFault::NoSubject)?.to_owned();
        if verified.is_some_and(|verified| verified != sub) {
            return Err(UserInfoFault::OtherSubject);
        }
        Ok(Self { sub, claims })
    }

    /// What a person knows the account by, raw: the first of name, user name and address, else the `sub`.
    pub fn label(&self) -> &str {
        let text = |name: &str| self.claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        ["name", "preferred_username", "email"].into_iter().find_map(text).unwrap_or(&self.sub)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_07_the_subject_is_the_one_of_the_id_token() {
        let read = |body: &str, sub| UserInfo::read(body.as_bytes(), sub).map(|info| info.sub);

        assert_eq!(read(r#"{"sub":"a"}"#, Some("a")), Ok("a".to_owned()));
        assert_eq!(read(r#"{"sub":"a"}"#, None), Ok("a".to_owned()));
        assert_eq!(read(r#"{"sub":"b"}"#, Some("a")), Err(UserInfoFault::OtherSubject));
        for body in [r#"{}"#, r#"{"sub":""}"#, r#"{"sub":7}"#, "[]", &format!(r#"{{"sub":"{}"}}"#, "x".repeat(256))] {
            assert_eq!(read(body, None), Err(UserInfoFault::NoSubject), "{body}");
        }
        assert!(matches!(read(r#"{"sub":"a","sub":"b"}"#, Some("b")), Err(UserInfoFault::Json(_))));
    }

    #[test]
    fn a_person_is_known_by_name_before_address() {
        let info = UserInfo::read(r#"{"sub":"a","name":"","email":"e@x.example"}"#.as_bytes(), None).expect("user information");

        assert_eq!(info.label(), "e@x.example");
    }
}
