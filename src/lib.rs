//! tokenstrap gets an OAuth token once, keeps it safe, and hands out a valid one for ever after.

pub mod flow;
pub mod http;
pub mod oauth;
pub mod output;
pub mod ports;
pub mod profile;
pub mod redirect;
pub mod sandbox;
pub mod secret;
pub mod store;
pub mod text;
