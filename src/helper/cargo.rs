//! cargo's credential-process protocol, version 1: a greeting, then a line of JSON for each request.
//!
//! cargo sends what it gets as the whole `Authorization` header, hence the scheme in front. Reading and publishing are
//! kept apart: the answer is for one operation, and those that change a registry are served only where that was allowed.

use super::{Call, Conversation, Event, Extent, Granted, Step, quoted, stranger, written};
use crate::{oauth::bound::Target, secret::Secret};
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The versions that are spoken.
const GREETING: &str = "{\"v\":[1]}\n";

/// The protocol of cargo.
pub(super) struct Kind;

impl super::Kind for Kind {
    fn name(&self) -> &'static str {
        "cargo"
    }

    fn about(&self) -> &'static str {
        "Answer cargo as a credential provider"
    }

    fn operand(&self) -> &'static str {
        "--cargo-plugin, as cargo adds it"
    }

    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation> {
        let known = call.operand.is_none_or(|operand| operand == "--cargo-plugin");
        Box::new(Cargo { known, allow_publish: call.allow_publish })
    }
}

struct Cargo {
    known: bool,
    allow_publish: bool,
}

impl Conversation for Cargo {
    fn advance(&mut self, event: Event<'_>) -> Step {
        match event {
            Event::Begin if !self.known => Step::Fail(String::new(), super::Trouble::Unknown),
            Event::Begin => Step::Say(Secret::new(GREETING)),
            Event::Said => Step::Read(Extent::Line),
            Event::Input(None | Some([])) => Step::Done(Secret::new("")),
            Event::Input(line) => self.asked(line),
            Event::Token(granted) => answer(granted),
            Event::NoToken => error("not-found"),
            Event::Noted => Step::Say(Secret::new("{\"Ok\":{\"kind\":\"logout\"}}\n")),
            Event::Hosts(_) => stranger(),
        }
    }
}

impl Cargo {
    fn asked(&self, line: Option<&[u8]>) -> Step {
        let Some(request) = super::object(line).filter(|request| request.get("v").and_then(Value::as_u64) == Some(1)) else {
            return other("the request is not one of version 1");
        };
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        if text("kind") != Some("get") {
            return error("operation-not-supported");
        }
        let changes = !matches!(text("operation"), Some("read"));
        if changes && !self.allow_publish {
            return other("this token is for reading only; the shim has to say --allow-publish for more");
        }
        match index(&request) {
            Some(target) => Step::Ask(Some(target)),
            None => error("url-not-supported"),
        }
    }
}

/// Where the index of the registry is.
fn index(request: &Map<String, Value>) -> Option<Target> {
    let url = request.get("registry")?.get("index-url")?.as_str()?;
    Target::of_address(url.strip_prefix("sparse+").unwrap_or(url))
}

fn error(kind: &str) -> Step {
    Step::Say(Secret::new(format!("{}\n", json!({"Err": {"kind": kind}}))))
}

fn other(message: &str) -> Step {
    Step::Say(Secret::new(format!("{}\n", json!({"Err": {"kind": "other", "message": message, "caused-by": []}}))))
}

fn answer(granted: &Granted) -> Step {
    let step = written(|text| {
        let mut token = zeroize::Zeroizing::new(String::with_capacity(granted.token().len() + 8));
        token.push_str("Bearer ");
        token.push_str(granted.token());
        let cache = granted.expires_unix().map_or_else(|| "\"session\"".to_owned(), |end| format!("\"expires\",\"expiration\":{end}"));
        let token = quoted(&token);
        writeln!(text, "{{\"Ok\":{{\"kind\":\"get\",\"token\":{},\"cache\":{cache},\"operation_independent\":false}}}}", *token)
    });
    match step {
        Step::Done(text) => Step::Say(text),
        other => other,
    }
}
