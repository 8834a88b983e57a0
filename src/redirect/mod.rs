//! The loopback listener: where the user agent brings the authorization response (RFC 8252 section 7.3).
//!
//! It is bound before the browser opens, lives on a thread of its own, and tells the flow what it hears. It judges nothing about
//! the response itself: that is [`Attempt::receive_query`]. Everybody on the machine can reach it, and so can every web page
//! that the user has open; whoever does not know the state can neither end nor delay the wait.

mod page;
mod progress;
mod reception;
mod running;
mod socket;

pub use running::{Heard, Running};
pub use socket::BindError;

use crate::oauth::{
    attempt::Attempt,
    redirect_uri::{LoopbackHost, RedirectUri},
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, mpsc::Sender},
};

/// A listener that holds its port and does not serve yet.
#[derive(Debug)]
pub struct Listener {
    sockets: Vec<TcpListener>,
    redirect_uri: RedirectUri,
}

impl Listener {
    /// Binds the interface that `uri` names, at its port; port 0 takes a free one. For `localhost` both families are held.
    ///
    /// # Errors
    /// [`BindError`]. A port that is taken is never replaced by another one silently.
    pub fn bind(uri: &RedirectUri) -> Result<Self, BindError> {
        let loopback = uri.loopback().ok_or(BindError::NotLoopback)?;
        let (sockets, port) = socket::bind(loopback, uri.port())?;
        Ok(Self { sockets, redirect_uri: uri.with_port(port) })
    }

    /// Binds `address` for a redirect URI elsewhere that a tunnel of the user's own brings to it.
    ///
    /// # Errors
    /// [`BindError`]; an address that is not loopback is [`BindError::NotLoopback`].
    pub fn bind_behind(uri: &RedirectUri, address: SocketAddr) -> Result<Self, BindError> {
        if !address.ip().is_loopback() {
            return Err(BindError::NotLoopback);
        }
        let (sockets, _) = socket::bind(LoopbackHost::Address(address.ip()), address.port())?;
        Ok(Self { sockets, redirect_uri: uri.clone() })
    }

    /// The redirect URI with the port that is really held.
    pub fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// Begins to serve: responses go to `attempt`, news go to `heard`.
    ///
    /// # Errors
    /// Where the system gives no thread or no descriptors.
    pub fn start(self, attempt: Arc<Mutex<Attempt>>, heard: Sender<Heard>) -> io::Result<Running> {
        Running::start(self.sockets, &self.redirect_uri, attempt, heard)
    }
}
