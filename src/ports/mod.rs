//! The world as traits: everything that the use cases need and a test can play.

mod cache;
mod intent;
mod interrupts;
mod lock;
mod spool;

pub use cache::{AccessTokenCache, Cached};
pub use intent::Intent;
pub use interrupts::{Hold, Interrupts};
pub use lock::{Acquired, Guard, Holder, Lock, LockError};
pub use spool::Spool;

use crate::{
    oauth::{
        attempt::Attempt,
        message::{Request, Response, Undelivered},
    },
    profile::{BadRecord, ProfileName, Record},
};
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};
use url::Url;

/// Carries requests.
pub trait Transport {
    /// Sends one request and waits for the whole answer, at most until `deadline` and at most 10 s without a byte.
    ///
    /// No redirect is followed, no cookie kept, nothing sent again.
    ///
    /// # Errors
    /// [`Undelivered`], sorted by whether the server may have acted.
    fn send(&self, request: &Request, deadline: Instant) -> Result<Response, Undelivered>;
}

/// Tells the time and lets it pass.
pub trait Clock {
    /// Wall-clock time.
    fn now(&self) -> SystemTime;
    /// Time that never goes back, for deadlines.
    fn instant(&self) -> Instant;
    /// Lets `time` pass.
    fn sleep(&self, time: Duration);
    /// Time that goes on while the machine sleeps, from any beginning; for what ends elsewhere whether we are awake or not.
    fn boottime(&self) -> Duration {
        self.now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

/// Gives unpredictable bytes.
pub trait Entropy {
    /// Fills the buffer from the system's source.
    ///
    /// # Errors
    /// Where the system has none to give; nothing may go on then.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy>;
}

/// The system gives no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoEntropy;

/// Takes the resource owner to the authorization server and brings the response back.
pub trait UserAgent {
    /// Shows `url` to the resource owner and waits until `attempt` has ended, `deadline` at the latest.
    ///
    /// # Errors
    /// [`Unanswered`].
    fn authorize(&self, url: &Url, attempt: &Arc<Mutex<Attempt>>, deadline: Instant) -> Result<(), Unanswered>;

    /// Tells whoever waits at the result page how it really ended.
    fn conclude(&self, stored: bool);
}

/// Nobody came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The time was up.
    #[error("nobody answered in time")]
    TimedOut,
    /// The user gave up (Ctrl-C, or a signal with this number).
    #[error("the login was interrupted")]
    Interrupted(i32),
    /// Standard input ended without a usable redirect URL, and nothing else could bring one.
    #[error("what was pasted is not the redirect of this login ({0})")]
    BadPaste(String),
    /// No way to reach the user.
    #[error("{0}")]
    Unreachable(String),
}

/// What a store says when it cannot do what it was asked to. Each kind needs an act of its own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There is no such store on this machine.
    #[error("{0}")]
    Missing(String),
    /// It is there, but locked.
    #[error("{0}")]
    Locked(String),
    /// It did not answer in time, or broke off.
    #[error("{0}")]
    Unavailable(String),
    /// It refused.
    #[error("{0}")]
    Denied(String),
    /// The record does not fit.
    #[error("a record of {size} bytes does not fit; this store takes {limit}")]
    TooBig {
        /// Bytes of the record.
        size: usize,
        /// Bytes that the store takes.
        limit: usize,
    },
    /// What lies there cannot be read. It is kept.
    #[error("the record of `{profile}` cannot be read: {reason}")]
    Corrupt {
        /// Whose record.
        profile: ProfileName,
        /// Why.
        reason: BadRecord,
    },
    /// Somebody else saved a newer generation in the meantime.
    #[error("a newer record was saved in the meantime")]
    Conflict,
    /// Folders or files that others may write, or that are not what they should be.
    #[error("{0}")]
    Unsafe(String),
    /// It said yes and kept something else.
    #[error("{0} said that it saved the record, but does not give it back")]
    Forgetful(String),
    /// No key to open it with.
    #[error("{0}")]
    NoKey(String),
    /// It can be read and never written.
    #[error("{0}")]
    ReadOnly(String),
    /// Neither settings nor environment say what it needs; the text names what is missing.
    #[error("{0}")]
    Unset(String),
}

/// Keeps one record per profile.
///
/// Every call ends within 10 s. A record is one item: a reader sees the old one or the new one, never a mixture.
pub trait TokenStore {
    /// Which store this is, as it stands in settings and hints.
    fn name(&self) -> &'static str;

    /// What a person calls the place, such as `GNOME Keyring`.
    fn place(&self) -> String;

    /// What a person should know before a grant is kept here; `None` where nothing surprises.
    fn caveat(&self) -> Option<String> {
        None
    }

    /// Tells two stores of one kind apart; part of the lock's name.
    fn identity(&self) -> String;

    /// Whether machines can share it: a save over a newer record is refused wherever it comes from, or a lock of all of
    /// them keeps it from happening.
    ///
    /// # Errors
    /// [`StoreError`], where it has to be asked.
    fn is_shared(&self) -> Result<bool, StoreError> {
        Ok(false)
    }

    /// Proves that a record can be written, read back and deleted.
    ///
    /// # Errors
    /// [`StoreError`].
    fn probe(&self) -> Result<(), StoreError>;

    /// The record, or `None` where there is none.
    ///
    /// # Errors
    /// [`StoreError`]; a record that cannot be read is [`StoreError::Corrupt`], never `None`.
    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError>;

    /// Replaces the record durably and reads it back. The caller has raised `generation` by one.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the stored generation is not the one before; else the kinds of trouble.
    fn save(&self, record: &Record) -> Result<(), StoreError>;

    /// Writes the intent durably, beside the record and by the same means.
    ///
    /// # Errors
    /// [`StoreError`]: nothing may be sent then.
    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError>;

    /// The intent of a refresh that has not ended.
    ///
    /// # Errors
    /// [`StoreError`].
    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError>;

    /// Removes the intent; nothing happens where there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError>;

    /// Forgets the profile, intent and parts included, and looks that it is gone.
    ///
    /// # Errors
    /// [`StoreError`].
    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError>;

    /// What keeps apart the hosts that share this store, beyond the lock that each of them has for itself; `None` where
    /// the store is one machine's.
    ///
    /// It is taken after the lock of the machine, and its guard is asked once more right before a refresh token is sent.
    fn lease(&self) -> Option<&dyn Lock> {
        None
    }

    /// Takes a record of any generation in, as it comes from another store, where nothing newer lies; else as `save`.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where the same generation or a newer one is stored; [`StoreError::Denied`] from a store
    /// that takes no records of others.
    fn take_in(&self, _record: &Record) -> Result<(), StoreError> {
        Err(StoreError::Denied(format!("{} takes no records of other stores", self.place())))
    }

    /// The generation that was once saved of this very grant, where it is newer than the one at hand: somebody brought
    /// an older copy back. A store that cannot tell says `None`.
    fn rolled_back(&self, _record: &Record) -> Option<u64> {
        None
    }

    /// Every profile with a record, sorted.
    ///
    /// # Errors
    /// [`StoreError`].
    fn list(&self) -> Result<Vec<ProfileName>, StoreError>;
}
