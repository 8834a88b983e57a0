//! A cache of access tokens that answers faster than a keychain, and may fail in silence.

use crate::secret::Secret;
use std::time::SystemTime;

/// An access token at hand. Never a refresh token.
#[derive(Debug, Clone)]
pub struct Cached {
    /// Bearer of access.
    pub access_token: Secret,
    /// When it ends; a token whose end is unknown is not cached.
    pub expires_at: SystemTime,
    /// Generation of the record that it comes from.
    pub generation: u64,
}

/// Keeps access tokens by the random id of their grant (SECURITY S-20).
///
/// Every failure is silence: a cache that refuses costs two milliseconds, not a login.
pub trait AccessTokenCache {
    /// The token of this grant, if there is one that has not ended.
    fn read(&self, id: &str) -> Option<Cached>;

    /// Keeps this token until it ends, in place of any older one. An older one never stays, even where the new one is
    /// refused.
    fn replace(&self, id: &str, cached: &Cached, now: SystemTime);

    /// Forgets the token of this grant.
    fn forget(&self, id: &str);
}
