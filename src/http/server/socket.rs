//! The stream of a connection, which is asked directly at first, and through the runtime once it has to be waited for.
//!
//! Most requests lie in the socket when their connection is accepted, and most answers fit into it: neither has to be waited for, and
//! telling the runtime about such a connection costs more than serving it.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

/// One connection.
pub(super) struct Socket {
    known: Known,
    nodelay: bool,
}

enum Known {
    /// To the system alone; nothing that is asked of it waits.
    System(std::net::TcpStream),
    /// To the runtime.
    Runtime(TcpStream),
    /// Neither: the runtime did not take it.
    Nobody,
}

impl Socket {
    /// A connection that the runtime does not know; it must not block.
    #[cfg(unix)]
    pub(super) fn new(stream: std::net::TcpStream) -> Self {
        Self { known: Known::System(stream), nodelay: false }
    }

    /// A connection that the runtime knows.
    #[cfg(not(unix))]
    pub(super) fn known(stream: TcpStream) -> Self {
        Self { known: Known::Runtime(stream), nodelay: false }
    }

    /// Each write is sent at once, whatever is still on its way.
    pub(super) fn set_nodelay(&mut self) {
        if std::mem::replace(&mut self.nodelay, true) {
            return;
        }
        let _ = match &self.known {
            Known::System(stream) => stream.set_nodelay(true),
            Known::Runtime(stream) => stream.set_nodelay(true),
            Known::Nobody => Ok(()),
        };
    }

    /// Lets the end of the connection be a reset.
    pub(super) fn will_reset(&mut self) {
        if let Ok(stream) = self.waited() {
            let _ = stream.set_zero_linger();
        }
    }

    /// Sends what fits. Where `more` follows at once, be it the end of the connection, the system waits for that; where it fits
    /// into the same packet, one is saved.
    #[cfg(target_os = "linux")]
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8], more: bool) -> Poll<io::Result<usize>> {
        use rustix::net::{SendFlags, send};
        if !more {
            return Pin::new(self).poll_write(cx, bytes);
        }
        let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
        while let Known::System(stream) = &self.known {
            match send(stream, bytes, flags) {
                Ok(sent) => return Poll::Ready(Ok(sent)),
                Err(error) => self.goes_on(error.into())?,
            }
        }
        let stream = self.waited()?;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            match stream.try_io(Interest::WRITABLE, || Ok(send(&*stream, bytes, flags)?)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    /// Sends what fits.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8], _more: bool) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(cx, bytes)
    }

    /// After an error that is none: once more, or by the runtime.
    fn goes_on(&mut self, error: io::Error) -> io::Result<()> {
        match error.kind() {
            io::ErrorKind::Interrupted => Ok(()),
            io::ErrorKind::WouldBlock => self.waited().map(drop),
            _ => Err(error),
        }
    }

    fn waited(&mut self) -> io::Result<&mut TcpStream> {
        if let Known::System(_) = self.known
            && let Known::System(stream) = std::mem::replace(&mut self.known, Known::Nobody)
        {
            self.known = Known::Runtime(TcpStream::from_std(stream)?);
        }
        match &mut self.known {
            Known::Runtime(stream) => Ok(stream),
            Known::System(_) | Known::Nobody => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while let Known::System(stream) = &mut self.known {
            match stream.read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) => self.goes_on(error)?,
            }
        }
        Pin::new(self.waited()?).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        while let Known::System(stream) = &mut self.known {
            match stream.write(bytes) {
                Ok(written) => return Poll::Ready(Ok(written)),
                Err(error) => self.goes_on(error)?,
            }
        }
        Pin::new(self.waited()?).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Nothing is held back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Known::System(stream) = &self.known {
            return Poll::Ready(stream.shutdown(std::net::Shutdown::Write));
        }
        Pin::new(self.waited()?).poll_shutdown(cx)
    }
}
