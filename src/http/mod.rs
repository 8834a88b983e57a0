//! HTTP, as a client and as a server.
//!
//! Floor 6: whoever needs a request carried or answered goes through here, and nobody else opens a socket for HTTP.

pub mod client;
