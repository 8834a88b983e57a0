//! What an answer of the token endpoint means: the only place that classifies one.
//!
//! Servers deviate from RFC 6749 sections 5.1 and 5.2 in every way there is. [`judge`] takes what came (or did not
//! come) and what is known of the server, and says what to save, what the command ends as, and whether the same request
//! may be sent again. The HTTP status decides before the body does. It is pure: the retry table can be read off its
//! tests.

mod number;
mod refusal;
mod success;

pub use number::{Expiry, read_expires_in, read_retry_after};

use super::{
    message::{Response, Undelivered},
    pins::Rotation,
    token::TokenSet,
};
use crate::secret::Secret;
use http::{StatusCode, header::RETRY_AFTER};
use std::time::{Duration, SystemTime};

/// Longest wait that a server may order while a grant's lock is held.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was asked; it decides what an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An authorization or device code, which works once: it is never sent twice unless nothing was written.
    Exchange,
    /// A refresh token.
    Refresh,
}

/// What is known when an answer is judged.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// What was sent.
    pub purpose: Purpose,
    /// When the request was sent.
    pub sent_at: SystemTime,
    /// What the catalogue and earlier answers say of rotation.
    pub rotation: Rotation,
    /// Whether the server promises to answer a spent refresh token for a while.
    pub has_grace: bool,
    /// Life of an access token whose answer names none, in seconds.
    pub default_expires_in: Option<u64>,
}

/// What one answer means.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// What has to be kept.
    pub save: Save,
    /// What the command ends as.
    pub class: Class,
    /// Whether the same request may be sent again.
    pub replay: Replay,
    /// The fact, in printable words without a secret.
    pub reason: String,
    /// How long the server asks us to stay away.
    pub retry_after: Option<Duration>,
    /// What deviated without doing harm.
    pub remarks: Vec<String>,
    /// The server may have acted on the request, and what it did is not known.
    pub open: bool,
}

/// What an answer leaves behind.
#[derive(Debug, Clone)]
pub enum Save {
    /// The stored grant stays as it is.
    Nothing,
    /// New tokens, to be saved before anything else happens.
    Tokens(Box<TokenSet>),
    /// The answer failed a check, but the server has spent the old refresh token for this one.
    Suspect {
        /// Perhaps the only one that the server still takes.
        refresh_token: Secret,
        /// Where it was well-formed.
        access_token: Option<Secret>,
    },
    /// The server says that the refresh token is dead: a person is needed. Nothing is deleted.
    Mark,
}

/// What a command ends as when this answer stays the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Tokens.
    Granted,
    /// A person has to consent again.
    LoginNeeded,
    /// The same call may work later.
    Later,
    /// Trying again would change nothing.
    Refused,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// No.
    Never,
    /// Nothing was written: after a short pause with jitter, up to this many tries in all.
    Unsent {
        /// Tries in all.
        tries: u8,
    },
    /// At once, up to this many replays in all.
    AtOnce {
        /// Replays in all.
        most: u8,
    },
    /// Once, after this wait.
    After(Duration),
    /// The first request may still be running: once, when the budget is nearly spent.
    Late,
}

impl Verdict {
    fn new(class: Class, reason: impl Into<String>) -> Self {
        Self {
            save: Save::Nothing,
            class,
            replay: Replay::Never,
            reason: reason.into(),
            retry_after: None,
            remarks: Vec::new(),
            open: false,
        }
    }

    fn with_replay(self, replay: Replay) -> Self {
        Self { replay, ..self }
    }

    /// Whatever the server did with the request, this does not tell.
    fn left_open(self, replay: Replay) -> Self {
        Self { replay, open: true, ..self }
    }
}

impl Asked {
    /// How often a request may be sent again in all: a lost answer may hold the only live refresh token, a replay finds
    /// out, and on a strict server a second one harms.
    pub fn replays(&self) -> u8 {
        if self.rotation == Rotation::None || self.has_grace { 3 } else { 1 }
    }
}

/// Judges what came back, or did not.
pub fn judge(outcome: Result<&Response, &Undelivered>, asked: &Asked) -> Verdict {
    let verdict = match outcome {
        Ok(response) => judge_response(response, asked),
        Err(undelivered) => judge_silence(undelivered, asked),
    };
    match (asked.purpose, verdict.replay) {
        (Purpose::Exchange, Replay::Unsent { .. }) | (Purpose::Refresh, _) => verdict,
        (Purpose::Exchange, _) => verdict.with_replay(Replay::Never),
    }
}

fn judge_silence(undelivered: &Undelivered, asked: &Asked) -> Verdict {
    let later = Verdict::new(Class::Later, undelivered.to_string());
    match undelivered {
        Undelivered::NotSent { .. } => later.with_replay(Replay::Unsent { tries: 3 }),
        Undelivered::PeerEnded { .. } => later.left_open(Replay::AtOnce { most: asked.replays() }),
        Undelivered::TimedOut { .. } => later.left_open(Replay::Late),
        Undelivered::TooLarge { .. } => later.left_open(Replay::Never),
        Undelivered::NoRoots { .. } => later,
        Undelivered::CertificateRefused { .. } | Undelivered::Barred { .. } => Verdict::new(Class::Refused, undelivered.to_string()),
    }
}

fn judge_response(response: &Response, asked: &Asked) -> Verdict {
    let status = response.status;
    if status.is_success() {
        return success::judge(response, asked);
    }
    let answered = format!("the authorization server answered {}", status.as_u16());
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => refusal::judge(response, asked),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => wait_as_told(response, asked, answered),
        StatusCode::GATEWAY_TIMEOUT => Verdict::new(Class::Later, answered).left_open(Replay::Late),
        _ if status.is_server_error() => Verdict::new(Class::Later, answered).left_open(Replay::AtOnce { most: asked.replays() }),
        _ if status.is_redirection() => {
            Verdict::new(Class::Refused, format!("{answered}, a redirect, which a token endpoint must not send"))
        }
        _ => Verdict::new(Class::Later, answered),
    }
}

fn wait_as_told(response: &Response, asked: &Asked, answered: String) -> Verdict {
    let retry_after = response.header(&RETRY_AFTER).and_then(|value| read_retry_after(value, asked.sent_at));
    let mut verdict = Verdict::new(Class::Later, answered);
    verdict.retry_after = retry_after;
    match retry_after {
        Some(wait) if wait <= PATIENCE => verdict.with_replay(Replay::After(wait)),
        None if response.status == StatusCode::SERVICE_UNAVAILABLE => verdict.with_replay(Replay::After(Duration::from_secs(1))),
        _ => verdict,
    }
}

#[cfg(test)]
mod tests;
