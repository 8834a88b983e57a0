//! The stream between a client and the server library, with a guard in it.
//!
//! Reads begin with what has been read already. Writes are kept from the wire until a service has spoken, because the library
//! answers some requests by itself with a bare status line, and they can be made to break off, for rehearsals.

use super::{Bytes, socket::Socket};
use hyper::body::Buf;
use std::{
    io,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the service said about the answer, told to the stream beneath it.
#[derive(Default)]
pub(super) struct Tally(Mutex<Spoken>);

#[derive(Default, Clone, Copy)]
struct Spoken {
    begun: bool,
    left: Option<usize>,
    unending: bool,
}

impl Tally {
    /// The service has the request: what is written from now on is meant.
    pub(super) fn begin(&self) {
        self.spoken().begun = true;
    }

    /// Only so many bytes more.
    pub(super) fn cut(&self, after: usize) {
        self.spoken().left = Some(after);
    }

    /// The answer has no end.
    pub(super) fn never_ends(&self) {
        self.spoken().unending = true;
    }

    /// Whether the service had the request.
    pub(super) fn has_begun(&self) -> bool {
        self.spoken().begun
    }

    /// Whether the answer was to be cut.
    pub(super) fn is_cut(&self) -> bool {
        self.spoken().left.is_some()
    }

    /// Whether the answer has no end.
    pub(super) fn is_unending(&self) -> bool {
        self.spoken().unending
    }

    fn spoken(&self) -> MutexGuard<'_, Spoken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection as the server library sees it.
pub(super) struct Wire<'c> {
    pub(super) stream: &'c mut Socket,
    /// Read already, to be read again.
    pub(super) read: Bytes,
    pub(super) tally: &'c Tally,
}

impl AsyncRead for Wire<'_> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut *self.stream).poll_read(cx, buf);
        }
        let fitting = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read.copy_to_bytes(fitting));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Spoken { begun, left, .. } = *self.tally.spoken();
        if !begun {
            return Poll::Ready(Ok(bytes.len()));
        }
        let allowed = bytes.get(..left.unwrap_or(bytes.len())).unwrap_or(bytes);
        if allowed.is_empty() && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let written = std::task::ready!(Pin::new(&mut *self.stream).poll_write(cx, allowed))?;
        if let Some(left) = self.tally.spoken().left.as_mut() {
            *left = left.saturating_sub(written);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.stream).poll_flush(cx)
    }

    /// The connection decides itself when to close.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}
