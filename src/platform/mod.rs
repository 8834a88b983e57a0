//! The machine: clock, dice, browser, locks, limits and signals.
//!
//! Floor 6. Nothing here knows OAuth; each file gives one thing of the operating system the shape that a port asks for.

pub mod browser;
pub mod child_env;
pub mod clock;
pub mod command;
pub mod entropy;
pub mod harden;
pub mod holder;
pub mod last_use;
pub mod lock;
#[cfg(unix)]
pub mod relay;
#[cfg_attr(not(unix), path = "no_signals.rs")]
pub mod signals;

#[cfg(all(test, unix))]
mod child;
