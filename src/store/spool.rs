//! The spool: `$state/spool/HASH`, one sealed file for each profile of each store.

use super::{
    World,
    disk::Folder,
    high_water::file_name,
    seal::{self, Key, Purpose},
};
use crate::{
    ports::{Entropy, Spool, StoreError},
    profile::{ProfileName, Record},
    secret::Secret,
};
use data_encoding::HEXLOWER_PERMISSIVE;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A [`Spool`] under the state folder.
pub struct FileSpool<'w> {
    folder: PathBuf,
    entropy: &'w dyn Entropy,
}

impl<'w> FileSpool<'w> {
    /// The spool of this world; nothing is touched yet.
    pub fn new(world: &World<'w>) -> Self {
        Self { folder: world.state.join("spool"), entropy: world.entropy }
    }
}

impl Spool for FileSpool<'_> {
    fn keep(&self, identity: &str, record: &Record, spool_key: &Secret) -> Result<(), StoreError> {
        let key = key(spool_key).ok_or_else(|| StoreError::NoKey("the record holds no key for the spool".to_owned()))?;
        let bound = (Purpose::Spool, &record.profile, record.generation);
        let sealed = seal::seal(&key, bound, record.encode().expose().as_bytes(), self.entropy)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Folder::create(&self.folder)?.replace(&file_name(identity, &record.profile), &sealed, || Ok(()))
    }

    fn waiting(&self, profile: &ProfileName, identity: &str, spool_key: &Secret) -> Option<Record> {
        let sealed = Folder::find(&self.folder).ok()??.read(&file_name(identity, profile)).ok()??;
        let opened = seal::open(&key(spool_key)?, Purpose::Spool, profile, &sealed).ok()?;
        let text = Secret::new(std::str::from_utf8(&opened.text).ok()?);
        Record::decode(profile, &text).ok().filter(|record| record.generation == opened.generation)
    }

    fn discard(&self, profile: &ProfileName, identity: &str) -> Result<(), StoreError> {
        let name = file_name(identity, profile);
        match Folder::find(&self.folder)? {
            None => Ok(()),
            Some(folder) => folder.remove(&[&name]),
        }
    }
}

/// The spool key of a record: 32 random bytes in hex.
fn key(spool_key: &Secret) -> Option<Key> {
    let bytes = Zeroizing::new(HEXLOWER_PERMISSIVE.decode(spool_key.expose().as_bytes()).ok()?);
    (bytes.len() >= 32).then(|| Key::from_bytes(&bytes))
}
