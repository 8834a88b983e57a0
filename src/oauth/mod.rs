//! The protocol: requests are built here, responses are read here.
//!
//! No socket, clock, dice, environment or printing: time and random bytes come in as values, messages go out as values.

pub mod account;
pub mod answer;
pub mod api;
pub mod attempt;
pub mod bearer;
pub mod bound;
pub mod client_auth;
pub mod endpoint;
pub mod form;
pub mod grant;
pub mod id_token;
pub mod introspection;
pub mod json;
pub mod jwks;
pub mod jws;
pub mod message;
pub mod metadata;
pub mod pins;
pub mod redirect_uri;
pub mod registration;
pub mod request;
pub mod resource;
pub mod revocation;
pub mod token;
pub mod userinfo;

#[cfg(test)]
mod test_keys;
