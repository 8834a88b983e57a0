//! A file with an access token, kept for one other program and removed in the end (SECURITY E-06).
//!
//! No store: it holds no grant, and nothing is read from it. The folder has to be safe from others (SECURITY S-04), the file is
//! 0600 from the start, never follows a link, replaces nothing that was not written here (SECURITY S-05), and changes whole.
//! It is locked as long as it is kept: one in memory that nobody keeps was left by a call that was killed, and is replaced.

use super::disk::{Folder, shown};
use crate::{output::Handout, ports::StoreError};
use std::{
    fs::{self, File, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The name of a file, and what was written there last.
#[derive(Debug)]
pub struct RefreshFile {
    folder: PathBuf,
    name: String,
    /// Held open, so that its lock stays and no other file gets its number.
    written: Option<File>,
}

impl RefreshFile {
    /// The file at a path where nothing is, or what a call that was killed has left in memory. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Unsafe`] where others may change the folder or the name is taken, [`StoreError::Missing`] without
    /// that folder.
    pub fn at(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(|error| StoreError::Missing(error.to_string()))?;
        let name = path.file_name().and_then(|name| name.to_str()).zip(path.parent());
        let (name, folder) = name.ok_or_else(|| StoreError::Missing(format!("`{}` names no file", shown(&path))))?;
        let mut file = Self { folder: folder.to_owned(), name: name.to_owned(), written: None };
        if let Some(found) = file.folder()?.open(name)? {
            let mode = found.metadata().map_err(|error| file.trouble(&error))?.mode();
            if !file.is_in_memory() || mode & 0o077 != 0 {
                return Err(file.taken());
            }
            found.try_lock().map_err(|_| StoreError::Unsafe(format!("another call keeps a token in `{}`", shown(&path))))?;
            file.written = Some(found);
        }
        Ok(file)
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
        let is_ours = self.is_ours()?;
        let placed = folder.place(&self.name, token.token().as_bytes(), is_ours)?;
        self.written = Some(placed.ok_or_else(|| self.taken())?);
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

    fn folder(&self) -> Result<Folder, StoreError> {
        Folder::find(&self.folder)?.ok_or_else(|| StoreError::Missing(format!("there is no folder `{}`", shown(&self.folder))))
    }

    /// Whether the name still leads to what was written last.
    fn is_ours(&self) -> Result<bool, StoreError> {
        let Some(written) = &self.written else { return Ok(false) };
        let written = written.metadata().map_err(|error| self.trouble(&error))?;
        match fs::symlink_metadata(self.path()) {
            Ok(found) => Ok(identity(&found) == identity(&written)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(self.trouble(&error)),
        }
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

/// Device and number of a file.
fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
