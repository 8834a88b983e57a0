//! One refresh by the one process that holds the grant's lock: prove the store, send, save, clear the note.

use super::{
    FlowError, World,
    access_token::{Handed, Need, serves},
    drive,
    lock::Fence,
    save::{self, Saved},
};
use crate::{
    oauth::{
        answer::{Class, Replay, Save, Verdict},
        grant::{ProtocolError, Refresh},
        id_token::Claims,
        pins::Rotation,
        request::Client,
        token::TokenSet,
    },
    ports::{Guard, Intent, LockError, StoreError},
    profile::{Current, Mark, Record, Registration, Suspect},
    secret::Secret,
};
use std::{
    cell::Cell,
    time::{Duration, SystemTime},
};

/// How long an automatic call leaves a refused refresh token alone.
const HOUR: Duration = Duration::from_secs(3600);

/// Refreshes the grant of this record, and hands out what came of it.
///
/// # Errors
/// [`FlowError`]; those of store and lock come before anything was sent.
pub(super) fn refresh(world: &World<'_>, need: &Need, record: Record, guard: &dyn Guard) -> Result<Handed, FlowError> {
    match Refreshing::new(world, need, record, guard)?.run()? {
        Outcome::Handed(handed) => Ok(*handed),
        Outcome::Newer(record) if serves(&record, need, 0, world.clock.now()) => Ok(Handed::of(*record)),
        // What is stored now is the one to begin with, once.
        Outcome::Newer(record) => match Refreshing::new(world, need, *record, guard)?.run()? {
            Outcome::Handed(handed) => Ok(*handed),
            Outcome::Newer(record) if serves(&record, need, 0, world.clock.now()) => Ok(Handed::of(*record)),
            Outcome::Newer(_) => Err(LockError::Busy(None).into()),
        },
    }
}

enum Outcome {
    Handed(Box<Handed>),
    /// Somebody else stored this, before the refresh token was sent or after it was refused.
    Newer(Box<Record>),
}

struct Refreshing<'a> {
    world: &'a World<'a>,
    need: &'a Need,
    record: Record,
    registration: Registration,
    current: Current,
    refresh_token: Secret,
    /// When an earlier refresh with the same refresh token began whose answer never came.
    interrupted: Option<SystemTime>,
    guard: &'a dyn Guard,
}

impl<'a> Refreshing<'a> {
    fn new(world: &'a World<'a>, need: &'a Need, record: Record, guard: &'a dyn Guard) -> Result<Self, FlowError> {
        let no_grant = || FlowError::NoGrant(record.profile.clone());
        let current = record.current.clone().ok_or_else(no_grant)?;
        let registration = record.registration.clone().ok_or_else(no_grant)?;
        let profile = || record.profile.clone();
        let refresh_token = match (&record.suspect, need.accept_suspect) {
            (Some(suspect), true) => suspect.refresh_token.clone(),
            (Some(suspect), false) => return Err(FlowError::SuspectWaits { profile: profile(), reason: suspect.reason.clone() }),
            (None, _) => current.tokens.refresh_token.clone().ok_or_else(|| FlowError::NoRefreshToken(profile()))?,
        };
        if let Some(mark) = &record.mark {
            let recent = world.clock.now().duration_since(mark.at).is_ok_and(|age| age < HOUR);
            if mark.refresh_token == refresh_token.hash() && recent && !need.explicit && !need.accept_suspect {
                return Err(FlowError::Marked { profile: profile(), at: mark.at });
            }
        }
        Ok(Self { world, need, record, registration, current, refresh_token, interrupted: None, guard })
    }

    fn run(mut self) -> Result<Outcome, FlowError> {
        if let Some(newer) = self.prove_the_store()? {
            return Ok(Outcome::Newer(newer));
        }
        let held = self.world.interrupts.hold();
        let outcome = match self.exchange() {
            Ok((tokens, remarks)) => self.keep(tokens, remarks),
            Err(FlowError::Protocol(ProtocolError::Answer(verdict))) => self.refused(*verdict),
            Err(other) => Err(other),
        };
        drop(held);
        outcome
    }

