//! The folder in which locks lie, and how files in it are opened.
//!
//! Files are opened relative to the folder that was checked, so that what is checked is what is used.

use super::shown;
use crate::ports::LockError;
use std::{fs::File, io, path::PathBuf};

#[cfg(unix)]
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, statat, unlinkat};
#[cfg(unix)]
use std::os::{fd::OwnedFd, unix::fs::DirBuilderExt};

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    #[cfg(unix)]
    descriptor: OwnedFd,
}

impl Folder {
    pub(super) fn shown(&self) -> String {
        shown(&self.path)
    }

    pub(super) fn unavailable(&self, error: &io::Error) -> LockError {
        LockError::Unavailable(format!("cannot lock in {} ({error})", self.shown()))
    }
}

#[cfg(unix)]
impl Folder {
    pub(super) fn open(path: PathBuf) -> Result<Self, LockError> {
        let unavailable = |error: io::Error| LockError::Unavailable(format!("cannot use the folder {} ({error})", shown(&path)));
        let missing = statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW).is_err();
        if missing {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(unavailable)?;
        }
        if let Some(above) = path.parent().filter(|above| !above.as_os_str().is_empty()) {
            let found = statat(CWD, above, AtFlags::empty()).map_err(|error| unavailable(error.into()))?;
            check_above(&found).map_err(|rule| LockError::Unsafe(format!("the folder {} {rule}", shown(above))))?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(CWD, &path, flags, Mode::empty());
        // Looked at even where it cannot be opened: another owner is the better explanation.
        let found = match &opened {
            Ok(descriptor) => fstat(descriptor),
            Err(_) => statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW),
        };
        check(&found.map_err(|error| unavailable(error.into()))?)
            .map_err(|rule| LockError::Unsafe(format!("the folder {} {rule}", shown(&path))))?;
        let descriptor = opened.map_err(|error| unavailable(error.into()))?;
        Ok(Self { path, descriptor })
    }

    /// Opens or makes a file, never through a link.
    pub(super) fn file(&self, name: &str) -> Result<File, LockError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(&self.descriptor, name, flags, Mode::RUSR | Mode::WUSR);
        file.map(File::from).map_err(|error| self.unavailable(&error.into()))
    }

    /// Whether `name` is still the file that was opened.
    pub(super) fn still_names(&self, name: &str, file: &File) -> bool {
        let (Ok(own), Ok(named)) = (fstat(file), statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW)) else { return false };
        own.st_dev == named.st_dev && own.st_ino == named.st_ino
    }

    /// Removes a file that the caller holds the lock of.
    pub(super) fn remove(&self, name: &str) {
        // A file that stays is an empty lock: it blocks nobody and tells nothing.
        let _ = unlinkat(&self.descriptor, name, AtFlags::empty());
    }
}

/// The rule that a folder breaks, as the end of a sentence.
#[cfg(unix)]
fn check(found: &Stat) -> Result<(), &'static str> {
    let own = rustix::process::geteuid().as_raw();
    if FileType::from_raw_mode(found.st_mode) != FileType::Directory {
        Err("is not a folder")
    } else if found.st_uid != own {
        Err("belongs to somebody else")
    } else if Mode::from_raw_mode(found.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
        Err("can be written by others")
    } else {
        Ok(())
    }
}

/// The same for the folder above: whoever may rename in it may put another folder in the place of the checked one.
/// The sticky bit of a shared folder forbids that, and root may do it anyway.
#[cfg(unix)]
fn check_above(found: &Stat) -> Result<(), &'static str> {
    let mode = Mode::from_raw_mode(found.st_mode);
    if ![rustix::process::geteuid().as_raw(), 0].contains(&found.st_uid) {
        Err("belongs to somebody else")
    } else if mode.intersects(Mode::WGRP | Mode::WOTH) && !mode.contains(Mode::SVTX) {
        Err("can be written by others")
    } else {
        Ok(())
    }
}

#[cfg(not(unix))]
impl Folder {
    pub(super) fn open(path: PathBuf) -> Result<Self, LockError> {
        match std::fs::create_dir_all(&path) {
            Ok(()) => Ok(Self { path }),
            Err(error) => Err(LockError::Unavailable(format!("cannot use the folder {} ({error})", shown(&path)))),
        }
    }

    pub(super) fn file(&self, name: &str) -> Result<File, LockError> {
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        options.open(self.path.join(name)).map_err(|error| self.unavailable(&error))
    }

    /// Files that are open cannot be replaced there.
    pub(super) fn still_names(&self, _name: &str, _file: &File) -> bool {
        true
    }

    pub(super) fn remove(&self, _name: &str) {}
}
