//! What lies in a store for one profile: one record, replaced as a whole.
//!
//! A record has slots. `registration` and `current` are the grant; `pending` is a login that has begun and holds the
//! newest client secret, so that nothing typed is lost; `suspect` keeps an answer that failed a check but may hold the
//! only live refresh token; `mark` says that a person is needed. `generation` grows with every save and never falls.

use super::name::ProfileName;
use crate::{
    oauth::{
        attempt::ExpectedIssuer,
        pins::{Pins, Rotation},
        redirect_uri::RedirectUri,
        token::{TokenSet, instant},
    },
    secret::{self, Secret},
};
use serde::{Deserialize, Serialize};
use std::time::SystemTime;

/// Format of a record at rest. A reader refuses a higher one, since writing it back would lose what it cannot read.
pub const FORMAT: u32 = 1;

/// A client at a server: what every request of a grant is built from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Registration {
    /// Where secrets may go.
    pub pins: Pins,
    /// The client secret of a confidential client.
    #[serde(with = "secret::at_rest::option", default)]
    pub client_secret: Option<Secret>,
}

impl Registration {
    /// Whether the client is known to belong to another issuer than this one, which must learn nothing of it (SECURITY D-07).
    pub fn is_elsewhere(&self, issuer: Option<&str>) -> bool {
        issuer.is_some_and(|issuer| self.pins.issuer.as_ref().is_some_and(|own| own != issuer))
    }
}

/// Whose grant it is, as the verify call or the ID token said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Compared when somebody logs in again.
    pub id: String,
    /// What a person knows it by, raw.
    pub label: String,
    /// What stands in front of the id, such as `company`.
    pub noun: String,
    /// Further facts, raw, such as `2 sites`.
    #[serde(default)]
    pub facts: Vec<String>,
    /// Whether a signature or a call with the token proved it.
    pub verified: bool,
}

/// Tokens that are in use, and what is known of their life.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Current {
    /// The newest answer, completed from the one before.
    pub tokens: TokenSet,
    /// What was asked for at login.
    pub asked: Vec<String>,
    /// Whose it is.
    #[serde(default)]
    pub account: Option<Account>,
    /// When a person consented.
    #[serde(with = "instant")]
    pub consented_at: SystemTime,
    /// How often the refresh token was replaced.
    #[serde(default)]
    pub rotations: u64,
    /// What the answers taught of rotation; `Unknown` leaves the word to the pins.
    #[serde(default)]
    pub rotation: Rotation,
    /// The redirect URI of the login, for servers that want it on refresh.
    #[serde(default)]
    pub redirect_uri: Option<RedirectUri>,
}

/// A login that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pending {
    /// What the grant will be bound to.
    pub registration: Registration,
    /// The attempt that somebody else finishes (`login --link`).
    #[serde(default)]
    pub attempt: Option<PendingAttempt>,
    /// Tokens that have arrived, but have not yet been found to belong here: another account, or a check that is open.
    #[serde(default)]
    pub granted: Option<Current>,
}

/// The part of an attempt that has to outlive the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PendingAttempt {
    /// Binds response to request.
    #[serde(with = "secret::at_rest")]
    pub state: Secret,
    /// Proves that the exchange is ours; absent under `--no-pkce`.
    #[serde(with = "secret::at_rest::option", default)]
    pub verifier: Option<Secret>,
    /// Binds the ID token to the request.
    #[serde(with = "secret::at_rest::option", default)]
    pub nonce: Option<Secret>,
    /// Byte-identical in both requests.
    pub redirect_uri: RedirectUri,
    /// What `iss` has to be.
    pub expected_issuer: ExpectedIssuer,
    /// What was asked for.
    pub scopes: Vec<String>,
    /// After this nobody may finish it.
    #[serde(with = "instant")]
    pub ends_at: SystemTime,
}

/// An answer that failed a check but carried a refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Suspect {
    /// Perhaps the only one that the server still takes.
    #[serde(with = "secret::at_rest")]
    pub refresh_token: Secret,
    /// The access token that came with it, where it was well-formed.
    #[serde(with = "secret::at_rest::option", default)]
    pub access_token: Option<Secret>,
    /// Which check failed, in printable words.
    pub reason: String,
    /// When the request was sent.
    #[serde(with = "instant")]
    pub requested_at: SystemTime,
}

/// A person is needed: the server said `invalid_grant` to this refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Hash of the refresh token that was refused; a newer one is not marked by it.
    pub refresh_token: String,
    /// Automatic calls try again at most hourly.
    #[serde(with = "instant")]
    pub at: SystemTime,
}

