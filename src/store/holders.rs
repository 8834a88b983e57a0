//! Which stores of this machine took a profile in, so that a call knows where else a newer grant may lie (SECURITY S-13).
//!
//! One small file per profile, written when a store first takes a profile in and when one lets it go, never by a refresh. It is
//! no secret and no proof: where it is lost, only the store that the settings name is known.

use super::{
    STORES, StoreKind, by_name,
    disk::{Folder, glance},
};
use crate::profile::ProfileName;
use std::path::{Path, PathBuf};

/// The notes under `$state/holders`.
pub struct Holders {
    folder: PathBuf,
}

impl Holders {
    /// The notes of this machine.
    pub fn new(state: &Path) -> Self {
        Self { folder: state.join("holders") }
    }

    /// Names of the stores that took the profile in and have not let it go, as far as it is known.
    pub fn of(&self, profile: &ProfileName) -> Vec<&'static str> {
        let bytes = glance(&self.folder.join(profile.as_str())).unwrap_or_default();
        let names: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        STORES.iter().map(|kind| kind.name()).filter(|name| names.contains(&name.as_bytes())).collect()
    }

    /// Notes that the store holds the profile from now on. Trouble is silence: the grant itself is safe.
    pub fn add(&self, profile: &ProfileName, store: &str) {
        let mut names = self.of(profile);
        if let Some(name) = by_name(store).map(StoreKind::name).filter(|name| !names.contains(name)) {
            names.push(name);
            self.write(profile, &names);
        }
    }

    /// Notes that the store holds it no more.
    pub fn remove(&self, profile: &ProfileName, store: &str) {
        let mut names = self.of(profile);
        if names.contains(&store) {
            names.retain(|name| *name != store);
            self.write(profile, &names);
        }
    }

    fn write(&self, profile: &ProfileName, names: &[&str]) {
        let Ok(folder) = Folder::create(&self.folder) else { return };
        let _ = if names.is_empty() {
            folder.remove(&[profile.as_str()])
        } else {
            folder.note(profile.as_str(), format!("{}\n", names.join("\n")).as_bytes())
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_known_where_it_was_taken_in_and_not_where_it_was_let_go() {
        let state = tempfile::tempdir().expect("a folder");
        let (holders, till) = (Holders::new(state.path()), "till".parse().expect("a name"));
        assert!(holders.of(&till).is_empty());

        for store in ["file", "keychain", "file", "no such store"] {
            holders.add(&till, store);
        }
        assert_eq!(holders.of(&till), ["keychain", "file"]);

        holders.remove(&till, "keychain");
        assert_eq!(holders.of(&till), ["file"]);
        holders.remove(&till, "file");
        assert!(holders.of(&till).is_empty() && !state.path().join("holders/till").exists());
    }

    #[test]
    fn what_is_no_name_of_a_store_in_a_note_counts_for_nothing() {
        let state = tempfile::tempdir().expect("a folder");
        let till: ProfileName = "till".parse().expect("a name");
        std::fs::create_dir(state.path().join("holders")).expect("a folder");
        std::fs::write(state.path().join("holders/till"), "../file\nvault \nenv\n\u{1b}").expect("a note");

        assert_eq!(Holders::new(state.path()).of(&till), ["env"]);
    }
}
