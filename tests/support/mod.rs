//! What the tests share: the real parts that the program is tried against.

#[cfg(target_os = "linux")]
pub mod forgetful;
#[cfg(target_os = "linux")]
pub mod keyring;
#[cfg(target_os = "linux")]
pub mod real;
