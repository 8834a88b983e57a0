//! Changing which hosts a grant's access token may be presented to.

use super::{Budget, FlowError, World, save};
use crate::{
    oauth::bound::Bound,
    ports::{Acquired, LockError},
    profile::{ProfileName, Registration},
};

/// Binds a host to the grant, or takes it away; gives all that are bound afterwards.
///
/// Done under the lock, so that no refresh finds its record changed between sending and saving. A login that waits to be
/// finished is changed with it.
///
/// # Errors
/// [`FlowError::NoGrant`] where nothing is stored, and what lock and store say; a store that keeps nothing binds nothing.
pub fn bind(world: &World<'_>, profile: &ProfileName, host: &Bound, remove: bool, budget: Budget) -> Result<Vec<String>, FlowError> {
    let no_grant = || FlowError::NoGrant(profile.clone());
    let acquired = world.lock.acquire(&world.store.identity(), profile, budget.end(), &mut || false)?;
    let Acquired::Exclusive(guard) = acquired else { return Err(LockError::Busy(None).into()) };
    let stored = world.store.load(profile)?.filter(|record| record.registration.is_some() || record.pending.is_some());
    let stored = stored.ok_or_else(no_grant)?;
    if world.spool.waiting(profile, &world.store.identity(), &stored.spool_key).is_some() {
        // A newer grant waits for the next call to bring it home; a save in front of it would leave it behind.
        return Err(LockError::Busy(None).into());
    }
    world.store.probe()?;
    let record = save::update(world, profile, |record| {
        let registrations = [record.registration.as_mut(), record.pending.as_mut().map(|pending| &mut pending.registration)];
        for registration in registrations.into_iter().flatten() {
            change(registration, host, remove);
        }
    })?;
    drop(guard);
    let registration = record.registration.or(record.pending.map(|pending| pending.registration)).ok_or_else(no_grant)?;
    Ok(registration.pins.hosts)
}

fn change(registration: &mut Registration, host: &Bound, remove: bool) {
    let hosts = &mut registration.pins.hosts;
    let is_it = |text: &String| text.parse::<Bound>().is_ok_and(|known| known == *host);
    if remove {
        hosts.retain(|text| !is_it(text));
    } else if !hosts.iter().any(is_it) {
        hosts.push(host.to_string());
    }
}
