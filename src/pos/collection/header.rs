//! Header lists: objects, strings, one string with a line each, or nothing.

use super::{is_disabled, text};
use serde_json::Value;

/// Names and values of the headers that are switched on, in order.
pub(super) fn read(value: Option<&Value>) -> Vec<(String, String)> {
    match value {
        Some(Value::String(lines)) => lines.lines().filter_map(line).collect(),
        Some(Value::Array(list)) => list.iter().filter_map(member).collect(),
        _ => Vec::new(),
    }
}

fn member(member: &Value) -> Option<(String, String)> {
    match member {
        Value::String(text) => line(text),
        _ if is_disabled(member) => None,
        _ => {
            let name = text(member.get("key")).or_else(|| text(member.get("name")))?;
            Some((name.trim().to_owned(), text(member.get("value")).unwrap_or_default()))
        }
    }
}

fn line(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    let name = name.trim();
    // A line that begins with two slashes is one that older versions have switched off.
    (!name.is_empty() && !name.starts_with("//")).then(|| (name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_forms_of_headers_are_read() {
        let expected = [("A".to_owned(), "1".to_owned()), ("B".to_owned(), "2:3".to_owned())];

        assert_eq!(
            read(Some(&json!([{"key":"A","value":1},{"key":"C","value":"x","disabled":true},{"key":"B","value":"2:3"},{}]))),
            expected
        );
        assert_eq!(read(Some(&json!(["A: 1", "B:2:3", "no header"]))), expected);
        assert_eq!(read(Some(&json!("A: 1\r\n//C: x\nB: 2:3\n\n"))), expected);
        assert_eq!(read(Some(&json!(null))), []);
        assert_eq!(read(None), []);
    }
}
