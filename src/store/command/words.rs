//! What is said to the program, and what it says.

use super::shown;
use crate::{
    ports::{Intent, StoreError},
    secret::{self, Secret},
    text::printable,
};
use serde::Deserialize;
use serde_json::json;

/// Names that a list may have; a person has fewer grants.
const MOST_NAMES: usize = 100_000;

/// One request.
pub(super) enum Request<'a> {
    Describe,
    Get { name: &'a str },
    Put { name: &'a str, value: &'a Secret, generation: u64, expected: Option<u64> },
    Delete { name: &'a str },
    List,
    Lock { name: &'a str, nonce: &'a str, holder: &'a str, seconds: u64 },
    Unlock { name: &'a str, nonce: &'a str },
}

impl Request<'_> {
    /// As it is written to the program.
    pub(super) fn text(&self, interactive: bool) -> Secret {
        let mut document = match self {
            Self::Describe => json!({"do": "describe"}),
            Self::Get { name } => json!({"do": "get", "name": name}),
            Self::Put { name, generation, expected, .. } => {
                json!({"do": "put", "name": name, "generation": generation, "expected": expected})
            }
            Self::Delete { name } => json!({"do": "delete", "name": name}),
            Self::List => json!({"do": "list"}),
            Self::Lock { name, nonce, holder, seconds } => {
                json!({"do": "lock", "name": name, "nonce": nonce, "holder": holder, "seconds": seconds})
            }
            Self::Unlock { name, nonce } => json!({"do": "unlock", "name": name, "nonce": nonce}),
        };
        if let Some(members) = document.as_object_mut() {
            members.insert("tokenstrap".to_owned(), json!(1));
            members.insert("interactive".to_owned(), json!(interactive));
        }
        with_value(document.to_string(), if let Self::Put { value, .. } = self { Some(*value) } else { None })
    }
}

/// The value is written straight into memory that is wiped, and never into a document.
fn with_value(mut head: String, value: Option<&Secret>) -> Secret {
    let Some(value) = value else { return Secret::new(head) };
    head.pop();
    let mut text = zeroize::Zeroizing::new(Vec::with_capacity(head.len() + value.len() * 2 + 64));
    text.extend_from_slice(head.as_bytes());
    text.extend_from_slice(b",\"value\":");
    // Writing to memory cannot fail.
    let _ = secret::at_rest::serialize(value, &mut serde_json::Serializer::new(&mut *text));
    text.push(b'}');
    Secret::new(String::from_utf8_lossy(&text))
}

/// One answer; what is not said is false.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Answer {
    #[serde(with = "secret::at_rest::option")]
    pub value: Option<Secret>,
    pub missing: bool,
    pub saved: bool,
    pub conflict: bool,
    pub deleted: bool,
    pub names: Option<Vec<String>>,
    /// Of `describe`: whether the program knows `lock` and `unlock`.
    pub lock: bool,
    pub taken: bool,
    /// Who has the lock.
    pub busy: Option<String>,
    pub unlocked: bool,
    error: Option<String>,
    message: Option<String>,
    #[serde(skip)]
    pub can_conflict: bool,
}

impl Answer {
    /// Reads one JSON object; `None` where it is none.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        // A list would pass for an object whose members stand in order.
        let answer: Self = serde_json::from_slice(text).ok().filter(|_| text.trim_ascii_start().starts_with(b"{"))?;
        let can_conflict = answer.conflict;
        let names = answer.names.as_ref().map_or(0, Vec::len);
        (names <= MOST_NAMES).then_some(Self { can_conflict, ..answer })
    }

    /// The error that it is, in our kinds.
    pub(super) fn refusal(self, program: &str) -> Result<Self, StoreError> {
        let Some(kind) = &self.error else { return Ok(self) };
        let message = printable(self.message.as_deref().unwrap_or("it gave no reason"));
        let fact = format!("the program {program}: {message}");
        Err(match kind.as_str() {
            "locked" => StoreError::Locked(fact),
            "denied" => StoreError::Denied(fact),
            "missing" => StoreError::Missing(fact),
            _ => StoreError::Unavailable(fact),
        })
    }
}

/// Reads an intent back.
pub(super) fn intent(text: &Secret) -> Result<Intent, serde_json::Error> {
    serde_json::from_str(text.expose())
}

/// What a program left on standard error, fit for one line.
pub(super) fn complaint(program: &str, what: &str, stderr: &[u8]) -> StoreError {
    let said = String::from_utf8_lossy(stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    let said = last.map(|line| format!(": {}", printable(line))).unwrap_or_default();
    StoreError::Unavailable(format!("the program {} {what}{said}", shown(program)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_says_what_is_expected_and_its_value_comes_through_whole() {
        let value = Secret::new("a \"quoted\"\nline \u{fc}");
        let text = Request::Put { name: "till", value: &value, generation: 4, expected: Some(3) }.text(false);

        let read: serde_json::Value = serde_json::from_str(text.expose()).expect("JSON");
        assert_eq!(
            read,
            json!({"tokenstrap": 1, "do": "put", "interactive": false, "name": "till", "generation": 4, "expected": 3, "value": value.expose()})
        );
        assert_eq!(Request::List.text(true).expose(), r#"{"do":"list","interactive":true,"tokenstrap":1}"#);
    }

    #[test]
    fn an_error_is_sorted_by_its_kind_and_made_printable() {
        let refusal = |text: &str| Answer::read(text.as_bytes()).expect("an answer").refusal("`x`").err();

        assert_eq!(refusal(r#"{"error":"locked","message":"a\u001b[2J"}"#), Some(StoreError::Locked("the program `x`: a<001B>[2J".into())));
        assert!(matches!(refusal(r#"{"error":"whatever"}"#), Some(StoreError::Unavailable(_))));
        assert!(refusal("{}").is_none());
        for text in ["", "[]", "null", "{\"value\":1}", "{\"saved\":\"yes\"}", "{} {}", "{\"value\":\"\\ud800\"}"] {
            assert!(Answer::read(text.as_bytes()).is_none(), "{text}");
        }
    }
}
