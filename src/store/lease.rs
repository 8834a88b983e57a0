//! What the leases of shared stores have in common: how long they must last, and how a follower waits for one.

use crate::ports::{Clock, LockError, StoreError};
use std::time::{Duration, Instant};

/// What must be left of a lease when a refresh token is sent: 25 s of tries, and the time to save what they bring.
pub(super) const NEEDED: Duration = Duration::from_secs(38);

/// How a try ended.
pub(super) enum Tried {
    Taken,
    /// By whom it is held.
    Busy(String),
    /// Somebody else was faster.
    Overtaken,
}

/// How a wait ended well.
pub(super) enum Waited {
    Taken,
    /// The caller does not need it any more.
    Satisfied,
}

/// Tries until the lease is taken, `deadline` at the latest, with pauses that double from the first to the longest. Of each
/// host one process at most waits here.
pub(super) fn wait(
    clock: &dyn Clock,
    deadline: Instant,
    pauses: (Duration, Duration),
    satisfied: &mut dyn FnMut() -> bool,
    mut attempt: impl FnMut() -> Result<Tried, StoreError>,
) -> Result<Waited, LockError> {
    let mut pause = pauses.0;
    loop {
        let refusal = match attempt() {
            Ok(Tried::Taken) => return Ok(Waited::Taken),
            Ok(Tried::Busy(holder)) => LockError::Leased(holder),
            Ok(Tried::Overtaken) => LockError::Leased("unknown".to_owned()),
            // Servers that choose a leader need longer than one call may take.
            Err(StoreError::Unavailable(why)) => LockError::Store(StoreError::Unavailable(why)),
            Err(refusal) => return Err(refusal.into()),
        };
        let now = clock.instant();
        if now >= deadline {
            return Err(refusal);
        }
        clock.sleep(pause.min(deadline - now));
        pause = (pause * 2).min(pauses.1);
        if satisfied() {
            return Ok(Waited::Satisfied);
        }
    }
}

/// Host and process, for whoever waits.
pub(super) fn own_name() -> String {
    #[cfg(unix)]
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let host = "a machine".to_owned();
    format!("{host}, process {}", std::process::id())
}
