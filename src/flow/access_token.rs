//! A valid access token: from the store while it is fresh, else from the server, once for everybody who asks.
//!
//! The order is a promise (DESIGN section 5): lock, load again, prove that the store can be written, send, save, clear
//! the intent, hand over. Nothing here deletes a grant.

use super::{
    FlowError, World,
    budget::Budget,
    drive,
    save::{self, Saved},
};
use crate::{
    oauth::{
        answer::{Class, Save, Verdict},
        grant::{ProtocolError, Refresh},
        id_token::Claims,
        pins::Rotation,
        request::Client,
        token::TokenSet,
    },
    ports::{Acquired, Guard, Intent, StoreError},
    profile::{Current, Mark, ProfileName, Record, Registration, Suspect},
    secret::Secret,
};
use std::time::{Duration, SystemTime};

/// How long an automatic call leaves a refused refresh token alone.
const HOUR: Duration = Duration::from_secs(3600);

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
    fn of(record: Record) -> Self {
        Self { record, refreshed: false, warnings: Vec::new(), unsaved: false }
    }

    /// The tokens.
    pub fn tokens(&self) -> Option<&TokenSet> {
        self.record.current.as_ref().map(|current| &current.tokens)
    }
}

/// The stored record, if its access token serves as it is. No lock, no network.
///
/// # Errors
/// [`FlowError::Store`], and [`FlowError::NoGrant`] where there is nothing to refresh either.
pub fn peek(world: &World<'_>, profile: &ProfileName, need: &Need) -> Result<Result<Handed, Record>, FlowError> {
    let record = world.store.load(profile)?.ok_or_else(|| FlowError::NoGrant(profile.clone()))?;
    let current = record.current.as_ref().ok_or_else(|| FlowError::NoGrant(profile.clone()))?;
    let fresh = !need.force && !need.accept_suspect && current.tokens.is_fresh(world.clock.now(), need.min_ttl);
    Ok(if fresh { Ok(Handed::of(record)) } else { Err(record) })
}

/// A token that satisfies the need.
///
/// # Errors
/// [`FlowError`]; the stored grant is as good as before.
pub fn access_token(world: &World<'_>, profile: &ProfileName, need: &Need) -> Result<Handed, FlowError> {
    let seen = match peek(world, profile, need)? {
        Ok(handed) => return Ok(handed),
        Err(stale) => stale.generation,
    };
    let mut adopted = None;
    let mut satisfied = || {
        adopted = newer(world, profile, need, seen);
        adopted.is_some()
    };
    let acquired = world.lock.acquire(&world.store.identity(), profile, need.budget.end(), &mut satisfied)?;
    let guard = match (acquired, adopted) {
        (Acquired::Satisfied, Some(record)) => return Ok(Handed::of(record)),
        (Acquired::Satisfied, None) => return Err(FlowError::NoGrant(profile.clone())),
        (Acquired::Exclusive(guard), _) => guard,
    };
    let outcome = under_lock(world, profile, need, seen, guard.as_ref());
    drop(guard);
    outcome
}

/// The stored record, where it meets the need by now.
fn newer(world: &World<'_>, profile: &ProfileName, need: &Need, seen: u64) -> Option<Record> {
    let record = world.store.load(profile).ok()??;
    serves(&record, need, seen, world.clock.now()).then_some(record)
}

/// A grant that was requested after the caller's start serves every caller; a plain one takes any newer live grant.
fn serves(record: &Record, need: &Need, seen: u64, now: SystemTime) -> bool {
    let Some(Current { tokens, .. }) = &record.current else { return false };
    if need.accept_suspect || tokens.requested_at > now + Duration::from_secs(1) {
        return false;
    }
    let requested_since = tokens.requested_at >= whole_millis(need.called_at);
    let newer_and_alive = record.generation > seen && tokens.is_fresh(now, Duration::ZERO);
    requested_since || !need.force && (newer_and_alive || tokens.is_fresh(now, need.min_ttl))
}

