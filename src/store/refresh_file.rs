//! A file with an access token, kept for one other program and removed in the end (SECURITY E-06).
//!
//! No store: it holds no grant, and nothing is read from it. The folder has to be safe from others (SECURITY S-04), the file is
//! 0600 from the start, never follows a link, replaces nothing that was not written here (SECURITY S-05), and changes whole.

use super::disk::{Folder, shown};
use crate::{output::Handout, ports::StoreError};
use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The name of a file, and what was written there last.
#[derive(Debug)]
pub struct RefreshFile {
    folder: PathBuf,
    name: String,
    written: Option<Identity>,
}

/// Device and number of a file.
type Identity = (u64, u64);

impl RefreshFile {
    /// The file at a path where nothing is yet. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] where others may change the folder or the name is taken, [`StoreError::Missing`] without
    /// that folder.
    pub fn at(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| StoreError::Missing(error.to_string()))?;
        let name = path.file_name().and_then(|name| name.to_str()).zip(path.parent());
        let (name, folder) = name.ok_or_else(|| StoreError::Missing(format!("`{}` names no file", shown(&path))))?;
        let file = Self { folder: folder.to_owned(), name: name.to_owned(), written: None };
        file.folder()?;
        if file.found()?.is_some() { Err(file.taken()) } else { Ok(file) }
    }

    /// Its whole path.
    pub fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Whether it lies in memory, so that no disk keeps what it held. Only Linux can tell.
    pub fn is_in_memory(&self) -> bool {
        #[cfg(target_os = "linux")]
        {
            /// `TMPFS_MAGIC` and `RAMFS_MAGIC` of statfs(2).
            const IN_MEMORY: [u32; 2] = [0x0102_1994, 0x8584_58F6];
            // The number has 32 bits; how wide the field is depends on the machine.
            rustix::fs::statfs(&self.folder).is_ok_and(|found| IN_MEMORY.contains(&(found.f_type as u32)))
        }
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Puts a token there, alone and without a line end: those who read such files take all of it.
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] where the folder or the file is not what it was; what the system says.
    pub fn write(&mut self, token: &Handout<'_>) -> Result<(), StoreError> {
        let folder = self.folder()?;
        let is_there = self.found()?.is_some();
        let ours = self.is_ours()?;
        if is_there && !ours {
            return Err(self.taken());
        }
        let placed = folder.place(&self.name, token.token().as_bytes(), ours)?.ok_or_else(|| self.taken())?;
        let found = placed.metadata().map_err(|error| self.trouble(&error))?;
        self.written = Some(identity(&found));
        Ok(())
    }

    /// Removes it, unless there is something else by now.
    ///
    /// # Errors
    /// What the system says.
    pub fn remove(&mut self) -> Result<(), StoreError> {
        let outcome = if self.is_ours()? { fs::remove_file(self.path()) } else { Ok(()) };
        self.written = None;
        outcome.map_err(|error| self.trouble(&error))
    }

    /// Whether a token lies there.
    pub fn is_written(&self) -> bool {
        self.written.is_some()
    }

    fn folder(&self) -> Result<Folder, StoreError> {
        Folder::find(&self.folder)?.ok_or_else(|| StoreError::Missing(format!("there is no folder `{}`", shown(&self.folder))))
    }

    fn found(&self) -> Result<Option<Metadata>, StoreError> {
        match fs::symlink_metadata(self.path()) {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.trouble(&error)),
        }
    }

    fn is_ours(&self) -> Result<bool, StoreError> {
        Ok(self.written.is_some() && self.found()?.as_ref().map(identity) == self.written)
    }

    fn taken(&self) -> StoreError {
        StoreError::Unsafe(format!("`{}` is there already, and it was not written here", shown(&self.path())))
    }

    fn trouble(&self, error: &io::Error) -> StoreError {
        super::disk::trouble(&self.path(), error)
    }
}

impl Drop for RefreshFile {
    fn drop(&mut self) {
        // Whoever wants to tell of a failure removes it before.
        let _ = self.remove();
    }
}

fn identity(found: &Metadata) -> Identity {
    (found.dev(), found.ino())
}
