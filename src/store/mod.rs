//! Token stores: the places where a record rests, and the table of them.
//!
//! A new store is one file with a [`StoreKind`] and one line in [`STORES`]; its name, its help and its contract test
//! come from there. What all of them share (the seal, careful files, the spool, the cache) lies beside them. No store
//! ever falls back on another: one that refuses says so (SECURITY S-01).

pub mod bundle;
pub mod cache;
mod command;
mod disk;
mod env;
pub mod file;
mod high_water;
pub mod holders;
#[cfg(target_os = "linux")]
mod kernel;
pub mod keychain;
mod keyutils;
mod lease;
pub mod memory;
#[cfg(unix)]
pub mod refresh_file;
mod seal;
pub mod spool;
mod vault;

use crate::{
    ports::{Clock, Entropy, StoreError, TokenStore, Transport},
    profile::settings::Vault,
    secret::Secret,
};
use std::path::PathBuf;

/// One kind of store, as the command line offers it.
pub trait StoreKind: Sync {
    /// Its name in flags and settings.
    fn name(&self) -> &'static str;

    /// One line of help without a full stop.
    fn about(&self) -> &'static str;

    /// Opens it; nothing on the machine is touched or asked before the first call.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where this system has no such store at all.
    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError>;
}

/// Every kind of store, the default first.
pub static STORES: &[&dyn StoreKind] = &[&keychain::Kind, &file::Kind, &keyutils::Kind, &vault::Kind, &env::Kind, &command::Kind];

/// The kind with this name.
pub fn by_name(name: &str) -> Option<&'static dyn StoreKind> {
    STORES.iter().copied().find(|kind| kind.name() == name)
}

/// What a store may use of the world.
pub struct World<'w> {
    /// `$XDG_DATA_HOME/tokenstrap`.
    pub data: PathBuf,
    /// `$XDG_STATE_HOME/tokenstrap`.
    pub state: PathBuf,
    /// `$XDG_CONFIG_HOME/tokenstrap`.
    pub config: PathBuf,
    /// Where the key of a sealed store comes from.
    pub key: KeySource<'w>,
    /// Where the shared store is, and how one signs in there.
    pub vault: Vault,
    /// Environment variables; an empty one counts as not set.
    pub env: &'w dyn Fn(&str) -> Option<String>,
    /// Carries the requests of stores on other machines.
    pub transport: &'w dyn Transport,
    /// The program of the command store with its arguments; empty where none is named.
    pub command: &'w [String],
    /// Whether a person is there, so that a locked keychain may show its own unlock prompt.
    pub prompt: bool,
    /// Unpredictable bytes.
    pub entropy: &'w dyn Entropy,
    /// The time.
    pub clock: &'w dyn Clock,
}

/// Where the key of a sealed store comes from.
pub enum KeySource<'w> {
    /// The text of `TOKENSTRAP_KEY`.
    Text(Secret),
    /// A file with such a text.
    File(PathBuf),
    /// Asks a person, who may give up. Called at most once, and only when a record has to be read or written.
    Passphrase(&'w dyn Fn() -> Option<Secret>),
    /// Nothing was said: the key file that [`file::init`] makes is used where it is there.
    Unsaid,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_store_has_a_unique_kebab_case_name_and_a_help_line() {
        let mut seen = BTreeSet::new();
        for kind in STORES {
            assert!(seen.insert(kind.name()), "{} is registered twice", kind.name());
            assert!(kind.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(!kind.about().is_empty() && !kind.about().ends_with('.'));
            assert_eq!(by_name(kind.name()).map(StoreKind::name), Some(kind.name()));
        }
        assert!(by_name("memory").is_none());
    }
}