/// Times at rest are whole milliseconds; a caller's start is compared as one.
fn whole_millis(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn under_lock(world: &World<'_>, profile: &ProfileName, need: &Need, seen: u64, guard: &dyn Guard) -> Result<Handed, FlowError> {
    let mut record = world.store.load(profile)?.ok_or_else(|| FlowError::NoGrant(profile.clone()))?;
    if serves(&record, need, seen, world.clock.now()) {
        return Ok(Handed::of(record));
    }
    let mut warnings = Vec::new();
    if let Some(spooled) = world.spool.waiting(profile, &world.store.identity(), &record.spool_key) {
        record = adopt_spooled(world, record, spooled, &mut warnings);
        if serves(&record, need, seen, world.clock.now()) {
            return Ok(Handed { warnings, ..Handed::of(record) });
        }
    }
    let mut handed = Refreshing::new(world, profile, need, record, guard)?.run()?;
    warnings.append(&mut handed.warnings);
    Ok(Handed { warnings, ..handed })
}

/// A spooled record follows the stored one by exactly one generation, or it is too old to matter.
fn adopt_spooled(world: &World<'_>, stored: Record, spooled: Record, warnings: &mut Vec<String>) -> Record {
    if spooled.generation != stored.generation + 1 {
        let _ = world.spool.discard(&stored.profile, &world.store.identity());
        return stored;
    }
    match save::save(world, &spooled) {
        Saved::Stored => warnings.push("a grant that the store had refused earlier is in the store now".to_owned()),
        Saved::Spooled(refusal) | Saved::Nowhere(refusal) => warnings.push(format!("the store still refuses the newest grant: {refusal}")),
        Saved::Overtaken => return stored,
    }
    spooled
}

/// One refresh by the one process that holds the lock.
struct Refreshing<'a> {
    world: &'a World<'a>,
    need: &'a Need,
    record: Record,
    registration: Registration,
    current: Current,
    refresh_token: Secret,
    interrupted: Option<Intent>,
    guard: &'a dyn Guard,
}

impl<'a> Refreshing<'a> {
    fn new(world: &'a World<'a>, profile: &ProfileName, need: &'a Need, record: Record, guard: &'a dyn Guard) -> Result<Self, FlowError> {
        let no_grant = || FlowError::NoGrant(profile.clone());
        let current = record.current.clone().ok_or_else(no_grant)?;
        let registration = record.registration.clone().ok_or_else(no_grant)?;
        let refresh_token = match (&record.suspect, need.accept_suspect) {
            (Some(suspect), true) => suspect.refresh_token.clone(),
            (Some(suspect), false) => {
                return Err(FlowError::SuspectWaits { profile: profile.clone(), reason: suspect.reason.clone() });
            }
            (None, _) => current.tokens.refresh_token.clone().ok_or_else(|| FlowError::NoRefreshToken(profile.clone()))?,
        };
        if let Some(mark) = &record.mark {
            let recent = world.clock.now().duration_since(mark.at).is_ok_and(|age| age < HOUR);
            if mark.refresh_token == refresh_token.hash() && recent && !need.explicit && !need.accept_suspect {
                return Err(FlowError::Marked { profile: profile.clone(), at: mark.at });
            }
        }
        Ok(Self { world, need, record, registration, current, refresh_token, interrupted: None, guard })
    }

    fn alive(&self) -> bool {
        !self.need.force && !self.need.strict && self.current.tokens.is_fresh(self.world.clock.now(), Duration::ZERO)
    }

    fn run(mut self) -> Result<Handed, FlowError> {
        let World { store, clock, .. } = *self.world;
        let profile = self.record.profile.clone();
        self.interrupted = store.intent(&profile)?;
        let intent = Intent { generation: self.record.generation, refresh_token: self.refresh_token.hash(), at: clock.now() };
        if let Err(refusal) = store.begin(&profile, &intent) {
            return self.serve_live(format!("the store cannot be written: {refusal}"), FlowError::Store(refusal));
        }
        if !self.need.budget.allows_sending(clock.instant()) || !self.guard.is_held() {
            let _ = store.clear(&profile);
            return Err(FlowError::Lock(crate::ports::LockError::Busy(None)));
        }
        let held = self.world.interrupts.hold();
        let outcome = self.exchange();
        let handed = match outcome {
            Ok((tokens, remarks)) => self.keep(tokens, remarks),
            Err(FlowError::Protocol(ProtocolError::Answer(verdict))) => self.refused(*verdict),
            Err(other) => Err(other),
        };
        drop(held);
        handed
    }

