//! One session with the Secret Service: items found, read, written and deleted, and its errors in our five kinds.

use super::bus::{self, Bus};
use crate::{ports::StoreError, secret::Secret, text::printable};
use dbus_secret_service::{EncryptionType, Error, Item, SecretService};
use std::collections::HashMap;
use zeroize::Zeroize;

/// Seconds that the unlock prompt may show.
const PROMPT: u64 = 60;

/// What stands on the bus in the place of the Secret Service.
pub(super) struct Session {
    service: SecretService,
    may_prompt: bool,
}

impl Session {
    /// A session for reading: in the clear on a socket of this machine, where any process of the user could ask for the
    /// item itself, and encrypted elsewhere. The key agreement would cost more than all the rest.
    pub(super) fn reading(may_prompt: bool) -> Result<Self, StoreError> {
        let encryption = if matches!(bus::find()?, Bus::Local(_)) { EncryptionType::Plain } else { EncryptionType::Dh };
        Self::open(encryption, may_prompt)
    }

    /// A session for writing, always encrypted.
    pub(super) fn writing(may_prompt: bool) -> Result<Self, StoreError> {
        bus::find()?;
        Self::open(EncryptionType::Dh, may_prompt)
    }

    /// Another one for writing.
    pub(super) fn anew(&self) -> Result<Self, StoreError> {
        Self::writing(self.may_prompt)
    }

    fn open(encryption: EncryptionType, may_prompt: bool) -> Result<Self, StoreError> {
        let seconds = if may_prompt { PROMPT } else { 0 };
        let service = SecretService::connect_with_max_prompt_timeout(encryption, seconds).map_err(|error| trouble(&error))?;
        Ok(Self { service, may_prompt })
    }

    /// All items of this service, or of one name in it.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where one is there but locked; where nothing is found and the keyring is locked as well,
    /// since some keychains hide what they hold then.
    pub(super) fn find(&self, service: &str, username: Option<&str>) -> Result<Vec<Item<'_>>, StoreError> {
        let mut attributes = HashMap::from([("service", service)]);
        attributes.extend(username.map(|name| ("username", name)));
        let found = self.service.search_items(attributes.clone()).map_err(|error| trouble(&error))?;
        if found.locked.is_empty() && (!found.unlocked.is_empty() || !self.is_locked()?) {
            return Ok(found.unlocked);
        }
        if !self.may_prompt {
            return Err(locked());
        }
        let items: Vec<&Item<'_>> = found.locked.iter().collect();
        if items.is_empty() {
            self.unlock_default()?
        } else {
            self.service.unlock_all(&items).map_err(|error| refused(&error))?
        }
        let again = self.service.search_items(attributes).map_err(|error| trouble(&error))?;
        if again.locked.is_empty() { Ok(again.unlocked) } else { Err(locked()) }
    }

    fn is_locked(&self) -> Result<bool, StoreError> {
        match self.service.get_default_collection() {
            Ok(collection) => collection.is_locked().map_err(|error| trouble(&error)),
            // No keyring yet: nothing is hidden.
            Err(Error::NoResult) => Ok(false),
            Err(error) => Err(trouble(&error)),
        }
    }

    fn unlock_default(&self) -> Result<(), StoreError> {
        let collection = self.service.get_default_collection().map_err(|error| trouble(&error))?;
        collection.ensure_unlocked().map_err(|error| refused(&error))
    }

    /// Writes one item into the default keyring, in place of the one with the same attributes.
    pub(super) fn put(&self, label: &str, service: &str, username: &str, text: &Secret) -> Result<Item<'_>, StoreError> {
        let collection = self.service.get_default_collection().map_err(|error| trouble(&error))?;
        if self.may_prompt {
            collection.ensure_unlocked().map_err(|error| refused(&error))?;
        }
        let attributes = HashMap::from([("service", service), ("username", username)]);
        let written = collection.create_item(label, attributes, text.expose().as_bytes(), true, "text/plain");
        let path = written.map_err(|error| trouble(&error))?.path;
        Ok(Item::new(&self.service, path))
    }
}

