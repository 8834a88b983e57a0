//! The sandbox on the HTTP server: who may ask, what is noted, and the faults of the wire.

use super::{
    answer::{self, Answer as Whole},
    call::Call,
    drip::Drip,
    routes,
    settings::Settings,
    state::{State, Visit},
};
use crate::http::server::{self, Answering, Bytes, Refusal, Service, full};
use http::{Request, header};
use http_body_util::BodyExt;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// All that the server's thread and the owner of the sandbox share.
#[derive(Debug)]
pub(super) struct Sandbox {
    pub settings: Settings,
    /// Scheme, host and port.
    pub origin: String,
    /// What a `Host` header may say (SECURITY K-02).
    pub hosts: Vec<String>,
    state: Mutex<State>,
    news: Condvar,
}

/// The pauses of one token request.
#[derive(Debug, Clone, Copy, Default)]
struct Pauses {
    before: Duration,
    after: Duration,
    drip: Duration,
}

impl Sandbox {
    pub(super) fn new(settings: Settings, origin: String, hosts: Vec<String>, state: State) -> Self {
        Self { settings, origin, hosts, state: Mutex::new(state), news: Condvar::new() }
    }

    /// The state. A decision that panicked has at worst lost its own request.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the state is as wanted, `patience` at most; whether it is.
    pub(super) fn wait(&self, patience: Duration, mut wanted: impl FnMut(&State) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.state();
        while !wanted(&state) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.news.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn decide(&self, call: &Call, now: SystemTime) -> Whole {
        let mut state = self.state();
        let mut visit = Visit { settings: &self.settings, state: &mut state, call, now, origin: &self.origin };
        routes::decide(&mut visit)
    }

    async fn serve(&self, request: Request<Bytes>) -> server::Answer {
        let call = Call::read(&request);
        let serial = self.state().journal.arrived(&call);
        self.news.notify_all();
        let pauses = self.pauses(&call);
        let answer = match self.stranger(&request) {
            Some(refused) => refused,
            None => {
                pause(pauses.before).await;
                self.decide(&call, SystemTime::now())
            }
        };
        pause(pauses.after).await;
        self.state().journal.answered(serial, answer.status().as_u16());
        self.news.notify_all();
        dressed(answer, pauses.drip)
    }

    /// Whoever asks under another name than ours is a page that was rebound to this address.
    fn stranger(&self, request: &Request<Bytes>) -> Option<Whole> {
        if request.uri().authority().is_some() {
            return Some(answer::error(400, "invalid_request", "this is not a proxy"));
        }
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let known = host.is_some_and(|host| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)));
        (!known || hosts.next().is_some()).then(|| answer::error(421, "misdirected_request", "this server does not go by that name"))
    }

    fn pauses(&self, call: &Call) -> Pauses {
        if !routes::is_token_endpoint(&call.path) {
            return Pauses::default();
        }
        let state = self.state();
        Pauses { before: state.faults.delay_before, after: state.faults.delay_after, drip: state.faults.drip }
    }
}

impl Service for Sandbox {
    fn answer(self: Arc<Self>, request: Request<Bytes>) -> Answering {
        Box::pin(async move { self.serve(request).await })
    }

    fn refuse(&self, refusal: Refusal) -> server::Answer {
        let words = match refusal {
            Refusal::BadRequest => "this is not a request",
            Refusal::TooSlow => "the request did not come in time",
            Refusal::BodyTooLarge => "the body is too large",
            Refusal::LineTooLong => "the request line is too long",
            Refusal::HeadTooLarge => "the head is too large",
        };
        dressed(answer::error(refusal.status().as_u16(), "invalid_request", words), Duration::ZERO)
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn dressed(answer: Whole, drip: Duration) -> server::Answer {
    answer.map(|bytes| if drip.is_zero() { full(bytes) } else { Drip::new(bytes, drip).boxed_unsync() })
}
