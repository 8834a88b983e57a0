//! The values of `{{names}}`: those of an environment win over those of the collection.

use super::{CollectionFault, document, is_disabled, text};
use serde_json::Value;
use std::{collections::BTreeMap, fmt};

/// Names and values. Debug shows the names alone: people keep keys in environment files.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Reads an exported environment (or the globals, which look the same), bare or wrapped as `{"environment": ...}`.
    ///
    /// # Errors
    /// [`CollectionFault`]: it is too large, no JSON, or has no list `values`.
    pub fn read_environment(bytes: &[u8]) -> Result<Self, CollectionFault> {
        let document = document(bytes)?;
        let document = document.get("environment").unwrap_or(&document);
        let values = document.get("values").and_then(Value::as_array).ok_or(CollectionFault::NoValues)?;
        Ok(Self::of(values))
    }

    /// The list `variable` of a collection.
    pub(super) fn of_collection(list: Option<&Value>) -> Self {
        Self::of(list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default())
    }

    fn of(list: &[Value]) -> Self {
        let is_on = |member: &&Value| !is_disabled(member) && member.get("enabled").and_then(Value::as_bool).unwrap_or(true);
        let pair = |member: &Value| {
            let name = text(member.get("key")).or_else(|| text(member.get("id")))?;
            Some((name, text(member.get("value")).unwrap_or_default()))
        };
        list.iter().filter(is_on).filter_map(pair).collect()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// These variables, and below them those of `lower` that have no value here.
    #[must_use]
    pub fn over(mut self, lower: &Self) -> Self {
        for (name, value) in &lower.0 {
            self.0.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_wins_over_the_collection_and_what_is_off_has_no_value() {
        let environment = br#"{"name":"till","values":[{"key":"a","value":"1","enabled":true},{"key":"b","value":"2","enabled":false}],
            "_postman_variable_scope":"environment"}"#;
        let own = serde_json::json!([{"key":"a","value":"0"},{"id":"b","value":3},{"key":"c","value":"4","disabled":true},{"key":"d"}]);

        let variables = Variables::read_environment(environment).expect("an environment").over(&Variables::of_collection(Some(&own)));

        assert_eq!(variables.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3"), ("d", "")]);
        assert_eq!(Variables::read_environment(b"{}"), Err(CollectionFault::NoValues));
        assert!(!format!("{variables:?}").contains('3'));
    }
}
