//! Calls kept in a file: one call with its answer a line, as JSON.
//!
//! What only a real register can tell (the encoding of its bodies, its headers, its order of calls) is then in a file that one
//! can share and send again. So a line is made shareable before it is written: of headers only those stay that describe the
//! message, of fields only amounts, points and the order; every other letter becomes `x` and every other digit `0`, so that length and shape
//! can still be seen. Who wants the whole truth asks for it, and the line says which of the two it is.

mod redact;

use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Read};

/// The only version of a line that there is.
const VERSION: u8 = 1;

/// Longest line that is read, in bytes: two bodies of 1 MiB, escaped.
const LONGEST: u64 = 8 * 1024 * 1024;

/// Most lines that are read from one file.
const MOST: usize = 100_000;

/// One call with its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Version of the line.
    pub v: u8,
    /// When it came (RFC 3339).
    pub at: String,
    /// Which of the register's calls it is, see [`super::register`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What was asked.
    pub request: Asked,
    /// What was answered, where there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answered>,
    /// Milliseconds from the one to the other.
    #[serde(default)]
    pub ms: u64,
    /// Whether letters and digits were replaced.
    pub redacted: bool,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path below the random prefix, and query: `/search?keyword=x`.
    pub target: String,
    /// Names in lower case.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(flatten)]
    pub body: Content,
}

/// An answer as it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Status code.
    pub status: u16,
    /// Names in lower case.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(flatten)]
    pub body: Content,
}

/// A body: text, or base64 where it is none. Both empty where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    body_base64: String,
}

impl Content {
    /// Takes the bytes of a body.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self { body: text.to_owned(), body_base64: String::new() },
            Err(_) => Self { body: String::new(), body_base64: data_encoding::BASE64.encode(bytes) },
        }
    }

    /// Gives the bytes back; none where the base64 is broken.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        if self.body_base64.is_empty() {
            return Some(self.body.clone().into_bytes());
        }
        data_encoding::BASE64.decode(self.body_base64.as_bytes()).ok()
    }

    /// The text, where it is one.
    pub fn text(&self) -> Option<&str> {
        self.body_base64.is_empty().then_some(self.body.as_str())
    }
}

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file ended or broke.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A line is longer than `LONGEST`, or there are more than `MOST`.
    #[error("line {0} is beyond what a recording can hold")]
    TooLong(usize),
    /// A line is not of this form. Its text is not quoted: it may be anything.
    #[error("line {0} is not a recorded call")]
    Form(usize),
    /// A line of a version that is not known here.
    #[error("line {0} was written by a newer version")]
    Version(usize),
}

impl Recorded {
    /// A call as it was, with nothing replaced.
    pub fn new(at: String, call: Option<String>, request: Asked, answer: Option<Answered>, ms: u64) -> Self {
        Self { v: VERSION, at, call, request, answer, ms, redacted: false }
    }

    /// The same call, fit to be shared. Applying it twice changes nothing.
    #[must_use]
    pub fn redacted(mut self) -> Self {
        if self.redacted {
            return self;
        }
        redact::headers(&mut self.request.headers);
        self.request.target = redact::target(&self.request.target);
        self.request.body = redact::content(&self.request.body);
        if let Some(answer) = &mut self.answer {
            redact::headers(&mut answer.headers);
            answer.body = redact::content(&answer.body);
        }
        self.redacted = true;
        self
    }

    /// One line with its end.
    pub fn line(&self) -> String {
        // A record of strings and numbers can always be written.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Reads a recording, empty lines left out.
///
/// # Errors
/// [`RecordingError`], with the number of the first line that is wrong.
pub fn read(mut source: impl BufRead) -> Result<Vec<Recorded>, RecordingError> {
    let mut calls = Vec::new();
    for number in 1.. {
        let mut line = Vec::new();
        let count = Read::take(&mut source, LONGEST + 1).read_until(b'\n', &mut line)?;
        if count == 0 {
            break;
        }
        if line.len() as u64 > LONGEST || number > MOST {
            return Err(RecordingError::TooLong(number));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let call: Recorded = serde_json::from_slice(&line).map_err(|_| RecordingError::Form(number))?;
        if call.v != VERSION {
            return Err(RecordingError::Version(number));
        }
        calls.push(call);
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(target: &str, body: &[u8]) -> Recorded {
        let request = Asked {
            method: "POST".into(),
            target: target.into(),
            headers: vec![("content-type".into(), "application/json".into()), ("authorization".into(), "Bearer CANARY".into())],
            body: Content::of(body),
        };
        let answer = Answered { status: 200, headers: Vec::new(), body: Content::of(br#"{"amount":18.5,"name":"Canary"}"#) };
        Recorded::new("2026-01-02T03:04:05Z".into(), Some("checkout".into()), request, Some(answer), 3)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let calls = [call("/checkout", b"keyword=x"), call("/checkout?a=b", &[0xff, 0x00])];
        let text: String = calls.iter().map(Recorded::line).collect();

        assert_eq!(read(format!("\n{text}\n").as_bytes()).expect("it is read"), calls);
        assert_eq!(calls.last().and_then(|call| call.request.body.bytes()), Some(vec![0xff, 0x00]));
    }

    #[test]
    fn a_line_that_is_wrong_is_named_and_not_quoted() {
        let good = call("/x", b"").line();
        let newer = good.replace(r#""v":1"#, r#""v":9"#);

        assert!(matches!(read(format!("{good}{{\"v\":1}}\n").as_bytes()), Err(RecordingError::Form(2))));
        assert!(matches!(read(newer.as_bytes()), Err(RecordingError::Version(1))));
        assert!(!read("CANARY".as_bytes()).expect_err("no record").to_string().contains("CANARY"));
    }

    #[test]
    fn a_line_without_an_end_is_not_read_into_memory() {
        let endless = io::BufReader::new(io::repeat(b'x'));

        assert!(matches!(read(endless), Err(RecordingError::TooLong(1))));
    }

    proptest! {
        #[test]
        fn a_shared_call_stays_as_it_is_when_it_is_shared_again(target in "/[ -~]{0,40}", body in any::<Vec<u8>>()) {
            let once = call(&target, &body).redacted();
            prop_assert!(!once.line().contains("CANARY") && !once.line().contains("Canary"));
            prop_assert_eq!(once.clone().redacted(), once);
        }
    }
}
