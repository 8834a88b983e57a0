//! JSON from servers, read strictly (RFC 8259).
//!
//! Two readers of one document can disagree where a member occurs twice, where bytes are not UTF-8 or where something
//! follows the document; an attacker lives in such gaps. [`read`] refuses them all. An answer that is refused may still
//! carry the only refresh token that a server takes, so [`read_leniently`] gives what is usable of it; what it gives is
//! kept aside and never handed out as if it were good. Escapes and numbers are decoded by `serde_json`.

use serde::Deserializer;
use serde_json::{Map, Number, Value};
use std::fmt;

/// Deepest nesting of objects and arrays in an answer; token answers have two levels, metadata four.
pub const MAX_DEPTH: usize = 32;

/// Deepest nesting that the lenient reader follows; more would serve only to exhaust the stack.
const LENIENT_DEPTH: usize = 128;

/// Why a text is not JSON that can be trusted. Nothing of the text is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// Not JSON at all, or cut short.
    #[error("it is not JSON")]
    NotJson,
    /// A member occurs twice in one object.
    #[error("a member occurs twice")]
    Duplicate,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("it is nested too deeply")]
    TooDeep,
    /// Not UTF-8, or half of a surrogate pair.
    #[error("it is not encoded in UTF-8")]
    Encoding,
    /// Something follows the document.
    #[error("something follows the document")]
    Trailing,
}

/// Reads one document. A byte order mark in front of it is left out (RFC 8259 section 8.1).
///
/// A number beyond the range of a double becomes the largest one, so that `1e400` is a very long time and not an
/// answer that cannot be read.
///
/// # Errors
/// The first [`JsonFault`] met.
pub fn read(bytes: &[u8]) -> Result<Value, JsonFault> {
    let text = without_mark(bytes);
    if std::str::from_utf8(text).is_err() {
        return Err(JsonFault::Encoding);
    }
    let mut reader = Reader { text, at: 0, lenient: false };
    let value = reader.value(0)?;
    reader.skip_blanks();
    if reader.at < text.len() { Err(JsonFault::Trailing) } else { Ok(value) }
}

/// What can be made of a document that [`read`] refuses: of a member that occurs twice the last counts, bytes that are
/// not UTF-8 are replaced, what follows is left alone. `None` where there is no JSON at the start.
pub fn read_leniently(bytes: &[u8]) -> Option<Value> {
    Reader { text: without_mark(bytes), at: 0, lenient: true }.value(0).ok()
}

fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    lenient: bool,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, JsonFault> {
        self.skip_blanks();
        match self.peek().ok_or(JsonFault::NotJson)? {
            b'{' => self.object(self.deeper(depth)?),
            b'[' => self.array(self.deeper(depth)?),
            b'"' => self.string().map(Value::String),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number().map(Value::Number),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, JsonFault> {
        let most = if self.lenient { LENIENT_DEPTH } else { MAX_DEPTH };
        if depth < most { Ok(depth + 1) } else { Err(JsonFault::TooDeep) }
    }

    fn object(&mut self, depth: usize) -> Result<Value, JsonFault> {
        let mut members = Map::new();
        self.at += 1;
        if self.takes(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.skip_blanks();
            let name = self.string()?;
            if !self.takes(b':') {
                return Err(JsonFault::NotJson);
            }
            let value = self.value(depth)?;
            if members.insert(name, value).is_some() && !self.lenient {
                return Err(JsonFault::Duplicate);
            }
            if self.takes(b'}') {
                return Ok(Value::Object(members));
            }
            if !self.takes(b',') {
                return Err(JsonFault::NotJson);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, JsonFault> {
        let mut items = Vec::new();
        self.at += 1;
        if self.takes(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth)?);
            if self.takes(b']') {
                return Ok(Value::Array(items));
            }
            if !self.takes(b',') {
                return Err(JsonFault::NotJson);
            }
        }
    }

    fn string(&mut self) -> Result<String, JsonFault> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(JsonFault::NotJson);
        }
        loop {
            self.at += 1;
            match self.peek().ok_or(JsonFault::NotJson)? {
                b'"' => break,
                b'\\' => self.at += 1,
                0..=0x1F if !self.lenient => return Err(JsonFault::NotJson),
                _ => {}
            }
        }
        self.at += 1;
        let quoted = self.text.get(start..self.at).ok_or(JsonFault::NotJson)?;
        let bytes = serde_json::Deserializer::from_slice(quoted).deserialize_byte_buf(Bytes).map_err(|_| JsonFault::NotJson)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(fault) if self.lenient => Ok(String::from_utf8_lossy(fault.as_bytes()).into_owned()),
            Err(_) => Err(JsonFault::Encoding),
        }
    }

    fn number(&mut self) -> Result<Number, JsonFault> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')) {
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        if !is_number(digits) {
            return Err(JsonFault::NotJson);
        }
        let limit = if digits.starts_with(b"-") { f64::MIN } else { f64::MAX };
        serde_json::from_slice(digits).ok().or_else(|| Number::from_f64(limit)).ok_or(JsonFault::NotJson)
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, JsonFault> {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(JsonFault::NotJson)
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        self.skip_blanks();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }
}

