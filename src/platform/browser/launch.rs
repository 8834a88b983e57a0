//! Starts the browser, apart from us.

use super::{BrowserError, Choice, argument};
use crate::platform::{child_env, harden};
use std::{
    io,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::Duration,
};
use url::Url;

/// How long a starter may take to say that it failed. Most hand the address on and end within a tenth of this; one that
/// still runs is the browser itself.
const VERDICT: Duration = Duration::from_secs(1);

/// Opens `url` by the first way of `choice` that does not fail, and comes back at the latest a second after the start.
///
/// The browser gets the address as one argument, neither our terminal nor the variables named in `hidden_env`, a process
/// group of its own and the caller's limits.
///
/// # Errors
/// [`BrowserError`]; nothing was started where it is [`BrowserError::Refused`].
pub fn open(url: &Url, choice: &Choice, hidden_env: &[String]) -> Result<(), BrowserError> {
    let address = argument(url)?;
    let candidates = match choice {
        Choice::Commands(entries) => entries.iter().filter_map(|words| command(words, &address)).collect(),
        Choice::Desktop => desktop(&address),
        Choice::None => Vec::new(),
    };
    // Ours close by themselves when a program starts; what our caller left open does not.
    #[cfg(unix)]
    close_fds::set_fds_cloexec_threadsafe(3, &[]);
    let mut last = BrowserError::Nowhere;
    for mut candidate in candidates {
        let program = crate::text::printable(&candidate.get_program().to_string_lossy());
        detach(&mut candidate, hidden_env);
        match harden::with_callers_limit(|| candidate.spawn()).and_then(verdict) {
            Ok(None) => return Ok(()),
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => last = BrowserError::Failed(format!("{program}: {status}")),
            Err(error) => last = BrowserError::Failed(format!("{program}: {error}")),
        }
    }
    Err(last)
}

/// An entry of `$BROWSER` with the address in place of `%s`, or at its end.
fn command(words: &[String], address: &str) -> Option<Command> {
    let (program, arguments) = words.split_first()?;
    let mut command = Command::new(program);
    let mut placed = false;
    for argument in arguments {
        placed |= argument.contains("%s");
        command.arg(argument.replace("%s", address));
    }
    if !placed {
        command.arg(address);
    }
    Some(command)
}

/// The desktop's openers. Those that go through a command interpreter are left out.
#[cfg(not(windows))]
fn desktop(address: &str) -> Vec<Command> {
    let interprets = |command: &Command| command.get_program().to_string_lossy().contains("powershell");
    open::commands(address).into_iter().filter(|command| !interprets(command)).collect()
}

/// The shell's own handler for addresses, without `cmd` and PowerShell.
#[cfg(windows)]
fn desktop(address: &str) -> Vec<Command> {
    let mut command = Command::new("rundll32.exe");
    command.arg("url.dll,FileProtocolHandler").arg(address);
    vec![command]
}

fn detach(command: &mut Command, hidden_env: &[String]) {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for name in child_env::secrets().iter().chain(hidden_env) {
        command.env_remove(name);
    }
    // Ctrl-C in our terminal is meant for us.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Waits a moment for the starter's verdict; `None` where it still runs. The thread stays with the child, so that no
/// zombie is left while the login waits.
fn verdict(mut child: Child) -> io::Result<Option<ExitStatus>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new().name("browser".to_owned()).spawn(move || {
        let _ = sender.send(child.wait());
    })?;
    receiver.recv_timeout(VERDICT).ok().transpose()
}
