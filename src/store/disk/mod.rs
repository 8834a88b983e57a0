//! Careful files: a folder that nobody else may change, files that are what they seem, and replacement that a power
//! cut cannot tear (SECURITY S-03 to S-06, RELIABILITY F-06 and F-23).
//!
//! A name is replaced by writing a temporary file with a random name in the same folder, bringing it to the disk,
//! renaming it, bringing the folder to the disk, and reading it back. Temporary files begin with a dot and hold a `~`,
//! which no profile name does; whoever holds the lock of a name may sweep its leftovers away.

mod guard;

use crate::{ports::StoreError, text::printable};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Component, Path, PathBuf},
    time::{Duration, SystemTime},
};
use zeroize::Zeroizing;

pub(super) use guard::check_key_file;

/// Largest file that is read, in bytes. A record with four tokens of 64 KiB is below it; `/dev/zero` is not.
pub(super) const MOST: usize = 512 * 1024;

/// After this time a temporary file has no living writer: no call lasts longer than 10 s.
const ABANDONED: Duration = Duration::from_secs(3600);

/// All bytes of a note of the user's own, with no look at the folders above it: for what nobody has to believe.
pub(super) fn glance(path: &Path) -> Option<Vec<u8>> {
    let (file, size) = guard::open_existing(path).ok()??;
    let mut bytes = Vec::with_capacity(usize::try_from(size).ok()?.min(MOST) + 1);
    file.take(MOST as u64).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// A folder that was checked when it was opened.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The folder, made with mode 0700 where it is absent.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        // Looked at before anything is made: below a folder of strangers nothing is.
        guard::check_chain(path)?;
        guard::make_folders(path).map_err(|error| trouble(path, &error))?;
        Self::find(path)?.ok_or_else(|| StoreError::Unavailable(format!("`{}` vanished", shown(path))))
    }

    /// The folder, or `None` where there is none.
    pub(super) fn find(path: &Path) -> Result<Option<Self>, StoreError> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                guard::check_chain(path)?;
                guard::check_own(path, &found)?;
                Ok(Some(Self(path.to_owned())))
            }
            Ok(_) => Err(StoreError::Unsafe(format!("`{}` is not a folder", shown(path)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(trouble(path, &error)),
        }
    }

    /// All bytes of a file, or `None` where there is none.
    ///
    /// A longer file than [`MOST`] comes back cut, which no seal survives.
    pub(super) fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let path = self.0.join(name);
        let Some((file, size)) = guard::open_existing(&path)? else { return Ok(None) };
        // One byte of room more shows the end of the file without another buffer.
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(MOST).min(MOST) + 1));
        file.take(MOST as u64).read_to_end(&mut bytes).map_err(|error| trouble(&path, &error))?;
        Ok(Some(bytes))
    }

    /// Replaces a file durably and reads it back. `last_look` runs right before the rename and may still refuse.
    ///
    /// # Errors
    /// Also [`StoreError::Conflict`], where somebody without our lock (another host) has replaced or removed it since, and
    /// [`StoreError::Forgetful`], where other bytes come back.
    pub(super) fn replace(&self, name: &str, bytes: &[u8], last_look: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        let path = self.0.join(name);
        let temporary = self.write_beside(name, bytes, true)?;
        last_look()?;
        let file = temporary.persist(&path).map_err(|refused| trouble(&path, &refused.error))?;
        self.settle()?;
        match self.read(name)? {
            Some(back) if back.as_slice() == bytes => Ok(()),
            _ if !guard::leads_to(&path, &file) => Err(StoreError::Conflict),
            _ => Err(StoreError::Forgetful(format!("`{}`", shown(&path)))),
        }
    }

    /// Replaces a file whole, but not durably: for what may be lost without harm.
    pub(super) fn note(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let temporary = self.write_beside(name, bytes, false)?;
        temporary.persist(self.0.join(name)).map_err(|refused| trouble(&self.0, &refused.error)).map(drop)
    }

    /// Writes a file whole, but not durably, and gives it, locked; `None` where something has the name and may not be replaced.
    #[cfg(unix)]
    pub(super) fn place(&self, name: &str, bytes: &[u8], may_replace: bool) -> Result<Option<File>, StoreError> {
        let temporary = self.write_beside(name, bytes, false)?;
        // Where there are no locks nobody can take it for a leftover either.
        let _ = temporary.as_file().try_lock();
        let path = self.0.join(name);
        let placed = if may_replace { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        match placed {
            Ok(file) => Ok(Some(file)),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            Err(refused) => Err(trouble(&path, &refused.error)),
        }
    }

    /// Opens a regular file of the user's own, through no link; `None` where there is none.
    #[cfg(unix)]
    pub(super) fn open(&self, name: &str) -> Result<Option<File>, StoreError> {
        Ok(guard::open_existing(&self.0.join(name))?.map(|(file, _)| file))
    }

    /// Writes a file that must not be there yet, durably; `false` where it is.
    pub(super) fn create_new(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let temporary = self.write_beside(name, bytes, true)?;
        match temporary.persist_noclobber(self.0.join(name)) {
            Ok(_) => self.settle().map(|()| true),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(refused) => Err(trouble(&self.0.join(name), &refused.error)),
        }
    }

    /// Removes files durably; those that are not there are no trouble.
    pub(super) fn remove(&self, names: &[&str]) -> Result<(), StoreError> {
        let mut removed = false;
        for name in names {
            match fs::remove_file(self.0.join(name)) {
                Ok(()) => removed = true,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(trouble(&self.0.join(name), &error)),
            }
        }
        if removed { self.settle() } else { Ok(()) }
    }

    /// Whether anything has this name, a dangling link included.
    pub(super) fn holds(&self, name: &str) -> bool {
        fs::symlink_metadata(self.0.join(name)).is_ok()
    }

    /// Names of all files that are not temporary.
    pub(super) fn names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.entries()?.into_iter().filter(|name| !is_temporary(name)).collect())
    }

    /// Removes what killed writers left: of the names for which the caller holds the lock at once, of others after an
    /// hour. A leftover that cannot be removed is no trouble.
    pub(super) fn sweep(&self, held: &[&str], now: SystemTime) {
        for name in self.entries().unwrap_or_default().iter().filter(|name| is_temporary(name)) {
            let path = self.0.join(name);
            let is_held = held.iter().any(|own| name.starts_with(&temporary_prefix(own)));
            let written = fs::symlink_metadata(&path).and_then(|found| found.modified()).unwrap_or(now);
            if is_held || now.duration_since(written).is_ok_and(|age| age > ABANDONED) {
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn entries(&self) -> Result<Vec<String>, StoreError> {
        let entries = fs::read_dir(&self.0).map_err(|error| trouble(&self.0, &error))?;
        // A name that is not UTF-8 is none of ours.
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect())
    }

    fn write_beside(&self, name: &str, bytes: &[u8], durable: bool) -> Result<tempfile::NamedTempFile, StoreError> {
        let prefix = temporary_prefix(name);
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(12);
        let written = guard::private(&mut builder).tempfile_in(&self.0).and_then(|mut temporary| {
            temporary.write_all(bytes)?;
            if durable {
                temporary.as_file().sync_all()?;
            }
            Ok(temporary)
        });
        written.map_err(|error| trouble(&self.0, &error))
    }

    /// Brings the names in the folder to the disk. Windows has no such call and needs none: NTFS journals them.
    fn settle(&self) -> Result<(), StoreError> {
        if cfg!(unix) { File::open(&self.0).and_then(|folder| folder.sync_all()).map_err(|error| trouble(&self.0, &error)) } else { Ok(()) }
    }
}

fn temporary_prefix(name: &str) -> String {
    format!(".{name}~")
}

fn is_temporary(name: &str) -> bool {
    name.starts_with('.') && name.contains('~')
}

/// The path without links and dots, as far as it exists, so that one folder has one name.
pub(super) fn resolved(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        // Step by step, so that `..` after a link leads to where the link's target lies.
        path.components().fold(PathBuf::new(), |mut whole, part| {
            match part {
                Component::ParentDir => drop(whole.pop()),
                Component::CurDir => {}
                other => whole.push(other),
            }
            if matches!(part, Component::Normal(_)) { whole.canonicalize().unwrap_or(whole) } else { whole }
        })
    })
}