/// The grammar of RFC 8259 section 6; whether a double can hold the number is another question.
fn is_number(text: &[u8]) -> bool {
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (text.get(..at), text.get(at + 1..)),
        None => (Some(text), None),
    };
    let mantissa = mantissa.unwrap_or_default();
    let (whole, fraction) = match mantissa.iter().position(|byte| *byte == b'.') {
        Some(at) => (mantissa.get(..at).unwrap_or_default(), mantissa.get(at + 1..)),
        None => (mantissa, None),
    };
    let whole = whole.strip_prefix(b"-").unwrap_or(whole);
    let exponent = exponent.map(|digits| digits.strip_prefix(b"-").or_else(|| digits.strip_prefix(b"+")).unwrap_or(digits));
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits(whole) && (whole.len() == 1 || !whole.starts_with(b"0")) && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

/// Takes the bytes of a string, so that half of a surrogate pair is our own decision.
struct Bytes;

impl serde::de::Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn t_07_what_two_readers_could_read_differently_is_refused() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels)).into_bytes();
        let cases: [(&[u8], JsonFault); 12] = [
            (br#"{"access_token":"A","access_token":"B"}"#, JsonFault::Duplicate),
            (br#"{"a":[{"b":1,"\u0062":2}]}"#, JsonFault::Duplicate),
            (&nested(33), JsonFault::TooDeep),
            (&b"[".repeat(10_000), JsonFault::TooDeep),
            (b"{\"a\":\"\xFF\"}", JsonFault::Encoding),
            (b"\"\xC0\xAF\"", JsonFault::Encoding),
            (br#""\ud800""#, JsonFault::Encoding),
            (b"{}x", JsonFault::Trailing),
            (b"{}{}", JsonFault::Trailing),
            (b"<html>", JsonFault::NotJson),
            (b"\"a\nb\"", JsonFault::NotJson),
            (b"", JsonFault::NotJson),
        ];
        for (bytes, fault) in cases {
            assert_eq!(read(bytes), Err(fault), "{}", String::from_utf8_lossy(bytes));
        }
        assert!(read(&nested(32)).is_ok());
    }

    #[test]
    fn t_07_a_byte_order_mark_is_left_out() {
        assert_eq!(read(b"\xEF\xBB\xBF {\"a\":1} \n"), Ok(json!({"a": 1})));
    }

    #[test]
    fn what_is_usable_of_a_refused_answer_is_still_read() {
        assert_eq!(read_leniently(br#"{"t":"A","t":"B"}x"#), Some(json!({"t": "B"})));
        assert_eq!(read_leniently(b"{\"t\":\"A\",\"d\":\"\xFF\\ud800\n\"}").and_then(|value| value.get("t").cloned()), Some(json!("A")));
        assert_eq!(read_leniently(&b"[".repeat(10_000)), None);
        assert_eq!(read_leniently(b"{\"t\":\"A\""), None);
    }

    #[test]
    fn t_10_a_number_that_no_double_holds_is_the_largest_one() {
        assert_eq!(read(b"[1e400,-1e400,1e-400]"), Ok(json!([f64::MAX, f64::MIN, 0.0])));
        for text in ["01", "1.", ".5", "+1", "-", "1e", "0x10", "1e+", "--1", "1-1", "NaN"] {
            assert!(read(text.as_bytes()).is_err(), "{text} was taken");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_serde_json_refuses_is_taken_and_nothing_differs(bytes in any::<Vec<u8>>()) {
            if let Ok(value) = read(&bytes) {
                prop_assert_eq!(Some(value), serde_json::from_slice(without_mark(&bytes)).ok());
            }
            let _ = read_leniently(&bytes);
        }

        #[test]
        fn text_of_the_alphabet_of_json_is_read_as_serde_json_reads_it(text in r#"[\[\]{}:,"\\u0-9a-f.eE+ \-]{0,24}"#) {
            match read(text.as_bytes()) {
                Ok(value) => {
                    let theirs: Option<Value> = serde_json::from_str(&text).ok();
                    // A number beyond a double is the one thing that only this reader takes.
                    prop_assert!(theirs.is_none_or(|theirs| theirs == value));
                }
                Err(JsonFault::Duplicate | JsonFault::Encoding) => {}
                Err(_) => prop_assert!(serde_json::from_str::<Value>(&text).is_err()),
            }
        }

        #[test]
        fn every_document_that_was_written_is_read_back(keys in proptest::collection::btree_set(".*", 0..6), text in ".*", number in any::<f64>()) {
            let mut members = Map::new();
            for key in keys {
                members.insert(key, json!([text, number, { "deep": null }]));
            }
            let value = Value::Object(members);
            let bytes = serde_json::to_vec(&value).expect("a document");
            prop_assert_eq!(serde_json::from_slice::<Value>(&bytes).ok(), read(&bytes).ok());
            prop_assert_eq!(read(&bytes).ok(), read_leniently(&bytes));
        }
    }
}
