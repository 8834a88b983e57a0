//! Handing a grant to another machine, and forgetting it here where that was asked for.

use super::{FlowError, World, lock, logout::forget};
use crate::{
    oauth::pins::Rotation,
    ports::Acquired,
    profile::{ProfileName, Record},
};
use std::time::Duration;

/// How long an export waits for a refresh that is under way.
const LOCK: Duration = Duration::from_secs(35);

/// Gives the newest record of the profile to `write`, while nobody can refresh it. With `and_forget` it is forgotten here
/// once `write` has come back without an error; `write` has to make it durable for that.
///
/// # Errors
/// [`FlowError::NoGrant`] where there is no grant, and whatever lock, store and `write` say.
pub fn export<E: From<FlowError>>(
    world: &World<'_>,
    profile: &ProfileName,
    and_forget: bool,
    write: impl FnOnce(&Record) -> Result<(), E>,
) -> Result<Record, E> {
    let identity = world.store.identity();
    let deadline = world.clock.instant() + LOCK;
    let guard = match lock::acquire(world, profile, deadline, &mut || false).map_err(FlowError::from)? {
        Acquired::Exclusive(guard) => Some(guard),
        Acquired::Satisfied => None,
    };
    let no_grant = || FlowError::NoGrant(profile.clone());
    let stored = world.store.load(profile).map_err(FlowError::from)?.ok_or_else(no_grant)?;
    // A record that the store refused is the only one that the server still takes.
    let waiting = world.spool.waiting(profile, &identity, &stored.spool_key);
    let mut record = waiting.filter(|waiting| waiting.generation == stored.generation + 1).unwrap_or(stored);
    if record.current.is_none() {
        return Err(no_grant().into());
    }
    // A login that somebody else finishes comes back to this machine.
    record.pending = None;
    write(&record)?;
    if and_forget {
        forget(world, profile, Some(&record), guard)?;
    }
    Ok(record)
}

/// Whether the server may replace the refresh token with each use, so that two holders of it log each other out.
pub fn is_single_use(record: &Record) -> bool {
    let Some(current) = record.current.as_ref().filter(|current| current.tokens.refresh_token.is_some()) else { return false };
    let known = record.registration.as_ref().map_or(Rotation::Unknown, |registration| registration.pins.rotation);
    let rotation = if current.rotation == Rotation::Unknown { known } else { current.rotation };
    rotation != Rotation::None
}
