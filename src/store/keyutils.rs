//! The Linux kernel's keyring as a store of its own: for machines without a keychain, where a grant may end with the next
//! reboot.
//!
//! One key of type `user` per profile in `@u`, readable by this user alone and never on a disk. The kernel's limits are
//! looked at before it is asked: 32,767 bytes a key, and for a user who is not root 20,000 bytes in all.

use super::{StoreKind, World};
use crate::ports::{StoreError, TokenStore};

/// The kernel's keyring in the table.
pub struct Kind;

impl StoreKind for Kind {
    fn name(&self) -> &'static str {
        "keyutils"
    }

    fn about(&self) -> &'static str {
        "The kernel's keyring, until the next reboot"
    }

    #[cfg(target_os = "linux")]
    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Ok(Box::new(linux::Keyring { entropy: world.entropy }))
    }

    #[cfg(not(target_os = "linux"))]
    fn open<'w>(&self, _: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Err(StoreError::Missing("this system has no kernel keyring".to_owned()))
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::Kind;
    use crate::{
        ports::{Entropy, Intent, StoreError, TokenStore},
        profile::{BadRecord, ProfileName, Record},
        secret::Secret,
        store::{
            StoreKind,
            kernel::{self, MOST},
        },
    };
    use linux_keyutils::{Key, KeyError};
    use std::fs;
    use zeroize::Zeroizing;

    const RECORD: &str = "tokenstrap-grant";
    const INTENT: &str = "tokenstrap-intent";
    const PROBE: &str = "tokenstrap-probe";
    /// What the kernel counts for a key beside its content: its name.
    const NAME: usize = 96;
    /// Most keys of one ring that are looked through.
    const LINKS: usize = 4096;

    pub(super) struct Keyring<'w> {
        pub(super) entropy: &'w dyn Entropy,
    }

    impl Keyring<'_> {
        fn put(&self, record: &Record, may_replace: fn(&Record, Option<&Record>) -> bool) -> Result<(), StoreError> {
            if !may_replace(record, self.load(&record.profile)?.as_ref()) {
                return Err(StoreError::Conflict);
            }
            write(RECORD, record.profile.as_str(), &record.encode())
        }
    }

    impl TokenStore for Keyring<'_> {
        fn name(&self) -> &'static str {
            Kind.name()
        }

        fn place(&self) -> String {
            "the kernel's keyring".to_owned()
        }

        fn identity(&self) -> String {
            format!("keyutils:{}", rustix::process::geteuid().as_raw())
        }

        fn caveat(&self) -> Option<String> {
            let left = quota_left().map(|left| format!("; {left} bytes of your quota are left")).unwrap_or_default();
            Some(format!("grants in the kernel's keyring end with the next reboot, on some systems with your last session{left}"))
        }

        fn probe(&self) -> Result<(), StoreError> {
            let mut random = [0; 16];
            self.entropy.fill(&mut random).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let name = data_encoding::HEXLOWER.encode(&random);
            write(PROBE, &name, &Secret::new(name.as_str()))?;
            remove(PROBE, &name)
        }

        fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
            let Some(text) = read(RECORD, profile.as_str())? else { return Ok(None) };
            let corrupt = |reason| StoreError::Corrupt { profile: profile.clone(), reason };
            let text = text.ok_or_else(|| corrupt(BadRecord::Damaged))?;
            Record::decode(profile, &text).map(Some).map_err(corrupt)
        }

        fn save(&self, record: &Record) -> Result<(), StoreError> {
            self.put(record, Record::follows)
        }

        fn take_in(&self, record: &Record) -> Result<(), StoreError> {
            self.put(record, Record::is_newer_than)
        }

        fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
            let text = serde_json::to_string(intent).map_err(|error| StoreError::Unavailable(error.to_string()))?;
            write(INTENT, profile.as_str(), &Secret::new(text))
        }

        fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
            let Some(text) = read(INTENT, profile.as_str())? else { return Ok(None) };
            let intent = text.and_then(|text| serde_json::from_str(text.expose()).ok());
            intent.map(Some).ok_or_else(|| StoreError::Corrupt { profile: profile.clone(), reason: BadRecord::Damaged })
        }

        fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
            remove(INTENT, profile.as_str())
        }

        fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
            remove(RECORD, profile.as_str())?;
            remove(INTENT, profile.as_str())
        }

        fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
            let links = kernel::user_keyring().and_then(|ring| ring.get_links(LINKS)).map_err(trouble)?;
            let descriptions = links.iter().filter_map(|link| Some(link.as_key()?.metadata().ok()?.get_description().to_owned()));
            let names = descriptions.filter_map(|found| found.strip_prefix(RECORD)?.strip_prefix(':')?.parse().ok());
            let mut profiles: Vec<ProfileName> = names.collect();
            profiles.sort();
            Ok(profiles)
        }
    }

    fn find(kind: &str, name: &str) -> Result<Option<Key>, StoreError> {
        match kernel::user_keyring().and_then(|ring| ring.search(&format!("{kind}:{name}"))) {
            Ok(key) => Ok(Some(key)),
            Err(KeyError::KeyDoesNotExist | KeyError::KeyRevoked | KeyError::KeyExpired) => Ok(None),
            Err(error) => Err(trouble(error)),
        }
    }

    /// `Some(None)` where the key holds no text.
    fn read(kind: &str, name: &str) -> Result<Option<Option<Secret>>, StoreError> {
        let Some(key) = find(kind, name)? else { return Ok(None) };
        let mut buffer = Zeroizing::new([0; MOST]);
        let length = match key.read(&mut *buffer) {
            Ok(length) => length,
            Err(KeyError::KeyDoesNotExist | KeyError::KeyRevoked) => return Ok(None),
            Err(error) => return Err(trouble(error)),
        };
        Ok(Some(buffer.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(Secret::new)))
    }

    /// Replaces the content of a key in one step, or makes the key, and reads it back.
    fn write(kind: &str, name: &str, text: &Secret) -> Result<(), StoreError> {
        let size = text.len();
        let too_big = |limit| StoreError::TooBig { size, limit };
        if size > MOST {
            return Err(too_big(MOST));
        }
        let present = read(kind, name)?.flatten();
        let needed = present.as_ref().map_or(size + NAME, |present| size.saturating_sub(present.len()));
        let left = quota_left().unwrap_or(MOST);
        if needed > left {
            return Err(too_big(left.saturating_sub(NAME)));
        }
        let written = match find(kind, name)? {
            Some(key) => key.update(&text.expose().as_bytes()),
            None => kernel::publish(&format!("{kind}:{name}"), text.expose().as_bytes(), None),
        };
        match written {
            Ok(()) => {}
            Err(KeyError::QuotaExceeded) => return Err(too_big(left.saturating_sub(NAME))),
            Err(error) => return Err(trouble(error)),
        }
        let back = read(kind, name)?.flatten();
        if back.is_some_and(|back| back.matches(text.expose())) {
            return Ok(());
        }
        Err(StoreError::Forgetful("the kernel's keyring".to_owned()))
    }

    fn remove(kind: &str, name: &str) -> Result<(), StoreError> {
        if let Some(key) = find(kind, name)? {
            // Whoever has removed it meanwhile did what was wanted; what is left is seen below.
            let _ = key.invalidate();
        }
        if find(kind, name)?.is_none() { Ok(()) } else { Err(StoreError::Forgetful("the kernel's keyring".to_owned())) }
    }

    /// Bytes that this user may still keep in keys.
    fn quota_left() -> Option<usize> {
        let table = fs::read_to_string("/proc/key-users").ok()?;
        left_in(&table, rustix::process::geteuid().as_raw())
    }

    fn left_in(table: &str, user: u32) -> Option<usize> {
        let row = table.lines().find_map(|line| line.trim().strip_prefix(&format!("{user}:")))?;
        let (used, most) = row.split_whitespace().nth(3)?.split_once('/')?;
        Some(most.parse::<usize>().ok()?.saturating_sub(used.parse().ok()?))
    }

    fn trouble(error: KeyError) -> StoreError {
        match error {
            KeyError::AccessDenied | KeyError::PermissionDenied => {
                StoreError::Denied("the kernel's keyring may not be used here; many containers forbid it".to_owned())
            }
            KeyError::OperationNotSupported => StoreError::Missing("this kernel has no keyring".to_owned()),
            other => StoreError::Unavailable(format!("the kernel's keyring does not work: {other}")),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn s_11_the_quota_that_is_left_is_read_from_the_kernels_own_table() {
            let table = "    0:   921 920/920 915/1000000 102782/25000000\n 1000:     3 3/3 3/200 19000/20000\n";

            assert_eq!((left_in(table, 1000), left_in(table, 0), left_in(table, 100)), (Some(1000), Some(24_897_218), None));
        }
    }
}
