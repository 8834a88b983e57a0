//! The lock of a program that has one, as the lease of a grant: what keeps hosts apart that share it (SECURITY S-21).
//!
//! The program counts its seconds; the holder counts on the clock that goes on while the machine sleeps, from before it
//! asked, and so always gives up first.

use super::{Command, Session, words::Request};
use crate::{
    ports::{Acquired, Guard, Intent, Lock, LockError, StoreError},
    profile::ProfileName,
    store::lease::{NEEDED, Tried, Waited, own_name, wait},
    text::printable,
};
use std::time::{Duration, Instant};

/// How long the lock lasts: what must be left when a refresh token is sent, and the calls before it, each of several runs.
const LASTS: Duration = Duration::from_secs(60);
/// First and longest pause of a follower. Each try starts the program.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// What a run has at least, whatever the deadline, and how long letting go may take: a lock that is not let go ends by itself.
const LETTING_GO: Duration = Duration::from_secs(4);

/// A lock that this process has.
pub(super) struct Held {
    nonce: String,
    /// [`crate::ports::Clock::boottime`] before it was asked for.
    since: Duration,
    /// What the intent is about to replace.
    generation: Option<u64>,
    /// A record was not taken: nobody else may go on from the stored one before the lock has ended.
    unsaved: bool,
}

impl Command<'_> {
    pub(super) fn remember_intent(&self, profile: &ProfileName, intent: &Intent) {
        if let Some(held) = self.held.borrow_mut().get_mut(profile) {
            held.generation = Some(intent.generation);
        }
    }

    pub(super) fn remember_whether_saved(&self, profile: &ProfileName, outcome: &Result<(), StoreError>) {
        if let Some(held) = self.held.borrow_mut().get_mut(profile) {
            held.unsaved = outcome.as_ref().is_err_and(|refusal| *refusal != StoreError::Conflict);
        }
    }

    /// A session that ends early enough for a waiting call.
    fn brief(&self, end: Instant) -> Result<Session, StoreError> {
        let session = self.session()?;
        Ok(Session { end: session.end.min(end), ..session })
    }

    fn try_lock(&self, profile: &ProfileName, nonce: &str, end: Instant) -> Result<Tried, StoreError> {
        let (session, since) = (self.brief(end)?, self.world.clock.boottime());
        let request = Request::Lock { name: profile.as_str(), nonce, holder: &own_name(), seconds: LASTS.as_secs() };
        let answer = session.ask(&request)?;
        match (answer.taken, answer.busy) {
            (true, None) => {
                let held = Held { nonce: nonce.to_owned(), since, generation: None, unsaved: false };
                self.held.borrow_mut().insert(profile.clone(), held);
                Ok(Tried::Taken)
            }
            (false, Some(holder)) => Ok(Tried::Busy(printable(&holder))),
            _ => Err(session.odd()),
        }
    }

    fn let_go(&self, profile: &ProfileName) {
        let Some(held) = self.held.borrow_mut().remove(profile) else { return };
        if held.unsaved {
            return;
        }
        // Where this fails, others wait until it ends.
        let request = Request::Unlock { name: profile.as_str(), nonce: &held.nonce };
        let _ = self.brief(self.world.clock.instant() + LETTING_GO).and_then(|session| session.ask(&request));
    }

    /// Enough of the lock is left to send and save, and nobody has saved since the intent was written.
    fn may_send(&self, profile: &ProfileName) -> bool {
        let Some(generation) = self.held.borrow().get(profile).map(|held| held.generation) else { return false };
        if let Some(generation) = generation {
            // The clock is read after the record: what takes long there counts.
            let stored = self.session().and_then(|session| session.load(profile)).ok().flatten();
            if stored.is_none_or(|stored| stored.generation != generation) {
                return false;
            }
        }
        self.left(profile) >= NEEDED
    }

    fn left(&self, profile: &ProfileName) -> Duration {
        let now = self.world.clock.boottime();
        self.held.borrow().get(profile).map(|held| (held.since + LASTS).saturating_sub(now)).unwrap_or_default()
    }
}

impl Lock for Command<'_> {
    fn acquire(
        &self,
        _: &str,
        profile: &ProfileName,
        deadline: Instant,
        satisfied: &mut dyn FnMut() -> bool,
    ) -> Result<Acquired<'_>, LockError> {
        let clock = self.world.clock;
        // One for all tries: a run that was cut short may have taken the lock.
        let nonce = self.random()?;
        let waited =
            wait(clock, deadline, PAUSES, satisfied, || self.try_lock(profile, &nonce, deadline.max(clock.instant() + LETTING_GO)))?;
        Ok(match waited {
            Waited::Taken => Acquired::Exclusive(Box::new(Lease { store: self, profile: profile.clone() })),
            Waited::Satisfied => Acquired::Satisfied,
        })
    }
}

/// The guard. A grant that is forgotten leaves no lock behind, since letting go is all that there is to do.
struct Lease<'s, 'w> {
    store: &'s Command<'w>,
    profile: ProfileName,
}

impl Guard for Lease<'_, '_> {
    fn is_held(&self) -> bool {
        self.store.may_send(&self.profile)
    }

    fn forget(self: Box<Self>) {}
}

impl Drop for Lease<'_, '_> {
    fn drop(&mut self) {
        self.store.let_go(&self.profile);
    }
}
