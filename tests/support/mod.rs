//! What the tests share: the program under test in a house of its own, and the real parts it is tried against.
//!
//! Nothing but the desk knows a command of tokenstrap. Every wait has a limit and none is a sleep.

pub mod source;

#[cfg(target_os = "linux")]
pub mod bao;
#[cfg(target_os = "linux")]
pub mod binary;
#[cfg(target_os = "linux")]
pub mod canary;
#[cfg(target_os = "linux")]
pub mod chromium;
#[cfg(target_os = "linux")]
pub mod desk;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
pub mod http;
#[cfg(target_os = "linux")]
pub mod keyring;
#[cfg(target_os = "linux")]
pub mod oidc;
#[cfg(target_os = "linux")]
pub mod other_keychain;
#[cfg(target_os = "linux")]
pub mod real;
#[cfg(target_os = "linux")]
pub mod resource;
#[cfg(target_os = "linux")]
pub mod running;
#[cfg(target_os = "linux")]
pub mod till;

pub mod rig;
