//! Where the session bus is, found before libdbus looks for it.
//!
//! Without an address libdbus starts `dbus-launch`, which leaves a bus behind that nobody asked for and that holds no
//! keychain. So nothing is asked where nothing is there.

use crate::ports::StoreError;
use std::{env, path::Path};

/// How the session bus is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bus {
    /// Over a socket of this machine, which only processes of this user can open.
    Local,
    /// Over anything else: what travels there is encrypted, reads included.
    Other,
}

/// Looks for the session bus.
///
/// # Errors
/// [`StoreError::Missing`] with what was looked for.
pub(super) fn find() -> Result<Bus, StoreError> {
    let address = env::var_os("DBUS_SESSION_BUS_ADDRESS").map(|address| address.to_string_lossy().into_owned());
    let runtime = env::var_os("XDG_RUNTIME_DIR");
    judge(address.as_deref(), runtime.is_some_and(|folder| is_own_socket(&Path::new(&folder).join("bus"))))
}

fn judge(address: Option<&str>, in_runtime_folder: bool) -> Result<Bus, StoreError> {
    let Some(address) = address.filter(|address| !address.is_empty()) else {
        if in_runtime_folder {
            return Ok(Bus::Local);
        }
        return Err(StoreError::Missing("there is no session bus here (DBUS_SESSION_BUS_ADDRESS is not set)".to_owned()));
    };
    let mut ways = address.split(';').filter(|way| !way.is_empty());
    if ways.clone().any(|way| way.starts_with("autolaunch:")) {
        return Err(StoreError::Missing(
            "the session bus would have to be started first (DBUS_SESSION_BUS_ADDRESS says autolaunch)".to_owned(),
        ));
    }
    Ok(if ways.all(|way| way.starts_with("unix:")) { Bus::Local } else { Bus::Other })
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
            assert!(matches!(judge(address, false), Err(StoreError::Missing(_))), "{address:?}");
        }
        assert_eq!(judge(None, true), Ok(Bus::Local));
    }

    #[test]
    fn s_15_only_a_socket_of_this_machine_is_read_in_the_clear() {
        assert_eq!(judge(Some("unix:path=/run/user/1000/bus"), false), Ok(Bus::Local));
        assert_eq!(judge(Some("unix:abstract=/tmp/dbus-x,guid=1"), false), Ok(Bus::Local));
        assert_eq!(judge(Some("tcp:host=127.0.0.1,port=1"), true), Ok(Bus::Other));
        assert_eq!(judge(Some("unix:path=/x;tcp:host=h,port=1"), true), Ok(Bus::Other));
    }
}
