//! Taking a grant that was made elsewhere: a record as a whole, or a refresh token that a vendor's staff issued.

use super::{
    FlowError, World,
    account::by_verify_call,
    budget::Tries,
    drive,
    login::{LoggedIn, keep_aside, lock, promote},
    save::{cache, update},
};
use crate::{
    oauth::{grant::Refresh, pins::Rotation, request::Client},
    profile::{Current, ProfileName, Record, Registration},
    secret::Secret,
};
use std::time::Duration;

/// How long all tries of the first refresh may take together.
const TRIES: Duration = Duration::from_secs(25);

/// What is taken, and where it goes.
pub struct Import<'a> {
    /// Where the grant will be stored.
    pub profile: &'a ProfileName,
    /// Whether a grant that is there may go.
    pub replace: bool,
}

impl Import<'_> {
    fn refuse_a_grant(&self, world: &World<'_>) -> Result<(), FlowError> {
        let there = world.store.load(self.profile)?.is_some_and(|record| record.current.is_some());
        if there && !self.replace { Err(FlowError::Taken(self.profile.clone())) } else { Ok(()) }
    }
}

/// Stores a record that came as a whole, under the name and the next generation of the profile here.
///
/// It has the id and the spool key of this machine's record, or fresh ones: what is kept beside the store on another machine
/// is not kept here.
///
/// # Errors
/// [`FlowError::Taken`], and whatever the store says before or while it saves.
pub fn import_record(world: &World<'_>, import: &Import<'_>, record: &Record) -> Result<Record, FlowError> {
    let _guard = lock(world, import.profile);
    import.refuse_a_grant(world)?;
    world.store.probe()?;
    let saved = update(world, import.profile, |stored| {
        *stored = Record {
            profile: import.profile.clone(),
            generation: stored.generation,
            id: stored.id.clone(),
            spool_key: stored.spool_key.clone(),
            ..record.clone()
        };
    })?;
    // Whatever waited for the grant that was here is older than this one.
    let _ = world.spool.discard(import.profile, &world.store.identity());
    let _ = world.store.clear(import.profile);
    cache(world, &saved);
    Ok(saved)
}

/// Spends a bare refresh token and stores what it buys. An older grant stays until the new one is safe.
///
/// # Errors
/// [`FlowError::Taken`] before anything is sent; whatever the server says to the token.
pub fn import_token(
    world: &World<'_>,
    import: &Import<'_>,
    registration: &Registration,
    refresh_token: &Secret,
) -> Result<LoggedIn, FlowError> {
    let guard = lock(world, import.profile);
    import.refuse_a_grant(world)?;
    world.store.probe()?;
    let client = Client { pins: &registration.pins, secret: registration.client_secret.as_ref() };
    let mut grant = Refresh::new(client, refresh_token, None, registration.pins.rotation, true);
    let held = world.interrupts.hold();
    let end = world.clock.instant() + TRIES;
    let (tokens, mut warnings) = drive(&mut grant, world, Tries::until(end), end, &|_| {})?;
    let rotated = tokens.refresh_token.as_ref().map(|new| new.hash() != refresh_token.hash());
    let mut current = Current {
        asked: tokens.scope.clone().unwrap_or_default(),
        account: None,
        consented_at: world.clock.now(),
        rotations: u64::from(rotated == Some(true)),
        rotation: if rotated == Some(true) { Rotation::Always } else { Rotation::None },
        redirect_uri: None,
        tokens,
    };
    current.tokens.refresh_token.get_or_insert_with(|| refresh_token.clone());
    keep_aside(world, import.profile, registration, &current, &mut warnings)?;
    match by_verify_call(world, registration, &current.tokens) {
        Ok(account) => current.account = account,
        Err(refusal) => warnings.push(format!("the account could not be read: {refusal}")),
    }
    let outcome = promote(world, import.profile, registration.clone(), current, warnings);
    drop(held);
    drop(guard);
    outcome
}
