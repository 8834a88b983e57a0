//! tokenstrap gets an OAuth token once, keeps it safe, and hands out a valid one for ever after.

pub mod oauth;
pub mod output;
pub mod ports;
pub mod profile;
pub mod provider;
pub mod secret;
pub mod text;
