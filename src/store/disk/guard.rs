//! Who may change a folder or a file: modes, owners and links, where the system has them.
//!
//! Elsewhere (Windows) the user's profile folder keeps strangers out by its access list, which files inherit.

#[cfg(not(unix))]
pub(super) use inherited::{check_chain, check_own, leads_to, make_folders, open_existing, private};
#[cfg(unix)]
pub(super) use posix::{check_chain, check_own, leads_to, make_folders, open_existing, private};

#[cfg(not(unix))]
pub(crate) use inherited::check_key_file;
#[cfg(unix)]
pub(crate) use posix::check_key_file;

#[cfg(unix)]
mod posix {
    use super::super::{resolved, shown, trouble};
    use crate::ports::StoreError;
    use rustix::{fs::OFlags, process};
    use std::{
        fs::{self, File, Metadata, OpenOptions, Permissions},
        io,
        os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
        path::{Path, PathBuf},
    };

    /// Tries to catch a file between two replacements.
    const TRIES: usize = 16;
    const STICKY: u32 = 0o1000;

    /// Refuses where a stranger could put another folder in the place of one of those above `path`.
    pub(in super::super) fn check_chain(path: &Path) -> Result<(), StoreError> {
        let whole = resolved(path);
        // A link is as safe as the folder that it lies in, and as the place that it leads to.
        let mut above: Vec<PathBuf> = whole.ancestors().skip(1).map(Path::to_owned).collect();
        if whole != path {
            above.extend(path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned));
        }
        for folder in above {
            match fs::metadata(&folder) {
                Ok(found) => check_above(&folder, &found)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(trouble(&folder, &error)),
            }
        }
        Ok(())
    }

    fn check_above(folder: &Path, found: &Metadata) -> Result<(), StoreError> {
        let own = process::geteuid().as_raw();
        if found.uid() != own && found.uid() != 0 {
            return Err(foreign(folder, found.uid()));
        }
        // In a sticky folder, such as /tmp, nobody can rename what belongs to another.
        let loose = if is_group_of_one(found) { 0o002 } else { 0o022 };
        if found.mode() & loose != 0 && found.mode() & STICKY == 0 { Err(writable(folder, found)) } else { Ok(()) }
    }

    /// Many systems give each user a group of their own with the same number and a umask of 002.
    fn is_group_of_one(found: &Metadata) -> bool {
        found.gid() == process::geteuid().as_raw() && found.gid() == process::getegid().as_raw()
    }

    /// Refuses a folder that is not the user's own, or that anybody else may write.
    pub(in super::super) fn check_own(folder: &Path, found: &Metadata) -> Result<(), StoreError> {
        if found.uid() != process::geteuid().as_raw() {
            return Err(foreign(folder, found.uid()));
        }
        if found.mode() & 0o022 == 0 { Ok(()) } else { Err(writable(folder, found)) }
    }

    fn foreign(path: &Path, owner: u32) -> StoreError {
        StoreError::Unsafe(format!("`{}` belongs to another user (uid {owner})", shown(path)))
    }

    fn writable(path: &Path, found: &Metadata) -> StoreError {
        let mode = found.mode() & 0o7777;
        let path = shown(path);
        // One like /tmp is everybody's by intent.
        let way =
            if mode & STICKY == 0 { format!("`chmod go-w {path}` mends it") } else { "a folder of your own in it is safe".to_owned() };
        StoreError::Unsafe(format!("others may write `{path}` (mode {mode:04o}); {way}"))
    }

    /// Makes the folder and those above it, all 0700 from the start.
    pub(in super::super) fn make_folders(path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    /// Files of this builder are 0600 from the start.
    pub(in super::super) fn private<'b, 'p, 's>(builder: &'b mut tempfile::Builder<'p, 's>) -> &'b mut tempfile::Builder<'p, 's> {
        builder.permissions(Permissions::from_mode(0o600))
    }

    /// Opens a regular file of the user's own and of one name, without following a link and without waiting for a
    /// pipe's other end; tells its size.
    pub(in super::super) fn open_existing(path: &Path) -> Result<Option<(File, u64)>, StoreError> {
        for _ in 0..TRIES {
            let file = match open(path, OFlags::NOFOLLOW) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
                    return Err(StoreError::Unsafe(format!("`{}` is a symbolic link", shown(path))));
                }
                Err(error) => return Err(trouble(path, &error)),
            };
            let found = file.metadata().map_err(|error| trouble(path, &error))?;
            // Replaced between open and here: no name leads to it any more, the next try finds the new one.
            if found.is_file() && found.nlink() == 0 {
                continue;
            }
            check_file(path, &found, 0o022)?;
            if found.nlink() != 1 {
                return Err(StoreError::Unsafe(format!("`{}` has {} names (hard links)", shown(path), found.nlink())));
            }
            return Ok(Some((file, found.len())));
        }
        Err(StoreError::Unavailable(format!("`{}` is replaced faster than it can be read", shown(path))))
    }

    /// Whether this file still lies under this name: nobody has replaced or removed it.
    pub(in super::super) fn leads_to(path: &Path, file: &File) -> bool {
        let place = |found: Metadata| (found.dev(), found.ino());
        fs::symlink_metadata(path).map(place).ok() == file.metadata().map(place).ok()
    }

    /// Opens a key file. A link may lead to it, as secrets of containers do; it must be regular, the user's own or
    /// root's, and closed to all others.
    pub(crate) fn check_key_file(path: &Path) -> Result<Option<File>, StoreError> {
        let file = match open(path, OFlags::empty()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(trouble(path, &error)),
        };
        let found = file.metadata().map_err(|error| trouble(path, &error))?;
        if found.is_file() && found.uid() == 0 && found.mode() & 0o077 == 0 {
            return Ok(Some(file));
        }
        check_file(path, &found, 0o077)?;
        Ok(Some(file))
    }

    fn open(path: &Path, further: OFlags) -> io::Result<File> {
        let flags = OFlags::NONBLOCK | OFlags::NOCTTY | further;
        OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
    }

    fn check_file(path: &Path, found: &Metadata, loose: u32) -> Result<(), StoreError> {
        let (mode, name) = (found.mode() & 0o7777, shown(path));
        if !found.is_file() {
            return Err(StoreError::Unsafe(format!("`{name}` is not a regular file")));
        }
        if found.uid() != process::geteuid().as_raw() {
            return Err(foreign(path, found.uid()));
        }
        if mode & loose == 0 {
            return Ok(());
        }
        Err(StoreError::Unsafe(format!("`{name}` is open to others (mode {mode:04o}); `chmod 600 {name}` mends it")))
    }
}