/// Everything about one profile that a store keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// Whose record it is: one that was moved to another name is refused.
    pub profile: ProfileName,
    /// Grows by one with each save.
    pub generation: u64,
    /// Random; names what is kept of the grant outside the store.
    pub id: String,
    /// Seals the spool when the store refuses after a good answer; 32 random bytes in hex.
    #[serde(with = "secret::at_rest")]
    pub spool_key: Secret,
    /// What the current grant is bound to.
    #[serde(default)]
    pub registration: Option<Registration>,
    /// The grant.
    #[serde(default)]
    pub current: Option<Current>,
    /// A login that has begun.
    #[serde(default)]
    pub pending: Option<Pending>,
    /// An answer to be resolved.
    #[serde(default)]
    pub suspect: Option<Suspect>,
    /// A person is needed.
    #[serde(default)]
    pub mark: Option<Mark>,
}

/// A record that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRecord {
    /// Written by a newer version.
    #[error("it was written by a newer tokenstrap (format {0})")]
    Newer(u32),
    /// Not a record, or only a part of one.
    #[error("it is damaged")]
    Damaged,
    /// A record of another profile lies here.
    #[error("it belongs to another profile")]
    Swapped,
}

impl Record {
    /// An empty record; `id` and `spool_key` are fresh random hex.
    pub fn new(profile: ProfileName, id: String, spool_key: Secret) -> Self {
        Self {
            format: FORMAT,
            profile,
            generation: 0,
            id,
            spool_key,
            registration: None,
            current: None,
            pending: None,
            suspect: None,
            mark: None,
        }
    }

    /// Whether a store that holds `stored` may put this record in its place: the same grant, exactly one generation on.
    pub fn follows(&self, stored: Option<&Self>) -> bool {
        let before = stored.map_or(0, |stored| stored.generation);
        before.checked_add(1) == Some(self.generation) && stored.is_none_or(|stored| stored.id == self.id)
    }

    /// Whether a store that takes records of others puts this one in the place of the stored one.
    pub fn is_newer_than(&self, stored: Option<&Self>) -> bool {
        stored.is_none_or(|stored| stored.generation < self.generation && stored.id == self.id)
    }

    /// Whether both hold tokens of one consent, as copies of one grant do: what is spent of the one is spent of the other.
    pub fn shares_consent_with(&self, other: &Self) -> bool {
        matches!((&self.current, &other.current), (Some(own), Some(other)) if own.consented_at == other.consented_at)
    }

    /// Whether its tokens are of a later consent, or of the same one and replaced or asked for later. A record without tokens
    /// is older than one with them.
    pub fn is_newer_grant_than(&self, other: &Self) -> bool {
        let age = |current: &Current| (current.consented_at, current.rotations, current.tokens.requested_at);
        self.current.as_ref().map(age) > other.current.as_ref().map(age)
    }

    /// Whether this refresh token, told by its hash, is one that the record would spend.
    pub fn holds(&self, hash: &str) -> bool {
        let current = self.current.as_ref().and_then(|current| current.tokens.refresh_token.as_ref());
        let suspect = self.suspect.as_ref().map(|suspect| &suspect.refresh_token);
        [current, suspect].into_iter().flatten().any(|held| held.hash() == hash)
    }

    /// This record, which a store had refused, as it follows on the one that is stored now; `None` where the stored grant
    /// is newer. A login that has begun since is kept.
    pub fn brought_into(self, stored: &Self) -> Option<Self> {
        if self.follows(Some(stored)) {
            return Some(self);
        }
        let resolved = self.suspect.is_some() && stored.suspect.is_none();
        let is_newer =
            self.is_newer_grant_than(stored) || resolved && self.shares_consent_with(stored) && !stored.is_newer_grant_than(&self);
        let generation = stored.generation.checked_add(1)?;
        (self.id == stored.id && is_newer).then(|| Self { generation, pending: stored.pending.clone(), ..self })
    }

    /// The text that a store seals.
    pub fn encode(&self) -> Secret {
        // Room for it all from the start, so that growing leaves no copies behind in freed memory.
        let mut text = Vec::with_capacity(16 * 1024);
        match serde_json::to_writer(&mut text, self) {
            Ok(()) => Secret::new(String::from_utf8(text).unwrap_or_default()),
            Err(_) => unreachable_encoding(),
        }
    }

    /// Reads the text of a record of `profile`.
    ///
    /// # Errors
    /// [`BadRecord`]; nothing of the text is quoted.
    pub fn decode(profile: &ProfileName, text: &Secret) -> Result<Self, BadRecord> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let newer = |format| (format > FORMAT).then_some(BadRecord::Newer(format));
        let record: Self = serde_json::from_str(text.expose()).map_err(|_| {
            let head = serde_json::from_str::<Head>(text.expose());
            head.ok().and_then(|head| newer(head.format)).unwrap_or(BadRecord::Damaged)
        })?;
        if let Some(newer) = newer(record.format) {
            return Err(newer);
        }
        if record.profile == *profile { Ok(record) } else { Err(BadRecord::Swapped) }
    }
}

/// A record is numbers, texts and lists: JSON takes them all.
fn unreachable_encoding() -> Secret {
    unreachable!("a record has no map with keys other than texts and no number that JSON lacks")
}
