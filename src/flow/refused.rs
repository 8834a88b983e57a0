//! What to do when somebody says that an access token is not taken.

use super::{Budget, FlowError, World, save};
use crate::{
    ports::Acquired,
    profile::{ProfileName, Record},
    secret::Secret,
};
use std::time::Duration;

/// A token that a refresh brought within this time is not refreshed again: the fault lies elsewhere (SECURITY T-31).
const JUST_REFRESHED: Duration = Duration::from_secs(30);

/// Whether another token may be asked for after this record's was refused: there is a way to get one, and the refused
/// one does not come from a refresh of a moment ago.
pub fn may_renew(world: &World<'_>, record: &Record) -> bool {
    let Some(current) = &record.current else { return false };
    let tokens = &current.tokens;
    // A login's first token is requested before the login is noted down.
    let refreshed = tokens.requested_at > current.consented_at;
    let age = world.clock.now().duration_since(tokens.requested_at).unwrap_or_default();
    tokens.refresh_token.is_some() && !(refreshed && age < JUST_REFRESHED)
}

/// Marks the stored access token as ended, so that the next call gets another one; the grant stays.
///
/// `said` is the token that was refused, where the asker names it: a token that was replaced meanwhile is nobody's
/// concern. Says whether anything was marked.
///
/// # Errors
/// What lock and store say.
pub fn mark_stale(world: &World<'_>, profile: &ProfileName, said: Option<&Secret>, budget: Budget) -> Result<bool, FlowError> {
    let acquired = world.lock.acquire(&world.store.identity(), profile, budget.end(), &mut || false)?;
    let Acquired::Exclusive(guard) = acquired else { return Ok(false) };
    let Some(record) = world.store.load(profile)? else { return Ok(false) };
    let now = world.clock.now();
    let concerned = record.current.as_ref().is_some_and(|current| {
        let tokens = &current.tokens;
        tokens.is_fresh(now, Duration::ZERO) && said.is_none_or(|said| tokens.access_token.hash() == said.hash())
    });
    // A newer grant in the spool takes this one's place by itself; a save in front of it would leave it behind.
    let overtaken = world.spool.waiting(profile, &world.store.identity(), &record.spool_key).is_some();
    if !concerned || overtaken || !may_renew(world, &record) {
        return Ok(false);
    }
    let record = save::update(world, profile, |record| {
        if let Some(current) = &mut record.current {
            current.tokens.expires_at = Some(now);
        }
    })?;
    world.cache.forget(&record.id);
    drop(guard);
    Ok(true)
}
