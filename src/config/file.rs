//! Reading and replacing one settings file with care.

use super::{ConfigError, shown};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

/// Largest settings file, in bytes. A catalogue entry with all its facts has 8 KiB.
const LARGEST: u64 = 256 * 1024;

/// The text of a file, or `None` where there is none.
pub(super) fn read(path: &Path) -> Result<Option<String>, ConfigError> {
    let io = |error: io::Error| ConfigError::Io { file: shown(path), reason: error.to_string() };
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let size = check(path, &file)?;
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(LARGEST)).unwrap_or_default() + 1);
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > LARGEST {
        return Err(ConfigError::Form { file: shown(path), reason: "it is larger than 256 KiB".into() });
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| ConfigError::Form { file: shown(path), reason: "it is not UTF-8".into() })
}

/// Opens for reading without waiting: a pipe in the file's place would keep every call for ever.
fn open(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    options.open(path)
}

/// Only the user, or root for everybody, may have written it. Tells its size.
#[cfg(unix)]
fn check(path: &Path, file: &File) -> Result<u64, ConfigError> {
    use std::os::unix::fs::MetadataExt;
    let refused = |reason: &str| Err(ConfigError::Unsafe { file: shown(path), reason: reason.to_owned() });
    let metadata = file.metadata().map_err(|error| ConfigError::Io { file: shown(path), reason: error.to_string() })?;
    let owner = metadata.uid();
    if !metadata.is_file() {
        return refused("is not a regular file");
    }
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return refused("belongs to another user");
    }
    if metadata.mode() & 0o022 != 0 {
        return refused("can be written by others; take that away with `chmod go-w`");
    }
    // Who may rename in its folder may put another file of the user's there, or none. The sticky bit forbids it.
    let folder = path.parent().and_then(|folder| fs::metadata(folder).ok());
    if folder.is_some_and(|folder| folder.mode() & 0o002 != 0 && folder.mode() & 0o1000 == 0) {
        return refused("lies in a folder that everybody may write; take that away with `chmod o-w`");
    }
    Ok(metadata.len())
}

#[cfg(not(unix))]
fn check(path: &Path, file: &File) -> Result<u64, ConfigError> {
    let metadata = file.metadata().map_err(|error| ConfigError::Io { file: shown(path), reason: error.to_string() })?;
    Ok(metadata.len())
}

/// Replaces a file in one step; 0600 in folders of 0700.
pub(super) fn write(path: &Path, text: &str) -> Result<(), ConfigError> {
    let io = |error: io::Error| ConfigError::Io { file: shown(path), reason: error.to_string() };
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folder(folder).map_err(io)?;
    let mut new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder).map_err(io)?;
    new.write_all(text.as_bytes()).and_then(|()| new.as_file().sync_all()).map_err(io)?;
    new.persist(path).map_err(|error| io(error.error))?;
    Ok(())
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Removes a file; nothing happens where there is none.
pub(super) fn remove(path: &Path) -> Result<(), ConfigError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ConfigError::Io { file: shown(path), reason: error.to_string() }),
        _ => Ok(()),
    }
}

/// Names of the files in a folder that end so, without the ending, sorted.
pub(super) fn names(folder: &Path, ending: &str) -> Result<Vec<String>, ConfigError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(ConfigError::Io { file: shown(folder), reason: error.to_string() }),
    };
    let files = entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = files.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect();
    names.sort();
    Ok(names)
}
