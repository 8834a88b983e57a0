//! The access-token cache in the Linux kernel's user keyring (SECURITY S-20); elsewhere a cache that knows nothing.

#[cfg(target_os = "linux")]
use super::kernel;
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
        let key = kernel::user_keyring().ok()?.search(&cached::description(id)?).ok()?;
        cached::read(key)
    }

    fn replace(&self, id: &str, cached: &Cached, now: SystemTime) {
        let Some(description) = cached::description(id) else { return };
        let Some(payload) = cached::write(cached) else { return self.forget(id) };
        let life = cached.expires_at.duration_since(now).unwrap_or_default().as_secs();
        if life == 0 {
            return self.forget(id);
        }
        if kernel::publish(&description, &payload, Some(life)).is_err() {
            // Two tokens of 16 KiB are more than a user's quota: the old one goes first then.
            self.forget(id);
            let _ = kernel::publish(&description, &payload, Some(life));
        }
    }

    fn forget(&self, id: &str) {
        let Some(description) = cached::description(id) else { return };
        if let Ok(ring) = kernel::user_keyring()
            && let Ok(key) = ring.search(&description)
        {
            let _ = key.invalidate();
        }
    }
}

#[cfg(target_os = "linux")]
mod cached {
    use crate::{ports::Cached, secret::Secret, store::kernel::MOST};
    use linux_keyutils::Key;
    use std::time::{Duration, SystemTime};
    use zeroize::Zeroizing;

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
}
