//! Lines of a netrc(5) file, for tools that read no other form; meant for a pipe, not for a file that stays.
//!
//! The form knows neither port nor path nor scheme, so only hosts that are bound as a whole at the port of https get one.

use super::{Call, Conversation, Event, Granted, Step, Trouble, stranger, written};
use crate::oauth::bound::Target;
use std::fmt::Write;

/// The protocol of netrc.
pub(super) struct Kind;

impl super::Kind for Kind {
    fn name(&self) -> &'static str {
        "netrc"
    }

    fn about(&self) -> &'static str {
        "Write netrc lines for the bound hosts"
    }

    fn operand(&self) -> &'static str {
        "one host only"
    }

    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation> {
        let one = call.operand.map(|host| Target::new("https", host, None));
        Box::new(Netrc { one, username: call.username.unwrap_or("oauth2").to_owned() })
    }
}

struct Netrc {
    /// The host that was named; `None` within where that is no host.
    one: Option<Option<Target>>,
    username: String,
}

impl Conversation for Netrc {
    fn advance(&mut self, event: Event<'_>) -> Step {
        match (event, &self.one) {
            (_, Some(None)) => stranger(),
            (Event::Begin, one) => Step::Ask(one.clone().flatten()),
            (Event::Token(granted), _) => self.answer(granted),
            _ => stranger(),
        }
    }
}

impl Netrc {
    fn answer(&self, granted: &Granted) -> Step {
        let hosts = granted.hosts.iter().filter(|host| self.one.iter().flatten().all(|one| host.serves(one)));
        let hosts: Vec<&str> = hosts.filter_map(|host| host.plain_host()).collect();
        // Blanks end a word here, and readers disagree about quotes.
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\#".contains(&byte));
        if hosts.is_empty() {
            return Step::Fail(String::new(), Trouble::Placeless);
        }
        if !plain(granted.token()) || !plain(&self.username) {
            return Step::Fail(String::new(), Trouble::Unwritable);
        }
        written(|text| {
            for host in hosts {
                writeln!(text, "machine {host} login {} password {}", self.username, granted.token())?;
            }
            Ok(())
        })
    }
}
