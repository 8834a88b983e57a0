//! The protocol of docker's credential helpers: a verb, the server's address on standard input, JSON back.
//!
//! Everything that is not served is answered with the text by which docker knows that it has to go on without.

use super::{Call, Conversation, Event, Extent, Granted, Step, Trouble, quoted, written};
use crate::{
    oauth::bound::{Bound, Target},
    secret::Secret,
};
use std::fmt::Write;

/// What docker compares an answer with.
const NOT_FOUND: &str = "credentials not found in native keychain\n";
/// Longest address that is looked at, in bytes.
const LONGEST: usize = 8192;

/// The protocol of docker.
pub(super) struct Kind;

impl super::Kind for Kind {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn about(&self) -> &'static str {
        "Answer docker as a credential helper"
    }

    fn operand(&self) -> &'static str {
        "get, list, store, erase or version"
    }

    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation> {
        let verb = match call.operand {
            Some("get") => Verb::Get,
            Some("list") => Verb::List,
            Some("store") => Verb::Store,
            Some("erase") => Verb::Erase,
            Some("version") => Verb::Version,
            _ => Verb::Unknown,
        };
        Box::new(Docker { verb, username: call.username.unwrap_or("oauth2accesstoken").to_owned(), server: String::new() })
    }
}

enum Verb {
    Get,
    List,
    Store,
    Erase,
    Version,
    Unknown,
}

struct Docker {
    verb: Verb,
    username: String,
    server: String,
}

impl Conversation for Docker {
    fn advance(&mut self, event: Event<'_>) -> Step {
        match (event, &self.verb) {
            (Event::Begin, Verb::Get | Verb::Erase | Verb::Store) => Step::Read(Extent::All),
            (Event::Begin, Verb::List) => Step::List,
            (Event::Begin, Verb::Version) => Step::Done(Secret::new(concat!("tokenstrap ", env!("CARGO_PKG_VERSION"), "\n"))),
            (Event::Begin, Verb::Unknown) => Step::Fail(String::new(), Trouble::Unknown),
            // Nothing of what docker wants to keep is kept.
            (Event::Input(_), Verb::Store) | (Event::Noted, _) => Step::Done(Secret::new("")),
            (Event::Input(Some(input)), verb) => match (address(input), verb) {
                (Some((server, target)), Verb::Get) => {
                    self.server = server;
                    Step::Ask(Some(target))
                }
                (Some((_, target)), Verb::Erase) => Step::Refused(target, None),
                _ => not_found(),
            },
            (Event::Token(granted), _) => self.answer(granted),
            (Event::Hosts(hosts), _) => self.list(hosts),
            _ => not_found(),
        }
    }
}

impl Docker {
    fn answer(&self, granted: &Granted) -> Step {
        written(|text| {
            let (server, username) = (quoted(&self.server), quoted(&self.username));
            let secret = quoted(granted.token());
            writeln!(text, "{{\"ServerURL\":{},\"Username\":{},\"Secret\":{}}}", *server, *username, *secret)
        })
    }

    fn list(&self, hosts: &[Bound]) -> Step {
        let rows: serde_json::Map<_, _> = hosts.iter().map(|host| (host.url(), serde_json::Value::String(self.username.clone()))).collect();
        Step::Done(Secret::new(format!("{}\n", serde_json::Value::Object(rows))))
    }
}

fn not_found() -> Step {
    Step::Fail(NOT_FOUND.to_owned(), Trouble::Stranger)
}

/// The server as docker wrote it, and where that is. Registries come without a scheme; they are https.
fn address(input: &[u8]) -> Option<(String, Target)> {
    let text = std::str::from_utf8(input).ok().filter(|text| text.len() <= LONGEST)?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let target = if text.contains("://") { Target::of_address(text) } else { Target::of_address(&format!("https://{text}")) };
    Some((text.to_owned(), target?))
}
