//! Saving a record after the server has acted: by every means there is, before anybody complains.

use super::{FlowError, World, random_hex};
use crate::{
    ports::{Cached, StoreError},
    profile::{ProfileName, Record},
    secret::Secret,
};
use std::time::{Duration, Instant};

/// How long a store that refuses is tried again before the spool takes the record.
const RETRY: Duration = Duration::from_secs(5);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(250);
/// How often somebody else may be faster before the spool takes the record.
const CONFLICTS: usize = 5;

/// Where a record came to rest.
#[derive(Debug)]
pub(super) enum Saved {
    /// In the store.
    Stored,
    /// In the spool, because the store said this; the next call brings it home.
    Spooled(StoreError),
    /// Nowhere: the tokens live in this process only.
    Nowhere(StoreError),
    /// Something else was saved in the meantime: this, or nothing is left.
    Overtaken(Option<Box<Record>>),
}

/// Saves a record whose generation was raised by one, and spools it where the store keeps refusing, `end` at the latest.
pub(super) fn save(world: &World<'_>, record: &Record, end: Instant) -> Saved {
    // A spool is this machine's alone: what many share is tried as long as there is time.
    let end = if world.store.lease().is_some() { end } else { end.min(world.clock.instant() + RETRY) };
    let refusal = loop {
        let refusal = match world.store.save(record) {
            Ok(()) => return stored(world, record),
            // An earlier try may have been kept, though the store said that it was not.
            Err(StoreError::Conflict) => match world.store.load(&record.profile) {
                Ok(Some(found)) if is_the_same(&found, record) => return stored(world, record),
                Ok(found) => return Saved::Overtaken(found.map(Box::new)),
                Err(refusal) => refusal,
            },
            Err(refusal) => refusal,
        };
        if !may_pass(&refusal) || world.clock.instant() + PAUSE >= end {
            break refusal;
        }
        world.clock.sleep(PAUSE);
    };
    // What is cached is older than what could not be stored.
    world.cache.forget(&record.id);
    match world.spool.keep(&world.store.identity(), record, &record.spool_key) {
        Ok(()) => Saved::Spooled(refusal),
        Err(_) => Saved::Nowhere(refusal),
    }
}

/// Saves what became of a refresh token that was spent. Where the stored record was changed meanwhile but still holds that
/// refresh token, it is brought into what is stored now: else the only live one would be lost to a mere note.
pub(super) fn save_spent(world: &World<'_>, record: &mut Record, spent: &Secret, end: Instant) -> Saved {
    for _ in 0..CONFLICTS {
        match save(world, record, end) {
            Saved::Overtaken(Some(found)) if found.id == record.id && found.holds(&spent.hash()) => {
                (record.pending, record.generation) = (found.pending, found.generation + 1);
            }
            saved => return saved,
        }
    }
    let refusal = StoreError::Conflict;
    match world.spool.keep(&world.store.identity(), record, &record.spool_key) {
        Ok(()) => Saved::Spooled(refusal),
        Err(_) => Saved::Nowhere(refusal),
    }
}

fn stored(world: &World<'_>, record: &Record) -> Saved {
    // A spool that stays behind is older than what the store has now; the next call sees that.
    let _ = world.spool.discard(&record.profile, &world.store.identity());
    Saved::Stored
}

fn is_the_same(found: &Record, record: &Record) -> bool {
    found.generation == record.generation && found.encode().hash() == record.encode().hash()
}

/// Whether trying again within seconds can help.
fn may_pass(refusal: &StoreError) -> bool {
    let for_good = |refusal: &StoreError| {
        matches!(
            refusal,
            StoreError::TooBig { .. }
                | StoreError::Missing(_)
                | StoreError::Unsafe(_)
                | StoreError::NoKey(_)
                | StoreError::ReadOnly(_)
                | StoreError::Unset(_)
        )
    };
    !for_good(refusal)
}

/// Puts the current access token where the next call finds it fastest.
pub(super) fn cache(world: &World<'_>, record: &Record) {
    let tokens = record.current.as_ref().map(|current| &current.tokens);
    match tokens.and_then(|tokens| Some((tokens.access_token.clone(), tokens.expires_at?))) {
        Some((access_token, expires_at)) => {
            let cached = Cached { access_token, expires_at, generation: record.generation };
            world.cache.replace(&record.id, &cached, world.clock.now());
        }
        None => world.cache.forget(&record.id),
    }
}

/// The stored record, or an empty one that has not been stored yet.
pub(super) fn fresh(world: &World<'_>, profile: &ProfileName) -> Result<Record, FlowError> {
    if let Some(record) = world.store.load(profile)? {
        return Ok(record);
    }
    let id = random_hex(world.entropy, 16)?;
    let spool_key = random_hex(world.entropy, 32)?;
    Ok(Record::new(profile.clone(), id.expose().to_owned(), spool_key))
}

/// Changes the stored record, and again where somebody else was faster.
pub(super) fn update(world: &World<'_>, profile: &ProfileName, mut change: impl FnMut(&mut Record)) -> Result<Record, FlowError> {
    let mut tries = 0;
    loop {
        let mut record = fresh(world, profile)?;
        change(&mut record);
        record.generation += 1;
        tries += 1;
        match world.store.save(&record) {
            Ok(()) => return Ok(record),
            Err(StoreError::Conflict) if tries < 5 => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
}

/// Fills the cache from a record that was just loaded, where the cache has nothing.
pub fn keep_at_hand(world: &World<'_>, record: &Record) {
    if world.cache.read(&record.id).is_none() {
        cache(world, record);
    }
}
