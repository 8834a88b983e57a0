//! The keychain of the system.
//!
//! Linux and the other desktops of its kind have the Secret Service on the session bus, macOS its Keychain, Windows
//! its Credential Manager. One item per profile, found by `service=tokenstrap` and `username=PROFILE`, so that the
//! system's own tools show and remove it; the secret is the text of the record.

#[cfg(target_os = "linux")]
mod agreement;
#[cfg(target_os = "linux")]
mod bus;
#[cfg(any(target_os = "linux", target_os = "macos", windows))]
mod deadline;
#[cfg(any(target_os = "macos", windows))]
mod native;
pub mod parts;
#[cfg(target_os = "linux")]
mod quick;
#[cfg(target_os = "linux")]
mod secret_service;
#[cfg(target_os = "linux")]
mod session;
#[cfg(target_os = "linux")]
mod write;

use super::{StoreKind, World};
use crate::ports::{StoreError, TokenStore};

/// Attribute of the items that hold records.
const RECORDS: &str = "tokenstrap";
/// Attribute of the items that hold intents.
const INTENTS: &str = "tokenstrap-intent";
/// Attribute of the items that prove that the keychain can be written.
const PROBES: &str = "tokenstrap-probe";

/// The keychain in the table.
pub struct Kind;

/// Whether secrets are read in the clear, over a bus that only processes of this user reach; `None` where no bus is there.
pub fn reads_in_clear() -> Option<bool> {
    #[cfg(target_os = "linux")]
    return bus::find().ok().map(|bus| matches!(bus, bus::Bus::Local(_)));
    #[cfg(not(target_os = "linux"))]
    None
}

impl StoreKind for Kind {
    fn name(&self) -> &'static str {
        "keychain"
    }

    fn about(&self) -> &'static str {
        "The keychain of this system, unlocked when you log in"
    }

    #[cfg(target_os = "linux")]
    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Ok(Box::new(secret_service::Keychain::new(world)))
    }

    #[cfg(any(target_os = "macos", windows))]
    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Ok(Box::new(native::Keychain::new(world)))
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
    fn open<'w>(&self, _: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Err(StoreError::Missing("this system has no keychain that tokenstrap knows".to_owned()))
    }
}
