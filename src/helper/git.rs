//! git-credential(1), as helpers speak it: `key=value` lines up to an empty one.
//!
//! What is answered is a user name and a password, since servers that take a bearer token as git's password are many and
//! those that take it in the header few. Its end is told, so that git keeps it no longer; a refresh token never is.

use super::{Call, Conversation, Event, Extent, Granted, Step, Trouble, stranger, written};
use crate::{oauth::bound::Target, secret::Secret};
use std::{collections::BTreeMap, fmt::Write};

/// Longest line that git itself reads, without its end.
const LONGEST_LINE: usize = 65_535;
/// More lines than any request has.
const MOST_LINES: usize = 1_000;

/// The protocol of git.
pub(super) struct Kind;

impl super::Kind for Kind {
    fn name(&self) -> &'static str {
        "git"
    }

    fn about(&self) -> &'static str {
        "Answer git as a credential helper"
    }

    fn operand(&self) -> &'static str {
        "get, store or erase"
    }

    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation> {
        let verb = match call.operand {
            Some("get") => Verb::Get,
            Some("erase") => Verb::Erase,
            Some("store") => Verb::Store,
            Some(_) => Verb::Later,
            None => Verb::None,
        };
        Box::new(Git { verb, username: call.username.unwrap_or("oauth2").to_owned(), ephemeral: false })
    }
}

enum Verb {
    Get,
    Erase,
    Store,
    /// One of a later git, which asks helpers to ignore what they do not know.
    Later,
    /// A person tried it out.
    None,
}

struct Git {
    verb: Verb,
    username: String,
    ephemeral: bool,
}

impl Conversation for Git {
    fn advance(&mut self, event: Event<'_>) -> Step {
        match event {
            Event::Begin => match self.verb {
                Verb::Get | Verb::Erase | Verb::Store => Step::Read(Extent::Paragraph),
                Verb::Later => Step::Done(Secret::new("")),
                Verb::None => Step::Fail(String::new(), Trouble::Unknown),
            },
            Event::Input(input) => self.asked(input),
            Event::Token(granted) => self.answer(granted),
            // git asks its helpers about every host; those that have nothing to say say nothing.
            Event::Noted | Event::NoToken => Step::Done(Secret::new("")),
            _ => stranger(),
        }
    }
}

impl Git {
    fn asked(&mut self, input: Option<&[u8]>) -> Step {
        let Some(request) = input.and_then(read) else { return stranger() };
        if let Verb::Store = self.verb {
            return Step::Done(Secret::new(""));
        }
        let text = |key: &str| request.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let (Some(scheme), Some(host)) = (text("protocol"), text("host")) else { return stranger() };
        let Some(target) = Target::new(scheme, host, text("path")) else { return stranger() };
        if let Verb::Erase = self.verb {
            return Step::Refused(target, text("password").map(Secret::new));
        }
        if let Some(username) = text("username") {
            self.username = username.to_owned();
        }
        self.ephemeral = request.contains_key("capability[]=authtype");
        Step::Ask(Some(target))
    }

    fn answer(&self, granted: &Granted) -> Step {
        written(|text| {
            if self.ephemeral {
                text.push_str("capability[]=authtype\n");
            }
            writeln!(text, "username={}", self.username)?;
            writeln!(text, "password={}", granted.token())?;
            if let Some(end) = granted.expires_unix() {
                writeln!(text, "password_expiry_utc={end}")?;
            }
            if self.ephemeral {
                text.push_str("ephemeral=1\n");
            }
            Ok(())
        })
    }
}

/// The request, or `None` where any part of it is not plain (SECURITY H-01 and H-06). Keys that may come more than once
/// are kept together with their value.
fn read(input: &[u8]) -> Option<BTreeMap<String, String>> {
    let mut request = BTreeMap::new();
    for (count, line) in input.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty()).enumerate() {
        let harmful = line.iter().any(|byte| matches!(byte, b'\r' | 0));
        if count >= MOST_LINES || line.len() > LONGEST_LINE || harmful {
            return None;
        }
        let (key, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
        if key.ends_with("[]") {
            request.insert(format!("{key}={value}"), String::new());
        } else if request.insert(key.to_owned(), value.to_owned()).is_some() {
            return None;
        }
    }
    Some(request)
}
