//! Grants as state machines: what a grant wants from the world next, and what the world answered.
//!
//! A grant holds no socket and no clock. Whoever drives it (one loop, in `flow`) does what the [`Step`] says and comes
//! back with the [`Event`]. A way to earn tokens from a person is one file and one line in [`GRANTS`].

mod authorization_code;
mod device_code;
mod refresh;

pub use authorization_code::AuthorizationCode;
pub use refresh::Refresh;

use super::{
    answer::{Asked, Purpose, Replay, Save, Verdict, judge},
    attempt::{Attempt, ExpectedIssuer},
    message::{Request, Response, Undelivered},
    pins::{Pins, Rotation},
    redirect_uri::RedirectUri,
    request::ParameterTaken,
    token::TokenSet,
};
use crate::secret::Secret;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};
use url::Url;

/// What the grant wants from the world next.
#[derive(Debug)]
pub enum Step {
    /// Take the resource owner to this URL and wait until the attempt has ended.
    Authorize {
        /// The authorization request.
        url: Url,
        /// Takes what comes back.
        attempt: Arc<Mutex<Attempt>>,
    },
    /// Show this to the resource owner, then go on.
    Display(Prompt),
    /// Send this and say what came back.
    Send(Request),
    /// Let time pass.
    Wait(Duration),
    /// Let all time pass that can be spared, but leave room for one more try.
    WaitOut,
    /// The tokens, and what deviated without doing harm.
    Done(Box<TokenSet>, Vec<String>),
}

/// What the world answered.
#[derive(Debug)]
pub enum Event {
    /// Nothing has happened yet.
    Begin,
    /// The attempt has ended.
    Redirected,
    /// A complete answer, to a request that was sent at this time.
    Received {
        /// As it came.
        response: Response,
        /// When the request was sent.
        sent_at: SystemTime,
    },
    /// No complete answer to a request that was sent at this time.
    Undelivered {
        /// What is known.
        undelivered: Undelivered,
        /// When the request was sent.
        sent_at: SystemTime,
    },
    /// What was to be shown is shown.
    Displayed,
    /// The time has passed.
    Elapsed,
    /// There is no time for another try.
    OutOfTime,
}

/// What a person has to do on another device (RFC 8628 section 3.3).
#[derive(Debug, Clone)]
pub struct Prompt {
    /// Where to go; checked like every address that is shown or opened.
    pub verification_uri: Url,
    /// What to type there; printable.
    pub user_code: String,
    /// When the code ends, counted from now.
    pub expires_in: Duration,
}

/// Why a grant cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProtocolError {
    /// The authorization server's answer through the user agent was an error (RFC 6749 section 4.1.2.1); printable.
    #[error("the authorization server answered `{error}`{}", description.as_ref().map(|text| format!(": {text}")).unwrap_or_default())]
    Denied {
        /// Error code.
        error: String,
        /// The server's own words.
        description: Option<String>,
    },
    /// Right state, wrong issuer (RFC 9207 section 2.4); printable.
    #[error("the redirect names another issuer ({})", got.as_deref().unwrap_or("none, though the server promises one"))]
    WrongIssuer {
        /// What came.
        got: Option<String>,
    },
    /// The token endpoint's last word.
    #[error("{}", .0.reason)]
    Answer(Box<Verdict>),
    /// An endpoint's query or a parameter sets what this program sets.
    #[error(transparent)]
    ParameterTaken(#[from] ParameterTaken),
    /// The server cannot do what this grant needs.
    #[error("{0}")]
    Unsupported(String),
    /// The device code ended before anybody approved it (RFC 8628 section 3.5).
    #[error("the code was not approved in time")]
    CodeExpired,
    /// The driver answered something that was not asked; a bug.
    #[error("a step was answered with something that was not asked")]
    OutOfStep,
}

/// A way to earn tokens.
pub trait Grant {
    /// Takes what happened and says what is wanted next.
    ///
    /// # Errors
    /// [`ProtocolError`]: the grant is over.
    fn advance(&mut self, event: Event) -> Result<Step, ProtocolError>;

    /// The issuer that the redirect named, where none was known before; to be pinned.
    fn issuer(&self) -> Option<String> {
        None
    }
}

/// Everything that a grant which asks a person is made from.
#[derive(Debug, Clone)]
pub struct Consent {
    /// What the grant will be bound to.
    pub pins: Pins,
    /// The secret of a confidential client.
    pub client_secret: Option<Secret>,
    /// Where the user agent comes back to; unused without one.
    pub redirect_uri: RedirectUri,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Stands between two scopes.
    pub scope_separator: String,
    /// Further parameters of the authorization request.
    pub params: BTreeMap<String, String>,
    /// Binds response to request: at least 128 random bits.
    pub state: Secret,
    /// At least 256 random bits (RFC 7636 section 4.1); absent under `--no-pkce`.
    pub verifier: Option<Secret>,
    /// Binds the ID token to the request, where one is asked for.
    pub nonce: Option<Secret>,
    /// What `iss` has to be.
    pub expected_issuer: ExpectedIssuer,
}

