//! A config file for `curl -K -`: the address that was asked for, and the header for it.
//!
//! The address is in it because curl sends a header from a config wherever its command line points; so the two come from
//! one hand. On a redirect to another host curl leaves the header out by itself.

use super::{Call, Conversation, Event, Granted, Step, Trouble, stranger, written};
use crate::oauth::bound::Target;
use std::fmt::Write;

/// The protocol of curl.
pub(super) struct Kind;

impl super::Kind for Kind {
    fn name(&self) -> &'static str {
        "curl"
    }

    fn about(&self) -> &'static str {
        "Write address and header for `curl -K -`"
    }

    fn operand(&self) -> &'static str {
        "the address to fetch"
    }

    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation> {
        Box::new(Curl { address: call.operand.map(str::to_owned) })
    }
}

struct Curl {
    address: Option<String>,
}

impl Conversation for Curl {
    fn advance(&mut self, event: Event<'_>) -> Step {
        match (event, &self.address) {
            (Event::Begin, None) => Step::Fail(String::new(), Trouble::Unknown),
            // Braces and brackets make several addresses out of one in curl.
            (Event::Begin, Some(address)) => match Target::of_address(address).filter(|_| is_single(address)) {
                Some(target) => Step::Ask(Some(target)),
                None => stranger(),
            },
            (Event::Token(granted), Some(address)) => answer(address, granted),
            _ => stranger(),
        }
    }
}

fn is_single(address: &str) -> bool {
    address.bytes().all(|byte| byte.is_ascii_graphic() && !b"{}\"\\".contains(&byte)) && !after_host(address).contains(['[', ']'])
}

/// What stands behind the host, where brackets are not those of an IPv6 address.
fn after_host(address: &str) -> &str {
    let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
    rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default()
}

fn answer(address: &str, granted: &Granted) -> Step {
    written(|text| {
        writeln!(text, "url = \"{address}\"")?;
        text.push_str("header = \"Authorization: Bearer ");
        for character in granted.token().chars() {
            if matches!(character, '"' | '\\') {
                text.push('\\');
            }
            text.push(character);
        }
        text.push_str("\"\n");
        Ok(())
    })
}
