//! The user's browser (RFC 8252 section 8.12: the external one, never one of our own).
//!
//! Which one is asked of `$BROWSER` first, then of the desktop. The address is parsed, checked and written anew before
//! it is handed over as one argument; no shell is involved, and nothing that the browser inherits is a secret.

mod launch;

#[cfg(all(test, unix))]
mod tests;

use crate::{oauth::endpoint::is_loopback, text::printable};
use url::Url;

pub use launch::open;

/// How the page is to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// By one of these commands, tried in turn: program and arguments, `%s` where the address belongs.
    Commands(Vec<Vec<String>>),
    /// By whatever the desktop opens web pages with.
    Desktop,
    /// Not at all: the address is printed for the user to open.
    None,
}

/// Why no browser was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    /// The address is none that a browser is given.
    #[error("`{0}` is not an address for a browser")]
    Refused(String),
    /// There is no browser to open it with.
    #[error("there is no browser here")]
    Nowhere,
    /// Each one that was tried failed.
    #[error("the browser could not be started ({0})")]
    Failed(String),
}

/// Separates the entries of `$BROWSER`.
const SEPARATOR: char = if cfg!(windows) { ';' } else { ':' };

/// Chooses by the environment alone.
///
/// `$BROWSER` wins, even over SSH: who set it there (editors do) knows how to bring the page to the user. Without it, a
/// page that opens on the far machine helps nobody.
pub fn choose(env: &dyn Fn(&str) -> Option<String>) -> Choice {
    let has = |name: &str| env(name).is_some_and(|value| !value.is_empty());
    let commands = parse(&env("BROWSER").unwrap_or_default());
    if !commands.is_empty() {
        Choice::Commands(commands)
    } else if has("SSH_CONNECTION") || has("SSH_TTY") {
        Choice::None
    } else if cfg!(any(windows, target_os = "macos")) || has("DISPLAY") || has("WAYLAND_DISPLAY") {
        Choice::Desktop
    } else {
        Choice::None
    }
}

fn parse(browser: &str) -> Vec<Vec<String>> {
    let entries = browser.split(SEPARATOR).map(|entry| entry.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    entries.filter(|words| words.first().is_some_and(|program| !is_batch_file(program))).collect()
}

/// Windows runs these through `cmd`, which reads the address as commands (CVE-2024-24576).
fn is_batch_file(program: &str) -> bool {
    let program = program.to_ascii_lowercase();
    cfg!(windows) && (program.ends_with(".bat") || program.ends_with(".cmd"))
}

/// The address as it is handed over and printed: `https`, or `http` to this machine, and nothing but characters that no
/// terminal, shell or opener gives a meaning.
///
/// # Errors
/// [`BrowserError::Refused`], with the scheme and host only.
pub fn argument(url: &Url) -> Result<String, BrowserError> {
    let allowed = url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url));
    if !allowed || url.host_str().is_none_or(str::is_empty) {
        let shown = format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default());
        return Err(BrowserError::Refused(printable(&shown)));
    }
    let mut text = String::with_capacity(url.as_str().len());
    for byte in url.as_str().bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@&=+,%".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    Ok(text)
}
