//! The highest generation that was saved of each grant, kept apart from the store (SECURITY S-09).
//!
//! Whoever brings yesterday's copy of a sealed file back brings yesterday's refresh token back with it, which a
//! rotating server takes for theft. The seal cannot tell old from new; a number that lies elsewhere can. It is no
//! secret and no proof: where it is lost, or the state folder is brought back as well, nothing is noticed.

use super::disk::Folder;
use crate::{
    profile::{ProfileName, Record},
    secret::Secret,
};
use std::path::PathBuf;

/// Marks under `$state/generations`.
pub(super) struct HighWater {
    folder: PathBuf,
    identity: String,
}

impl HighWater {
    /// The marks of one store.
    pub(super) fn new(state: &std::path::Path, identity: String) -> Self {
        Self { folder: state.join("generations"), identity }
    }

    /// Remembers the generation of a record that was saved. Trouble is silence: the record itself is safe.
    pub(super) fn raise(&self, record: &Record) {
        if let Ok(folder) = Folder::create(&self.folder) {
            let _ = folder.note(&self.file(&record.profile), format!("{} {}\n", record.id, record.generation).as_bytes());
        }
    }

    /// The generation that was once saved of this very grant, where it is newer than the one at hand.
    pub(super) fn above(&self, record: &Record) -> Option<u64> {
        let bytes = Folder::find(&self.folder).ok()??.read(&self.file(&record.profile)).ok()??;
        let (id, generation) = std::str::from_utf8(&bytes).ok()?.trim_end().rsplit_once(' ')?;
        let generation = generation.parse().ok()?;
        (id == record.id && generation > record.generation).then_some(generation)
    }

    /// Forgets the mark of a profile that was deleted.
    pub(super) fn forget(&self, profile: &ProfileName) {
        if let Ok(Some(folder)) = Folder::find(&self.folder) {
            let _ = folder.remove(&[&self.file(profile)]);
        }
    }

    fn file(&self, profile: &ProfileName) -> String {
        file_name(&self.identity, profile)
    }
}

/// The name of what belongs to one profile of one store; a hash, since an identity may hold anything.
pub(super) fn file_name(identity: &str, profile: &ProfileName) -> String {
    Secret::new(format!("{identity}\n{profile}")).hash()
}
