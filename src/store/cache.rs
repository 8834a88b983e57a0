//! The access-token cache in the Linux kernel's user keyring (SECURITY S-20); elsewhere a cache that knows nothing.
//!
//! A key is made in the keyring of this process, where it is possessed whatever session this is, given its
//! permissions and its end, and only then linked into `@u`: so nobody ever sees one that is half made, and it works in
//! containers and over SSH, where the session keyring does not hold `@u`. The link takes the place of the older key.

use crate::ports::{AccessTokenCache, Cached};
use std::time::SystemTime;

/// The cache of this system.
#[derive(Debug, Clone, Copy, Default)]
pub struct KernelCache;

#[cfg(not(target_os = "linux"))]
impl AccessTokenCache for KernelCache {
    fn read(&self, _: &str) -> Option<Cached> {
        None
    }

    fn replace(&self, _: &str, _: &Cached, _: SystemTime) {}

    fn forget(&self, _: &str) {}
}

#[cfg(target_os = "linux")]
impl AccessTokenCache for KernelCache {
    fn read(&self, id: &str) -> Option<Cached> {
        let key = kernel::user_keyring().ok()?.search(&kernel::description(id)?).ok()?;
        kernel::read(key)
    }

    fn replace(&self, id: &str, cached: &Cached, now: SystemTime) {
        let Some(description) = kernel::description(id) else { return };
        let Some(payload) = kernel::write(cached) else { return self.forget(id) };
        let life = cached.expires_at.duration_since(now).unwrap_or_default().as_secs();
        if life == 0 {
            return self.forget(id);
        }
        if kernel::publish(&description, &payload, life).is_err() {
            // Two tokens of 16 KiB are more than a user's quota: the old one goes first then.
            self.forget(id);
            let _ = kernel::publish(&description, &payload, life);
        }
    }

    fn forget(&self, id: &str) {
        let Some(description) = kernel::description(id) else { return };
        if let Ok(ring) = kernel::user_keyring()
            && let Ok(key) = ring.search(&description)
        {
            let _ = key.invalidate();
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use crate::{ports::Cached, secret::Secret};
    use linux_keyutils::{Key, KeyError, KeyPermissionsBuilder, KeyRing, KeyRingIdentifier, Permission};
    use std::time::{Duration, SystemTime};
    use zeroize::Zeroizing;

    /// Most bytes that the kernel keeps in one key of type `user`.
    const MOST: usize = 32_767;

    pub(super) fn user_keyring() -> Result<KeyRing, KeyError> {
        KeyRing::from_special_id(KeyRingIdentifier::User, false)
    }

    /// The key's name; ids are random hex, and nothing else is let near a lookup.
    pub(super) fn description(id: &str) -> Option<String> {
        let plain = !id.is_empty() && id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        plain.then(|| format!("tokenstrap:{id}"))
    }

    /// `1 GENERATION MILLISECONDS TOKEN`.
    pub(super) fn write(cached: &Cached) -> Option<Zeroizing<Vec<u8>>> {
        let end = cached.expires_at.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
        let mut payload = Zeroizing::new(Vec::with_capacity(cached.access_token.len() + 64));
        payload.extend_from_slice(format!("1 {} {end} ", cached.generation).as_bytes());
        payload.extend_from_slice(cached.access_token.expose().as_bytes());
        (payload.len() <= MOST).then_some(payload)
    }

    pub(super) fn read(key: Key) -> Option<Cached> {
        let mut buffer = Zeroizing::new([0; MOST]);
        let length = key.read(&mut *buffer).ok()?;
        parse(std::str::from_utf8(buffer.get(..length)?).ok()?)
    }

    pub(super) fn parse(text: &str) -> Option<Cached> {
        let mut words = text.splitn(4, ' ');
        let ("1", generation, end, token) = (words.next()?, words.next()?, words.next()?, words.next()?) else { return None };
        let end = Duration::from_millis(end.parse().ok()?);
        let expires_at = SystemTime::UNIX_EPOCH.checked_add(end)?;
        (!token.is_empty()).then_some(())?;
        Some(Cached { access_token: Secret::new(token), expires_at, generation: generation.parse().ok()? })
    }

    /// Makes a key that ends after `life` seconds and links it into the user keyring, in place of an older one.
    pub(super) fn publish(description: &str, payload: &[u8], life: u64) -> Result<(), KeyError> {
        let own = KeyRing::from_special_id(KeyRingIdentifier::Process, true)?;
        let key = own.add_key(description, payload)?;
        let linked = prepare(key, life).and_then(|()| user_keyring()?.link_key(key));
        // The link in the process's own keyring would keep a forgotten token alive as long as the process.
        let _ = own.unlink_key(key);
        linked
    }

    fn prepare(key: Key, life: u64) -> Result<(), KeyError> {
        // The same for the user as for the possessor: in many sessions nobody possesses `@u`. None for all others.
        let all = || Permission::VIEW | Permission::READ | Permission::SEARCH | Permission::LINK | Permission::SETATTR;
        key.set_perms(KeyPermissionsBuilder::builder().posessor(all()).user(all()).build())?;
        key.set_timeout(usize::try_from(life).unwrap_or(usize::MAX).min(i32::MAX as usize))
    }
}
