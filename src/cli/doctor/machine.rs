//! Locks, the kernel's keyring, the browser, and ports of the loopback interface.

use super::{Look, Purpose, Row};
use crate::{
    cli::context::env,
    oauth::redirect_uri::RedirectUri,
    platform::{
        browser::{self, Choice},
        clock::SystemClock,
        entropy::SystemEntropy,
        lock::FileLock,
    },
    ports::{AccessTokenCache, Acquired, Cached, Clock, Lock, LockError},
    redirect::{BindError, Listener},
    secret::Secret,
    store::cache::KernelCache,
};
use std::time::Duration;

/// Ports that are written into forms of vendors, and who needs them.
const FIXED: [(u16, &str); 2] = [(18976, "logins of lightspeed-o"), (18977, "the register's rehearsal")];
/// Share of a quota, in hundredths, from which on it is worth a word.
const NEARLY_FULL: u64 = 80;

/// Takes a lock and lets it go.
pub(super) fn state_folder(look: &Look<'_>) -> Vec<Row> {
    let folder = look.context.folders.state.join("locks");
    let place = folder.display().to_string();
    let Ok(profile) = "doctor".parse() else { return Vec::new() };
    let lock = FileLock::new(&folder);
    let taken = lock.acquire("doctor", &profile, SystemClock.instant() + Duration::from_secs(1), &mut || false);
    vec![match taken {
        Ok(Acquired::Exclusive(guard)) => {
            guard.forget();
            Row::works("locks", format!("{place}, private and writable"))
        }
        Ok(Acquired::Satisfied) | Err(LockError::Busy(_)) => Row::works("locks", format!("{place}, in use")),
        Err(error @ LockError::Unsafe(_)) => Row::broken("locks", error.to_string()).mend(format!("chmod 700 {place}")),
        Err(error) => Row::broken("locks", error.to_string()).mend("set XDG_STATE_HOME to a folder that can be written"),
    }]
}

/// The cache of access tokens; without it each call asks the store.
pub(super) fn kernel_keyring(look: &Look<'_>) -> Vec<Row> {
    const NAME: &str = "kernel keyring";
    if !look.context.uses_cache().unwrap_or(true) {
        return vec![Row::works(NAME, "not used (`access_token_cache = false`)")];
    }
    if !cfg!(target_os = "linux") {
        return vec![Row::works(NAME, "this system has none; each call asks the store")];
    }
    let quota = std::fs::read_to_string("/proc/key-users").ok().and_then(|table| Quota::of_user(&table, own_uid()));
    let left = quota.as_ref().map(Quota::left).unwrap_or_default();
    if !keeps() {
        return vec![Row::odd(NAME, format!("keeps nothing here{left}; each call asks the store"))];
    }
    let full = quota.is_some_and(|quota| quota.is_nearly_full());
    let row = if full { Row::odd } else { Row::works };
    vec![row(NAME, format!("keeps access tokens until they end, and answers while the keychain is locked{left}"))]
}

#[cfg(unix)]
fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn own_uid() -> u32 {
    0
}

/// Keeps a make-believe token for a moment.
fn keeps() -> bool {
    let Ok(id) = crate::flow::random_hex(&SystemEntropy, 16).map(|id| id.hash()) else { return false };
    let now = SystemClock.now();
    let cached = Cached { access_token: Secret::new("doctor"), expires_at: now + Duration::from_secs(60), generation: 0 };
    KernelCache.replace(&id, &cached, now);
    let kept = KernelCache.read(&id).is_some();
    KernelCache.forget(&id);
    kept
}

/// What a user has of the kernel's keys: `uid: usage n/n keys/most bytes/most`.
struct Quota {
    keys: (u64, u64),
    bytes: (u64, u64),
}

impl Quota {
    fn of_user(table: &str, uid: u32) -> Option<Self> {
        let mut words = table.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{uid}:")))?.split_whitespace().skip(2);
        let mut pair = || {
            let (used, most) = words.next()?.split_once('/')?;
            Some((used.parse().ok()?, most.parse().ok()?))
        };
        Some(Self { keys: pair()?, bytes: pair()? })
    }

    fn left(&self) -> String {
        let left = |(used, most): (u64, u64)| most.saturating_sub(used);
        format!(" ({} keys and {} bytes left)", left(self.keys), left(self.bytes))
    }

    fn is_nearly_full(&self) -> bool {
        [self.keys, self.bytes].iter().any(|(used, most)| used.saturating_mul(100) >= most.saturating_mul(NEARLY_FULL))
    }
}

/// How a person would be reached.
pub(super) fn browser(look: &Look<'_>) -> Vec<Row> {
    const NAME: &str = "browser";
    vec![match (browser::choose(&env), look.person, look.purpose) {
        (Choice::Commands(_), ..) => Row::works(NAME, "$BROWSER names it"),
        (Choice::Desktop, ..) => Row::works(NAME, "the desktop's own"),
        (Choice::None, true, _) => Row::odd(NAME, "none here: a login prints the address, and takes the redirect when it is pasted"),
        (Choice::None, false, Purpose::Token) => Row::works(NAME, "none here, and a token needs none"),
        (Choice::None, false, Purpose::Login) => Row::broken(NAME, "there is neither a browser nor a terminal to ask for consent")
            .mend("run the login at a terminal, set $BROWSER, or take --device or --link"),
    }]
}

/// The loopback interface, and the ports that cannot be others.
pub(super) fn ports(look: &Look<'_>) -> Vec<Row> {
    const NAME: &str = "loopback";
    if let Err(error) = bind(0) {
        let row = if look.purpose == Purpose::Login { Row::broken } else { Row::odd };
        return vec![row(NAME, error).mend("take --paste, or mend the interface `lo`")];
    }
    let taken: Vec<Row> = FIXED
        .iter()
        .filter_map(|(port, whose)| {
            bind(*port).err().map(|error| Row::odd(NAME, format!("{error}; {whose} need it")).mend("end that program first"))
        })
        .collect();
    if taken.is_empty() { vec![Row::works(NAME, "a port can be listened on; 18976 and 18977 are free")] } else { taken }
}

/// Binds a port and lets it go.
fn bind(port: u16) -> Result<(), String> {
    let uri = RedirectUri::parse(&format!("http://127.0.0.1:{port}/")).map_err(|error| error.to_string())?;
    Listener::bind(&uri).map(drop).map_err(|error: BindError| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_of_a_user_is_read_from_the_kernels_table() {
        let table = "    0:    60 59/59 54/1000000 5777/25000000\n 1000:     5 4/4 190/200 300/20000\n";

        let root = Quota::of_user(table, 0).expect("a line");
        let user = Quota::of_user(table, 1000).expect("a line");

        assert_eq!((root.keys, root.bytes, root.is_nearly_full()), ((54, 1_000_000), (5777, 25_000_000), false));
        assert_eq!((user.left().as_str(), user.is_nearly_full()), (" (10 keys and 19700 bytes left)", true));
        assert!(Quota::of_user(table, 100).is_none() && Quota::of_user("1000: x", 1000).is_none());
    }
}
