//! A saved example made ready for weighing: its query and fields with variables filled in.

use crate::pos::{
    call::decoded,
    collection::{Example, SavedBody},
    fields::{Fields, Origin},
    template::{Filling, Rationed, Template, Word},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Stands around the name of a variable without a value inside of a text. Unicode keeps it free for private use.
const OPEN: char = '\u{FDD0}';

/// What a saved parameter asks of a call's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// This text.
    Text(String),
    /// Any; the name of the variable, or empty.
    Any(String),
}

/// One example.
#[derive(Debug)]
pub(super) struct Entry {
    pub example: Arc<Example>,
    /// The query's parameters.
    pub query: Vec<(String, Wanted)>,
    /// Query, form and JSON members with their values.
    pub fields: Vec<(String, Wanted)>,
    /// Whether it answers where no other example of its request fits.
    pub is_fallback: bool,
}

impl Entry {
    pub(super) fn new(example: Example, variables: &Rationed<'_>) -> Self {
        let request = &example.request;
        let text = |text: &str| decoded(&marked(text, variables).replace('+', " "));
        let query = request.address.query.iter();
        let query: Vec<_> = query.map(|(name, value)| (text(name), wanted(&text(value.as_deref().unwrap_or_default())))).collect();
        let mut body = Fields::default();
        match &request.body {
            SavedBody::None => {}
            SavedBody::Raw(text) => {
                let content_type = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                // What cannot be read of it has no fields; it can still be compared as a whole.
                body.read_body(content_type.map(|(_, value)| value.as_str()), marked(text, variables).as_bytes(), &mut Vec::new());
            }
            SavedBody::Form(members) => members.iter().for_each(|(name, text)| body.push(name, &marked(text, variables), Origin::Form)),
        }
        let mut fields = query.clone();
        fields.extend(body.iter().map(|field| (field.name.clone(), wanted(&field.value))));
        fields.truncate(Fields::MOST);
        let is_fallback = example.name.to_lowercase().contains("fallback");
        Self { example: Arc::new(example), query, fields, is_fallback }
    }

    /// The numbers of the fields with these names, in the order of the names; the first of each counts.
    pub(super) fn fields_of(&self, names: &BTreeSet<String>) -> Vec<usize> {
        let mut first = BTreeMap::new();
        for (number, (name, _)) in self.fields.iter().enumerate().filter(|(_, (name, _))| names.contains(name)) {
            first.entry(name).or_insert(number);
        }
        first.into_values().collect()
    }

    /// The first value of a field, where it is a text.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).and_then(|(_, wanted)| wanted.text())
    }
}

impl Wanted {
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Any(_) => None,
        }
    }
}

/// The text with its values; a variable without one is marked, as a JSON string where JSON is.
pub(super) fn marked(text: &str, variables: &Rationed<'_>) -> String {
    let mark = |word: &Word| Some(Filling::Foreign(format!("{OPEN}{}{OPEN}", word.name().unwrap_or_default())));
    Template::new(text).resolve(variables, &mut { mark })
}

fn wanted(text: &str) -> Wanted {
    if !text.contains(OPEN) {
        return Wanted::Text(text.to_owned());
    }
    let name = text.strip_prefix(OPEN).and_then(|text| text.strip_suffix(OPEN)).filter(|name| !name.contains(OPEN));
    Wanted::Any(name.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pos::collection::Collection;
    use serde_json::{Value, json};

    fn entry(request: Value) -> Entry {
        let file = json!({"info": {"name": "x"}, "item": [{"request": request, "response": [{"name": "Fallback"}]}]});
        let mut collection = Collection::read(file.to_string().as_bytes()).expect("a collection");
        let variables = [("known".to_owned(), "42".to_owned())].into_iter().collect();
        Entry::new(collection.examples.remove(0), &Rationed::for_call(&variables))
    }

    #[test]
    fn variables_with_a_value_are_text_and_the_others_take_anything() {
        let entry = entry(json!({"method": "POST", "url": "/x?a={{known}}%20+&b={{open}}&c=1{{open}}&flag",
            "body": {"mode": "raw", "raw": r#"{"d":{"e":{{known}},"f":{{g}},"h":"{{i}}"}}"#}}));

        let any = |name: &str| Wanted::Any(name.to_owned());
        let text = |text: &str| Wanted::Text(text.to_owned());
        let expected = [
            ("a", text("42  ")),
            ("b", any("open")),
            ("c", any("")),
            ("flag", text("")),
            ("d.e", text("42")),
            ("d.f", any("g")),
            ("d.h", any("i")),
        ];
        assert_eq!(entry.fields, expected.map(|(name, wanted)| (name.to_owned(), wanted)));
        assert_eq!(entry.query.len(), 4);
        assert!(entry.is_fallback);
    }

    #[test]
    fn forms_have_fields_too() {
        let entry = entry(json!({"url": "/x", "body": {"mode": "urlencoded", "urlencoded": [{"key": "keyword", "value": "{{known}}"}]}}));

        assert_eq!(entry.value("keyword"), Some("42"));
        assert_eq!(entry.value("order_id"), None);
    }
}
