//! The register's side of Loyalty and Payments, rehearsed: a stand-in for an integrator's server, and for the register.
//!
//! A Lightspeed O-Series register *calls* the integrator's server, and its customer search crashes on anything but JSON.
//! So whatever comes in here, what goes out is JSON. What the vendor does not document is data that a user can edit.

pub mod answers;
pub mod call;
pub mod collection;
pub mod desk;
pub mod faults;
pub mod fields;
pub mod gate;
pub mod journal;
pub mod matching;
mod multipart;
pub mod orders;
pub mod page;
pub mod place;
pub mod play;
pub mod recording;
pub mod register;
pub mod running;
pub mod service;
pub mod shop;
pub mod signature;
pub mod standing;
pub mod template;
pub mod verify;
