//! Where the session bus is, found before libdbus looks for it.
//!
//! Without an address libdbus starts `dbus-launch`, which leaves a bus behind that nobody asked for and that holds no
//! keychain. So nothing is asked where nothing is there.

use crate::ports::StoreError;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with},
};
use std::{env, path::Path};

/// How the session bus is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bus {
    /// Over a socket of this machine, which only processes of this user can open; its address as libdbus takes it.
    Local(String),
    /// Over anything else: what travels there is encrypted, reads included.
    Other,
}

/// Looks for the session bus.
///
/// # Errors
/// [`StoreError::Missing`] with what was looked for.
pub(super) fn find() -> Result<Bus, StoreError> {
    let address = env::var_os("DBUS_SESSION_BUS_ADDRESS").map(|address| address.to_string_lossy().into_owned());
    let socket = env::var_os("XDG_RUNTIME_DIR").map(|folder| Path::new(&folder).join("bus"));
    judge(address.as_deref(), socket.filter(|path| is_own_socket(path)).as_deref())
}

fn judge(address: Option<&str>, in_runtime_folder: Option<&Path>) -> Result<Bus, StoreError> {
    let Some(address) = address.filter(|address| !address.is_empty()) else {
        return match in_runtime_folder {
            Some(socket) => Ok(Bus::Local(format!("unix:path={}", escaped(socket)))),
            None => Err(StoreError::Missing("there is no session bus here (DBUS_SESSION_BUS_ADDRESS is not set)".to_owned())),
        };
    };
    let mut ways = address.split(';').filter(|way| !way.is_empty());
    if ways.clone().any(|way| way.starts_with("autolaunch:")) {
        return Err(StoreError::Missing(
            "the session bus would have to be started first (DBUS_SESSION_BUS_ADDRESS says autolaunch)".to_owned(),
        ));
    }
    Ok(if ways.all(|way| way.starts_with("unix:")) { Bus::Local(address.to_owned()) } else { Bus::Other })
}

/// A path as it stands in an address (D-Bus specification, "Server Addresses").
fn escaped(path: &Path) -> String {
    use std::{fmt::Write, os::unix::ffi::OsStrExt};
    path.as_os_str().as_bytes().iter().fold(String::new(), |mut text, byte| {
        match byte {
            b'-' | b'_' | b'/' | b'.' | b'\\' | b'*' => text.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(*byte)),
            // Writing to a string cannot fail.
            byte => drop(write!(text, "%{byte:02x}")),
        }
        text
    })
}

/// Whether a connection to this address would be taken or refused at once. A bus that hangs with a full queue lets
/// every further connection wait without an end, and libdbus has no limit for that wait. An address of several ways,
/// or of another form than buses use, counts as not ready.
pub(super) fn is_ready(address: &str) -> bool {
    let Some(words) = address.strip_prefix("unix:").filter(|words| !words.contains(';')) else { return false };
    let mut words = words.split(',').filter_map(|word| word.split_once('='));
    let Some((kind, value)) = words.find(|(key, _)| matches!(*key, "path" | "abstract")).filter(|(_, value)| !value.contains('%')) else {
        return false;
    };
    let target = if kind == "path" { SocketAddrUnix::new(value) } else { SocketAddrUnix::new_abstract_name(value.as_bytes()) };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else { return false };
    target.is_ok_and(|target| !matches!(connect(&socket, &target), Err(Errno::AGAIN)))
}

fn is_own_socket(path: &Path) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let own = rustix::process::geteuid().as_raw();
    // As libdbus looks at it, which takes no link for a socket.
    std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket() && found.uid() == own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bus_is_started_where_none_is_there() {
        for address in [None, Some(""), Some("autolaunch:"), Some("unix:path=/run/bus;autolaunch:")] {
            assert!(matches!(judge(address, None), Err(StoreError::Missing(_))), "{address:?}");
        }
        assert_eq!(judge(None, Some(Path::new("/run/a b/bus"))), Ok(Bus::Local("unix:path=/run/a%20b/bus".to_owned())));
    }

    #[test]
    fn s_15_only_a_socket_of_this_machine_is_read_in_the_clear() {
        for local in ["unix:path=/run/user/1000/bus", "unix:abstract=/tmp/dbus-x,guid=1"] {
            assert_eq!(judge(Some(local), None), Ok(Bus::Local(local.to_owned())));
        }
        assert_eq!(judge(Some("tcp:host=127.0.0.1,port=1"), Some(Path::new("/run/bus"))), Ok(Bus::Other));
        assert_eq!(judge(Some("unix:path=/x;tcp:host=h,port=1"), None), Ok(Bus::Other));
    }

    #[test]
    fn a_bus_with_a_full_queue_is_not_ready() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bus");
        let listening = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
        rustix::net::bind(&listening, &SocketAddrUnix::new(&path).expect("a path")).expect("bound");
        rustix::net::listen(&listening, 0).expect("listening");
        let address = format!("unix:path={}", path.display());

        // The first one that asked still has its place in the queue: nobody accepts here.
        assert!(is_ready(&address));
        assert!(!is_ready(&address));
    }
}
