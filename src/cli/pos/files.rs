//! Files that the user names: read within bounds, and looked at again for changes.

use super::{Exit, Failure};
use crate::text::printable;
use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// All bytes of a file, `most` at most.
pub(super) fn read(path: &Path, most: usize) -> Result<Vec<u8>, Failure> {
    let shown = printable(&path.to_string_lossy());
    let trouble = |error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::Usage } else { Exit::Machine };
        Failure::new(exit, format!("`{shown}` cannot be read")).because(error)
    };
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(trouble)?;
    if bytes.len() > most {
        return Err(Failure::usage(format!("`{shown}` is larger than {} MiB", most / 1024 / 1024)));
    }
    Ok(bytes)
}

/// A file as it was seen last.
#[derive(Debug)]
pub(super) struct Watched {
    pub path: PathBuf,
    seen: Option<(SystemTime, u64)>,
}

impl Watched {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), seen: mark(path) }
    }

    /// Whether it has changed since the last look. A file that is gone for a moment, as some editors do, has not.
    pub fn has_changed(&mut self) -> bool {
        let now = mark(&self.path);
        let changed = now.is_some() && now != self.seen;
        if changed {
            self.seen = now;
        }
        changed
    }
}

fn mark(path: &Path) -> Option<(SystemTime, u64)> {
    let found = fs::metadata(path).ok()?;
    Some((found.modified().ok()?, found.len()))
}
