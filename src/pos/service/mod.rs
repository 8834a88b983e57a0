//! The stand-in on the HTTP server: whatever comes in, what goes out is JSON.
//!
//! A request goes through the gate first. Register calls are answered by the desk's orders, by the integrator's own server, or by the
//! shop and its examples; each is noted with its answer. A decision that fails inside is an answer too.

mod answer;
mod forward;
mod local;
mod register_call;
mod reply;
mod soon;
mod steer;

use super::{
    call::Call,
    desk::Desk,
    faults::Fault,
    gate::{Door, Gate, Keys},
    journal::{Entry, Journal, Why},
    orders::Orders,
    place::Place,
    register, signature,
};
use crate::{
    http::{
        client::Client,
        server::{self, Answering, Bytes, Cut, Refusal, Service},
    },
    secret::Secret,
};
use http::{HeaderMap, HeaderValue, Request, header};
use reply::Reply;
use soon::Soon;
use std::{
    fmt,
    future::ready,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// The header by which the server knows its own look at its public address.
pub const OWN_LOOK: &str = "x-tokenstrap-look";

/// All that the server's thread and its owner share.
pub struct Till {
    /// Who may come in.
    pub gate: Gate,
    /// The tokens of the desk.
    pub keys: Mutex<Keys>,
    /// Scheme, loopback address and port.
    pub origin: String,
    /// What addresses in answers begin with: the public place, else the loopback one.
    pub place: Place,
    /// Every call.
    pub journal: Journal,
    /// Checks signatures, where there is one.
    pub key: Option<Secret>,
    /// Changes real orders, where somebody allowed it.
    pub orders: Option<Arc<dyn Orders>>,
    /// Carries calls on to the integrator's own server.
    pub client: Arc<Client>,
    /// How long that server is waited for.
    pub patience: Duration,
    /// Say what a register would choke on rather than be kind to it.
    pub strict: bool,
    /// Send the answers of a collection as they were saved, JSON or not.
    pub as_saved: bool,
    /// What [`OWN_LOOK`] says in a look of our own.
    pub look: Secret,
    desk: Mutex<Desk>,
}

impl fmt::Debug for Till {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Till({})", self.origin)
    }
}

/// What a till is made of beside its desk, which is handed over with it.
pub struct Parts {
    /// See `Till::gate`.
    pub gate: Gate,
    /// See `Till::keys`.
    pub keys: Keys,
    /// See `Till::origin`.
    pub origin: String,
    /// See `Till::place`.
    pub place: Place,
    /// See `Till::journal`.
    pub journal: Journal,
    /// See `Till::key`.
    pub key: Option<Secret>,
    /// See `Till::orders`.
    pub orders: Option<Arc<dyn Orders>>,
    /// See `Till::strict`.
    pub strict: bool,
    /// See `Till::as_saved`.
    pub as_saved: bool,
    /// See `Till::look`.
    pub look: Secret,
}

/// How long the integrator's own server is waited for. What a register waits is not known; a person at a till waits less.
const PATIENCE: Duration = Duration::from_secs(10);

impl Till {
    /// A till that has not opened yet.
    pub fn new(parts: Parts, desk: Desk) -> Self {
        let Parts { gate, keys, origin, place, journal, key, orders, strict, as_saved, look } = parts;
        Self {
            gate,
            keys: Mutex::new(keys),
            origin,
            place,
            journal,
            key,
            orders,
            client: Arc::new(Client::new(crate::http::client::Options { bar_link_local: true, ..Default::default() })),
            patience: PATIENCE,
            strict,
            as_saved,
            look,
            desk: Mutex::new(desk),
        }
    }

    /// The desk. A decision that panicked has at worst lost its own answer.
    pub fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(self: &Arc<Self>, request: Request<Bytes>) -> Soon<server::Answer> {
        Soon::Now(match self.gate.door(&request) {
            Door::Call(path) if self.is_own_look(&request) => self.look_at_myself(&path),
            Door::Call(path) => return self.call(request, path),
            Door::Desk(path) => {
                let till = Arc::clone(self);
                return Soon::later(async move { till.steer(&request, &path).await });
            }
            Door::Nowhere => self.turn_away(&request, 404, "There is nothing at this path", "404 in JSON, outside the prefix"),
            Door::Elsewhere => {
                let answer = self.turn_away(&request, 421, "This server does not go by that name", "421 in JSON");
                let host = request.headers().get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
                self.journal.note(format!(
                    "the Host `{}` is not ours; is it the public address? then say so with --public-url",
                    host.unwrap_or_default()
                ));
                answer
            }
            Door::Proxy => self.turn_away(&request, 400, "This is not a proxy", "400 in JSON"),
        })
    }

    fn is_own_look(&self, request: &Request<Bytes>) -> bool {
        request.headers().get(OWN_LOOK).and_then(|value| value.to_str().ok()).is_some_and(|value| self.look.matches(value))
    }

    /// Answers a look of our own as a customer search that finds nobody, without a line in the journal.
    fn look_at_myself(&self, _path: &str) -> server::Answer {
        answer::json(200, &serde_json::json!({ "members": {} }))
    }

    /// Notes and answers what is no call.
    fn turn_away(&self, request: &Request<Bytes>, status: u16, words: &str, answered: &str) -> server::Answer {
        let call = Call::read(request);
        let path = call.path.clone();
        let mut noted = Noted::begin(None, &call, request.uri().query());
        noted.0.asked = path;
        self.finish(noted, Reply::error(status, words, answered), None)
    }

