//! Keys in the Linux kernel's user keyring, for whatever rests there.
//!
//! A key is made in the keyring of this process, where it is possessed whatever session this is, given its permissions
//! and its end, and only then linked into `@u`: so nobody ever sees one that is half made, and it works in containers and
//! over SSH, where the session keyring does not hold `@u`. The link takes the place of an older key.

use linux_keyutils::{Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};

/// Most bytes that the kernel keeps in one key of type `user`.
pub(super) const MOST: usize = 32_767;

pub(super) fn user_keyring() -> Result<KeyRing, KeyError> {
    KeyRing::from_special_id(KeyRingIdentifier::User, false)
}

/// Makes a key, which ends after `life` seconds where that is said, and links it into the user keyring in place of an
/// older one.
pub(super) fn publish(description: &str, payload: &[u8], life: Option<u64>) -> Result<(), KeyError> {
    let own = KeyRing::from_special_id(KeyRingIdentifier::Process, true)?;
    let key = own.add_key(description, payload)?;
    let linked = prepare(key, life).and_then(|()| user_keyring()?.link_key(key));
    // The link in the process's own keyring would keep a forgotten key alive as long as the process.
    let _ = own.unlink_key(key);
    linked
}

fn prepare(key: Key, life: Option<u64>) -> Result<(), KeyError> {
    // The same for the user as for the possessor: in many sessions nobody possesses `@u`. None for all others.
    // Only what rests here for good is written again; what ends is replaced by another key.
    let all = || {
        let write = if life.is_none() { Permission::WRITE } else { Permission::empty() };
        Permission::VIEW | Permission::READ | Permission::SEARCH | Permission::LINK | Permission::SETATTR | write
    };
    key.set_perms(KeyPermissionsBuilder::builder().posessor(all()).user(all()).build())?;
    match life {
        Some(life) => key.set_timeout(usize::try_from(life).unwrap_or(usize::MAX).min(i32::MAX as usize)),
        None => Ok(()),
    }
}
