//! Makes a call fit to be shared: names, cards and ids go, their shape stays.

use super::Content;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Map, Value};
use url::form_urlencoded;

/// Headers that describe a message and nobody's secret.
const HEADERS: [&str; 7] = ["accept", "accept-encoding", "accept-language", "connection", "content-length", "content-type", "user-agent"];

/// Fields whose values stay: they tell how the calls hang together and nothing of a person.
const FIELDS: [&str; 8] = ["order_id", "amount", "topup_amount", "balance", "current_points", "points_required", "points_label", "success"];

/// Longest value of a known field, in bytes. Amounts and order ids are shorter.
const LONGEST: usize = 32;

/// What is encoded in a path: all but RFC 3986 section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands for the value of any other header.
const REPLACED: &str = "[redacted]";

pub(super) fn headers(headers: &mut [(String, String)]) {
    for (name, value) in headers {
        if !HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            REPLACED.clone_into(value);
        }
    }
}

/// Of the path, the words that tell calls apart; of the query, names and the values of known fields.
pub(super) fn target(target: &str) -> String {
    match target.split_once('?') {
        Some((path, query)) => format!("{}?{}", words(path), form(query.as_bytes())),
        None => words(target),
    }
}

/// A path may hold ids, and, where somebody was turned away at the door, the prefix that only a register should know.
fn words(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let segment = percent_decode_str(segment).decode_utf8_lossy();
        utf8_percent_encode(&name(&segment), RESERVED).to_string()
    });
    segments.collect::<Vec<_>>().join("/")
}

pub(super) fn content(content: &Content) -> Content {
    let Some(text) = content.text() else { return Content::of(b"[redacted bytes]") };
    match serde_json::from_str::<Value>(text) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => Content::of(json("", value).to_string().as_bytes()),
        _ if text.contains('=') => Content::of(form(text.as_bytes()).as_bytes()),
        _ => Content::of(shape(text).as_bytes()),
    }
}

fn form(pairs: &[u8]) -> String {
    let mut shared = form_urlencoded::Serializer::new(String::new());
    for (field, value) in form_urlencoded::parse(pairs) {
        // A name without a value may be a value itself, such as a card number in place of a query.
        let known = if value.is_empty() && !FIELDS.contains(&&*field) { shape(&field) } else { name(&field) };
        shared.append_pair(&known, &if stays(&field, &value) { value.into_owned() } else { shape(&value) });
    }
    shared.finish()
}

fn json(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) if stays(name, &text) => Value::String(text),
        Value::Number(number) if stays(name, &number.to_string()) => Value::Number(number),
        Value::Object(members) => Value::Object(members.into_iter().map(|(name, value)| entry(name, value)).collect::<Map<_, _>>()),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| json(name, item)).collect()),
        Value::String(text) => Value::String(shape(&text)),
        // A number becomes a text of its shape: `0000` would not be JSON.
        Value::Number(number) => Value::String(shape(&number.to_string())),
        plain => plain,
    }
}

/// Whether a field may be shared as it is: it is a known one, and holds what such a field can hold.
fn stays(name: &str, value: &str) -> bool {
    FIELDS.contains(&name) && value.len() <= LONGEST
}

fn entry(member: String, value: Value) -> (String, Value) {
    let value = json(&member, value);
    (name(&member), value)
}

/// A name with a digit, a capital or a blank in it is an id or a label, or a body that only looks like a form.
fn name(text: &str) -> String {
    let is_field = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if is_field { text.to_owned() } else { shape(text) }
}

/// Letters become `x`, digits `0`; everything else stays.
fn shape(text: &str) -> String {
    text.chars()
        .map(|character| match character {
            _ if character.is_numeric() => '0',
            _ if character.is_alphanumeric() => 'x',
            _ => character,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(body: &str) -> String {
        content(&Content::of(body.as_bytes())).text().unwrap_or_default().to_owned()
    }

    #[test]
    fn names_and_cards_go_and_their_shape_stays() {
        assert_eq!(target("/search?keyword=david+kent&order_id=111&site_id=9"), "/search?keyword=xxxxx+xxxx&order_id=111&site_id=0");
        assert_eq!(shared("keyword=GC-1001&topup_amount=18.00"), "keyword=xx-0000&topup_amount=18.00");
        assert_eq!(
            shared(r#"{"members":{"M-7001":{"first_name":"Ines","current_points":"340","company_id":42}}}"#),
            r#"{"members":{"x-0000":{"company_id":"00","current_points":"340","first_name":"xxxx"}}}"#
        );
    }

    #[test]
    fn what_is_no_field_is_only_shape() {
        assert_eq!(shared("swipe %B4000?"), "xxxxx %x0000?");
        assert_eq!(target("/search?4000123"), "/search?0000000=");
        assert_eq!(shared(r#""4000""#), r#""0000""#);
    }

    #[test]
    fn what_only_looks_like_a_form_or_a_path_is_no_more_than_shape() {
        // JSON that broke off, a form within a form, an id in the path, a prefix at the wrong door.
        assert_eq!(shared(r#"{"name":"David Kent","a":"b=1&"#), "%7B%22xxxx%22%3A%22xxxxx+xxxx%22%2C%22x%22%3A%22x=0");
        assert_eq!(shared("David Kent=1&card[4000]=2"), "xxxxx+xxxx=0&xxxx%5B0000%5D=0");
        assert_eq!(target("/customers/GC-1001/Ines%20D?a=b"), "/customers/xx-0000/xxxx%20x?a=x");
        assert_eq!(target("/k5YpbFREeXBAutsq/gift_cards/"), "/x0xxxxxxxxxxxxxx/gift_cards/");
    }

    #[test]
    fn only_headers_that_describe_the_message_keep_their_value() {
        let mut all = vec![("Content-Type".to_owned(), "text/html".to_owned()), ("x-kounta-signature".to_owned(), "CANARY".to_owned())];
        headers(&mut all);

        assert_eq!(all, [("Content-Type".into(), "text/html".into()), ("x-kounta-signature".into(), REPLACED.into())]);
    }
}
