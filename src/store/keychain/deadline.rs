//! An end for every call (SECURITY S-12).
//!
//! A keychain is another process, which may be stopped, swapped out or waiting for somebody; its libraries bound some
//! of their waits and not others (libdbus waits 25 s for the bus itself). So the call runs on a thread of its own, and
//! whoever asked goes on without it when the time is up. A write that arrives too late is found by its generation.

use crate::ports::StoreError;
use std::{sync::mpsc, thread, time::Duration};

/// What a call may take, below the ten seconds that the port promises.
pub(super) const CALL: Duration = Duration::from_secs(9);

/// What a call may take while a prompt may show.
pub(super) const PROMPT: Duration = Duration::from_secs(75);

/// Runs the call and waits for it until the limit.
///
/// # Errors
/// [`StoreError::Unavailable`] where it takes longer, breaks off, or has no thread to run on.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let (answer, answered) = mpsc::sync_channel(1);
    let started = thread::Builder::new().name("keychain".to_owned()).spawn(move || {
        // Nobody listens once the limit is over.
        let _ = answer.send(call());
    });
    started.map_err(|_| StoreError::Unavailable("the system gives no thread to ask the keychain with".to_owned()))?;
    answered.recv_timeout(limit).unwrap_or_else(|gone| {
        Err(StoreError::Unavailable(match gone {
            mpsc::RecvTimeoutError::Timeout => format!("the keychain did not answer within {} s", limit.as_secs()),
            mpsc::RecvTimeoutError::Disconnected => "the call to the keychain broke off".to_owned(),
        }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f_10_a_call_that_never_ends_is_left_behind() {
        let (hold, held) = mpsc::channel::<()>();

        let outcome = within(Duration::from_millis(50), move || held.recv().map_err(|_| StoreError::Conflict));

        assert!(matches!(outcome, Err(StoreError::Unavailable(_))));
        drop(hold);
    }
}
