//! Where a record waits that its store did not take.
//!
//! After a good answer the only live refresh token may be in memory alone. If the store then refuses, the record goes
//! here, sealed with the key that has lain inside the stored record since login, until the next call adopts it.

use super::StoreError;
use crate::{
    profile::{ProfileName, Record},
    secret::Secret,
};

/// Keeps at most one sealed record for each profile of each store; `identity` is [`super::TokenStore::identity`].
pub trait Spool {
    /// Keeps the record durably.
    ///
    /// # Errors
    /// [`StoreError`]; the token has to be printed all the same then.
    fn keep(&self, identity: &str, record: &Record, spool_key: &Secret) -> Result<(), StoreError>;

    /// The record that waits, if there is one that this key opens. Whatever else lies there counts as nothing.
    fn waiting(&self, profile: &ProfileName, identity: &str, spool_key: &Secret) -> Option<Record>;

    /// Removes what waits; nothing happens where nothing does.
    ///
    /// # Errors
    /// [`StoreError`].
    fn discard(&self, profile: &ProfileName, identity: &str) -> Result<(), StoreError>;
}