    fn exchange(&self) -> Result<(TokenSet, Vec<String>), FlowError> {
        let Registration { pins, client_secret } = &self.registration;
        let client = Client { pins, secret: client_secret.as_ref() };
        let rotation = if self.current.rotation == Rotation::Unknown { pins.rotation } else { self.current.rotation };
        let mut grant = Refresh::new(client, &self.refresh_token, self.current.redirect_uri.as_ref(), rotation, !self.alive());
        let tries = self.need.budget.tries(self.world.clock.instant());
        drive(&mut grant, self.world, tries, tries.end(), &|_| {})
    }

    /// Save first, complain after.
    fn keep(mut self, tokens: TokenSet, mut warnings: Vec<String>) -> Result<Handed, FlowError> {
        if let Err(reason) = same_person(tokens.id_token.as_ref(), self.current.tokens.id_token.as_ref()) {
            let verdict = suspect_verdict(tokens, &self.refresh_token, reason);
            return self.refused(verdict);
        }
        let before = self.current.clone();
        let rotated = tokens.refresh_token.as_ref().is_some_and(|new| !new.matches(self.refresh_token.expose()));
        let mut previous = before.tokens.clone();
        previous.refresh_token = Some(self.refresh_token.clone());
        let record = &mut self.record;
        record.current = Some(Current {
            tokens: tokens.succeed(&previous),
            rotations: before.rotations + u64::from(rotated),
            rotation: if rotated { Rotation::Always } else { Rotation::None },
            ..before
        });
        record.suspect = None;
        record.mark = None;
        record.generation += 1;
        self.warn_of_scopes(&mut warnings);
        let unsaved = match save::save(self.world, &self.record) {
            Saved::Stored => {
                save::cache(self.world, &self.record);
                self.clear_intent(&mut warnings);
                false
            }
            Saved::Spooled(refusal) => {
                warnings.push(format!(
                    "the store did not take the new grant ({refusal}); it is kept, sealed, and goes into the store with the next call"
                ));
                false
            }
            Saved::Nowhere(refusal) => {
                warnings.push(format!("the new grant could be saved nowhere ({refusal}): log in again before this token ends"));
                true
            }
            Saved::Overtaken => return self.overtaken(),
        };
        self.check_life(&mut warnings)?;
        Ok(Handed { record: self.record, refreshed: true, warnings, unsaved })
    }

    /// A login that finished meanwhile wins; a logout stays final.
    fn overtaken(self) -> Result<Handed, FlowError> {
        let profile = self.record.profile;
        match self.world.store.load(&profile)? {
            Some(record) if record.current.is_some() => Ok(Handed::of(record)),
            _ => Err(FlowError::NoGrant(profile)),
        }
    }

    fn clear_intent(&self, warnings: &mut Vec<String>) {
        if let Err(refusal) = self.world.store.clear(&self.record.profile) {
            warnings.push(format!("the note of this refresh could not be removed: {refusal}"));
        }
    }

    fn warn_of_scopes(&self, warnings: &mut Vec<String>) {
        let granted = self.record.current.as_ref().and_then(|current| current.tokens.scope.as_deref());
        let before = self.current.tokens.scope.as_deref();
        if granted.is_some() && before.is_some() && granted != before {
            warnings.push("the server changed the scopes of this grant; see `tokenstrap show`".to_owned());
        }
    }

    fn check_life(&self, warnings: &mut Vec<String>) -> Result<(), FlowError> {
        let now = self.world.clock.now();
        let enough = self.record.current.as_ref().is_some_and(|current| current.tokens.is_fresh(now, self.need.min_ttl));
        if enough {
            return Ok(());
        }
        if self.need.strict {
            return Err(FlowError::TooShort);
        }
        warnings.push("the server gives tokens that live shorter than --min-ttl".to_owned());
        Ok(())
    }

