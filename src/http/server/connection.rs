//! One connection: a head within its time, one answer, a polite end; or a next head, where connections are kept.

use super::{
    Bytes, Limits, Peer, Refusal, Service,
    guests::Seat,
    head::{Head, Reading},
    patience::Patience,
    plain::{Plain, Whole},
    reply::{self, Asked},
    socket::Socket,
    wire::{Tally, Wire},
};
use http::{Method, Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::{
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf},
    task::yield_now,
    time::{Instant, timeout, timeout_at},
};

/// Bytes taken from the socket at a time while a head is read, and while a body is.
const CHUNK: usize = 2 * 1024;
const BODY_CHUNK: usize = 16 * 1024;

/// How much longer than announced a connection is kept. A client that goes by what it was told sends its last request before the
/// announced time is over; on its way it may take longer than the announcement did.
const LONGER: Duration = Duration::from_secs(5);

/// How long, and for how many bytes, a client is listened to that still talks after its answer. Closing while bytes lie unread
/// resets the connection, and the reset may overtake the answer.
const LINGER: Duration = Duration::from_millis(500);
const LINGER_BYTES: usize = 64 * 1024;

/// Buffer of the server library for the body; the head was read before and is bounded by itself.
const BUFFER: usize = 32 * 1024;

/// Largest memory for answers that a connection holds on to between two of them.
const MOST_HELD: usize = 32 * 1024;

/// Serves one connection to its end.
pub(super) async fn attend<S: Service>(stream: Socket, peer: Peer, service: Arc<S>, limits: Limits, seat: Seat) {
    let mut visit = Visit { stream, peer, service, limits, seat, patience: Patience::default(), wire: Vec::new() };
    let now = Instant::now();
    let mut next = Some(Next { head: Head::new(limits), begun: Some(now), until: now });
    while let Some(beginning) = next {
        next = visit.turn(beginning).await;
    }
}

/// The beginning of a request.
struct Next {
    head: Head,
    /// Since when its time counts: the first from the connection on, the following ones from their first byte.
    begun: Option<Instant>,
    /// How long it may take to begin.
    until: Instant,
}

/// What all parts of one connection share.
struct Visit<S> {
    stream: Socket,
    peer: Peer,
    service: Arc<S>,
    limits: Limits,
    seat: Seat,
    patience: Patience,
    /// Bytes of an answer on their way.
    wire: Vec<u8>,
}

impl<S: Service> Visit<S> {
    /// Serves one request. Gives the next one, where the connection goes on.
    async fn turn(&mut self, next: Next) -> Option<Next> {
        let (reading, head, begun) = self.read_head(next).await?;
        let deadline = begun + self.limits.total_time;
        match reading {
            Reading::Tls => self.service.hears_tls(),
            Reading::Refused(refusal) => self.refuse(refusal, deadline).await,
            _ => match self.limits.keep.and_then(|_| Plain::of(&head, &self.limits)) {
                Some(plain) => return self.answer_plainly(plain, head, deadline).await,
                None => self.answer_by_library(head.into_bytes(), Asked::Service, deadline).await,
            },
        }
        None
    }

    /// Reads until there is a verdict; `None` where nothing comes or the client leaves before.
    async fn read_head(&mut self, next: Next) -> Option<(Reading, Head, Instant)> {
        let Next { mut head, mut begun, until } = next;
        while head.reading() == Reading::More {
            let due = begun.map_or(until, |begun| begun + self.limits.head_time);
            let stream = &mut self.stream;
            let read = self.patience.until(due, |cx| poll_read::<CHUNK>(stream, cx, |bytes| _ = head.take(bytes))).await;
            match read {
                Some(Ok(read)) if read > 0 => {}
                None if !head.is_empty() => return Some((Reading::Refused(Refusal::TooSlow), head, begun.unwrap_or(due))),
                // Browsers open connections that they may need later, and leave them without a word.
                _ => return None,
            }
            if begun.is_none() && !head.is_empty() {
                begun = Some(Instant::now());
                self.seat.begins();
            }
        }
        Some((head.reading(), head, begun.unwrap_or_else(Instant::now)))
    }

    /// Answers a plain request plainly, if its answer is plain as well.
    async fn answer_plainly(&mut self, plain: Plain, head: Head, deadline: Instant) -> Option<Next> {
        let Plain { request, length, is_last } = plain;
        let (body, rest) = match self.read_body(length, head.parts().1).await {
            Ok(read) => read,
            Err(refusal) => {
                self.refuse(refusal, deadline).await;
                return None;
            }
        };
        self.seat.is_served();
        let method = request.method().clone();
        let mut request = request.map(|()| body);
        request.extensions_mut().insert(self.peer);
        let mut answering = Arc::clone(&self.service).answer(request);
        let answer = self.patience.until(deadline, |cx| answering.as_mut().poll(cx)).await?;
        drop(answering);
        let whole = match Whole::of(answer).await {
            Ok(whole) => whole,
            Err(answer) => {
                self.answer_by_library(blank(&method), Asked::Answer(answer), deadline).await;
                return None;
            }
        };
        let kept = self.limits.keep.filter(|_| !is_last && !self.seat.is_closing());
        if kept.is_some() {
            // Of answers that follow each other at once, none waits until the one before has arrived.
            self.stream.set_nodelay();
        }
        self.send(whole, &method, kept, deadline).await?;
        let Some(kept) = kept else {
            // Whoever has said that this is the last request sends no more that a close could stumble over.
            if !is_last || !rest.is_empty() {
                self.part().await;
            }
            return None;
        };
        let (head, now) = (Head::following(self.limits, &rest), Instant::now());
        if head.is_empty() {
            self.seat.waits();
        } else {
            self.seat.begins();
            // Whoever sends many requests at once must not keep the others waiting.
            yield_now().await;
        }
        Some(Next { begun: (!head.is_empty()).then_some(now), head, until: now + kept + LONGER })
    }

