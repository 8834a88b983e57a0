//! The lease of a grant: what keeps hosts apart that share one vault (SECURITY S-21).
//!
//! It is an item of its own beside the record, and the intent lies in it. Whoever writes it over a free or ended one has
//! it; everybody else is refused by its version. It ends by the server's clock, which all hosts share; its holder counts
//! on the clock that goes on while the machine sleeps, from before it asked, and so always gives up first.

use super::{LEASES, VaultStore};
use crate::{
    ports::{Acquired, Guard, Intent, Lock, LockError, StoreError},
    profile::ProfileName,
    secret::Secret,
    store::lease::{NEEDED, Tried, Waited, own_name, wait},
    text::printable,
};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// How long a lease lasts from its last writing: a whole command of 35 s, one last write of 10 s, and a margin.
const LASTS: Duration = Duration::from_secs(50);
/// A lease of another version of this program never lasts longer than this.
const LONGEST: Duration = Duration::from_secs(300);
/// First and longest pause of a follower.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));
/// How long letting go may take: a lease that is not let go ends by itself.
const LETTING_GO: Duration = Duration::from_secs(2);

/// What lies in the item.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Entry {
    /// Absent where it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holder: Option<Holder>,
    /// A refresh that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<Intent>,
}

#[derive(Serialize, Deserialize, Clone)]
struct Holder {
    /// Host and process, for messages.
    name: String,
    /// Makes two writings of one content differ.
    nonce: String,
    /// Seconds from its writing.
    lasts: u64,
}

impl Entry {
    pub(super) fn encode(&self) -> Secret {
        Secret::new(serde_json::to_string(self).expect("texts and numbers are JSON"))
    }

    /// Who has it, where it has not ended.
    fn holder(&self, age: Duration) -> Option<&Holder> {
        self.holder.as_ref().filter(|holder| age <= Duration::from_secs(holder.lasts).min(LONGEST))
    }
}

/// A lease that this process has.
pub(super) struct Held {
    holder: Holder,
    /// Version of the item.
    version: u64,
    /// [`crate::ports::Clock::boottime`] before it was written.
    since: Duration,
    intent: Option<Intent>,
    /// A record was not taken: nobody else may go on from the stored one before the lease has ended.
    unsaved: bool,
}

impl Held {
    pub(super) fn intent(&self) -> Option<&Intent> {
        self.intent.as_ref()
    }

    pub(super) fn set_unsaved(&mut self, unsaved: bool) {
        self.unsaved = unsaved;
    }
}

