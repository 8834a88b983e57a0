//! What stands in the state folder: the prefix, which stays, and the way to the desk, which ends with the server.
//!
//! Both are files that only their owner can read. Neither is a secret of a real account: the prefix keeps strangers from finding the
//! calls, the token of the desk steers make-believe answers.

use crate::{
    flow::{random_hex, random_text},
    ports::{Entropy, NoEntropy},
    secret::Secret,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Below the state folder.
const FOLDER: &str = "pos";
/// The file with the prefix.
const PREFIX: &str = "prefix";
/// Largest file that is read, in bytes.
const MOST: u64 = 4096;

/// Why the state folder is of no use.
#[derive(Debug, thiserror::Error)]
pub enum StandingError {
    /// The system says no.
    #[error("`{path}` cannot be used ({error})")]
    Io {
        /// Which file or folder.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// Others may read or write it, or it is no plain file.
    #[error("`{0}` is not a file of yours alone")]
    Unsafe(String),
    /// What lies there was not written by this program.
    #[error("`{0}` does not hold what belongs there")]
    Form(String),
    /// No random bytes.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// The way to the desk of a server that runs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Way {
    /// Scheme, loopback address and port.
    pub origin: String,
    /// What `pos set` shows.
    #[serde(with = "crate::secret::at_rest")]
    pub token: Secret,
}

/// The file with the way to the desk; it ends with this.
#[derive(Debug)]
pub struct Posted(PathBuf);

/// A token of the desk: 128 bits in hex.
///
/// # Errors
/// Where the system gives no random bytes.
pub fn token(entropy: &dyn Entropy) -> Result<Secret, NoEntropy> {
    random_hex(entropy, 16)
}

/// The prefix below which the calls lie; made at the first start, the same ever after.
///
/// # Errors
/// [`StandingError`].
pub fn prefix(state: &Path, entropy: &dyn Entropy) -> Result<String, StandingError> {
    let path = state.join(FOLDER).join(PREFIX);
    if let Some(text) = read(&path)? {
        let prefix = text.trim_end();
        let is_sound =
            prefix.len() >= 12 && prefix.len() <= 64 && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        return if is_sound { Ok(prefix.to_owned()) } else { Err(StandingError::Form(shown(&path))) };
    }
    // 96 bits: beyond guessing, and short enough to be read out.
    let prefix = random_text(entropy, 12)?;
    write(&path, prefix.expose().as_bytes())?;
    // Another server may have started at the same moment; whoever came last has the word.
    Ok(read(&path)?.unwrap_or_else(|| prefix.expose().to_owned()).trim_end().to_owned())
}

/// Puts the way to the desk down.
///
/// # Errors
/// [`StandingError`].
pub fn post(state: &Path, port: u16, way: &Way) -> Result<Posted, StandingError> {
    let path = state.join(FOLDER).join(file_of(port));
    let text = serde_json::to_vec(way).map_err(|_| StandingError::Form(shown(&path)))?;
    write(&path, &text)?;
    Ok(Posted(path))
}

/// The way to the desk of the server on this port, where one runs.
///
/// # Errors
/// [`StandingError`].
pub fn find(state: &Path, port: u16) -> Result<Option<Way>, StandingError> {
    let path = state.join(FOLDER).join(file_of(port));
    read(&path)?.map(|text| serde_json::from_str(&text).map_err(|_| StandingError::Form(shown(&path)))).transpose()
}

/// The ports of servers that put a way down, in order.
pub fn ports(state: &Path) -> Vec<u16> {
    let entries = fs::read_dir(state.join(FOLDER)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut ports: Vec<u16> = names.filter_map(|name| name.strip_prefix("desk-")?.parse().ok()).collect();
    ports.sort_unstable();
    ports
}

impl Drop for Posted {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = fs::remove_file(&self.0);
    }
}

fn file_of(port: u16) -> String {
    format!("desk-{port}")
}

fn shown(path: &Path) -> String {
    crate::text::printable(&path.to_string_lossy())
}

fn read(path: &Path) -> Result<Option<String>, StandingError> {
    let trouble = |error| StandingError::Io { path: shown(path), error };
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() || is_open(&found) => return Err(StandingError::Unsafe(shown(path))),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble(error)),
    }
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(MOST).read_to_string(&mut text)).map_err(trouble)?;
    Ok(Some(text))
}

/// Whether others may read or write it, or own it.
#[cfg(unix)]
fn is_open(found: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    found.mode() & 0o077 != 0 || found.uid() != rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_open(_: &fs::Metadata) -> bool {
    false
}

/// Writes a file of mode 0600 in one piece.
fn write(path: &Path, bytes: &[u8]) -> Result<(), StandingError> {
    let trouble = |error| StandingError::Io { path: shown(path), error };
    let folder = path.parent().unwrap_or(path);
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(trouble)?;
    let mut file = tempfile::Builder::new().prefix(".~").tempfile_in(folder).map_err(trouble)?;
    file.write_all(bytes).map_err(trouble)?;
    file.persist(path).map_err(|refused| trouble(refused.error))?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::platform::entropy::SystemEntropy;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn k_09_the_prefix_stays_the_same_between_starts_and_is_the_owners_alone() {
        let state = tempfile::tempdir().expect("a folder");
        let first = prefix(state.path(), &SystemEntropy).expect("a prefix");

        assert_eq!(prefix(state.path(), &SystemEntropy).expect("a prefix"), first);
        assert_eq!(first.len(), 16);
        let path = state.path().join("pos/prefix");
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(state.path().join("pos")).expect("a folder").permissions().mode() & 0o777, 0o700);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it changes");
        assert!(matches!(prefix(state.path(), &SystemEntropy), Err(StandingError::Unsafe(_))));
    }

    #[test]
    fn a_prefix_that_somebody_shortened_or_a_link_is_refused() {
        let state = tempfile::tempdir().expect("a folder");
        let path = state.path().join("pos/prefix");
        write(&path, b"k7").expect("written");
        assert!(matches!(prefix(state.path(), &SystemEntropy), Err(StandingError::Form(_))));

        fs::remove_file(&path).expect("gone");
        std::os::unix::fs::symlink("/etc/hostname", &path).expect("a link");
        assert!(matches!(prefix(state.path(), &SystemEntropy), Err(StandingError::Unsafe(_))));
    }

    #[test]
    fn the_way_to_the_desk_ends_with_the_server() {
        let state = tempfile::tempdir().expect("a folder");
        let way = Way { origin: "http://127.0.0.1:5".to_owned(), token: token(&SystemEntropy).expect("a token") };
        let posted = post(state.path(), 5, &way).expect("posted");

        let found = find(state.path(), 5).expect("read").expect("there");
        assert!(found.token.matches(way.token.expose()));
        assert_eq!(ports(state.path()), [5]);
        drop(posted);
        assert!(find(state.path(), 5).expect("read").is_none());
    }
}