    /// The body, and what came behind it.
    async fn read_body(&mut self, length: usize, read: &[u8]) -> Result<(Bytes, Vec<u8>), Refusal> {
        if length > self.limits.body {
            return Err(Refusal::BodyTooLarge);
        }
        let mut body = read.to_vec();
        let mut due = None;
        while body.len() < length {
            let due = *due.get_or_insert_with(|| Instant::now() + self.limits.head_time);
            let stream = &mut self.stream;
            match self.patience.until(due, |cx| poll_read::<BODY_CHUNK>(stream, cx, |bytes| body.extend_from_slice(bytes))).await {
                Some(Ok(read)) if read > 0 => {}
                Some(_) => return Err(Refusal::BadRequest),
                None => return Err(Refusal::TooSlow),
            }
        }
        let rest = body.split_off(length);
        Ok((body.into(), rest))
    }

    /// Sends a whole answer; `None` where it does not get through in time.
    async fn send(&mut self, whole: Whole, method: &Method, kept: Option<Duration>, deadline: Instant) -> Option<()> {
        self.wire.clear();
        let body = whole.write(method, kept, &mut self.wire);
        for (piece, follows) in [(self.wire.as_slice(), !body.is_empty()), (&body, false)] {
            let (stream, mut left) = (&mut self.stream, piece);
            // The end of the connection travels in one packet with the end of its last answer.
            let more = follows || kept.is_none();
            while !left.is_empty() {
                let written = self.patience.until(deadline, |cx| stream.poll_send(cx, left, more)).await?.ok()?;
                left = left.get(written..).filter(|_| written > 0)?;
            }
        }
        self.wire.shrink_to(MOST_HELD);
        Some(())
    }

    async fn refuse(&mut self, refusal: Refusal, deadline: Instant) {
        self.answer_by_library(blank(&Method::GET), Asked::Refusal(refusal), deadline).await;
    }

    /// Lets the library read `bytes` and what follows, and write the answer; the connection ends.
    async fn answer_by_library(&mut self, bytes: Vec<u8>, asked: Asked, deadline: Instant) {
        // One answer in one packet gains nothing from waiting for more.
        self.stream.set_nodelay();
        let tally = Tally::default();
        let mut in_time = self.converse(bytes, asked, &tally, deadline).await;
        if tally.is_cut() {
            self.stream.will_reset();
            return;
        }
        if !tally.has_begun() {
            in_time = self.converse(blank(&Method::GET), Asked::Refusal(Refusal::BadRequest), &Tally::default(), deadline).await;
        }
        if in_time {
            self.part().await;
        }
    }

    /// Returns whether it ended in time.
    async fn converse(&mut self, bytes: Vec<u8>, asked: Asked, tally: &Tally, deadline: Instant) -> bool {
        let Self { stream, service, limits, seat, peer, .. } = self;
        let (seat, asked) = (&*seat, Mutex::new(Some(asked)));
        let wire = Wire { stream, read: bytes.into(), tally };
        let answer = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(*peer);
            let asked = asked.lock().unwrap_or_else(PoisonError::into_inner).take();
            reply::answer(Arc::clone(service), *limits, seat, tally, asked.unwrap_or(Asked::Refusal(Refusal::BadRequest)), request)
        });
        let mut builder = http1::Builder::new();
        builder.keep_alive(false).half_close(true).auto_date_header(false).header_read_timeout(None).max_buf_size(BUFFER);
        builder.max_headers(limits.headers);
        let mut conversation = pin!(builder.serve_connection(TokioIo::new(wire), answer));
        match timeout_at(deadline, conversation.as_mut()).await {
            Err(_) if !tally.is_unending() => return false,
            Err(_) => drop(conversation.await),
            // How it ended shows in the tally; the library's words would help nobody.
            Ok(_) => {}
        }
        true
    }

    /// Says that nothing more comes, and hears the client out.
    async fn part(&mut self) {
        if self.stream.shutdown().await.is_ok() && self.seat.lingers() {
            let _ = timeout(LINGER, drain(&mut self.stream)).await;
        }
    }
}

/// A request without any content, by which the library is made to write an answer of ours.
fn blank(method: &Method) -> Vec<u8> {
    format!("{method} / HTTP/1.1\r\n\r\n").into()
}

/// Reads what is there, at most so much, and hands it over; gives how much it was.
fn poll_read<const MOST: usize>(stream: &mut Socket, cx: &mut Context<'_>, take: impl FnOnce(&[u8])) -> Poll<io::Result<usize>> {
    let mut chunk = [0; MOST];
    let mut read = ReadBuf::new(&mut chunk);
    ready!(Pin::new(stream).poll_read(cx, &mut read))?;
    take(read.filled());
    Poll::Ready(Ok(read.filled().len()))
}

async fn drain(stream: &mut Socket) {
    let mut chunk = [0; CHUNK];
    let mut drained = 0;
    while drained < LINGER_BYTES {
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => drained += read,
            _ => break,
        }
    }
}
