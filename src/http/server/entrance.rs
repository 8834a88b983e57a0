//! Where connections come in.

use super::{Peer, socket::Socket};
use std::{
    io,
    task::{Context, Poll},
};
use tokio::net::TcpListener;

/// One listener.
pub(super) struct Entrance(#[cfg(unix)] tokio::io::unix::AsyncFd<std::net::TcpListener>, #[cfg(not(unix))] TcpListener);

#[cfg(unix)]
impl Entrance {
    /// Takes the listener over.
    pub(super) fn of(listener: TcpListener) -> io::Result<Self> {
        let listener = listener.into_std()?;
        #[expect(deprecated, reason = "sound for a listener of the standard library, which has one descriptor for life; its heir is unsafe")]
        tokio::io::unix::AsyncFd::with_interest(listener, tokio::io::Interest::READABLE).map(Self)
    }

    /// The next connection, not known to the runtime yet.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        loop {
            let mut ready = std::task::ready!(self.0.poll_read_ready(cx))?;
            if let Ok(accepted) = ready.try_io(|listener| listener.get_ref().accept()) {
                return Poll::Ready(accepted.and_then(|(stream, address)| {
                    stream.set_nonblocking(true)?;
                    Ok((Socket::new(stream), Peer(address.ip())))
                }));
            }
        }
    }
}

#[cfg(not(unix))]
impl Entrance {
    /// Takes the listener over.
    pub(super) fn of(listener: TcpListener) -> io::Result<Self> {
        Ok(Self(listener))
    }

    /// The next connection.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        self.0.poll_accept(cx).map_ok(|(stream, address)| (Socket::known(stream), Peer(address.ip())))
    }
}