    fn refused(mut self, verdict: Verdict) -> Result<Handed, FlowError> {
        let mut verdict = verdict;
        match std::mem::replace(&mut verdict.save, Save::Nothing) {
            Save::Suspect { refresh_token, access_token } => {
                let requested_at = self.world.clock.now();
                self.record.suspect = Some(Suspect { refresh_token, access_token, reason: verdict.reason.clone(), requested_at });
                self.mark_and_save();
            }
            Save::Mark => {
                if let Some(handed) = self.adopt_a_newer_grant()? {
                    return Ok(handed);
                }
                self.mark_and_save();
                self.tell_of_interruption(&mut verdict);
            }
            Save::Nothing | Save::Tokens(_) => {}
        }
        // An answer that is still out there keeps the intent: the next call knows that the token may be spent.
        let heard = verdict.class != Class::Later || matches!(verdict.replay, crate::oauth::answer::Replay::Unsent { .. });
        if heard {
            let _ = self.world.store.clear(&self.record.profile);
        }
        let class = verdict.class;
        let reason = verdict.reason.clone();
        let error = FlowError::Protocol(ProtocolError::Answer(Box::new(verdict)));
        if class == Class::Later { self.serve_live(reason, error) } else { Err(error) }
    }

    /// While the server is down, a token that still lives is better than none.
    fn serve_live(self, reason: String, error: FlowError) -> Result<Handed, FlowError> {
        if !self.alive() {
            return Err(error);
        }
        let warnings = vec![format!("could not refresh ({reason}); this token still lives")];
        Ok(Handed { warnings, ..Handed::of(self.record) })
    }

    fn mark_and_save(&mut self) {
        self.record.mark = Some(Mark { refresh_token: self.refresh_token.hash(), at: self.world.clock.now() });
        self.record.generation += 1;
        // What cannot be saved here costs one more refused request at most, or is in the spool.
        let _ = save::save(self.world, &self.record);
    }

    /// Somebody without our lock (another host, a login) may have been faster: look a few times before a person is called.
    fn adopt_a_newer_grant(&self) -> Result<Option<Handed>, FlowError> {
        for pause in [0, 25, 50, 100, 200, 600] {
            self.world.clock.sleep(Duration::from_millis(pause));
            let stored = match self.world.store.load(&self.record.profile) {
                Ok(stored) => stored,
                Err(StoreError::Unavailable(_)) => continue,
                Err(refusal) => return Err(refusal.into()),
            };
            let newer = stored.filter(|stored| stored.generation > self.record.generation && stored.current.is_some());
            if let Some(record) = newer {
                return Ok(Some(Handed::of(record)));
            }
        }
        Ok(None)
    }

    fn tell_of_interruption(&self, verdict: &mut Verdict) {
        let same = self.interrupted.as_ref().filter(|intent| intent.refresh_token == self.refresh_token.hash());
        if let Some(intent) = same {
            let ago = self.world.clock.now().duration_since(intent.at).unwrap_or_default().as_secs();
            verdict.reason = format!("{}; a refresh was interrupted {ago} s ago and its answer never arrived", verdict.reason);
        }
    }
}

/// An ID token of a refresh is about the person of the first one (OpenID Connect Core section 12.2).
fn same_person(new: Option<&Secret>, first: Option<&Secret>) -> Result<(), String> {
    let (Some(new), Some(first)) = (new, first) else { return Ok(()) };
    let Some(first) = Claims::recall(first) else { return Ok(()) };
    let new = Claims::recall(new).ok_or("it cannot be read")?;
    new.continues(&first).map_err(|fault| fault.to_string())
}

fn suspect_verdict(tokens: TokenSet, spent: &Secret, reason: String) -> Verdict {
    let refresh_token = tokens.refresh_token.clone().unwrap_or_else(|| spent.clone());
    let save = Save::Suspect { refresh_token, access_token: Some(tokens.access_token) };
    Verdict { save, class: Class::Refused, replay: crate::oauth::answer::Replay::Never, reason, retry_after: None, remarks: Vec::new() }
}