/// The text of an item; `None` where it is not even text.
pub(super) fn text(item: &Item<'_>) -> Result<Option<Secret>, StoreError> {
    let bytes = item.get_secret().map_err(|error| trouble(&error))?;
    Ok(String::from_utf8(bytes).map(Secret::new).map_err(|bad| bad.into_bytes().zeroize()).ok())
}

/// Deletes an item; one that is gone already is no trouble.
pub(super) fn remove(item: &Item<'_>) -> Result<(), StoreError> {
    match item.delete() {
        Err(Error::Dbus(error)) if matches!(error.name(), Some(NO_SUCH_OBJECT | UNKNOWN_METHOD | UNKNOWN_OBJECT)) => Ok(()),
        other => other.map_err(|error| trouble(&error)),
    }
}

const NO_SUCH_OBJECT: &str = "org.freedesktop.Secret.Error.NoSuchObject";
pub(super) const UNKNOWN_METHOD: &str = "org.freedesktop.DBus.Error.UnknownMethod";
const UNKNOWN_OBJECT: &str = "org.freedesktop.DBus.Error.UnknownObject";

fn locked() -> StoreError {
    StoreError::Locked("the keychain is locked".to_owned())
}

/// A prompt that was shown and not answered with yes.
fn refused(error: &Error) -> StoreError {
    match error {
        Error::Prompt => StoreError::Denied("the keychain stayed locked: its prompt was dismissed, or nobody answered it".to_owned()),
        other => trouble(other),
    }
}

/// An error of the library as what a person can do about it.
pub(super) fn trouble(error: &Error) -> StoreError {
    match error {
        // No prompt was allowed, and one would have been needed.
        Error::Locked | Error::Prompt => locked(),
        Error::NoResult => StoreError::Missing("the Secret Service has no default keyring".to_owned()),
        Error::Unavailable => StoreError::Missing("no Secret Service is running on the session bus".to_owned()),
        Error::Dbus(error) => said(error.name().unwrap_or_default(), error.message().unwrap_or_default()),
        _ => StoreError::Unavailable("the Secret Service gave an answer that cannot be read".to_owned()),
    }
}

/// An error of the bus, by its name.
pub(super) fn said(name: &str, message: &str) -> StoreError {
    let kind = name.strip_prefix("org.freedesktop.DBus.Error.").unwrap_or(name);
    match kind {
        "org.freedesktop.Secret.Error.IsLocked" => locked(),
        "ServiceUnknown" | "NameHasNoOwner" => StoreError::Missing("no Secret Service is running on the session bus".to_owned()),
        spawn if spawn.starts_with("Spawn.") => {
            StoreError::Missing(format!("the Secret Service cannot be started ({})", printable(message)))
        }
        "NoServer" | "FileNotFound" | "BadAddress" | "NotSupported" => {
            StoreError::Missing(format!("nobody answers at the address of the session bus ({})", printable(message)))
        }
        "AccessDenied" | "AuthFailed" => StoreError::Denied(format!("the session bus refuses ({})", printable(message))),
        // The bus says so in words alone, where it could have a name of its own.
        "NoReply" if message.contains("disconnected") => {
            StoreError::Unavailable("the Secret Service ended before it had answered".to_owned())
        }
        "NoReply" | "Timeout" | "TimedOut" => StoreError::Unavailable("the Secret Service did not answer in time".to_owned()),
        "Disconnected" => StoreError::Unavailable("the session bus broke off".to_owned()),
        _ => StoreError::Unavailable(format!("the Secret Service answered `{}` ({})", printable(name), printable(message))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keychain_that_ends_within_a_call_is_not_called_slow() {
        let said = said("org.freedesktop.DBus.Error.NoReply", "Message recipient disconnected from message bus without replying");

        assert_eq!(said, StoreError::Unavailable("the Secret Service ended before it had answered".to_owned()));
    }
}
