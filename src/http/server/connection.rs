//! One connection: a head within its time, one answer, a polite end.

use super::{
    Limits, Peer, Refusal, Service,
    guests::Seat,
    head::{Head, Reading},
    reply::{self, Asked},
    wire::{Tally, Wire},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout, timeout_at},
};

/// Bytes taken from the socket at a time while the head is read.
const CHUNK: usize = 2 * 1024;

/// How long, and for how many bytes, a client is listened to that still talks after its answer. Closing while bytes lie unread
/// resets the connection, and the reset may overtake the answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 64 * 1024;

/// Buffer of the server library for the body; the head was read before and is bounded by itself.
const BUFFER: usize = 32 * 1024;

/// A request without any content, by which the library is made to write a refusal.
const BLANK: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// Serves one connection to its end.
pub(super) async fn attend<S: Service>(mut stream: TcpStream, service: Arc<S>, limits: Limits, seat: Seat) {
    let deadline = Instant::now() + limits.total_time;
    // One answer in one packet gains nothing from waiting for more.
    let _ = stream.set_nodelay(true);
    let mut head = Head::new(limits);
    let reading = timeout(limits.head_time, read_head(&mut stream, &mut head)).await;
    let asked = match reading {
        Ok(Some(Reading::Complete)) => Asked::Service,
        Ok(Some(Reading::Refused(refusal))) => Asked::Refusal(refusal),
        Ok(Some(Reading::Tls)) => return service.hears_tls(),
        Err(_) if !head.is_empty() => Asked::Refusal(Refusal::TooSlow),
        // Browsers open connections that they may need later, and leave them without a word.
        Ok(_) | Err(_) => return,
    };
    let peer = stream.peer_addr().ok().map(|address| Peer(address.ip()));
    let visit = Visit { service, limits, seat: &seat, deadline, peer };
    let bytes = match asked {
        Asked::Service => head.into_bytes(),
        Asked::Refusal(_) => BLANK.to_vec(),
    };
    let tally = Tally::default();
    let mut in_time = visit.reply(&mut stream, bytes, asked, &tally).await;
    if tally.is_cut() {
        let _ = stream.set_zero_linger();
        return;
    }
    if !tally.has_begun() {
        in_time = visit.reply(&mut stream, BLANK.to_vec(), Asked::Refusal(Refusal::BadRequest), &Tally::default()).await;
    }
    if in_time && stream.shutdown().await.is_ok() && seat.lingers() {
        let _ = timeout(LINGER, drain(&mut stream)).await;
    }
}

/// Reads until there is a verdict; `None` where the client leaves before.
async fn read_head(stream: &mut TcpStream, head: &mut Head) -> Option<Reading> {
    let mut chunk = [0; CHUNK];
    loop {
        let read = stream.read(&mut chunk).await.ok().filter(|read| *read > 0)?;
        match head.take(chunk.get(..read)?) {
            Reading::More => {}
            verdict => return Some(verdict),
        }
    }
}

/// What all parts of one connection share.
struct Visit<'v, S> {
    service: Arc<S>,
    limits: Limits,
    seat: &'v Seat,
    deadline: Instant,
    peer: Option<Peer>,
}

impl<S: Service> Visit<'_, S> {
    /// Lets the library read `bytes` and what follows, and write the answer. Returns whether that ended in time.
    async fn reply(&self, stream: &mut TcpStream, bytes: Vec<u8>, asked: Asked, tally: &Tally) -> bool {
        let wire = Wire { stream, read: bytes.into(), tally };
        let answer = service_fn(|mut request: http::Request<Incoming>| {
            if let Some(peer) = self.peer {
                request.extensions_mut().insert(peer);
            }
            reply::answer(Arc::clone(&self.service), self.limits, self.seat, tally, asked, request)
        });
        let mut builder = http1::Builder::new();
        builder.keep_alive(false).half_close(true).auto_date_header(false).header_read_timeout(None).max_buf_size(BUFFER);
        builder.max_headers(self.limits.headers);
        let mut conversation = pin!(builder.serve_connection(TokioIo::new(wire), answer));
        match timeout_at(self.deadline, conversation.as_mut()).await {
            Err(_) if !tally.is_unending() => return false,
            Err(_) => drop(conversation.await),
            // How it ended shows in the tally; the library's words would help nobody.
            Ok(_) => {}
        }
        true
    }
}

async fn drain(stream: &mut TcpStream) {
    let mut chunk = [0; CHUNK];
    let mut drained = 0;
    while drained < LINGER_BYTES {
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => drained += read,
            _ => break,
        }
    }
}
