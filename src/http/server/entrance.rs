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
        #[expect(
            deprecated,
            reason = "sound for a listener of the standard library, which has one descriptor for life; its heir is unsafe"
        )]
        tokio::io::unix::AsyncFd::with_interest(listener, tokio::io::Interest::READABLE).map(Self)
    }

    /// The next connection, not known to the runtime yet.
    pub(super) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Socket, Peer)>> {
        loop {
            let mut ready = std::task::ready!(self.0.poll_read_ready(cx))?;
            if let Ok(accepted) = ready.try_io(|listener| accept(listener.get_ref())) {
                return Poll::Ready(accepted.map(|(stream, address)| (Socket::new(stream), Peer(address.ip()))));
            }
        }
    }
}

/// A connection that does not block.
#[cfg(target_os = "linux")]
fn accept(listener: &std::net::TcpListener) -> io::Result<(std::net::TcpStream, std::net::SocketAddr)> {
    use rustix::net::{SocketFlags, acceptfrom_with};
    let (stream, address) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let address = address.and_then(|address| address.try_into().ok()).ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((stream.into(), address))
}

/// The same in two steps.
#[cfg(all(unix, not(target_os = "linux")))]
fn accept(listener: &std::net::TcpListener) -> io::Result<(std::net::TcpStream, std::net::SocketAddr)> {
    let (stream, address) = listener.accept()?;
    stream.set_nonblocking(true)?;
    Ok((stream, address))
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
