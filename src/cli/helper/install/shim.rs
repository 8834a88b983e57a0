//! A script of two lines on the user's `PATH`, for tools that start a program by its name and nothing more.

use super::{Site, in_the_way};
use crate::cli::{
    context,
    failure::{Exit, Failure},
};
use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Writes the script; gives its place and what was done.
pub(super) fn write(site: &Site<'_>, name: &str, kind: &str) -> Result<(PathBuf, String), Failure> {
    let path = folder(site)?.join(name);
    let text = format!("#!/bin/sh\nexec {} helper {kind} {} \"$@\"\n", site.quoted(), site.profile);
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        // A pipe or a device in its place is not read.
        Ok(present)
            if present.is_file() && present.len() == text.len() as u64 && fs::read(&path).is_ok_and(|read| read == text.as_bytes()) =>
        {
            return Ok((path.clone(), format!("✓ {} is there already", path.display())));
        }
        _ => return Err(in_the_way(&path.display().to_string())),
    }
    replace(&path, text.as_bytes(), 0o755).map_err(|error| Failure::new(Exit::Machine, "the shim cannot be written").because(error))?;
    Ok((path.clone(), format!("✓ wrote {}", path.display())))
}

fn folder(site: &Site<'_>) -> Result<PathBuf, Failure> {
    if let Some(folder) = &site.folder {
        // Other tools start it from wherever they are.
        return std::path::absolute(folder).map_err(|error| Failure::usage("the value of --dir is not a folder").because(error));
    }
    let own = context::env("HOME").map(|home| PathBuf::from(home).join(".local/bin"));
    let paths: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    own.filter(|own| paths.contains(own)).ok_or_else(|| {
        Failure::usage("~/.local/bin is not on PATH, and a shim elsewhere is found by nobody")
            .hint("name a folder on PATH with --dir FOLDER")
    })
}

/// Replaces a file in one step, with this mode.
pub(super) fn replace(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    new.write_all(text)?;
    #[cfg(unix)]
    new.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    #[cfg(not(unix))]
    let _ = mode;
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(())
}