impl VaultStore<'_> {
    /// The entry of a profile with its version and age.
    pub(super) fn entry(&self, profile: &ProfileName, end: Instant) -> Result<(Entry, u64, Duration), StoreError> {
        let item = self.server.read(&[LEASES, profile.as_str()], end)?;
        // One that cannot be read holds nobody back and is written anew; its age would say nothing.
        let entry = item.content.and_then(|content| serde_json::from_str(content.expose()).ok()).unwrap_or_default();
        Ok((entry, item.version, item.age))
    }

    fn try_lease(&self, profile: &ProfileName, end: Instant) -> Result<Tried, StoreError> {
        let clock = self.server.world.clock;
        let (entry, version, age) = self.entry(profile, end)?;
        if let Some(holder) = entry.holder(age) {
            return Ok(Tried::Busy(format!("{}, for {} s", printable(&holder.name), age.as_secs())));
        }
        let mut nonce = [0; 16];
        self.server.world.entropy.fill(&mut nonce).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let holder = Holder { name: own_name(), nonce: data_encoding::HEXLOWER.encode(&nonce), lasts: LASTS.as_secs() };
        let since = clock.boottime();
        let entry = Entry { holder: Some(holder.clone()), intent: entry.intent };
        match self.server.write(&[LEASES, profile.as_str()], &entry.encode(), version, end) {
            Ok(version) => {
                let held = Held { holder, version, since, intent: entry.intent, unsaved: false };
                self.held.borrow_mut().insert(profile.clone(), held);
                Ok(Tried::Taken)
            }
            Err(StoreError::Conflict) => Ok(Tried::Overtaken),
            Err(refusal) => Err(refusal),
        }
    }

    /// Writes the intent, and begins the lease anew where this process has it.
    pub(super) fn note(&self, profile: &ProfileName, intent: &Intent, end: Instant) -> Result<(), StoreError> {
        let path = [LEASES, profile.as_str()];
        let mut all = self.held.borrow_mut();
        let Some(held) = all.get_mut(profile) else {
            let (entry, version, _) = self.entry(profile, end)?;
            let entry = Entry { intent: Some(intent.clone()), ..entry };
            return self.server.write(&path, &entry.encode(), version, end).map(drop);
        };
        let since = self.server.world.clock.boottime();
        let entry = Entry { holder: Some(held.holder.clone()), intent: Some(intent.clone()) };
        held.version = self.server.write(&path, &entry.encode(), held.version, end)?;
        (held.since, held.intent) = (since, entry.intent);
        Ok(())
    }

    /// Removes the intent. A lease of this process is let go with the same writing: whoever removes an intent has saved.
    pub(super) fn unnote(&self, profile: &ProfileName, end: Instant) -> Result<(), StoreError> {
        let path = [LEASES, profile.as_str()];
        let held = self.held.borrow_mut().remove(profile);
        let (entry, version) = match held {
            Some(held) => (Entry::default(), held.version),
            None => match self.entry(profile, end)? {
                (Entry { intent: None, .. }, ..) => return Ok(()),
                (entry, version, _) => (Entry { intent: None, ..entry }, version),
            },
        };
        self.server.write(&path, &entry.encode(), version, end).map(drop)
    }

    /// Lets a lease go whose intent stays.
    fn let_go(&self, profile: &ProfileName) {
        let Some(held) = self.held.borrow_mut().remove(profile) else { return };
        if held.unsaved {
            return;
        }
        let end = self.server.world.clock.instant() + LETTING_GO;
        let entry = Entry { holder: None, intent: held.intent };
        // Where this fails, others wait until it ends.
        let _ = self.server.write(&[LEASES, profile.as_str()], &entry.encode(), held.version, end);
    }

    /// Enough of the lease is left to send and save, and nobody has saved since the intent was written.
    fn may_send(&self, profile: &ProfileName) -> bool {
        let generation = {
            let all = self.held.borrow();
            let Some(held) = all.get(profile) else { return false };
            held.intent.as_ref().map(|intent| intent.generation)
        };
        // The clock is read after the record: what takes long there counts.
        let stored = self.load_until(profile, self.call()).ok().flatten().map(|record| record.generation);
        (generation.is_none() || stored == generation) && self.left(profile) >= NEEDED
    }

    fn left(&self, profile: &ProfileName) -> Duration {
        let now = self.server.world.clock.boottime();
        let all = self.held.borrow();
        all.get(profile).map(|held| (held.since + LASTS).saturating_sub(now)).unwrap_or_default()
    }
}

impl Lock for VaultStore<'_> {
    fn acquire(
        &self,
        _: &str,
        profile: &ProfileName,
        deadline: Instant,
        satisfied: &mut dyn FnMut() -> bool,
    ) -> Result<Acquired<'_>, LockError> {
        let clock = self.server.world.clock;
        let waited = wait(clock, deadline, PAUSES, satisfied, || {
            self.try_lease(profile, self.call().min(deadline.max(clock.instant() + LETTING_GO)))
        })?;
        Ok(match waited {
            Waited::Taken => Acquired::Exclusive(Box::new(Lease { store: self, profile: profile.clone() })),
            Waited::Satisfied => Acquired::Satisfied,
        })
    }
}

/// The guard.
struct Lease<'s, 'w> {
    store: &'s VaultStore<'w>,
    profile: ProfileName,
}

impl Guard for Lease<'_, '_> {
    fn is_held(&self) -> bool {
        self.store.may_send(&self.profile)
    }

    fn forget(self: Box<Self>) {
        self.store.held.borrow_mut().remove(&self.profile);
    }
}

impl Drop for Lease<'_, '_> {
    fn drop(&mut self) {
        self.store.let_go(&self.profile);
    }
}
