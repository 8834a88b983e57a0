//! The lock of a grant, as a lock of the kernel on a file in the state folder.
//!
//! The kernel lets go when the holder dies, so there is nothing to expire and nothing to break. The file's name is a
//! hash of store and profile; its content (process id, seconds since 1970) is for messages only. Senders hold it alone;
//! who waits for a sender looks in shared, so that hundreds of them do not queue up behind each other. Locks on network
//! file systems are not relied on: the store compares generations itself.

mod folder;

use crate::{
    ports::{Acquired, Guard, Holder, Lock, LockError},
    profile::ProfileName,
    text::printable,
};
use folder::Folder;
use std::{
    fs::{File, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

/// First pause of a follower; a refresh against a server nearby takes longer than a few of these.
const FIRST_PAUSE: Duration = Duration::from_millis(2);
/// Longest pause of a follower, and so about the most that it starts later than it could.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// How often a follower looks into the store while the lock is held: enough to notice a save of another machine or of
/// a holder that was stopped after it, too seldom to keep a keychain busy when a hundred wait.
const LOOK: Duration = Duration::from_millis(500);
/// How often the file may be replaced between opening and locking it before we stop believing in it.
const REPLACED: usize = 16;

/// Gives out locks below one folder; the folder is made and checked when a lock is wanted.
#[derive(Debug, Clone)]
pub struct FileLock {
    path: PathBuf,
}

impl FileLock {
    /// Locks that lie in `path`, which must be the user's own.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

impl Lock for FileLock {
    fn acquire(
        &self,
        identity: &str,
        profile: &ProfileName,
        deadline: Instant,
        satisfied: &mut dyn FnMut() -> bool,
    ) -> Result<Acquired<'_>, LockError> {
        let lock = LockFolder::open(&self.path)?.grant(identity, profile);
        let mut pause = FIRST_PAUSE;
        let mut look_at = Instant::now() + LOOK;
        loop {
            if let Some(held) = lock.try_exclusive()? {
                return Ok(Acquired::Exclusive(Box::new(held)));
            }
            loop {
                let now = Instant::now();
                if now >= deadline {
                    return Err(LockError::Busy(lock.holder()));
                }
                thread::sleep(pause.min(deadline - now));
                pause = (pause * 2).min(LONGEST_PAUSE);
                // Let go at once: that the lock was to be had says that no sender is at work, and that is all.
                let is_free = lock.try_shared()?.is_some();
                if is_free || now >= look_at {
                    look_at = now + LOOK;
                    if satisfied() {
                        return Ok(Acquired::Satisfied);
                    }
                }
                if is_free {
                    break;
                }
            }
        }
    }
}

/// A folder of locks that has been checked: the user's own, and nobody else can write in it.
#[derive(Debug, Clone)]
pub struct LockFolder(Arc<Folder>);

impl LockFolder {
    /// Opens the folder, or makes it (mode 0700).
    ///
    /// # Errors
    /// [`LockError::Unsafe`] for a link, another owner, or a folder that others may write in;
    /// [`LockError::Unavailable`] for what the system says.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LockError> {
        Folder::open(path.into()).map(|folder| Self(Arc::new(folder)))
    }

    /// The lock of one grant. Nothing is opened yet.
    pub fn grant(&self, identity: &str, profile: &ProfileName) -> GrantLock {
        GrantLock { folder: Arc::clone(&self.0), name: name_of(identity, profile) }
    }
}

/// The name tells nothing about store or profile. A length goes before each part, so that no two pairs meet.
fn name_of(identity: &str, profile: &ProfileName) -> String {
    let text = format!("{}:{identity}{}:{profile}", identity.len(), profile.as_str().len());
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hex = data_encoding::HEXLOWER.encode(hash.as_ref());
    format!("{}.lock", hex.get(..32).unwrap_or(&hex))
}

/// The lock of one grant.
#[derive(Debug, Clone)]
pub struct GrantLock {
    folder: Arc<Folder>,
    name: String,
}

impl GrantLock {
    /// Takes the lock alone, or gives `None` where anybody else has it.
    ///
    /// # Errors
    /// [`LockError::Unavailable`], [`LockError::Unsafe`].
    pub fn try_exclusive(&self) -> Result<Option<Held>, LockError> {
        let Some(mut held) = self.try_with(File::try_lock)? else { return Ok(None) };
        // Who reads it waits already, and a lock without a name is still a lock.
        let _ = held.sign();
        Ok(Some(held))
    }

    /// Takes the lock together with others that do so, or gives `None` where a sender has it.
    ///
    /// # Errors
    /// As [`GrantLock::try_exclusive`].
    pub fn try_shared(&self) -> Result<Option<Held>, LockError> {
        self.try_with(File::try_lock_shared)
    }

    /// Who has it, as far as its file tells; only meaningful right after a try that gave `None`.
    pub fn holder(&self) -> Option<Holder> {
        let mut text = String::new();
        self.folder.file(&self.name).ok()?.take(64).read_to_string(&mut text).ok()?;
        let (pid, seconds) = text.trim().split_once(' ')?;
        let since = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds.parse().ok()?))?;
        Some(Holder { pid: pid.parse().ok()?, since })
    }

    fn try_with(&self, take: fn(&File) -> Result<(), TryLockError>) -> Result<Option<Held>, LockError> {
        for _ in 0..REPLACED {
            let file = self.folder.file(&self.name)?;
            match take(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(self.folder.unavailable(&error)),
            }
            let held = Held { file, lock: self.clone() };
            // A file that was removed between the two calls locks nobody out.
            if held.is_held() {
                return Ok(Some(held));
            }
        }
        Err(LockError::Unavailable(format!("the locks in {} are removed as fast as they are made", self.folder.shown())))
    }
}

/// A lock that is held, until it is dropped or the process ends in whatever way.
#[derive(Debug)]
pub struct Held {
    file: File,
    lock: GrantLock,
}

impl Held {
    fn sign(&mut self) -> io::Result<()> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(format!("{} {}\n", std::process::id(), now.as_secs()).as_bytes())
    }
}

impl Guard for Held {
    fn is_held(&self) -> bool {
        self.lock.folder.still_names(&self.lock.name, &self.file)
    }

    fn forget(self: Box<Self>) {
        if self.is_held() {
            self.lock.folder.remove(&self.lock.name);
        }
    }
}

fn shown(path: &std::path::Path) -> String {
    printable(&path.display().to_string())
}

#[cfg(all(test, unix))]
mod tests;
