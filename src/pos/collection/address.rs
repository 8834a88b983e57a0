//! The URL of a saved request: a string or an object, each with variables anywhere.
//!
//! Host and scheme do not matter to a stand-in, but a host that is a variable may hold a path (`{{baseUrl}}` is often
//! `https://host/v1`). So what stands before the path is kept.

use super::{pairs, text};
use serde_json::Value;

/// A saved URL, variables not filled in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// What stands before the path, scheme left out; often one variable.
    pub base: String,
    /// The path without the slash in front, as it was written.
    pub path: String,
    /// The query's parameters that are switched on, as they were written, percent-encoded or not; a value may be missing.
    pub query: Vec<(String, Option<String>)>,
    /// The values that `:name` segments had when the request was saved.
    pub values: Vec<(String, String)>,
}

impl Address {
    /// Reads either form; anything else is the root.
    pub(super) fn read(value: &Value) -> Self {
        match value {
            Value::String(raw) => Self::of_raw(raw),
            Value::Object(_) => Self::of_object(value),
            _ => Self::default(),
        }
    }

    fn of_object(url: &Value) -> Self {
        let mut address = url.get("raw").and_then(Value::as_str).map(Self::of_raw).unwrap_or_default();
        if let Some(path) = joined(url.get("path"), "/") {
            path.strip_prefix('/').unwrap_or(&path).clone_into(&mut address.path);
            address.base = joined(url.get("host"), ".").unwrap_or_default();
        }
        if url.get("query").is_some_and(Value::is_array) {
            address.query = pairs(url.get("query"));
        }
        let variables = url.get("variable").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let value = |member: &Value| {
            let name = text(member.get("key")).or_else(|| text(member.get("id")))?;
            text(member.get("value")).filter(|value| !value.is_empty()).map(|value| (name, value))
        };
        address.values = variables.iter().filter_map(value).collect();
        address
    }

    fn of_raw(raw: &str) -> Self {
        let (raw, _) = cut(raw, "#");
        let (place, query) = cut(raw, "?");
        let place = match cut(place, "://") {
            (_, Some(rest)) => rest,
            (whole, None) => whole,
        };
        let (base, path) = cut(place, "/");
        let parameters = query.unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty());
        let query = parameters.map(|parameter| {
            let (name, value) = cut(parameter, "=");
            (name.to_owned(), value.map(str::to_owned))
        });
        Self { base: base.to_owned(), path: path.unwrap_or_default().to_owned(), query: query.collect(), values: Vec::new() }
    }
}

/// Cuts at the first `mark` that does not stand in `{{braces}}`.
fn cut<'a>(text: &'a str, mark: &str) -> (&'a str, Option<&'a str>) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find(mark)).map(|at| at + from) {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + mark.len()..));
        let open = before.rfind("{{").filter(|open| !before.get(*open..).unwrap_or_default().contains("}}"));
        match open.and_then(|_| after?.find("}}")) {
            Some(close) => from = at + mark.len() + close,
            None => return (before, after),
        }
    }
    (text, None)
}

/// A list of strings (or of objects with a `value`), or one string.
fn joined(value: Option<&Value>, between: &str) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Array(list) => {
            let word = |item: &Value| text(if item.is_object() { item.get("value") } else { Some(item) }).unwrap_or_default();
            Some(list.iter().map(word).collect::<Vec<_>>().join(between))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn query(pairs: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect()
    }

    #[test]
    fn strings_and_objects_say_the_same() {
        let raw = "https://{{host}}:{{port}}/v1/users/:id?a=b%20c&flag&x={{y?z}}#top";
        let object = json!({"raw": "ignored", "protocol": "https", "host": ["{{host}}:{{port}}"],
            "path": ["v1", {"type": "string", "value": "users"}, ":id"],
            "query": [{"key":"a","value":"b%20c"},{"key":"off","value":"1","disabled":true},{"key":"flag","value":null},{"key":null},{"key":"x","value":"{{y?z}}"}]});

        let read = Address::read(&json!(raw));
        assert_eq!(read, Address::read(&object));
        assert_eq!((read.base.as_str(), read.path.as_str()), ("{{host}}:{{port}}", "v1/users/:id"));
        assert_eq!(read.query, query(&[("a", Some("b%20c")), ("flag", None), ("x", Some("{{y?z}}"))]));
    }

    #[test]
    fn paths_and_hosts_come_in_many_forms() {
        let cases = [
            (json!("{{url}}"), "{{url}}", ""),
            (json!("{{url}}/"), "{{url}}", ""),
            (json!("/a/b"), "", "a/b"),
            (json!("localhost:80/a//b/"), "localhost:80", "a//b/"),
            (json!({"host": "a.test", "path": "/a/b"}), "a.test", "a/b"),
            (json!({"raw": "http://a.test/x?y"}), "a.test", "x"),
            (json!({"host": ["a", "test"], "path": []}), "a.test", ""),
            (json!(null), "", ""),
        ];
        for (value, base, path) in cases {
            let read = Address::read(&value);
            assert_eq!((read.base.as_str(), read.path.as_str()), (base, path), "{value}");
        }
    }

    #[test]
    fn values_of_path_variables_are_kept() {
        let url = json!({"raw": "/u/:id/:n", "variable": [{"key":"id","value":"5"},{"id":"n","value":7},{"key":"none","value":""}]});

        assert_eq!(Address::read(&url).values, [("id".to_owned(), "5".to_owned()), ("n".to_owned(), "7".to_owned())]);
    }
}
