//! A valid access token: from the store while it is fresh, else from the server, once for everybody who asks.
//!
//! The order is a promise (DESIGN section 5): lock, load again, prove that the store can be written, send, save, clear
//! the intent, hand over. Nothing here deletes a grant.

use super::{
    FlowError, World,
    budget::Budget,
    lock, refreshing,
    save::{self, Saved},
};
use crate::{
    oauth::token::TokenSet,
    ports::{Acquired, Guard, LockError, StoreError},
    profile::{Current, ProfileName, Record},
};
use std::time::{Duration, SystemTime};

/// What the caller needs.
#[derive(Debug, Clone, Copy)]
pub struct Need {
    /// Least remaining life.
    pub min_ttl: Duration,
    /// A token that was requested after the caller's start, however fresh the stored one is.
    pub force: bool,
    /// Fail rather than hand out less than `min_ttl`.
    pub strict: bool,
    /// The person asked for a refresh in so many words: a mark is no reason to stay away.
    pub explicit: bool,
    /// Spend the refresh token of the suspect slot.
    pub accept_suspect: bool,
    /// When the caller started.
    pub called_at: SystemTime,
    /// How long it may take in all.
    pub budget: Budget,
}

impl Need {
    /// Whether the stored access token, however little of its life is left, is better than none.
    pub(super) fn takes_any_live(&self, record: &Record, now: SystemTime) -> bool {
        let lives = record.current.as_ref().is_some_and(|current| current.tokens.is_fresh(now, Duration::ZERO));
        lives && !self.force && !self.strict && !self.accept_suspect
    }
}

/// A token, and what is to be said with it.
#[derive(Debug)]
pub struct Handed {
    /// The record that it comes from.
    pub record: Record,
    /// Whether this call asked the server.
    pub refreshed: bool,
    /// Facts that deviate without harm.
    pub warnings: Vec<String>,
    /// The new grant could be saved nowhere: a person has to log in before the token ends.
    pub unsaved: bool,
}

impl Handed {
    pub(super) fn of(record: Record) -> Self {
        Self { record, refreshed: false, warnings: Vec::new(), unsaved: false }
    }

    /// While the server or the store is down, a token that still lives is better than none.
    pub(super) fn while_it_lives(record: Record, refusal: &str) -> Self {
        Self { warnings: vec![format!("could not refresh ({refusal}); this token still lives")], ..Self::of(record) }
    }

    /// The tokens.
    pub fn tokens(&self) -> Option<&TokenSet> {
        self.record.current.as_ref().map(|current| &current.tokens)
    }
}

/// The stored record, if its access token serves as it is. No lock, no network.
///
/// A record that waits in the spool is newer, and has to come home first.
///
/// # Errors
/// [`FlowError::Store`], and [`FlowError::NoGrant`] where there is nothing to refresh either.
pub fn peek(world: &World<'_>, profile: &ProfileName, need: &Need) -> Result<Result<Handed, Record>, FlowError> {
    let record = world.store.load(profile)?.ok_or_else(|| FlowError::NoGrant(profile.clone()))?;
    let spooled = world.spool.waiting(profile, &world.store.identity(), &record.spool_key);
    if record.current.is_none() && spooled.is_none() {
        return Err(FlowError::NoGrant(profile.clone()));
    }
    let fresh = record.current.as_ref().is_some_and(|current| current.tokens.is_fresh(world.clock.now(), need.min_ttl));
    let serves = fresh && spooled.is_none() && !need.force && !need.accept_suspect;
    Ok(if serves { Ok(Handed::of(record)) } else { Err(record) })
}

/// A token that satisfies the need.
///
/// # Errors
/// [`FlowError`]; the stored grant is as good as before.
pub fn access_token(world: &World<'_>, profile: &ProfileName, need: &Need) -> Result<Handed, FlowError> {
    match peek(world, profile, need)? {
        Ok(handed) => Ok(handed),
        Err(stale) => renewed(world, profile, need, stale),
    }
}

/// A token that satisfies the need, where the record that [`peek`] gave does not.
///
/// # Errors
/// [`FlowError`]; the stored grant is as good as before.
pub fn renewed(world: &World<'_>, profile: &ProfileName, need: &Need, stale: Record) -> Result<Handed, FlowError> {
    let handed = match locked(world, profile, need, stale.generation) {
        Err(refusal) if may_pass(&refusal) && need.takes_any_live(&stale, world.clock.now()) => {
            Handed::while_it_lives(stale, &refusal.to_string())
        }
        outcome => outcome?,
    };
    let enough = handed.tokens().is_some_and(|tokens| tokens.is_fresh(world.clock.now(), need.min_ttl));
    // What is saved nowhere is printed whatever was asked for: there will be no other.
    if need.strict && !enough && !handed.unsaved { Err(FlowError::TooShort) } else { Ok(handed) }
}

