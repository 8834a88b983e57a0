//! One sender per grant.
//!
//! Whoever wants to spend a refresh token holds the grant's lock from before the second look into the store until the
//! new record is durable. Everybody else waits, and is usually served by what the sender saved. The lock of the machine
//! keeps its processes apart; a store that many machines share has a [`Lock`] of its own beside it, a lease.

use super::StoreError;
use crate::profile::ProfileName;
use std::{
    fmt,
    time::{Instant, SystemTime},
};

/// Gives out the lock of a grant.
pub trait Lock {
    /// Takes the lock of the grant that `profile` has in the store called `identity`, or learns that it is not needed.
    ///
    /// `satisfied` is asked whether the caller's need was met meanwhile (a newer generation was saved): whenever a
    /// sender has let go, and about twice a second while one has not. It may read the store each time. The first try is
    /// made without asking it, whatever `deadline` says.
    ///
    /// # Errors
    /// [`LockError`].
    fn acquire(
        &self,
        identity: &str,
        profile: &ProfileName,
        deadline: Instant,
        satisfied: &mut dyn FnMut() -> bool,
    ) -> Result<Acquired<'_>, LockError>;
}

/// How the wait for a lock ended well.
pub enum Acquired<'a> {
    /// The caller is the only one, until it drops the guard or dies. It has to look into the store again.
    Exclusive(Box<dyn Guard + 'a>),
    /// Somebody else did what the caller wanted to do.
    Satisfied,
}

/// A lock that is held. Dropping it lets go.
pub trait Guard {
    /// Whether the lock still keeps others out. To be asked once more right before a refresh token is sent.
    fn is_held(&self) -> bool;

    /// Removes whatever the lock left behind; for a grant that is forgotten.
    fn forget(self: Box<Self>);
}

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Since when, by its own clock.
    pub since: SystemTime,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match self.since.elapsed() {
            Ok(held) => write!(f, ", for {} s", held.as_secs()),
            Err(_) => Ok(()),
        }
    }
}

/// Why there is no lock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Another process held it all the time.
    #[error("another process is at work on this grant ({})", .0.map_or_else(|| "unknown".to_owned(), |holder| holder.to_string()))]
    Busy(Option<Holder>),
    /// A process on another machine had it all the time.
    #[error("another machine is at work on this grant ({0})")]
    Leased(String),
    /// The store that leases the grant.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The place where locks lie could be touched by others.
    #[error("{0}")]
    Unsafe(String),
    /// The system gives none: read-only, full, or without locks.
    #[error("{0}")]
    Unavailable(String),
}
