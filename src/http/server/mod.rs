//! The one HTTP server: HTTP/1.1 (RFC 9112) for strangers on the loopback interface.
//!
//! It serves one request per connection and then closes. Everything that a stranger can send is bounded while it is read: bytes,
//! header lines, time, connections. What it refuses by itself is dressed by the [`Service`], so that the server library's
//! own bare answers never reach the wire. It knows no paths and no hosts: who is meant is the service's business, but a
//! service may rely on exactly one `Host` and on a target without a fragment.

mod connection;
mod guests;
mod head;
mod reply;
mod wire;

pub use http_body_util::combinators::UnsyncBoxBody;
pub use hyper::body::Bytes;

use guests::Guests;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::IpAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinSet, yield_now},
};

/// A body to be sent: whole, see [`full`], or any stream of frames.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer to be sent. The server adds `Connection: close` and the length.
pub type Answer = Response<Body>;

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A body that is there as a whole.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed_unsync()
}

/// Who answers. One service is shared by all connections.
pub trait Service: Send + Sync + 'static {
    /// Answers one request. Its body has been read whole and within [`Limits::body`]; it is empty for methods that have none, GET
    /// and HEAD among them, whatever the client announced.
    fn answer(self: Arc<Self>, request: Request<Bytes>) -> Answering;

    /// Dresses an answer of the server's own; its status has to be [`Refusal::status`].
    fn refuse(&self, refusal: Refusal) -> Answer;

    /// Somebody spoke TLS, as browsers do that insist on https. The connection is closed without an answer.
    fn hears_tls(&self) {}
}

/// Why the server refuses by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not a request by the strict reading of RFC 9112.
    BadRequest,
    /// The head did not come in time, or the body did not.
    TooSlow,
    /// The body is longer than [`Limits::body`].
    BodyTooLarge,
    /// The request line is longer than [`Limits::request_line`].
    LineTooLong,
    /// The head is longer than [`Limits::head_bytes`], or has more lines than [`Limits::headers`].
    HeadTooLarge,
}

impl Refusal {
    /// The status that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LineTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

/// An extension of an answer, for rehearsals: the answer is cut off and the connection reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of the serialized answer, head included, that are still sent; 0 sends none.
    pub after: usize,
}

/// An extension of an answer whose body has no end, such as an event stream: [`Limits::total_time`] does not cut it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unending;

/// An extension of a request: who is at the other end of the connection. Where a proxy runs on this machine, that is the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// What strangers may use up.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Open connections. One more, and the oldest whose request is not complete has to go.
    pub connections: usize,
    /// From the connection to the complete head, and once more from there to the complete body.
    pub head_time: Duration,
    /// Bytes of the head, request line included.
    pub head_bytes: usize,
    /// Bytes of the request line.
    pub request_line: usize,
    /// Header lines.
    pub headers: usize,
    /// Bytes of a body; 0 means that none is ever read.
    pub body: usize,
    /// From the connection to the last byte of the answer.
    pub total_time: Duration,
}

impl Default for Limits {
    /// For a service without request bodies. A redirect with a 2 KiB code needs 3 KiB, and browsers add perhaps 2 KiB of headers: what
    /// is larger is not ours.
    fn default() -> Self {
        Self {
            connections: 64,
            head_time: Duration::from_secs(5),
            head_bytes: 16 * 1024,
            request_line: 8 * 1024,
            headers: 100,
            body: 0,
            total_time: Duration::from_secs(15),
        }
    }
}

/// Pause after an accept that failed for want of descriptors or memory: long enough not to spin, too short to be noticed.
const BREATH: Duration = Duration::from_millis(20);

/// How long answers that are being written may go on once the server is to stop.
const FAREWELL: Duration = Duration::from_millis(250);

/// Serves until `stop` is ready, then closes the listeners at once and every connection within a quarter of a second.
///
/// Needs a runtime with time and I/O. Nothing that a client does ends it.
pub async fn serve<S: Service>(listeners: Vec<TcpListener>, service: Arc<S>, limits: Limits, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let guests = Guests::new(limits.connections);
    let mut tasks = JoinSet::new();
    for turn in 0.. {
        match std::future::poll_fn(|cx| next(cx, &listeners, turn, stop.as_mut())).await {
            None => break,
            Some(Ok(stream)) => {
                let (seat, id) = guests.admit();
                let task = tasks.spawn(connection::attend(stream, Arc::clone(&service), limits, seat));
                guests.seated(id, task);
            }
            Some(Err(error)) if is_of_the_peer(&error) => {}
            Some(Err(_)) => {
                guests.make_room();
                tokio::time::sleep(BREATH).await;
            }
        }
        while tasks.try_join_next().is_some() {}
        // A flood of connections must leave those that are open a chance to be read.
        yield_now().await;
    }
    drop(listeners);
    guests.close(FAREWELL).await;
}

/// The next connection or trouble, `None` once the server is to stop. Listeners take turns.
fn next(
    cx: &mut Context<'_>,
    listeners: &[TcpListener],
    turn: usize,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> Poll<Option<io::Result<TcpStream>>> {
    if stop.poll(cx).is_ready() {
        return Poll::Ready(None);
    }
    let first = turn.checked_rem(listeners.len()).unwrap_or_default();
    for listener in listeners.iter().cycle().skip(first).take(listeners.len()) {
        if let Poll::Ready(accepted) = listener.poll_accept(cx) {
            return Poll::Ready(Some(accepted.map(|(stream, _)| stream)));
        }
    }
    Poll::Pending
}

/// Whether an accept failed for a reason that went away with the connection.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}
