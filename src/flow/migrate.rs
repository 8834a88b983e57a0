//! Moving a grant to another store: written there, read back, pointed at, and only then removed here.

use super::{FlowError, World, lock};
use crate::{
    ports::{Acquired, StoreError},
    profile::{ProfileName, Record},
};
use std::time::Duration;

/// How long a move waits for a refresh that is under way.
const LOCK: Duration = Duration::from_secs(35);

/// Moves the grant to the store of the world `to`; `point` makes the other store the profile's own, before anything is
/// removed. Whenever it ends, one store at least has the whole record.
///
/// Where the other store has this grant in the same generation or a newer one, that one stays: a move that was killed is
/// finished by another.
///
/// # Errors
/// [`FlowError::Taken`] where the other store has another grant of this name; whatever a store says. Nothing is removed
/// then.
pub fn migrate<E: From<FlowError>>(
    from: &World<'_>,
    to: &World<'_>,
    profile: &ProfileName,
    point: impl FnOnce(&Record) -> Result<(), E>,
) -> Result<Record, E> {
    let deadline = from.clock.instant() + LOCK;
    let guard = lock::acquire(from, profile, deadline, &mut || false).map_err(FlowError::from)?;
    let _there = lock::acquire(to, profile, deadline, &mut || false).map_err(FlowError::from)?;
    let record = copy(from, to, profile)?;
    point(&record)?;
    from.store.delete(profile).map_err(FlowError::from)?;
    let _ = from.spool.discard(profile, &from.store.identity());
    if let Acquired::Exclusive(guard) = guard {
        guard.forget();
    }
    Ok(record)
}

/// What the other store has in the end.
fn copy(from: &World<'_>, to: &World<'_>, profile: &ProfileName) -> Result<Record, FlowError> {
    let stored = from.store.load(profile)?.ok_or_else(|| FlowError::NoGrant(profile.clone()))?;
    // What this store refuses may be what the other one is wanted for.
    let waiting = from.spool.waiting(profile, &from.store.identity(), &stored.spool_key);
    let record = waiting.and_then(|waiting| waiting.brought_into(&stored)).unwrap_or(stored);
    match to.store.load(profile)? {
        Some(other) if other.id != record.id => return Err(FlowError::Taken(profile.clone())),
        Some(other) if other.generation >= record.generation => return Ok(other),
        _ => {}
    }
    to.store.probe()?;
    to.store.take_in(&record)?;
    match to.store.load(profile)? {
        Some(back) if back.encode().hash() == record.encode().hash() => Ok(back),
        _ => Err(StoreError::Forgetful(to.store.place()).into()),
    }
}
