//! The one HTTP server: HTTP/1.1 (RFC 9112) for strangers on the loopback interface.
//!
//! It serves one request per connection and then closes, unless [`Limits::keep`] says otherwise. Everything that a stranger can send is
//! bounded while it is read: bytes, header lines, time, connections. What it refuses by itself is dressed by the [`Service`],
//! so that the server library's own bare answers never reach the wire. It knows no paths and no hosts: who is meant is the
//! service's business, but a service may rely on exactly one `Host` and on a target without a fragment.
//!
//! # Connections that are kept
//!
//! A connection that is kept ends some day, and a request that its client sends at that moment is lost (RFC 9112 section 9.5). So a
//! connection ends only while no request is under way; each answer announces how long the next one may take, and the
//! connection is kept longer than that. A client that goes by the announcement never meets the end of its connection.
//! A request that was refused, whose body was not read whole, or whose framing is anything but a plain length is the last one of its
//! connection: no second reader can take the rest of it for a request.

mod connection;
mod entrance;
mod guests;
mod head;
mod patience;
mod plain;
mod reply;
mod socket;
mod wire;

pub use http_body_util::combinators::UnsyncBoxBody;
pub use hyper::body::Bytes;

use entrance::Entrance;
use guests::Guests;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use std::{
    convert::Infallible,
    future::Future,
    io,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{net::TcpListener, task::yield_now};

/// A body to be sent: whole, see [`full`], or any stream of frames.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer to be sent. The server adds the length, and whether the connection is kept.
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
    /// Open connections. One more, and one has to go that has no request under way, else the oldest whose request is not complete.
    pub connections: usize,
    /// How long a connection without a request under way is kept for a next one, as each answer announces in whole seconds; really it
    /// is kept a few seconds longer. `None` closes after each answer.
    pub keep: Option<Duration>,
    /// From the connection, or the first byte of a later request, to the complete head, and once more from there to the complete body.
    pub head_time: Duration,
    /// Bytes of the head, request line included.
    pub head_bytes: usize,
    /// Bytes of the request line.
    pub request_line: usize,
    /// Header lines.
    pub headers: usize,
    /// Bytes of a body; 0 means that none is ever read.
    pub body: usize,
    /// From the connection, or the first byte of a later request, to the last byte of the answer.
    pub total_time: Duration,
}

impl Default for Limits {
    /// For a service without request bodies. A redirect with a 2 KiB code needs 3 KiB, and browsers add perhaps 2 KiB of headers: what
    /// is larger is not ours.
    fn default() -> Self {
        Self {
            connections: 64,
            keep: None,
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

/// Connections that are accepted before those that are open get their turn.
const IN_A_ROW: usize = 8;

/// How long answers that are being written may go on once the server is to stop.
const FAREWELL: Duration = Duration::from_millis(250);

/// Serves until `stop` is ready, then closes the listeners at once and every connection within a quarter of a second.
///
/// Needs a runtime with time and I/O. Nothing that a client does ends it.
pub async fn serve<S: Service>(listeners: Vec<TcpListener>, service: Arc<S>, limits: Limits, stop: impl Future<Output = ()>) {
    let mut stop = pin!(stop);
    let guests = Guests::new(limits.connections);
    let entrances: Vec<_> = listeners.into_iter().filter_map(|listener| Entrance::of(listener).ok()).collect();
    for turn in 1_usize.. {
        match std::future::poll_fn(|cx| next(cx, &entrances, turn, stop.as_mut())).await {
            None => break,
            Some(Ok((socket, peer))) => {
                let (seat, id) = guests.admit();
                let visit = connection::attend(socket, peer, Arc::clone(&service), limits, seat);
                if let Some(visit) = begun(Box::pin(visit)).await {
                    guests.seated(id, tokio::spawn(visit).abort_handle());
                }
            }
            Some(Err(error)) if is_of_the_peer(&error) => {}
            Some(Err(_)) => {
                guests.make_room();
                tokio::time::sleep(BREATH).await;
            }
        }
        // A flood of connections must leave those that are open a chance to be read.
        if turn.is_multiple_of(IN_A_ROW) {
            yield_now().await;
        }
    }
    drop(entrances);
    guests.close(FAREWELL).await;
}

/// Goes as far as is possible without waiting; nothing is left of most connections then. What went wrong inside is the end of the
/// connection and not of the server.
async fn begun<F: Future<Output = ()>>(mut visit: Pin<Box<F>>) -> Option<Pin<Box<F>>> {
    let polled = std::future::poll_fn(|cx| Poll::Ready(catch_unwind(AssertUnwindSafe(|| visit.as_mut().poll(cx))))).await;
    matches!(polled, Ok(Poll::Pending)).then_some(visit)
}

/// The next connection or trouble, `None` once the server is to stop. Listeners take turns.
fn next(
    cx: &mut Context<'_>,
    entrances: &[Entrance],
    turn: usize,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> Poll<Option<io::Result<(socket::Socket, Peer)>>> {
    if stop.poll(cx).is_ready() {
        return Poll::Ready(None);
    }
    let first = turn.checked_rem(entrances.len()).unwrap_or_default();
    for entrance in entrances.iter().cycle().skip(first).take(entrances.len()) {
        if let Poll::Ready(accepted) = entrance.poll_accept(cx) {
            return Poll::Ready(Some(accepted));
        }
    }
    Poll::Pending
}

/// Whether an accept failed for a reason that went away with the connection.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}
