//! Names and values of a request in one list, whichever way they were sent.
//!
//! What a body *is* counts more than what its content type says: registers and tools often say nothing, or the wrong
//! thing. JSON members are named by their path with dots, `member.id` or `items.0.name`.

use super::multipart;
use crate::oauth::json;
use serde_json::Value;

/// Where a field stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// In the query.
    Query,
    /// In a form, url-encoded or multipart.
    Form,
    /// In a JSON body.
    Json,
}

/// One name with its value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Field {
    /// The name; for JSON the path with dots.
    pub name: String,
    /// The value as text; `null` is empty.
    pub value: String,
    /// Where it stood.
    pub from: Origin,
}

/// All fields of one request, in the order in which they came, doubles included.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct Fields(Vec<Field>);

impl Fields {
    /// Most fields of one request: a register sends eight, a large API perhaps a hundred; more would only cost time.
    pub const MOST: usize = 1000;

    /// Adds a field; beyond [`Self::MOST`] it is left out.
    pub fn push(&mut self, name: &str, value: &str, from: Origin) {
        if !self.is_full() {
            self.0.push(Field { name: name.to_owned(), value: value.to_owned(), from });
        }
    }

    /// Reads a body, by its content type and by what it looks like. What cannot be read is said in `remarks`.
    pub fn read_body(&mut self, content_type: Option<&str>, body: &[u8], remarks: &mut Vec<String>) {
        let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let looks_like_json = matches!(body.trim_ascii_start().first(), Some(b'{' | b'['));
        if body.trim_ascii().is_empty() {
        } else if kind == "application/json" || kind.ends_with("+json") {
            self.read_json(body, remarks);
        } else if looks_like_json && json::read_leniently(body).is_some() {
            if !kind.is_empty() {
                remarks.push(format!("the body says it is `{kind}`, but it is JSON"));
            }
            self.read_json(body, remarks);
        } else if kind == "multipart/form-data" {
            multipart::read(content_type.unwrap_or_default(), body, self, remarks);
        } else if kind == "application/x-www-form-urlencoded" || kind.is_empty() || looks_like_form(body) {
            for (name, value) in url::form_urlencoded::parse(body) {
                self.push(&name, &value, Origin::Form);
            }
        }
    }

    fn read_json(&mut self, body: &[u8], remarks: &mut Vec<String>) {
        let read = json::read(body);
        if let Err(fault) = read {
            remarks.push(format!("the body says it is JSON, but {fault}"));
        }
        if let Some(value) = read.ok().or_else(|| json::read_leniently(body)) {
            self.flatten(String::new(), &value);
        }
    }

    /// Takes the scalars of a JSON value; the readers above have bounded its depth.
    fn flatten(&mut self, path: String, value: &Value) {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match value {
            _ if self.is_full() => {}
            Value::Object(members) => members.iter().for_each(|(name, value)| self.flatten(below(name), value)),
            Value::Array(items) => items.iter().enumerate().for_each(|(at, value)| self.flatten(below(&at.to_string()), value)),
            Value::String(text) => self.push(&path, text, Origin::Json),
            Value::Null => self.push(&path, "", Origin::Json),
            Value::Bool(_) | Value::Number(_) => self.push(&path, &value.to_string(), Origin::Json),
        }
    }

    /// The first value of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }

    /// All values of this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |field| field.name == name).map(|field| field.value.as_str())
    }

    /// The first value of this name in the body, the query left aside.
    pub fn of_body(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|field| field.name == name && field.from != Origin::Query).map(|field| field.value.as_str())
    }

    /// All fields, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether no further field is taken.
    pub fn is_full(&self) -> bool {
        self.0.len() >= Self::MOST
    }
}

/// `name=value` pairs of plain characters; a text with blanks is a text.
fn looks_like_form(body: &[u8]) -> bool {
    body.contains(&b'=') && body.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'"' | b'{'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: Option<&str>, body: &str) -> (Vec<(String, String)>, Vec<String>) {
        let (mut fields, mut remarks) = (Fields::default(), Vec::new());
        fields.read_body(content_type, body.as_bytes(), &mut remarks);
        (fields.0.into_iter().map(|field| (field.name, field.value)).collect(), remarks)
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn json_members_are_named_by_their_path() {
        let (fields, remarks) = read(Some("application/json"), r#"{"a":{"b":[1,{"c":null}]},"d":true}"#);

        assert_eq!(fields, pairs(&[("a.b.0", "1"), ("a.b.1.c", ""), ("d", "true")]));
        assert!(remarks.is_empty());
    }

    #[test]
    fn a_body_is_what_it_looks_like() {
        assert_eq!(read(None, r#"{"a":1}"#).0, pairs(&[("a", "1")]));
        assert_eq!(read(None, "a=1&b=x+y").0, pairs(&[("a", "1"), ("b", "x y")]));
        assert_eq!(read(Some("text/plain"), "a=1").0, pairs(&[("a", "1")]));
        assert_eq!(read(Some("text/plain"), "so a = b").0, pairs(&[]));
        let (fields, remarks) = read(Some("application/x-www-form-urlencoded"), r#"{"a":1}"#);
        assert_eq!(fields, pairs(&[("a", "1")]));
        assert_eq!(remarks, ["the body says it is `application/x-www-form-urlencoded`, but it is JSON"]);
    }

    #[test]
    fn a_member_that_comes_twice_is_read_and_remarked() {
        let (fields, remarks) = read(Some("application/json"), r#"{"a":1,"a":2}"#);

        assert_eq!(fields, pairs(&[("a", "2")]));
        assert_eq!(remarks, ["the body says it is JSON, but a member occurs twice"]);
    }

    #[test]
    fn the_number_of_fields_is_bounded() {
        let many = format!("[{}0]", "0,".repeat(5000));

        assert_eq!(read(None, &many).0.len(), Fields::MOST);
    }
}
