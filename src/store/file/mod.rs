//! The sealed file store: one file per profile, its intent beside it.
//!
//! For machines without a keychain. It protects a copied disk, a backup or a synchronized folder from whoever has not
//! the key; it protects nothing from a process of the same user that can read the key as well. The caller holds the
//! lock of a profile while it saves; a save of somebody who does not is found out by its generation.

pub(super) mod key;

use super::{
    KeySource, StoreKind, World,
    disk::{Folder, MOST, resolved, shown},
    high_water::HighWater,
    seal::{self, Key, Purpose, Unopened},
};
use crate::{
    ports::{Intent, StoreError, TokenStore},
    profile::{BadRecord, ProfileName, Record},
    secret::Secret,
};
use std::{cell::OnceCell, path::PathBuf};

pub use key::{has_key_file, init};

const RECORD: &str = ".grant";
const INTENT: &str = ".intent";

/// The sealed file store in the table.
pub struct Kind;

impl StoreKind for Kind {
    fn name(&self) -> &'static str {
        "file"
    }

    fn about(&self) -> &'static str {
        "Sealed files, for machines without a keychain; needs a key"
    }

    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Ok(Box::new(FileStore::new(world)))
    }
}

struct FileStore<'w> {
    folder: PathBuf,
    marks: HighWater,
    world: &'w World<'w>,
    key: OnceCell<Key>,
    /// The folder for reading, once it was there and checked: ten thousand records are not ten thousand walks up to the
    /// root. Whatever writes looks again.
    found: OnceCell<Folder>,
}

impl<'w> FileStore<'w> {
    fn new(world: &'w World<'w>) -> Self {
        let folder = world.data.join("grants");
        let marks = HighWater::new(&world.state, identity(&folder));
        Self { folder, marks, world, key: OnceCell::new(), found: OnceCell::new() }
    }

    /// The folder, where there is one.
    fn found(&self) -> Result<Option<&Folder>, StoreError> {
        if self.found.get().is_none() {
            let Some(folder) = Folder::find(&self.folder)? else { return Ok(None) };
            let _ = self.found.set(folder);
        }
        Ok(self.found.get())
    }

    /// The key, found at the first need: listing and deleting ask nobody for a passphrase.
    fn key(&self) -> Result<&Key, StoreError> {
        if let Some(key) = self.key.get() {
            return Ok(key);
        }
        let found = key::find(self.world, &self.folder)?;
        Ok(self.key.get_or_init(|| found))
    }

    fn seal(&self, bound: (Purpose, &ProfileName, u64), text: &[u8]) -> Result<Vec<u8>, StoreError> {
        let sealed = seal::seal(self.key()?, bound, text, self.world.entropy);
        let sealed = sealed.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        // A file of just this size would be read back as one that is cut.
        if sealed.len() < MOST { Ok(sealed) } else { Err(StoreError::TooBig { size: sealed.len(), limit: MOST - 1 }) }
    }

    fn open(&self, purpose: Purpose, profile: &ProfileName, bytes: &[u8]) -> Result<seal::Opened, StoreError> {
        seal::open(self.key()?, purpose, profile, bytes).map_err(|unopened| match unopened {
            Unopened::Bad(reason) => StoreError::Corrupt { profile: profile.clone(), reason },
            Unopened::OtherKey => {
                let origin = key::origin(self.world);
                StoreError::NoKey(format!("the record of `{profile}` was sealed with another key than the one from {origin}"))
            }
        })
    }

    fn load_from(&self, folder: &Folder, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        let Some(bytes) = folder.read(&record_file(profile))? else { return Ok(None) };
        let opened = self.open(Purpose::Record, profile, &bytes)?;
        let corrupt = |reason| StoreError::Corrupt { profile: profile.clone(), reason };
        let text = std::str::from_utf8(&opened.text).map_err(|_| corrupt(BadRecord::Damaged))?;
        let record = Record::decode(profile, &Secret::new(text)).map_err(corrupt)?;
        if record.generation == opened.generation { Ok(Some(record)) } else { Err(corrupt(BadRecord::Damaged)) }
    }