    /// Writes the intent, and looks at record, lock and time once more. Nothing has been sent when this fails, or gives the
    /// record that somebody stored meanwhile.
    fn prove_the_store(&mut self) -> Result<Option<Box<Record>>, FlowError> {
        let World { store, clock, .. } = *self.world;
        let profile = self.record.profile.clone();
        let hash = self.refresh_token.hash();
        let earlier = match store.intent(&profile) {
            Ok(earlier) => earlier,
            // A note that cannot be read says nothing, and is written anew.
            Err(StoreError::Corrupt { .. } | StoreError::NoKey(_)) => None,
            Err(refusal) => return Err(refusal.into()),
        };
        if !self.need.budget.allows_sending(clock.instant()) {
            return Err(FlowError::NoTime);
        }
        self.interrupted = earlier.filter(|earlier| earlier.refresh_token == hash).map(|earlier| earlier.at);
        let at = self.interrupted.unwrap_or_else(|| clock.now());
        store.begin(&profile, &Intent { generation: self.record.generation, refresh_token: hash, at }).map_err(
            |refusal| match refusal {
                // Another host that our lock does not reach notes its own at this moment.
                StoreError::Conflict => FlowError::Lock(LockError::Busy(None)),
                other => other.into(),
            },
        )?;
        let Some(now) = store.load(&profile).inspect_err(|_| self.withdraw())? else {
            let _ = store.clear(&profile);
            return Err(FlowError::NoGrant(profile));
        };
        if now.id != self.record.id || now.generation != self.record.generation {
            self.withdraw();
            return Ok(Some(Box::new(now)));
        }
        let refusal = match (self.guard.is_held(), self.need.budget.allows_sending(clock.instant())) {
            (true, true) => return Ok(None),
            (false, _) => FlowError::Lock(LockError::Busy(None)),
            (true, false) => FlowError::NoTime,
        };
        self.withdraw();
        Err(refusal)
    }

    /// Removes the intent of a request that changed nothing; one that an earlier request left stays.
    fn withdraw(&self) {
        if self.interrupted.is_none() {
            // One that stays is taken for an interrupted refresh, which is only said to a person.
            let _ = self.world.store.clear(&self.record.profile);
        }
    }

    fn exchange(&self) -> Result<(TokenSet, Vec<String>), FlowError> {
        let Registration { pins, client_secret } = &self.registration;
        let client = Client { pins, secret: client_secret.as_ref() };
        let rotation = if self.current.rotation == Rotation::Unknown { pins.rotation } else { self.current.rotation };
        let patient = !self.need.takes_any_live(&self.record, self.world.clock.now());
        let mut grant = Refresh::new(client, &self.refresh_token, self.current.redirect_uri.as_ref(), rotation, patient);
        let tries = self.need.budget.tries(self.world.clock.instant());
        let fence = Fence { transport: self.world.transport, guard: self.guard, sent: Cell::new(false) };
        drive(&mut grant, &World { transport: &fence, ..*self.world }, tries, tries.end(), &|_| {})
    }

    /// Save first, complain after.
    fn keep(mut self, tokens: TokenSet, mut warnings: Vec<String>) -> Result<Outcome, FlowError> {
        if let Err(reason) = same_person(tokens.id_token.as_ref(), self.current.tokens.id_token.as_ref()) {
            let verdict = suspect_verdict(tokens, &self.refresh_token, reason);
            return self.refused(verdict);
        }
        self.warn_of_scopes(&tokens, &mut warnings);
        self.record.current = Some(succeeding(&self.current, tokens, &self.refresh_token));
        (self.record.suspect, self.record.mark) = (None, None);
        let unsaved = match self.save() {
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
            // A login that finished meanwhile wins; a logout stays final.
            Saved::Overtaken(Some(newer)) if newer.current.is_some() => return Ok(Outcome::Handed(Box::new(Handed::of(*newer)))),
            Saved::Overtaken(_) => return Err(FlowError::NoGrant(self.record.profile)),
        };
        self.warn_of_life(&mut warnings);
        Ok(Outcome::Handed(Box::new(Handed { record: self.record, refreshed: true, warnings, unsaved })))
    }

    fn save(&mut self) -> Saved {
        self.record.generation += 1;
        save::save_spent(self.world, &mut self.record, &self.refresh_token, self.need.budget.end())
    }

    fn clear_intent(&self, warnings: &mut Vec<String>) {
        if let Err(refusal) = self.world.store.clear(&self.record.profile) {
            warnings.push(format!("the note of this refresh could not be removed: {refusal}"));
        }
    }

