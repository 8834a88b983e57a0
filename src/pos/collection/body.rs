//! The body of a saved request. It is looked at only to tell examples apart, and never sent.

use super::{pairs, text};
use serde_json::{Value, json};

/// A saved body, variables not filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SavedBody {
    /// None, or a file, which is never opened.
    #[default]
    None,
    /// A text of any kind.
    Raw(String),
    /// Members of a form that are switched on.
    Form(Vec<(String, String)>),
}

impl SavedBody {
    pub(super) fn read(body: Option<&Value>) -> Self {
        let Some(body) = body else { return Self::None };
        let mode = body.get("mode").and_then(Value::as_str).unwrap_or_default();
        match mode {
            _ if super::is_disabled(body) => Self::None,
            "raw" => text(body.get("raw")).filter(|raw| !raw.is_empty()).map_or(Self::None, Self::Raw),
            "urlencoded" | "formdata" => {
                Self::Form(pairs(body.get(mode)).into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect())
            }
            "graphql" => body.get(mode).map_or(Self::None, |graphql| Self::Raw(question(graphql))),
            _ => Self::None,
        }
    }

    /// Bytes of its texts.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Raw(text) => text.len(),
            Self::Form(members) => members.iter().map(|(name, value)| name.len() + value.len()).sum(),
        }
    }
}

/// A GraphQL question as it travels. Its variables are saved as a text that holds JSON.
fn question(graphql: &Value) -> String {
    let variables = text(graphql.get("variables")).and_then(|variables| serde_json::from_str(&variables).ok());
    json!({"query": text(graphql.get("query")).unwrap_or_default(), "variables": variables.unwrap_or(Value::Null)}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_is_read_and_no_file_is_opened() {
        let form =
            json!([{"key":"a","value":"1"},{"key":"b","value":"2","disabled":true},{"key":"photo","type":"file","src":"/etc/passwd"}]);
        let pairs = vec![("a".to_owned(), "1".to_owned()), ("photo".to_owned(), String::new())];

        assert_eq!(SavedBody::read(Some(&json!({"mode":"raw","raw":"x"}))), SavedBody::Raw("x".to_owned()));
        assert_eq!(SavedBody::read(Some(&json!({"mode":"urlencoded","urlencoded":form}))), SavedBody::Form(pairs.clone()));
        assert_eq!(SavedBody::read(Some(&json!({"mode":"formdata","formdata":form}))), SavedBody::Form(pairs));
        assert_eq!(SavedBody::read(Some(&json!({"mode":"file","file":{"src":"/etc/passwd"}}))), SavedBody::None);
        assert_eq!(
            SavedBody::read(Some(&json!({"mode":"graphql","graphql":{"query":"{a}","variables":"{\"b\":1}"}}))),
            SavedBody::Raw(r#"{"query":"{a}","variables":{"b":1}}"#.to_owned())
        );
        for nothing in [json!(null), json!({}), json!({"mode":"raw"}), json!({"mode":"raw","raw":"x","disabled":true})] {
            assert_eq!(SavedBody::read(Some(&nothing)), SavedBody::None, "{nothing}");
        }
    }
}
