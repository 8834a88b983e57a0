//! Bazel's credential helpers (EngFlow's specification): `get`, an address as JSON in, headers as JSON out.

use super::{Call, Conversation, Event, Extent, Granted, Step, Trouble, quoted, stranger, written};
use crate::oauth::bound::Target;
use std::fmt::Write;

/// The protocol of Bazel.
pub(super) struct Kind;

impl super::Kind for Kind {
    fn name(&self) -> &'static str {
        "bazel"
    }

    fn about(&self) -> &'static str {
        "Answer Bazel as a credential helper"
    }

    fn operand(&self) -> &'static str {
        "get"
    }

    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation> {
        Box::new(Bazel { known: call.operand == Some("get") })
    }
}

struct Bazel {
    known: bool,
}

impl Conversation for Bazel {
    fn advance(&mut self, event: Event<'_>) -> Step {
        match event {
            Event::Begin if self.known => Step::Read(Extent::All),
            Event::Begin => Step::Fail(String::new(), Trouble::Unknown),
            Event::Input(input) => {
                let request = super::object(input);
                let uri = request.as_ref().and_then(|request| request.get("uri")).and_then(|uri| uri.as_str());
                uri.and_then(Target::of_address).map_or_else(stranger, |target| Step::Ask(Some(target)))
            }
            Event::Token(granted) => answer(granted),
            _ => stranger(),
        }
    }
}

fn answer(granted: &Granted) -> Step {
    written(|text| {
        let token = quoted(granted.token());
        // The quotes of the token go around the whole header.
        let inner = token.get(1..).unwrap_or_default();
        write!(text, "{{\"headers\":{{\"Authorization\":[\"Bearer {inner}]}}")?;
        if let Some(end) = granted.expires_rfc3339() {
            write!(text, ",\"expires\":\"{end}\"")?;
        }
        writeln!(text, "}}")
    })
}
