//! Forgetting a grant, at the server first where that is asked for.

use super::{FlowError, World, account::call, lock};
use crate::{
    oauth::{request::Client, revocation::Revocation},
    ports::{Acquired, Guard},
    profile::{Current, ProfileName, Record, Registration},
    secret::Secret,
};
use std::time::Duration;

/// How long a logout waits for a refresh that is under way.
const LOCK: Duration = Duration::from_secs(35);

/// What a logout did.
#[derive(Debug)]
pub struct LoggedOut {
    /// What was stored until now.
    pub record: Option<Record>,
    /// Whether the server was told.
    pub revoked: bool,
    /// Why it was not, where `force` went on all the same.
    pub warnings: Vec<String>,
}

/// Forgets the profile; with `revoke` the server forgets first, and a server that does not keeps the record here unless
/// `force` is set.
///
/// # Errors
/// [`FlowError`]; the record is still there then.
pub fn logout(world: &World<'_>, profile: &ProfileName, revoke: bool, force: bool) -> Result<LoggedOut, FlowError> {
    let deadline = world.clock.instant() + LOCK;
    let guard = match lock::acquire(world, profile, deadline, &mut || false)? {
        Acquired::Exclusive(guard) => Some(guard),
        Acquired::Satisfied => None,
    };
    let mut warnings = Vec::new();
    let record = match world.store.load(profile) {
        Ok(record) => record,
        // What cannot be read can still be forgotten, if the person insists.
        Err(refusal) if force && !revoke => {
            warnings.push(refusal.to_string());
            None
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let mut revoked = false;
    if let (true, Some(record)) = (revoke, &record) {
        let newest = world.spool.waiting(profile, &world.store.identity(), &record.spool_key);
        match tell_server(world, newest.as_ref().unwrap_or(record)) {
            Ok(()) => revoked = true,
            Err(refusal) if force => warnings.push(refusal.to_string()),
            Err(refusal) => return Err(refusal),
        }
    }
    forget(world, profile, record.as_ref(), guard)?;
    Ok(LoggedOut { record, revoked, warnings })
}

/// Takes record, spool, cached token and lock away. The caller holds the lock, where there is one.
pub(super) fn forget(
    world: &World<'_>,
    profile: &ProfileName,
    record: Option<&Record>,
    guard: Option<Box<dyn Guard + '_>>,
) -> Result<(), FlowError> {
    // The cache answers without the store, so it goes first; the spool may be the only copy, so it goes last.
    if let Some(record) = record {
        world.cache.forget(&record.id);
    }
    world.store.delete(profile)?;
    let _ = world.spool.discard(profile, &world.store.identity());
    if let Some(guard) = guard {
        guard.forget();
    }
    Ok(())
}

/// The refresh token first: an access token that outlives it ends by itself (RFC 7009 section 2.1).
fn tell_server(world: &World<'_>, record: &Record) -> Result<(), FlowError> {
    let no_grant = || FlowError::NoGrant(record.profile.clone());
    let Registration { pins, client_secret } = record.registration.as_ref().ok_or_else(no_grant)?;
    let Current { tokens, .. } = record.current.as_ref().ok_or_else(no_grant)?;
    let client = Client { pins, secret: client_secret.as_ref() };
    if let Some(refresh_token) = &tokens.refresh_token {
        revoke(world, &client, refresh_token, "refresh_token", true)?;
    }
    // Servers that let the refresh token's end take the access tokens along may not know this one any more.
    revoke(world, &client, &tokens.access_token, "access_token", tokens.refresh_token.is_none())
}

fn revoke(world: &World<'_>, client: &Client<'_>, token: &Secret, hint: &str, needed: bool) -> Result<(), FlowError> {
    let request = client.revocation(token, hint).ok_or(FlowError::NoEndpoint("revocation endpoint"))?;
    match Revocation::read(&call(world, &request)?) {
        Revocation::Done => Ok(()),
        Revocation::Later => Err(FlowError::Answered("the server cannot revoke the token now".into(), super::AnswerKind::Later)),
        _ if !needed => Ok(()),
        Revocation::Refused(code) => Err(FlowError::NotRevoked(code.unwrap_or_else(|| "it gave no reason".into()))),
        Revocation::Unsupported => Err(FlowError::NotRevoked("it does not revoke tokens of this type".into())),
    }
}
