//! A store that ends with the process: for the demo, and for tests of everything above the stores. Not in the table.

use crate::{
    ports::{Intent, StoreError, TokenStore},
    profile::{ProfileName, Record},
    secret::Secret,
};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Records as texts, so that what comes back has gone through the same form as in a real store.
#[derive(Default)]
pub struct Memory(Mutex<Slots>);

#[derive(Default)]
struct Slots {
    records: BTreeMap<ProfileName, Secret>,
    intents: BTreeMap<ProfileName, Intent>,
}

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn slots(&self) -> MutexGuard<'_, Slots> {
        // Every change below is one insertion or removal: a panic elsewhere leaves no half of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, record: &Record, may_replace: fn(&Record, Option<&Record>) -> bool) -> Result<(), StoreError> {
        let mut slots = self.slots();
        let stored = slots.records.get(&record.profile).and_then(|text| Record::decode(&record.profile, text).ok());
        if !may_replace(record, stored.as_ref()) {
            return Err(StoreError::Conflict);
        }
        slots.records.insert(record.profile.clone(), record.encode());
        Ok(())
    }
}

impl TokenStore for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn place(&self) -> String {
        "memory, until the program ends".to_owned()
    }

    fn identity(&self) -> String {
        format!("memory:{}", std::process::id())
    }

    fn probe(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        let text = self.slots().records.get(profile).cloned();
        text.map(|text| Record::decode(profile, &text))
            .transpose()
            .map_err(|reason| StoreError::Corrupt { profile: profile.clone(), reason })
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        self.keep(record, Record::follows)
    }

    fn take_in(&self, record: &Record) -> Result<(), StoreError> {
        self.keep(record, Record::is_newer_than)
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        self.slots().intents.insert(profile.clone(), intent.clone());
        Ok(())
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        Ok(self.slots().intents.get(profile).cloned())
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        self.slots().intents.remove(profile);
        Ok(())
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let mut slots = self.slots();
        slots.records.remove(profile);
        slots.intents.remove(profile);
        Ok(())
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        Ok(self.slots().records.keys().cloned().collect())
    }
}