    fn warn_of_scopes(&self, tokens: &TokenSet, warnings: &mut Vec<String>) {
        let before = self.current.tokens.scope.as_deref();
        if tokens.scope.is_some() && before.is_some() && tokens.scope.as_deref() != before {
            warnings.push("the server changed the scopes of this grant; see `tokenstrap show`".to_owned());
        }
    }

    fn warn_of_life(&self, warnings: &mut Vec<String>) {
        let now = self.world.clock.now();
        if !self.record.current.as_ref().is_some_and(|current| current.tokens.is_fresh(now, self.need.min_ttl)) {
            warnings.push("the server gives tokens that live shorter than --min-ttl".to_owned());
        }
    }

    fn refused(mut self, mut verdict: Verdict) -> Result<Outcome, FlowError> {
        match std::mem::replace(&mut verdict.save, Save::Nothing) {
            Save::Suspect { refresh_token, access_token } => {
                let requested_at = self.world.clock.now();
                self.record.suspect = Some(Suspect { refresh_token, access_token, reason: verdict.reason.clone(), requested_at });
                match self.mark_and_save() {
                    Saved::Nowhere(refusal) => verdict.reason = format!("{}, and could be kept nowhere ({refusal})", verdict.reason),
                    _ => self.settle_intent(),
                }
            }
            Save::Mark => {
                if let Some(newer) = self.newer_grant() {
                    self.settle_intent();
                    return Ok(Outcome::Newer(newer));
                }
                // A mark that cannot be saved costs one more refused request at most.
                let _ = self.mark_and_save();
                self.settle_intent();
                self.tell_of_interruption(&mut verdict);
            }
            // An answer that is still out there keeps the intent: the next call knows that the token may be spent.
            Save::Nothing | Save::Tokens(_) if verdict.open => {}
            Save::Nothing | Save::Tokens(_) => self.withdraw(),
        }
        let refusal = verdict.reason.clone();
        let error = FlowError::Protocol(ProtocolError::Answer(Box::new(verdict.clone())));
        match (verdict.class, self.need.takes_any_live(&self.record, self.world.clock.now())) {
            (Class::Later, true) => Ok(Outcome::Handed(Box::new(Handed::while_it_lives(self.record, &refusal)))),
            _ => Err(error),
        }
    }

    /// What became of the refresh token is known.
    fn settle_intent(&self) {
        let _ = self.world.store.clear(&self.record.profile);
    }

    fn mark_and_save(&mut self) -> Saved {
        self.record.mark = Some(Mark { refresh_token: self.refresh_token.hash(), at: self.world.clock.now() });
        self.save()
    }

    /// Somebody without our lock (another host, a login) may have been faster: look a few times before a person is called.
    fn newer_grant(&self) -> Option<Box<Record>> {
        let spent = self.refresh_token.hash();
        let holds_another = |record: &Record| {
            let refresh_token = record.current.as_ref().and_then(|current| current.tokens.refresh_token.as_ref());
            record.generation > self.record.generation && refresh_token.is_some_and(|token| token.hash() != spent)
        };
        [0, 25, 50, 100, 200, 600].into_iter().find_map(|pause| {
            self.world.clock.sleep(Duration::from_millis(pause));
            let stored = self.world.store.load(&self.record.profile).ok()??;
            holds_another(&stored).then(|| Box::new(stored))
        })
    }

    fn tell_of_interruption(&self, verdict: &mut Verdict) {
        if let Some(at) = self.interrupted {
            let ago = self.world.clock.now().duration_since(at).unwrap_or_default().as_secs();
            verdict.reason = format!("{}; a refresh was interrupted {ago} s ago and its answer never arrived", verdict.reason);
        }
    }
}

/// The grant after this answer. A server that rotated once is taken for one that may rotate again.
fn succeeding(before: &Current, tokens: TokenSet, spent: &Secret) -> Current {
    let rotated = tokens.refresh_token.as_ref().is_some_and(|new| new.hash() != spent.hash());
    let mut previous = before.tokens.clone();
    previous.refresh_token = Some(spent.clone());
    Current {
        tokens: tokens.succeed(&previous),
        rotations: before.rotations + u64::from(rotated),
        rotation: if rotated || before.rotations > 0 { Rotation::Always } else { Rotation::None },
        ..before.clone()
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
    Verdict { save, class: Class::Refused, replay: Replay::Never, reason, retry_after: None, remarks: Vec::new(), open: false }
}
