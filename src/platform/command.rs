//! A command of the user's, ready to start, and how it takes our place.
//!
//! No shell, nothing of ours on its arguments; it is looked up on the user's own `PATH` (SECURITY E-04). Signals, exit code,
//! limits and terminal are its own, since it is this very process.

use super::harden;
use std::{
    ffi::{OsStr, OsString},
    io,
    process::Command,
};

/// Descriptors that our caller gave us, beyond the three streams; asked for before anything of our own is open.
#[derive(Debug)]
pub struct Inherited(Vec<i32>);

impl Inherited {
    /// What is open now.
    pub fn now() -> Self {
        let numbers = |folder: std::fs::ReadDir| folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let mut open: Vec<i32> = std::fs::read_dir("/proc/self/fd").map(numbers).unwrap_or_default();
        open.retain(|descriptor| *descriptor > 2);
        // The folder that was just read is among them; its number is free by now, and a later owner is ours.
        open.retain(|descriptor| std::fs::symlink_metadata(format!("/proc/self/fd/{descriptor}")).is_ok());
        open.sort_unstable();
        Self(open)
    }

    /// Lets a program that is started see these and no other descriptors.
    pub(super) fn keep_alone(&self) {
        #[cfg(unix)]
        close_fds::set_fds_cloexec_threadsafe(3, &self.0);
    }
}

/// The command with its arguments, `taken` out of its environment and `given` put into it.
pub fn prepared(program: &OsStr, arguments: &[OsString], taken: &[String], given: &[(String, &str)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    for name in taken {
        command.env_remove(name);
    }
    for (name, value) in given {
        command.env(name, value);
    }
    command
}

/// Puts the command in the place of this process. Comes back only where that fails.
///
/// # Errors
/// Why it could not be started.
#[cfg(unix)]
pub fn replace(mut command: Command, inherited: &Inherited) -> io::Result<u8> {
    inherited.keep_alone();
    harden::give_back();
    Err(std::os::unix::process::CommandExt::exec(&mut command))
}

/// Runs the command to its end, where no process can take another's place; gives its exit code.
///
/// # Errors
/// Why it could not be started. Batch files are refused: their interpreter reads arguments as commands (CVE-2024-24576).
#[cfg(not(unix))]
pub fn replace(mut command: Command, _inherited: &Inherited) -> io::Result<u8> {
    let program = command.get_program().to_string_lossy().to_ascii_lowercase();
    if program.ends_with(".bat") || program.ends_with(".cmd") {
        return Err(io::Error::other("batch files are not started: their interpreter reads arguments as commands"));
    }
    let status = command.status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
