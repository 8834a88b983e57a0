//! An answer, read as a register would.

use crate::{
    oauth::message::{Response, Undelivered},
    text::printable,
};
use serde_json::Value;
use std::time::Duration;

/// What became of one request.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Which call it answers.
    pub call: &'static str,
    /// What was asked, in words.
    pub scene: String,
    /// The status code; none where no answer came.
    pub status: Option<u16>,
    /// The media type without parameters, in lower case.
    pub media_type: String,
    /// The body as it came.
    pub body: Vec<u8>,
    /// The body as JSON, where it is.
    pub json: Option<Value>,
    /// How long it took.
    pub took: Duration,
    /// Why no answer came.
    pub trouble: Option<Undelivered>,
}

impl Answer {
    /// Takes what the transport gave.
    pub fn new(call: &'static str, scene: &str, outcome: Result<Response, Undelivered>, took: Duration) -> Self {
        let scene = scene.to_owned();
        match outcome {
            Ok(response) => Self {
                call,
                scene,
                status: Some(response.status.as_u16()),
                media_type: response.media_type(),
                json: serde_json::from_slice(&response.body).ok(),
                body: response.body.to_vec(),
                took,
                trouble: None,
            },
            Err(trouble) => {
                Self { call, scene, status: None, media_type: String::new(), body: Vec::new(), json: None, took, trouble: Some(trouble) }
            }
        }
    }

    /// A member of the answer's object.
    pub fn member(&self, name: &str) -> Option<&Value> {
        self.json.as_ref()?.get(name)
    }

    /// The text for the operator, where the answer is an error.
    pub fn error(&self) -> Option<&str> {
        self.member("error")?.as_str().filter(|text| !text.is_empty())
    }

    /// Whether the server gave what was asked for: 2xx, JSON, no error in it.
    pub fn is_good(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status)) && self.json.is_some() && self.member("error").is_none()
    }

    /// A member that is a number, in hundredths, so that sums can be compared.
    pub fn cents(&self, name: &str) -> Option<i64> {
        cents(self.member(name)?)
    }

    /// Status and size in a few words, for findings.
    pub fn summary(&self) -> String {
        match (&self.trouble, self.status) {
            (Some(trouble), _) => trouble.to_string(),
            (None, Some(status)) if self.media_type.is_empty() => format!("{status} without a content type"),
            (None, Some(status)) => format!("{status} {}", printable(&self.media_type)),
            (None, None) => "no answer".to_owned(),
        }
    }
}

/// An amount in hundredths; none for what is no number, or finer than a hundredth.
pub fn cents(value: &Value) -> Option<i64> {
    let hundredths = value.as_f64()? * 100.0;
    let whole = hundredths.round();
    // Amounts beyond a billion are no money of a till, and would not be exact.
    let is_exact = (hundredths - whole).abs() < 1e-6 && whole.abs() < 1e11;
    #[expect(clippy::cast_possible_truncation, reason = "whole and below 1e11")]
    is_exact.then_some(whole as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_are_compared_in_hundredths_and_never_as_text() {
        assert_eq!(cents(&json!(18.10)), Some(1810));
        assert_eq!(cents(&json!(42)), Some(4200));
        for value in [json!("18.10"), json!(18.105), json!(1e300), json!(null), json!({})] {
            assert_eq!(cents(&value), None, "{value}");
        }
    }
}
