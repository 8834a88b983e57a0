//! macOS Keychain and Windows Credential Manager, through the `keyring` crate.
//!
//! Neither lists what it holds in a way that both share, so the names of the profiles lie in an entry of their own;
//! it is mended by each save, and nothing depends on it but `list`.

use super::{
    INTENTS, Kind, PROBES, RECORDS, deadline,
    parts::{self, MOST_PARTS, Torn},
};
use crate::{
    ports::{Entropy, Intent, StoreError, TokenStore},
    profile::{BadRecord, ProfileName, Record},
    secret::Secret,
    store::{StoreKind, World},
    text::printable,
};
use keyring::{Entry, Error};

/// Most bytes of one entry: what Windows takes (`CRED_MAX_CREDENTIAL_BLOB_SIZE`); macOS has no limit that matters.
const LIMIT: usize = if cfg!(windows) { 2_560 } else { 1024 * 1024 };
const PLACE: &str = if cfg!(windows) { "the Credential Manager" } else { "the macOS Keychain" };
/// No profile name begins with a dot.
const INDEX: &str = ".profiles";

/// The keychain of macOS or Windows.
pub(super) struct Keychain<'w> {
    entropy: &'w dyn Entropy,
    limit: std::time::Duration,
}

impl<'w> Keychain<'w> {
    pub(super) fn new(world: &World<'w>) -> Self {
        Self { entropy: world.entropy, limit: if world.prompt { deadline::PROMPT } else { deadline::CALL } }
    }

    /// Writes the record where `may_replace` says so of what lies there.
    fn put(&self, record: &Record, may_replace: fn(&Record, Option<&Record>) -> bool) -> Result<(), StoreError> {
        let (record, text) = (record.clone(), record.encode());
        deadline::within(self.limit, move || {
            if !may_replace(&record, load(&record.profile)?.as_ref()) {
                return Err(StoreError::Conflict);
            }
            save(&record.profile, &text)?;
            index(|names| names.push(record.profile))
        })
    }
}

impl TokenStore for Keychain<'_> {
    fn name(&self) -> &'static str {
        Kind.name()
    }

    fn place(&self) -> String {
        PLACE.to_owned()
    }

    fn identity(&self) -> String {
        "keychain".to_owned()
    }

    fn probe(&self) -> Result<(), StoreError> {
        let mut random = [0; 16];
        self.entropy.fill(&mut random).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let name = data_encoding::HEXLOWER.encode(&random);
        deadline::within(self.limit, move || {
            write_back(PROBES, &name, &Secret::new(name.as_str()))?;
            remove(PROBES, &name)
        })
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        let profile = profile.clone();
        deadline::within(self.limit, move || load(&profile))
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        self.put(record, Record::follows)
    }

    fn take_in(&self, record: &Record) -> Result<(), StoreError> {
        self.put(record, Record::is_newer_than)
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        let text = serde_json::to_string(intent).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let profile = profile.clone();
        deadline::within(self.limit, move || write_back(INTENTS, profile.as_str(), &Secret::new(text)))
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        let profile = profile.clone();
        deadline::within(self.limit, move || {
            let Some(text) = read(INTENTS, profile.as_str())? else { return Ok(None) };
            let read = serde_json::from_str(text.expose());
            read.map(Some).map_err(|_| StoreError::Corrupt { profile, reason: BadRecord::Damaged })
        })
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let profile = profile.clone();
        deadline::within(self.limit, move || remove(INTENTS, profile.as_str()))
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let profile = profile.clone();
        deadline::within(self.limit, move || {
            remove(RECORDS, profile.as_str())?;
            remove(INTENTS, profile.as_str())?;
            parts::names().try_for_each(|part| if cfg!(windows) { remove(RECORDS, &entry_of(&profile, &part)) } else { Ok(()) })?;
            index(|names| names.retain(|name| *name != profile))?;
            if read(RECORDS, profile.as_str())?.is_none() { Ok(()) } else { Err(StoreError::Forgetful(PLACE.to_owned())) }
        })
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        deadline::within(self.limit, names)
    }
}

fn load(profile: &ProfileName) -> Result<Option<Record>, StoreError> {
    let Some(head) = read(RECORDS, profile.as_str())? else { return Ok(None) };
    let corrupt = |reason| StoreError::Corrupt { profile: profile.clone(), reason };
    let text = parts::join(&head, |part| read(RECORDS, &entry_of(profile, part)))?;
    let text = text.map_err(|Torn| corrupt(BadRecord::Damaged))?;
    Record::decode(profile, &text).map(Some).map_err(corrupt)
}

fn save(profile: &ProfileName, text: &Secret) -> Result<(), StoreError> {
    let present = read(RECORDS, profile.as_str())?;
    let split = parts::split(text, LIMIT, present.as_ref());
    let split = split.ok_or(StoreError::TooBig { size: text.len(), limit: LIMIT * MOST_PARTS })?;
    for (part, text) in &split.parts {
        write_back(RECORDS, &entry_of(profile, part), text)?;
    }
    write_back(RECORDS, profile.as_str(), &split.head)
}

/// A part's entry; no profile name holds a `#`.
fn entry_of(profile: &ProfileName, part: &str) -> String {
    format!("{profile}#{part}")
}

fn names() -> Result<Vec<ProfileName>, StoreError> {
    let text = read(RECORDS, INDEX)?;
    Ok(text.and_then(|text| serde_json::from_str(text.expose()).ok()).unwrap_or_default())
}

fn index(change: impl FnOnce(&mut Vec<ProfileName>)) -> Result<(), StoreError> {
    let before = names()?;
    let mut after = before.clone();
    change(&mut after);
    after.sort();
    after.dedup();
    if after == before {
        return Ok(());
    }
    let text = serde_json::to_string(&after).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    write_back(RECORDS, INDEX, &Secret::new(text))
}

fn entry(service: &str, name: &str) -> Result<Entry, StoreError> {
    Entry::new(service, name).map_err(|error| trouble(&error))
}

fn read(service: &str, name: &str) -> Result<Option<Secret>, StoreError> {
    match entry(service, name)?.get_secret() {
        Ok(bytes) => String::from_utf8(bytes).map(|text| Some(Secret::new(text))).map_err(|_| foreign()),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(trouble(&error)),
    }
}

fn write_back(service: &str, name: &str, text: &Secret) -> Result<(), StoreError> {
    entry(service, name)?.set_secret(text.expose().as_bytes()).map_err(|error| trouble(&error))?;
    match read(service, name)? {
        Some(back) if back.matches(text.expose()) => Ok(()),
        _ => Err(StoreError::Forgetful(PLACE.to_owned())),
    }
}

fn remove(service: &str, name: &str) -> Result<(), StoreError> {
    match entry(service, name)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(trouble(&error)),
    }
}

fn foreign() -> StoreError {
    StoreError::Unavailable(format!("{PLACE} holds an entry under our name that is not text"))
}

fn trouble(error: &Error) -> StoreError {
    match error {
        Error::NoStorageAccess(cause) => StoreError::Locked(format!("{PLACE} is locked or refuses ({})", printable(&cause.to_string()))),
        Error::NoDefaultStore => StoreError::Missing(format!("{PLACE} cannot be opened")),
        // The words of the other kinds may quote what was stored.
        _ => StoreError::Unavailable(format!("{PLACE} answered with trouble")),
    }
}