    /// Writes the call down with its answer, and puts the answer on its way.
    fn finish(&self, noted: Noted, reply: Reply, fault: Option<Fault>) -> server::Answer {
        let Noted(mut entry, began) = noted;
        let mut sent = answer::sent(reply.status, &reply.content_type, reply.body.clone());
        if let Some(allow) = reply.allow {
            sent.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        entry.status = reply.status;
        entry.content_type = reply.content_type;
        entry.answer = reply.body;
        entry.answered = reply.answered;
        entry.example = reply.example;
        entry.why = reply.why;
        entry.remarks.extend(reply.remarks);
        if !reply.asked.is_empty() {
            entry.asked = reply.asked;
        }
        if let Some(fault) = fault {
            sent = spoilt(sent, fault, &mut entry);
        }
        entry.took = began.elapsed();
        self.journal.enter(entry);
        sent
    }
}

/// A call that is being answered.
struct Noted(Entry, Instant);

impl Noted {
    fn begin(name: Option<&'static str>, call: &Call, query: Option<&str>) -> Self {
        let entry = Entry {
            number: 0,
            at: SystemTime::now(),
            name,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: query.unwrap_or_default().to_owned(),
            headers: copied(&call.headers),
            body: Bytes::copy_from_slice(&call.body),
            asked: String::new(),
            example: None,
            why: Why::Told(Vec::new()),
            remarks: call.remarks.clone(),
            signature: None,
            status: 0,
            content_type: String::new(),
            answer: Bytes::new(),
            answered: String::new(),
            took: Duration::ZERO,
            bytes: 0,
        };
        Self(entry, Instant::now())
    }
}

/// The headers of a request are parts of the buffer that it was read into; a call that is kept must not keep that too (SECURITY K-06).
fn copied(headers: &HeaderMap) -> HeaderMap {
    let bytes = Bytes::from(headers.values().map(HeaderValue::as_bytes).collect::<Vec<_>>().concat());
    let (mut copies, mut at) = (headers.clone(), 0);
    for value in copies.values_mut() {
        let end = at + value.len();
        if let Ok(copy) = HeaderValue::from_maybe_shared(bytes.slice(at..end)) {
            *value = copy;
        }
        at = end;
    }
    copies
}

/// The answer as an ordered fault makes it.
fn spoilt(mut right: server::Answer, fault: Fault, entry: &mut Entry) -> server::Answer {
    entry.remarks.push(format!("the fault `{}` was ordered", fault.name()));
    let half = entry.answer.slice(..entry.answer.len() / 2);
    let (status, content_type, body) = match fault {
        Fault::Slow => return right,
        Fault::Cut => {
            right.extensions_mut().insert(Cut { after: 0 });
            entry.answered = "the connection was reset".to_owned();
            return right;
        }
        Fault::Html => {
            (502, "text/html; charset=utf-8", Bytes::from_static(b"<!doctype html><title>502</title><h1>The tunnel is not connected</h1>"))
        }
        Fault::Empty => (200, answer::JSON, Bytes::new()),
        Fault::Broken => (200, answer::JSON, half),
        Fault::Status(status) => (status, answer::JSON, Bytes::from_static(b"{\"error\":\"This was ordered\"}")),
    };
    entry.status = status;
    content_type.clone_into(&mut entry.content_type);
    entry.answer = body.clone();
    entry.answered = format!("{status}, as ordered: {}", fault.name());
    answer::sent(status, content_type, body)
}

impl Service for Till {
    fn answer(self: Arc<Self>, request: Request<Bytes>) -> Answering {
        // Whatever goes wrong inside of it is not the end of the answer.
        let wrong = || answer::error(500, "This went wrong inside of the server");
        match catch_unwind(AssertUnwindSafe(|| self.serve(request))) {
            Ok(Soon::Now(answer)) => Box::pin(ready(answer)),
            // One that has to wait goes on in a task of its own, also when the caller leaves.
            Ok(Soon::Later(answer)) => {
                let task = tokio::spawn(answer);
                Box::pin(async move { task.await.unwrap_or_else(|_| wrong()) })
            }
            Err(_) => Box::pin(ready(wrong())),
        }
    }

    fn refuse(&self, refusal: Refusal) -> server::Answer {
        let words = match refusal {
            Refusal::BadRequest => "This is not a request",
            Refusal::TooSlow => "The request did not come in time",
            Refusal::BodyTooLarge => "The body is too large",
            Refusal::LineTooLong => "The request line is too long",
            Refusal::HeadTooLarge => "The head is too large",
        };
        answer::error(refusal.status().as_u16(), words)
    }
}

/// The call that a path below the prefix names; a slash at its end and its case do not matter.
fn name_of(path: &str) -> Option<&'static str> {
    let name = path.trim_matches('/').to_ascii_lowercase();
    register::by_name(&name).map(|call| call.name).or((name == "webhook").then_some("webhook"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_06_a_call_that_is_kept_does_not_keep_the_buffer_that_it_was_read_into() {
        let buffer = Bytes::from(vec![b'x'; 1024]);
        let value = HeaderValue::from_maybe_shared(buffer.slice(..8)).expect("a value");
        let request = Request::builder().header("x-kounta-topic", value).body(buffer.slice(8..16)).expect("a request");

        let Noted(entry, _) = Noted::begin(None, &Call::read(&request), None);
        drop(request);

        assert!(buffer.is_unique());
        assert_eq!((entry.headers.get("x-kounta-topic").map(HeaderValue::as_bytes), &*entry.body), (Some(&[b'x'; 8][..]), &[b'x'; 8][..]));
    }
}