    /// Writes the record where `may_replace` says so of what lies there.
    fn keep(&self, record: &Record, may_replace: fn(&Record, Option<&Record>) -> bool) -> Result<(), StoreError> {
        let folder = Folder::create(&self.folder)?;
        let name = record_file(&record.profile);
        let sealed = self.seal((Purpose::Record, &record.profile, record.generation), record.encode().expose().as_bytes())?;
        folder.replace(&name, &sealed, || {
            let stored = self.load_from(&folder, &record.profile)?;
            if may_replace(record, stored.as_ref()) { Ok(()) } else { Err(StoreError::Conflict) }
        })?;
        // Afterwards, since it looks at every name in the folder: until the record is there, each moment counts.
        folder.sweep(&[&name], self.world.clock.now());
        self.marks.raise(record);
        Ok(())
    }
}

impl TokenStore for FileStore<'_> {
    fn name(&self) -> &'static str {
        Kind.name()
    }

    fn place(&self) -> String {
        format!("sealed files in {}", shown(&self.folder))
    }

    fn caveat(&self) -> Option<String> {
        Some(format!("the key of these sealed files comes from {}; nothing else opens them", key::origin(self.world)))
    }

    fn identity(&self) -> String {
        identity(&self.folder)
    }

    fn probe(&self) -> Result<(), StoreError> {
        let profile: ProfileName = "probe".parse().map_err(|_| StoreError::Conflict)?;
        let folder = Folder::create(&self.folder)?;
        folder.sweep(&[], self.world.clock.now());
        let mut random = [0; 8];
        self.world.entropy.fill(&mut random).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let sealed = self.seal((Purpose::Probe, &profile, 0), &random)?;
        // The `~` makes it temporary: where this process is killed, a later sweep finds it.
        let name = format!(".probe~{}", data_encoding::HEXLOWER.encode(&random));
        let written = folder.replace(&name, &sealed, || Ok(()));
        let removed = folder.remove(&[&name]);
        written.and(removed)
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        match self.found()? {
            None => Ok(None),
            Some(folder) => self.load_from(folder, profile),
        }
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        self.keep(record, Record::follows)
    }

    fn take_in(&self, record: &Record) -> Result<(), StoreError> {
        self.keep(record, Record::is_newer_than)
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        let text = serde_json::to_vec(intent).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let sealed = self.seal((Purpose::Intent, profile, intent.generation), &text)?;
        Folder::create(&self.folder)?.replace(&intent_file(profile), &sealed, || Ok(()))
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        let Some(folder) = self.found()? else { return Ok(None) };
        let Some(bytes) = folder.read(&intent_file(profile))? else { return Ok(None) };
        let opened = self.open(Purpose::Intent, profile, &bytes)?;
        let read = serde_json::from_slice(&opened.text);
        read.map(Some).map_err(|_| StoreError::Corrupt { profile: profile.clone(), reason: BadRecord::Damaged })
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        match Folder::find(&self.folder)? {
            None => Ok(()),
            Some(folder) => folder.remove(&[&intent_file(profile)]),
        }
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        self.marks.forget(profile);
        let Some(folder) = Folder::find(&self.folder)? else { return Ok(()) };
        let (record, intent) = (record_file(profile), intent_file(profile));
        folder.remove(&[&record, &intent])?;
        folder.sweep(&[&record, &intent], self.world.clock.now());
        if folder.holds(&record) || folder.holds(&intent) {
            return Err(StoreError::Forgetful(self.place()));
        }
        Ok(())
    }

    fn rolled_back(&self, record: &Record) -> Option<u64> {
        self.marks.above(record)
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        let Some(folder) = Folder::find(&self.folder)? else { return Ok(Vec::new()) };
        let names = folder.names()?;
        let mut profiles: Vec<ProfileName> =
            names.iter().filter_map(|name| name.strip_suffix(RECORD)).filter_map(|stem| stem.parse().ok()).collect();
        profiles.sort();
        Ok(profiles)
    }
}

fn identity(folder: &std::path::Path) -> String {
    format!("file:{}", resolved(folder).to_string_lossy())
}

fn record_file(profile: &ProfileName) -> String {
    format!("{profile}{RECORD}")
}

fn intent_file(profile: &ProfileName) -> String {
    format!("{profile}{INTENT}")
}