/// A path that may hold anything, made fit to print.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// What the system said, sorted by what mends it.
pub(super) fn trouble(path: &Path, error: &io::Error) -> StoreError {
    let fact = format!("`{}`: {}", shown(path), said(error));
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Denied(fact),
        _ => StoreError::Unavailable(fact),
    }
}

/// The system's words without Rust's `(os error 28)`.
fn said(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};

    fn folder() -> (tempfile::TempDir, Folder) {
        let scratch = tempfile::tempdir().expect("a temporary folder");
        let folder = Folder::create(&scratch.path().join("a/b")).expect("a folder");
        (scratch, folder)
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("metadata").permissions().mode() & 0o7777
    }

    #[test]
    fn s_03_folders_are_0700_and_files_0600_on_each_rewrite() {
        let (scratch, folder) = folder();
        for bytes in [b"one".as_slice(), b"two"] {
            folder.replace("till.grant", bytes, || Ok(())).expect("replaced");
            assert_eq!(mode(&folder.0.join("till.grant")), 0o600);
        }

        assert_eq!((mode(&scratch.path().join("a")), mode(&folder.0)), (0o700, 0o700));
    }

    #[test]
    fn s_04_a_folder_that_others_may_write_is_refused_wherever_it_lies_above() {
        let (scratch, folder) = folder();
        for (path, loose, strict) in [(scratch.path().join("a"), 0o777, 0o700), (folder.0.clone(), 0o770, 0o700)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(loose)).expect("loosened");
            for outcome in [Folder::find(&folder.0).map(drop), Folder::create(&folder.0).map(drop)] {
                assert!(matches!(outcome, Err(StoreError::Unsafe(text)) if text.contains("chmod")), "{path:?} was taken");
            }
            fs::set_permissions(&path, fs::Permissions::from_mode(strict)).expect("mended");
        }
        assert!(Folder::find(&folder.0).expect("safe again").is_some());
    }

    #[test]
    fn s_05_links_pipes_and_devices_are_refused_at_once_and_left_alone() {
        let (scratch, folder) = folder();
        let target = scratch.path().join("target");
        fs::write(&target, "precious").expect("written");
        symlink(&target, folder.0.join("link")).expect("linked");
        symlink(scratch.path().join("nowhere"), folder.0.join("dangling")).expect("linked");
        symlink("/dev/zero", folder.0.join("device")).expect("linked");
        fs::hard_link(&target, folder.0.join("hard")).expect("linked");
        rustix::fs::mknodat(rustix::fs::CWD, folder.0.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        fs::DirBuilder::new().mode(0o700).create(folder.0.join("folder")).expect("a folder");

        for name in ["link", "dangling", "device", "hard", "pipe", "folder"] {
            assert!(matches!(folder.read(name), Err(StoreError::Unsafe(_))), "{name} was read");
        }
        assert_eq!(fs::read(&target).expect("read"), b"precious");
    }

    #[test]
    fn a_refusal_at_the_last_look_leaves_the_old_file_and_no_other() {
        let (_scratch, folder) = folder();
        folder.replace("till.grant", b"old", || Ok(())).expect("replaced");

        let outcome = folder.replace("till.grant", b"new", || Err(StoreError::Conflict));

        assert_eq!(outcome, Err(StoreError::Conflict));
        assert_eq!(folder.read("till.grant").expect("read").expect("there").as_slice(), b"old");
        assert_eq!(folder.entries().expect("listed"), ["till.grant"]);
    }

    #[test]
    fn f_23_leftovers_of_a_held_name_go_at_once_and_those_of_others_after_an_hour() {
        let (_scratch, folder) = folder();
        for name in [".till.grant~abc", ".till~abc", ".other.grant~abc"] {
            fs::write(folder.0.join(name), "half").expect("planted");
        }
        assert!(folder.names().expect("listed").is_empty());

        folder.sweep(&["till.grant"], SystemTime::now());
        let mut left = folder.entries().expect("listed");
        left.sort();
        assert_eq!(left, [".other.grant~abc", ".till~abc"]);

        folder.sweep(&[], SystemTime::now() + Duration::from_secs(3601));
        assert!(folder.entries().expect("listed").is_empty());
    }
}