/// A grant that asks a person, as the command line knows it.
pub trait GrantKind: Sync {
    /// The `grant_type` of its token request.
    fn name(&self) -> &'static str;
    /// One line of help.
    fn about(&self) -> &'static str;
    /// Whether the person comes back through a redirect.
    fn needs_redirect(&self) -> bool;
    /// A grant at its beginning.
    fn begin(&self, consent: Consent) -> Box<dyn Grant>;
}

/// Every grant that asks a person; the first is the default.
pub static GRANTS: &[&dyn GrantKind] = &[&authorization_code::Kind, &device_code::Kind];

/// The grant of that name.
pub fn by_name(name: &str) -> Option<&'static dyn GrantKind> {
    GRANTS.iter().copied().find(|grant| grant.name() == name)
}

/// The part that all grants share: one request to the token endpoint, judged, and sent again only where that is allowed.
#[derive(Debug)]
struct Exchange {
    request: Request,
    purpose: Purpose,
    rotation: Rotation,
    has_grace: bool,
    default_expires_in: Option<u64>,
    tries: u8,
    replays: u8,
    waited: bool,
    /// An earlier try may have been acted on.
    open: bool,
    last: Option<Verdict>,
    /// Whether a late replay is worth the wait; not while a live token can be served meanwhile.
    patient: bool,
}

impl Exchange {
    fn new(request: Request, purpose: Purpose, pins: &Pins, rotation: Rotation) -> Self {
        let has_grace = pins.grace_seconds > 0;
        let default_expires_in = pins.default_expires_in;
        Self {
            request,
            purpose,
            rotation,
            has_grace,
            default_expires_in,
            tries: 0,
            replays: 0,
            waited: false,
            open: false,
            last: None,
            patient: true,
        }
    }

    fn send(&mut self) -> Step {
        self.tries = self.tries.saturating_add(1);
        Step::Send(self.request.clone())
    }

    fn advance(&mut self, event: Event) -> Result<Step, ProtocolError> {
        let (verdict, unsent) = match &event {
            Event::Received { response, sent_at } => (judge(Ok(response), &self.asked(*sent_at)), false),
            Event::Undelivered { undelivered, sent_at } => (judge(Err(undelivered), &self.asked(*sent_at)), undelivered.is_unsent()),
            Event::Elapsed => return Ok(self.send()),
            Event::OutOfTime => return Err(self.give_up()),
            _ => return Err(ProtocolError::OutOfStep),
        };
        let (replay, most) = (verdict.replay, self.asked(SystemTime::UNIX_EPOCH).replays());
        if let Save::Tokens(tokens) = verdict.save {
            return Ok(Step::Done(tokens, verdict.remarks));
        }
        // A try that never left must not hide that an earlier one may have been heard.
        if !(unsent && self.last.is_some()) {
            let open = verdict.open;
            self.last = Some(self.after_the_earlier(verdict));
            self.open |= open;
        }
        self.again(replay, most).ok_or_else(|| self.give_up())
    }

    /// What an earlier try may have done does not end with a later one, unless that one settles what the refresh token is worth.
    fn after_the_earlier(&self, mut verdict: Verdict) -> Verdict {
        let settled = !matches!(verdict.save, Save::Nothing);
        if self.open && !verdict.open {
            verdict.reason = format!("{}; the answer to an earlier try was lost", verdict.reason);
            verdict.open = !settled;
        }
        verdict
    }

    fn again(&mut self, replay: Replay, most: u8) -> Option<Step> {
        match replay {
            Replay::Unsent { tries } if self.tries < tries => Some(Step::Wait(pause(self.tries))),
            Replay::AtOnce { most } if self.replays < most && !self.waited => {
                self.replays += 1;
                Some(self.send())
            }
            Replay::After(wait) if !self.waited && self.replays < most => {
                self.replays += 1;
                self.waited = true;
                Some(Step::Wait(wait))
            }
            Replay::Late if !self.waited && self.replays == 0 && self.patient => {
                self.waited = true;
                Some(Step::WaitOut)
            }
            _ => None,
        }
    }

    fn give_up(&mut self) -> ProtocolError {
        self.last.take().map_or(ProtocolError::OutOfStep, |verdict| ProtocolError::Answer(Box::new(verdict)))
    }

    fn asked(&self, sent_at: SystemTime) -> Asked {
        Asked {
            purpose: self.purpose,
            sent_at,
            rotation: self.rotation,
            has_grace: self.has_grace,
            default_expires_in: self.default_expires_in,
        }
    }
}

/// Pause before a connection is tried again; whoever lets the time pass adds the jitter.
fn pause(tries: u8) -> Duration {
    Duration::from_millis(200) * u32::from(tries).pow(2)
}
