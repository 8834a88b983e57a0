//! A till that is open: its socket, its thread, its end.

use super::service::Till;
use crate::{
    http::server::{Limits, serve},
    platform::holder,
};
use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};
use tokio::sync::oneshot;

/// Bounds as for the redirect listener, with room for a body and for answers that are held back for rehearsal (SECURITY K-06).
const LIMITS: fn() -> Limits =
    || Limits { body: 256 * 1024, connections: 256, total_time: Duration::from_secs(600), keep: Some(KEPT), ..Limits::default() };

/// How long a connection is kept for a next call. Clients that do not look at what is announced give up sooner by themselves: tunnels
/// written in Go after 90 s, curl after 118 s.
const KEPT: Duration = Duration::from_secs(120);

/// Calls that wait for another server or for the store at the same time; each has a thread.
const MOST_WAITING: usize = 32;

/// How long threads that wait for another server are given at the end.
const FAREWELL: Duration = Duration::from_millis(300);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Somebody else holds the port.
    #[error("port {port} is held by {}", holder.as_deref().unwrap_or("another program"))]
    Taken {
        /// Which port.
        port: u16,
        /// Who, such as `pid 123 (nc)`, where the system tells.
        holder: Option<String>,
    },
    /// The address is none of this machine's, or the system says no.
    #[error("{address} cannot be listened at ({error})")]
    Unusable {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        error: io::Error,
    },
}

/// Binds an address, and the loopback interface beside it, where the desk is; port 0 takes a free one.
///
/// # Errors
/// [`SocketError`].
pub fn bind(address: IpAddr, port: u16) -> Result<(Vec<TcpListener>, u16), SocketError> {
    let (first, port) = bind_one(address, port)?;
    if address.is_loopback() || address.is_unspecified() {
        return Ok((vec![first], port));
    }
    let (second, port) = bind_one(IpAddr::V4(Ipv4Addr::LOCALHOST), port)?;
    Ok((vec![first, second], port))
}

fn bind_one(address: IpAddr, port: u16) -> Result<(TcpListener, u16), SocketError> {
    let at = SocketAddr::new(address, port);
    let bound = TcpListener::bind(at).and_then(|socket| {
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        Ok((socket, port))
    });
    bound.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => SocketError::Taken { port, holder: holder::of(address, port) },
        _ => SocketError::Unusable { address: at, error },
    })
}

/// A till that serves. Dropping it closes the port.
pub struct Running {
    till: Arc<Till>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// Where the system gives no thread, or the runtime refuses the socket.
    pub fn start(sockets: Vec<TcpListener>, till: Till) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(MOST_WAITING).build()?;
        let listeners = {
            let _context = runtime.enter();
            sockets.into_iter().map(tokio::net::TcpListener::from_std).collect::<io::Result<Vec<_>>>()?
        };
        let till = Arc::new(till);
        let (stop, stopped) = oneshot::channel();
        let service = Arc::clone(&till);
        let thread = std::thread::Builder::new().name("pos".to_owned()).spawn(move || {
            let stopped = async {
                // A sender that is gone means the same.
                let _ = stopped.await;
            };
            // A task of its own: what the runtime itself waits for is woken by a system call each time.
            let _ = runtime.block_on(async { tokio::spawn(serve(listeners, service, LIMITS(), stopped)).await });
            runtime.shutdown_timeout(FAREWELL);
        })?;
        Ok(Self { till, stop: Some(stop), thread: Some(thread) })
    }

    /// What it is made of.
    pub fn till(&self) -> &Till {
        &self.till
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has closed its sockets all the same.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Running({})", self.till.origin)
    }
}
