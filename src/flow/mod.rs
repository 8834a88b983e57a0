//! The use cases: what happens in which order, so that nothing is lost whatever fails.
//!
//! A use case drives a grant through ports. It knows no socket, no D-Bus, no flag and no exit code; what it hands back
//! are facts, and the command line words them.

mod access_token;
mod account;
mod bind;
mod budget;
mod check;
mod discover;
mod drive;
mod export;
mod import;
mod lock;
mod login;
mod logout;
mod migrate;
mod refreshing;
mod refused;
mod register;
mod save;

pub use access_token::{Handed, Need, access_token, peek, renewed};
pub use bind::bind;
pub use budget::Budget;
pub use check::{Finding, Report, check};
pub use discover::{discover, protected_resource};
pub use drive::drive;
pub use export::{export, is_single_use};
pub use import::{Import, import_record, import_token};
pub use login::{
    Confirm, LoggedIn, Login, Preflight, begin, finish, link, login, preflight, probe, stored_client, stored_clients, take_aside,
};
pub use logout::{LoggedOut, logout};
pub use migrate::migrate;
pub use refused::{mark_stale, may_renew};
pub use register::register;
pub use save::keep_at_hand;

use crate::{
    oauth::{grant::ProtocolError, message::Undelivered},
    ports::{
        AccessTokenCache, Clock, Entropy, Interrupts, Lock, LockError, NoEntropy, Spool, StoreError, TokenStore, Transport, Unanswered,
        UserAgent,
    },
    profile::ProfileName,
    secret::Secret,
};
use std::time::SystemTime;

/// The world that a use case acts in.
#[derive(Clone, Copy)]
pub struct World<'a> {
    /// Carries requests.
    pub transport: &'a dyn Transport,
    /// Tells the time.
    pub clock: &'a dyn Clock,
    /// Gives random bytes.
    pub entropy: &'a dyn Entropy,
    /// Keeps the record.
    pub store: &'a dyn TokenStore,
    /// Lets one process at a time spend a refresh token.
    pub lock: &'a dyn Lock,
    /// Where a record waits that the store did not take.
    pub spool: &'a dyn Spool,
    /// Access tokens at hand.
    pub cache: &'a dyn AccessTokenCache,
    /// Holds signals back while a grant is between server and store.
    pub interrupts: &'a dyn Interrupts,
    /// Brings the resource owner; only a login needs one.
    pub user_agent: &'a dyn UserAgent,
}

/// Why a use case ended without what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// The protocol said no.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// A request that is no token request came back without an answer.
    #[error(transparent)]
    Undelivered(#[from] Undelivered),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lock.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nobody came back from the browser.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// No random bytes.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// Nothing is stored under this name, or only a login that has begun.
    #[error("there is no grant for profile `{0}`")]
    NoGrant(ProfileName),
    /// The access token is over and there is nothing to get another one with.
    #[error("the access token of `{0}` has ended and the server gave no refresh token")]
    NoRefreshToken(ProfileName),
    /// The server refused the refresh token before, and nobody logged in since.
    #[error("the server refused the refresh token of `{profile}` before")]
    Marked {
        /// Whose.
        profile: ProfileName,
        /// When it was refused last.
        at: SystemTime,
    },
    /// An answer that failed a check waits for a decision.
    #[error("an answer of the server for `{profile}` failed a check and is kept aside: {reason}")]
    SuspectWaits {
        /// Whose.
        profile: ProfileName,
        /// Which check.
        reason: String,
    },
    /// What is left of the command's time is too short to send a refresh token and save what comes back.
    #[error("a refresh is not begun with less than 10 s left")]
    NoTime,
    /// The server never gives as much time as was asked for.
    #[error("the server gives no token that lives as long as was asked for")]
    TooShort,
    /// The settings name another server or client than the grant is bound to.
    #[error("the settings of `{profile}` name another {what} than its grant is bound to")]
    PinsDiffer {
        /// Whose.
        profile: ProfileName,
        /// Which pin.
        what: &'static str,
    },
    /// The tokens belong to another account than those that are stored.
    #[error("this is another account: {new}, while `{profile}` holds {old}")]
    OtherAccount {
        /// Whose.
        profile: ProfileName,
        /// Printable.
        old: String,
        /// Printable.
        new: String,
    },
    /// The ID token failed a check (OpenID Connect Core section 3.1.3.7).
    #[error("the ID token was refused: {0}")]
    IdToken(String),
    /// A grant is there already, and nobody said that it may go.
    #[error("there is a grant for profile `{0}` already")]
    Taken(ProfileName),
    /// No login waits to be finished, or it is over.
    #[error("no login of `{0}` waits to be finished")]
    NothingPending(ProfileName),
    /// The server has no such endpoint.
    #[error("no {0} is known for this server")]
    NoEndpoint(&'static str),
    /// The server refused to revoke the token.
    #[error("the server did not revoke the token: {0}")]
    NotRevoked(String),
    /// The server's answer to a call with the token.
    #[error("{0}")]
    Answered(String, AnswerKind),
}

/// What an answer to an ordinary call with the token amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerKind {
    /// The token is not taken.
    Dead,
    /// The server is in trouble or asks to wait.
    Later,
    /// Anything else.
    Refused,
}

/// Fresh random text of `bytes` bytes, in hex.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn random_hex(entropy: &dyn Entropy, bytes: usize) -> Result<Secret, NoEntropy> {
    let mut buffer = zeroize::Zeroizing::new(vec![0; bytes]);
    entropy.fill(&mut buffer)?;
    Ok(Secret::new(data_encoding::HEXLOWER.encode(&buffer)))
}

/// Fresh random text of `bytes` bytes, base64url without padding.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn random_text(entropy: &dyn Entropy, bytes: usize) -> Result<Secret, NoEntropy> {
    let mut buffer = zeroize::Zeroizing::new(vec![0; bytes]);
    entropy.fill(&mut buffer)?;
    Ok(Secret::new(data_encoding::BASE64URL_NOPAD.encode(&buffer)))
}
