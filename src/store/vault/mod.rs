//! HashiCorp Vault or OpenBao: one rotating grant for many machines, with one refresh among all of them.
//!
//! A folder of a key-value engine of version 2 holds one item per profile, and beside it the lease by which the hosts
//! take turns. Every write names the version that it replaces. The server keeps clear texts: whoever may read the folder
//! has the grants, and its policy says who that is.

mod answer;
mod lease;
mod place;
mod server;
mod sign_in;

use super::{StoreKind, World};
use crate::{
    ports::{Intent, Lock, StoreError, TokenStore},
    profile::{ProfileName, Record},
};
use lease::Held;
use server::Server;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

const RECORDS: &str = "grants";
const LEASES: &str = "leases";
const PROBES: &str = "probes";
/// Longest time of a call.
const CALL: Duration = Duration::from_secs(10);
/// Largest record. The server's own storage takes entries of 1 MiB, and texts grow in JSON.
const LIMIT: usize = 448 * 1024;

/// The vault in the table.
pub struct Kind;

impl StoreKind for Kind {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn about(&self) -> &'static str {
        "Vault or OpenBao, one grant for many machines"
    }

    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Ok(Box::new(VaultStore { server: Server::new(world), held: RefCell::default() }))
    }
}

struct VaultStore<'w> {
    server: Server<'w>,
    held: RefCell<BTreeMap<ProfileName, Held>>,
}

impl VaultStore<'_> {
    /// When a call that begins now ends at the latest.
    fn call(&self) -> Instant {
        self.server.world.clock.instant() + CALL
    }

    fn load_until(&self, profile: &ProfileName, end: Instant) -> Result<Option<Record>, StoreError> {
        self.versioned(profile, end).map(|(record, _)| record)
    }

    fn versioned(&self, profile: &ProfileName, end: Instant) -> Result<(Option<Record>, u64), StoreError> {
        let item = self.server.read(&[RECORDS, profile.as_str()], end)?;
        let record = item.content.map(|content| Record::decode(profile, &content)).transpose();
        let record = record.map_err(|reason| StoreError::Corrupt { profile: profile.clone(), reason })?;
        Ok((record, item.version))
    }

    /// Writes the record where `may_replace` says so of what lies there, and looks that it is there.
    fn keep(&self, record: &Record, may_replace: fn(&Record, Option<&Record>) -> bool) -> Result<(), StoreError> {
        let (end, path, text) = (self.call(), [RECORDS, record.profile.as_str()], record.encode());
        if text.len() > LIMIT {
            return Err(StoreError::TooBig { size: text.len(), limit: LIMIT });
        }
        let (stored, version) = self.versioned(&record.profile, end)?;
        if !may_replace(record, stored.as_ref()) {
            return Err(StoreError::Conflict);
        }
        let version = self.server.write(&path, &text, version, end)?;
        match self.server.read(&path, end) {
            Ok(back) if back.version == version && back.content.as_ref().is_none_or(|back| back.hash() != text.hash()) => {
                Err(StoreError::Forgetful(self.place()))
            }
            Ok(back) if back.version < version => Err(StoreError::Forgetful(self.place())),
            // Somebody else has gone on from it, or nobody answers now: the server had said that it is kept.
            _ => Ok(()),
        }
    }

    fn remember_whether_saved(&self, profile: &ProfileName, outcome: &Result<(), StoreError>) {
        if let Some(held) = self.held.borrow_mut().get_mut(profile) {
            held.set_unsaved(outcome.as_ref().is_err_and(|refusal| *refusal != StoreError::Conflict));
        }
    }
}

impl TokenStore for VaultStore<'_> {
    fn name(&self) -> &'static str {
        Kind.name()
    }

    fn place(&self) -> String {
        self.server.place().map_or_else(|_| "a vault".to_owned(), place::Place::shown)
    }

    fn identity(&self) -> String {
        format!("vault:{}", self.place())
    }

    fn lease(&self) -> Option<&dyn Lock> {
        Some(self)
    }

    fn probe(&self) -> Result<(), StoreError> {
        let mut random = [0; 16];
        self.server.world.entropy.fill(&mut random).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let name = data_encoding::HEXLOWER.encode(&random);
        let (end, path, text) = (self.call(), [PROBES, name.as_str()], crate::secret::Secret::new(name.as_str()));
        self.server.write(&path, &text, 0, end)?;
        let back = self.server.read(&path, end);
        self.server.remove(&path, end)?;
        let is_gone = self.server.read(&path, end)?.version == 0;
        let was_there = back?.content.is_some_and(|back| back.hash() == text.hash());
        if is_gone && was_there { Ok(()) } else { Err(StoreError::Forgetful(self.place())) }
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        self.load_until(profile, self.call())
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        let outcome = self.keep(record, Record::follows);
        self.remember_whether_saved(&record.profile, &outcome);
        outcome
    }

    fn take_in(&self, record: &Record) -> Result<(), StoreError> {
        self.keep(record, Record::is_newer_than)
    }

    fn is_shared(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        self.note(profile, intent, self.call())
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        match self.held.borrow().get(profile) {
            Some(held) => Ok(held.intent().cloned()),
            None => self.entry(profile, self.call()).map(|(entry, ..)| entry.intent),
        }
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        self.unnote(profile, self.call())
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let end = self.call();
        for folder in [RECORDS, LEASES] {
            let path = [folder, profile.as_str()];
            self.server.remove(&path, end)?;
            if self.server.read(&path, end)?.version != 0 {
                return Err(StoreError::Forgetful(self.place()));
            }
        }
        self.held.borrow_mut().remove(profile);
        Ok(())
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        let names = self.server.list(&[RECORDS], self.call())?;
        let mut profiles: Vec<ProfileName> = names.iter().filter_map(|name| name.parse().ok()).collect();
        profiles.sort();
        Ok(profiles)
    }
}