/// Trouble of the machine that came before anything was sent.
fn may_pass(refusal: &FlowError) -> bool {
    match refusal {
        FlowError::Lock(LockError::Store(refusal)) => may_pass(&FlowError::Store(refusal.clone())),
        FlowError::Lock(refusal) => !matches!(refusal, LockError::Unsafe(_)),
        FlowError::Store(refusal) => !matches!(refusal, StoreError::Unsafe(_) | StoreError::Corrupt { .. } | StoreError::NoKey(_)),
        FlowError::NoTime => true,
        _ => false,
    }
}

fn locked(world: &World<'_>, profile: &ProfileName, need: &Need, seen: u64) -> Result<Handed, FlowError> {
    let mut adopted = None;
    let mut satisfied = || {
        adopted = newer(world, profile, need, seen);
        adopted.is_some()
    };
    let acquired = lock::acquire(world, profile, need.budget.end(), &mut satisfied)?;
    match (acquired, adopted) {
        (Acquired::Satisfied, Some(record)) => Ok(Handed::of(record)),
        (Acquired::Satisfied, None) => Err(FlowError::NoGrant(profile.clone())),
        (Acquired::Exclusive(guard), _) => under_lock(world, profile, need, seen, guard.as_ref()),
    }
}

/// The stored record, where it meets the need by now.
fn newer(world: &World<'_>, profile: &ProfileName, need: &Need, seen: u64) -> Option<Record> {
    let record = world.store.load(profile).ok()??;
    let spooled = world.spool.waiting(profile, &world.store.identity(), &record.spool_key).is_some();
    (!spooled && serves(&record, need, seen, world.clock.now())).then_some(record)
}

/// A grant that was requested after the caller's start serves every caller; a plain one takes any newer live grant.
pub(super) fn serves(record: &Record, need: &Need, seen: u64, now: SystemTime) -> bool {
    let Some(Current { tokens, .. }) = &record.current else { return false };
    if need.accept_suspect || tokens.requested_at > now + Duration::from_secs(1) {
        return false;
    }
    let requested_since = tokens.requested_at >= whole_millis(need.called_at);
    let newer_and_alive = record.generation > seen && tokens.is_fresh(now, Duration::ZERO) && !need.strict;
    requested_since || !need.force && (newer_and_alive || tokens.is_fresh(now, need.min_ttl))
}

/// Times at rest are whole milliseconds; a caller's start is compared as one.
fn whole_millis(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn under_lock(world: &World<'_>, profile: &ProfileName, need: &Need, seen: u64, guard: &dyn Guard) -> Result<Handed, FlowError> {
    let mut record = world.store.load(profile)?.ok_or_else(|| FlowError::NoGrant(profile.clone()))?;
    let mut warnings = Vec::new();
    if let Some(spooled) = world.spool.waiting(profile, &world.store.identity(), &record.spool_key) {
        let Adopted { record: newest, refusal } = adopt_spooled(world, record, &spooled, need)?;
        match refusal {
            Some(refusal) if serves(&newest, need, seen, world.clock.now()) => {
                let warning = format!("the store still refuses the newest grant ({refusal}); it is kept, sealed");
                return Ok(Handed { warnings: vec![warning], ..Handed::of(newest) });
            }
            // Nothing newer may be asked for before this one is safe.
            Some(refusal) => return Err(FlowError::Store(refusal)),
            None if newest.generation > seen => warnings.push("a grant that the store had refused earlier is in the store now".to_owned()),
            None => {}
        }
        record = newest;
    }
    if serves(&record, need, seen, world.clock.now()) {
        return Ok(Handed { warnings, ..Handed::of(record) });
    }
    if world.store.rolled_back(&record).is_some() {
        warnings.push("the store holds an older copy of this grant than was once saved; its refresh token may be spent".to_owned());
    }
    let mut handed = refreshing::refresh(world, need, record, guard)?;
    warnings.append(&mut handed.warnings);
    Ok(Handed { warnings, ..handed })
}

/// The newest record, and why the store does not hold it.
struct Adopted {
    record: Record,
    refusal: Option<StoreError>,
}

/// Brings home what the spool holds, unless the stored grant is newer; whatever else was stored meanwhile stays.
fn adopt_spooled(world: &World<'_>, mut stored: Record, spooled: &Record, need: &Need) -> Result<Adopted, FlowError> {
    loop {
        let Some(newest) = spooled.clone().brought_into(&stored) else {
            let _ = world.spool.discard(&stored.profile, &world.store.identity());
            return Ok(Adopted { record: stored, refusal: None });
        };
        match save::save(world, &newest, need.budget.end()) {
            Saved::Stored => {
                save::cache(world, &newest);
                // Its refresh ended with the spool.
                let _ = world.store.clear(&newest.profile);
                return Ok(Adopted { record: newest, refusal: None });
            }
            Saved::Spooled(refusal) | Saved::Nowhere(refusal) => return Ok(Adopted { record: newest, refusal: Some(refusal) }),
            // Each turn of this loop follows on a save of somebody else.
            Saved::Overtaken(Some(now)) => stored = *now,
            Saved::Overtaken(None) => return Err(FlowError::NoGrant(stored.profile)),
        }
    }
}
