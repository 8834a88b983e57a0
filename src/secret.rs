//! Values that must not be seen.
//!
//! A [`Secret`] has no `Display`, no `Serialize`, no `Deref` and no `==`; its `Debug` is masked and its memory is wiped
//! when it is dropped. The only way to its text is [`Secret::expose`], and a test lists the files that may call it.
//! Where a secret has to be written down (a sealed record, the keychain), the field says so with
//! `#[serde(with = "secret::at_rest")]`, so that no derive can do it by accident.

use ring::digest::{SHA256, digest};
use std::fmt;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A text that only the one it is meant for may see.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// Shows the text. A file that calls this is listed in `tests/architecture.rs`.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Length in bytes; not a secret, so that a person can see whether a paste was cut.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether both hold the same text, in time that does not depend on where they differ.
    pub fn matches(&self, other: &str) -> bool {
        let own = digest(&SHA256, self.0.as_bytes());
        let theirs = digest(&SHA256, other.as_bytes());
        own.as_ref().ct_eq(theirs.as_ref()).into()
    }

    /// The first eight hex digits of the SHA-256 of the text: enough to tell two tokens apart, useless to an attacker.
    pub fn fingerprint(&self) -> String {
        self.hash().chars().take(8).collect()
    }

    /// The SHA-256 of the text in hex, to recognize a secret that is not kept.
    pub fn hash(&self) -> String {
        data_encoding::HEXLOWER.encode(digest(&SHA256, self.0.as_bytes()).as_ref())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How a field of a record that is sealed before it rests anywhere is written and read.
pub mod at_rest {
    use super::Secret;
    use serde::{Deserialize, Deserializer, Serializer};

    /// Writes the text; the caller seals what it writes.
    ///
    /// # Errors
    /// Whatever the serializer says.
    pub fn serialize<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(secret.expose())
    }

    /// Reads the text back into custody.
    ///
    /// # Errors
    /// Where there is no text.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }

    /// The same for a secret that may be absent.
    pub mod option {
        use super::{Deserialize, Deserializer, Secret, Serializer};

        /// Writes the text, or nothing.
        ///
        /// # Errors
        /// Whatever the serializer says.
        pub fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
            match secret {
                Some(secret) => serializer.serialize_some(secret.expose()),
                None => serializer.serialize_none(),
            }
        }

        /// Reads the text back, if there is one.
        ///
        /// # Errors
        /// Where there is something other than a text.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
            Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing_of_a_secret() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some([redacted])");
    }

    #[test]
    fn a_secret_matches_its_own_text_and_no_other() {
        let secret = Secret::new("abc");

        assert!(secret.matches("abc"));
        assert!(!secret.matches("abcd"));
        assert!(!secret.matches(""));
    }
}
