//! Tokens issued together, and when they end (RFC 6749 sections 1.4, 1.5 and 5.1).

use crate::secret::{self, Secret};
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};

/// What an access token may be used as. Only bearer tokens are handed out (RFC 6750).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TokenType {
    /// Whoever has it may use it.
    Bearer,
}

/// One answer of the token endpoint, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenSet {
    /// Bearer of access.
    #[serde(with = "secret::at_rest")]
    pub access_token: Secret,
    /// How it is presented.
    pub token_type: TokenType,
    /// Buys the next access token.
    #[serde(with = "secret::at_rest::option", default)]
    pub refresh_token: Option<Secret>,
    /// Who consented, where OpenID Connect is spoken.
    #[serde(with = "secret::at_rest::option", default)]
    pub id_token: Option<Secret>,
    /// When the request that earned it was sent; all times count from here.
    #[serde(with = "instant")]
    pub requested_at: SystemTime,
    /// When the access token ends, where the server says so.
    #[serde(with = "instant::option", default)]
    pub expires_at: Option<SystemTime>,
    /// What was granted, where it was said; missing means as asked (RFC 6749 section 5.1).
    #[serde(default)]
    pub scope: Option<Vec<String>>,
}

impl TokenSet {
    /// Whether the access token stays valid for at least `min_ttl` after `now`.
    ///
    /// A token without `expires_in`, where neither entry nor user sets a default, counts as fresh: RFC 6749 section 5.1
    /// leaves its life to the server's documentation, and guessing an hour would refresh tokens that never expire. A
    /// token requested in the future counts as stale: the clock went back, and its end cannot be known (SECURITY N-05).
    pub fn is_fresh(&self, now: SystemTime, min_ttl: Duration) -> bool {
        // A second of slack: times at rest are whole seconds, and two processes may read the clock around one tick.
        if self.requested_at > now + Duration::from_secs(1) {
            return false;
        }
        match self.expires_at {
            None => true,
            Some(end) => end.duration_since(now).is_ok_and(|left| left >= min_ttl && !left.is_zero()),
        }
    }

    /// What is left of the access token's life; zero once it is over, `None` where its end is unknown.
    pub fn remaining(&self, now: SystemTime) -> Option<Duration> {
        self.expires_at.map(|end| end.duration_since(now).unwrap_or_default())
    }

    /// The grant after a refresh: what the answer leaves out is kept from before (RFC 6749 section 6).
    #[must_use]
    pub fn succeed(mut self, previous: &Self) -> Self {
        if self.refresh_token.is_none() {
            self.refresh_token.clone_from(&previous.refresh_token);
        }
        if self.id_token.is_none() {
            self.id_token.clone_from(&previous.id_token);
        }
        if self.scope.is_none() {
            self.scope.clone_from(&previous.scope);
        }
        self
    }
}

/// Instants at rest: milliseconds since 1970, so that a record of today is read the same everywhere.
pub mod instant {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::{Duration, SystemTime};

    /// Writes whole milliseconds.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        serializer.serialize_u64(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads whole milliseconds; what no clock can say counts as 1970.
    ///
    /// # Errors
    /// Where there is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let millis = u64::deserialize(deserializer)?;
        Ok(SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis)).unwrap_or(SystemTime::UNIX_EPOCH))
    }

    /// The same for an instant that may be unknown.
    pub mod option {
        use super::{Deserialize, Deserializer, Duration, Serializer, SystemTime};

        /// Writes whole milliseconds, or nothing.
        ///
        /// # Errors
        /// Whatever the serializer says.
        pub fn serialize<S: Serializer>(at: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
            match at {
                Some(at) => super::serialize(at, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads whole milliseconds, if there are any.
        ///
        /// # Errors
        /// Where there is something other than a number.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
            let millis = Option::<u64>::deserialize(deserializer)?;
            Ok(millis.and_then(|millis| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis))))
        }
    }
}
