//! Credential helpers: the protocols in which other tools ask for a token.
//!
//! A protocol is one file and one line in [`HELPERS`]. It is a small machine like a grant: told what was on the command
//! line, in the environment or on standard input, it says what it wants next. It reads nothing and prints nothing itself,
//! and it does not decide who is served: that is for the one who compares its [`Step::Ask`] with the hosts that are bound
//! to the profile. What comes from the tool is bounded, and what cannot be read exactly is answered like a stranger.

mod bazel;
mod cargo;
mod curl;
mod docker;
mod git;
mod kubectl;
mod netrc;

use crate::{
    oauth::bound::{Bound, Target},
    secret::Secret,
};
use std::{
    fmt::Write,
    time::{Duration, SystemTime},
};
use zeroize::Zeroizing;

/// Most bytes that are read of one request.
pub const LONGEST: usize = 1024 * 1024;

/// One tool's protocol.
pub trait Kind: Sync {
    /// As it is typed.
    fn name(&self) -> &'static str;
    /// One line of help.
    fn about(&self) -> &'static str;
    /// What stands behind the profile on the command line, for help.
    fn operand(&self) -> &'static str;
    /// Begins a conversation.
    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation>;
}

/// Every protocol, in the order in which help shows them.
pub static HELPERS: &[&dyn Kind] = &[&git::Kind, &docker::Kind, &kubectl::Kind, &curl::Kind, &cargo::Kind, &bazel::Kind, &netrc::Kind];

/// The protocol of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Kind> {
    HELPERS.iter().find(|kind| kind.name() == name).copied()
}

/// How a helper was called.
pub struct Call<'a> {
    /// What stands behind the profile: mostly a verb.
    pub operand: Option<&'a str>,
    /// User name to answer with, where the protocol has one.
    pub username: Option<&'a str>,
    /// Lets operations that change what others see (publishing) have the token too.
    pub allow_publish: bool,
    /// The environment.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// A conversation with a tool.
pub trait Conversation {
    /// Goes on with what happened; the first event is [`Event::Begin`].
    fn advance(&mut self, event: Event<'_>) -> Step;
}

/// What happened.
pub enum Event<'a> {
    /// Nothing yet.
    Begin,
    /// What was read, without its end; `None` where nothing comes any more or it is larger than it may be.
    Input(Option<&'a [u8]>),
    /// What was to be said has been said.
    Said,
    /// The token that was asked for.
    Token(&'a Granted),
    /// There is none for this place.
    NoToken,
    /// The hosts that were asked for.
    Hosts(&'a [Bound]),
    /// It has been noted that the token is refused.
    Noted,
}

/// What a helper wants next.
pub enum Step {
    /// Standard input, as far as this.
    Read(Extent),
    /// To say this and go on.
    Say(Secret),
    /// The token, for this place; `None` where the tool does not say where it will go.
    Ask(Option<Target>),
    /// The hosts that are bound.
    List,
    /// To note that the token is refused at this place; the tool may say which one it was.
    Refused(Target, Option<Secret>),
    /// Nothing more: this is the answer.
    Done(Secret),
    /// Nothing more: this is what the protocol says instead of an answer, and the failure that goes with it.
    Fail(String, Trouble),
}

/// How far standard input is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One line.
    Line,
    /// Lines up to an empty one.
    Paragraph,
    /// Everything.
    All,
}

/// Why a helper gives no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The place is not bound to the profile, or what was asked cannot be read exactly.
    #[error("nothing is given out for what was asked")]
    Stranger,
    /// The protocol has no such verb.
    #[error("the protocol has no such operation")]
    Unknown,
    /// What is bound cannot be written down in this form.
    #[error("this form knows neither ports nor paths nor clear text, and no host is bound without")]
    Placeless,
    /// The token cannot be written down in this form.
    #[error("the token or the user name cannot be written in this form")]
    Unwritable,
}

/// A token that is given out.
#[derive(Debug)]
pub struct Granted {
    token: Secret,
    expires_at: Option<SystemTime>,
    /// For protocols without a place of their own: where the token may go.
    pub hosts: Vec<Bound>,
}

impl Granted {
    /// A token that was found to be printable.
    pub fn new(token: Secret, expires_at: Option<SystemTime>, hosts: Vec<Bound>) -> Self {
        Self { token, expires_at, hosts }
    }

    fn token(&self) -> &str {
        self.token.expose()
    }

    /// When it ends, in seconds since 1970.
    fn expires_unix(&self) -> Option<u64> {
        self.expires_at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).map(|since| since.as_secs())
    }

    /// When it ends, as RFC 3339 writes it.
    fn expires_rfc3339(&self) -> Option<String> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(self.expires_unix()?);
        jiff::Timestamp::try_from(at).ok().map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

/// A text that is put together without leaving copies of a secret behind.
fn written(write: impl FnOnce(&mut Zeroizing<String>) -> std::fmt::Result) -> Step {
    let mut text = Zeroizing::new(String::with_capacity(128 * 1024));
    match write(&mut text) {
        Ok(()) => Step::Done(Secret::new(text.as_str())),
        Err(_) => Step::Fail(String::new(), Trouble::Unwritable),
    }
}

/// A text as JSON writes it. The texts here are tokens of printable ASCII and names of our own.
fn quoted(text: &str) -> Zeroizing<String> {
    let mut json = Zeroizing::new(String::with_capacity(text.len() * 2 + 2));
    json.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            json.push('\\');
        }
        if character.is_ascii_control() {
            let _ = write!(json, "\\u{:04x}", u32::from(character));
        } else {
            json.push(character);
        }
    }
    json.push('"');
    json
}

/// Input that holds one JSON object, read strictly.
fn object(input: Option<&[u8]>) -> Option<serde_json::Map<String, serde_json::Value>> {
    match crate::oauth::json::read(input?) {
        Ok(serde_json::Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// No answer, and nothing said.
fn stranger() -> Step {
    Step::Fail(String::new(), Trouble::Stranger)
}

#[cfg(test)]
mod tests;
