//! How a token is handed out: one line for a person, a header, a shell or a program.
//!
//! A format is one file and one line in [`FORMATS`]; the command line's choices and help come from the table. Nothing is
//! printed here. A token that is not plain printable ASCII is given out in no format: in a header it could begin a
//! second one, in a terminal it could give orders.

mod env;
mod header;
mod json;
mod raw;

use crate::{oauth::token::TokenSet, secret::Secret};
use std::time::SystemTime;

/// Longest token that is handed out, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// One way to write a token down.
pub trait Format: Sync {
    /// As `--format` takes it.
    fn name(&self) -> &'static str;
    /// One line of help.
    fn about(&self) -> &'static str;
    /// The text of what is to be handed out, without a line end.
    fn text(&self, handout: &Handout<'_>) -> Secret;
}

/// Every format, the one that is taken where none is named first.
pub static FORMATS: &[&dyn Format] = &[&raw::Raw, &json::Json, &header::Header, &env::Env];

/// The format of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().find(|format| format.name() == name).copied()
}

/// A token that may be handed out: it and the variable's name have been checked.
pub struct Handout<'a> {
    tokens: &'a TokenSet,
    now: SystemTime,
    variable: &'a str,
}

/// Why nothing is handed out. The token is not quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprintable {
    /// Empty, longer than 64 KiB, or with a character outside printable ASCII (RFC 6749 appendix A.12).
    #[error("the access token holds characters that no access token may have")]
    Token,
    /// Not `[A-Z_][A-Z0-9_]*`.
    #[error("`{0}` is not the name of an environment variable")]
    Variable(String),
}

impl<'a> Handout<'a> {
    /// Checks what is to be handed out at `now`; `variable` is the name that the `env` format assigns to.
    ///
    /// # Errors
    /// [`Unprintable`].
    pub fn new(tokens: &'a TokenSet, now: SystemTime, variable: &'a str) -> Result<Self, Unprintable> {
        if !is_token(tokens.access_token.expose()) {
            return Err(Unprintable::Token);
        }
        if !is_variable(variable) {
            return Err(Unprintable::Variable(crate::text::printable(variable)));
        }
        Ok(Self { tokens, now, variable })
    }

    /// The token, for a caller that hands it on without printing it.
    pub fn token(&self) -> &'a str {
        self.tokens.access_token.expose()
    }
}

/// Whether a text may be handed out as a token.
fn is_token(text: &str) -> bool {
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7F).contains(&byte))
}

/// Variables that a shell or the lookup of a program obeys.
const OBEYED: [&str; 4] = ["PATH", "IFS", "ENV", "BASH_ENV"];

/// Whether a text names an environment variable in the form that every shell takes, and none that a shell or the loader
/// obeys: it would complain about the token aloud.
pub fn is_variable(name: &str) -> bool {
    let starts_well = name.bytes().next().is_some_and(|first| first.is_ascii_uppercase() || first == b'_');
    let is_obeyed = OBEYED.contains(&name) || name.starts_with("LD_") || name.starts_with("DYLD_");
    starts_well && !is_obeyed && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests;
