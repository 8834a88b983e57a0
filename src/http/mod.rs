//! HTTP, both ways: the server that the loopback listener, the sandbox and the register rehearsal share.

pub mod server;
