//! When a grant was used last: the time of an empty file in the state folder.
//!
//! A call that only prints a stored token writes no record, so the time cannot lie there. Setting it costs one system
//! call; where it fails nobody is told, since nothing depends on it.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

fn path(state: &Path, profile: &str) -> PathBuf {
    state.join("used").join(profile)
}

/// Notes that the grant of this profile is used now.
pub fn note(state: &Path, profile: &str) {
    let path = path(state, profile);
    #[cfg(unix)]
    {
        use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        if utimensat(CWD, &path, &Timestamps { last_access: now, last_modification: now }, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return;
        }
    }
    if let Some(folder) = path.parent() {
        make(folder);
        let mut options = fs::OpenOptions::new();
        // Where its time can be set without opening it, one that is there after all is not opened.
        options.write(true).create(true).truncate(true).create_new(cfg!(unix));
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let _ = options.open(&path);
    }
}

fn make(folder: &Path) {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let _ = builder.create(folder);
}

/// When it was used last, where that is known.
pub fn of(state: &Path, profile: &str) -> Option<SystemTime> {
    fs::symlink_metadata(path(state, profile)).ok()?.modified().ok()
}

/// Forgets it.
pub fn forget(state: &Path, profile: &str) {
    let _ = fs::remove_file(path(state, profile));
}
