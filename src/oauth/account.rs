//! Whose token it is, where a provider has a call that says so.
//!
//! The pins name the members to look at ([`Verify`]); this reads them out of the answer. It is an API's answer and not
//! a protocol message, so it is read leniently in everything but its identifier.

use super::{
    json::{self, JsonFault},
    pins::Verify,
};
use serde_json::Value;

/// Longest identifier, in bytes; more is no identifier.
const MAX_ID: usize = 255;

/// The account behind a token, raw as the API says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Compared when somebody logs in again.
    pub id: String,
    /// What a person knows it by; the id where the API gives no name.
    pub label: String,
    /// What stands in front of the id, such as `company`.
    pub noun: String,
    /// Counts and words, such as `2 sites`.
    pub facts: Vec<String>,
}

/// Why an answer names no account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountFault {
    /// Not a JSON document that can be trusted.
    #[error("the answer cannot be read: {0}")]
    Json(#[from] JsonFault),
    /// The member that identifies the account is missing, empty or neither text nor number.
    #[error("the answer has no `{0}`")]
    NoId(String),
}

impl Identity {
    /// Reads the body of a successful answer.
    ///
    /// An identifier of 64 bits may come twice, as a number and as a text with `_str` behind its name; the text is
    /// preferred, since it is the one that no reader on the way can have rounded.
    ///
    /// # Errors
    /// [`AccountFault`].
    pub fn read(verify: &Verify, body: &[u8]) -> Result<Self, AccountFault> {
        let answer = json::read(body)?;
        let id = scalar(&answer, &format!("{}_str", verify.id)).or_else(|| scalar(&answer, &verify.id));
        let id = id.filter(|id| id.len() <= MAX_ID).ok_or_else(|| AccountFault::NoId(verify.id.clone()))?;
        let label = scalar(&answer, &verify.label).unwrap_or_else(|| id.clone());
        let fact = |(path, word): &(String, String)| scalar(&answer, path).map(|count| counted(&count, word));
        Ok(Self { id, label, noun: verify.noun.clone(), facts: verify.counts.iter().filter_map(fact).collect() })
    }
}

/// A text or number at a dotted path, as text.
fn scalar(answer: &Value, path: &str) -> Option<String> {
    match path.split('.').try_fold(answer, |value, name| value.get(name))? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// `1 site`, `2 sites`; a word that is not a plural stays.
fn counted(count: &str, word: &str) -> String {
    let word = if count == "1" { word.strip_suffix('s').unwrap_or(word) } else { word };
    format!("{count} {word}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::endpoint::Endpoint;

    fn read(body: &str) -> Result<Identity, AccountFault> {
        let verify = Verify {
            url: Endpoint::typed("https://api.example/me.json").expect("an endpoint"),
            id: "id".into(),
            label: "name".into(),
            noun: "company".into(),
            counts: vec![("sites.count".into(), "sites".into()), ("registers.count".into(), "registers".into())],
        };
        Identity::read(&verify, body.as_bytes())
    }

    #[test]
    fn an_account_is_named_with_its_counts() {
        let identity = read(r#"{"id":5042,"name":"Corner Cafe","sites":{"count":1},"registers":{"count":"3"}}"#).expect("an account");

        assert_eq!((identity.id.as_str(), identity.label.as_str()), ("5042", "Corner Cafe"));
        assert_eq!(identity.facts, ["1 site", "3 registers"]);
    }

    #[test]
    fn an_id_of_64_bits_is_taken_from_its_text() {
        assert_eq!(read(r#"{"id":9007199254740993}"#).map(|identity| identity.id), Ok("9007199254740993".into()));
        assert_eq!(
            read(r#"{"id":9.007199254740993e15,"id_str":"9007199254740993"}"#).map(|identity| identity.id),
            Ok("9007199254740993".into())
        );
    }

    #[test]
    fn an_answer_without_an_id_names_no_account() {
        for body in
            ["{}", r#"{"id":""}"#, r#"{"id":{"a":1}}"#, "[]", r#"{"id":null,"name":"x"}"#, &format!(r#"{{"id":"{}"}}"#, "x".repeat(256))]
        {
            assert_eq!(read(body), Err(AccountFault::NoId("id".into())), "{body}");
        }
        assert!(matches!(read("<html>"), Err(AccountFault::Json(_))));
        assert_eq!(read(r#"{"id":"7","sites":[]}"#).map(|identity| (identity.label, identity.facts)), Ok(("7".into(), vec![])));
    }
}