#[cfg(not(unix))]
mod inherited {
    use super::super::{shown, trouble};
    use crate::ports::StoreError;
    use std::{
        fs::{self, File, Metadata},
        io,
        path::Path,
    };

    pub(in super::super) fn check_chain(_: &Path) -> Result<(), StoreError> {
        Ok(())
    }

    pub(in super::super) fn check_own(_: &Path, _: &Metadata) -> Result<(), StoreError> {
        Ok(())
    }

    pub(in super::super) fn make_folders(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    pub(in super::super) fn private<'b, 'p, 's>(builder: &'b mut tempfile::Builder<'p, 's>) -> &'b mut tempfile::Builder<'p, 's> {
        builder
    }

    pub(in super::super) fn open_existing(path: &Path) -> Result<Option<(File, u64)>, StoreError> {
        match fs::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(trouble(path, &error)),
            Ok(found) if !found.is_file() => Err(StoreError::Unsafe(format!("`{}` is not a regular file", shown(path)))),
            Ok(found) => File::open(path).map(|file| Some((file, found.len()))).map_err(|error| trouble(path, &error)),
        }
    }

    /// Where files have no number, the bytes alone tell.
    pub(in super::super) fn leads_to(_: &Path, _: &File) -> bool {
        true
    }

    pub(crate) fn check_key_file(path: &Path) -> Result<Option<File>, StoreError> {
        Ok(open_existing(path)?.map(|(file, _)| file))
    }
}
