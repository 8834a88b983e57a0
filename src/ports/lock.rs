//! One process at a time spends a refresh token.

use crate::profile::ProfileName;
use std::time::{Instant, SystemTime};

/// A kernel lock for each grant of each store; it dies with its holder.
pub trait Lock {
    /// Waits until this process may spend the grant's refresh token, or need not any more.
    ///
    /// Waiting is shared: whoever waits asks `satisfied` once the holder is done, and only a process whose need is still
    /// open goes on to hold the lock alone.
    ///
    /// # Errors
    /// [`LockError::Busy`] at the deadline; the other kinds where the lock's folder cannot be used.
    fn acquire(
        &self,
        identity: &str,
        profile: &ProfileName,
        deadline: Instant,
        satisfied: &mut dyn FnMut() -> bool,
    ) -> Result<Acquired, LockError>;
}

/// How a wait for the lock ended.
pub enum Acquired {
    /// The lock is held until the guard is dropped.
    Exclusive(Box<dyn Guard>),
    /// Somebody else did what was needed.
    Satisfied,
}

/// Holds something until it is dropped.
pub trait Guard {}

/// Who holds a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Process.
    pub pid: u32,
    /// Since when.
    pub since: SystemTime,
}

/// Why the lock is not ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// Another process kept it until the deadline.
    #[error("another process is refreshing this grant{}", holder.map(|holder| format!(" (pid {})", holder.pid)).unwrap_or_default())]
    Busy {
        /// Where it left its name.
        holder: Option<Holder>,
    },
    /// The folder of the locks belongs to somebody else or can be written by others.
    #[error("{0}")]
    Unsafe(String),
    /// The folder of the locks cannot be used.
    #[error("{0}")]
    Unavailable(String),
}

/// Holds back signals that can be caught, while a grant is between server and store.
pub trait Interrupts {
    /// Holds them until the guard is dropped.
    fn hold(&self) -> Box<dyn Guard>;
}
