//! HTTP, as a client and as the server that the loopback listener, the sandbox and the register rehearsal share.
//!
//! Whoever needs a request carried or answered goes through here; nobody else opens a socket for HTTP.

pub mod client;
pub mod server;
