//! One binary for all tests that need more than one file: promises kept by the real program, rules of the house.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test may panic")]

mod support;

mod stores;
mod stores_file;
#[cfg(target_os = "linux")]
mod stores_file_faults;
#[cfg(target_os = "linux")]
mod stores_keychain;
#[cfg(target_os = "linux")]
mod token_cache;
