//! The HTTP client: one request, one connection, one answer.
//!
//! What it refuses to do is the point. It follows no redirect, keeps no cookie and no connection, sends nothing twice,
//! talks `http` only to this machine, and reads no more than an answer of this kind can be. Certificates are always
//! checked; there is no way to turn that off. Trouble is sorted by what the server may have seen
//! (RFC 9110 section 9.2.2: a POST may only be repeated where it is known not to have been received).
//!
//! Runtime, certificate authorities and TLS are loaded on first need, the latter two only for `https`.

mod address;
mod connecting;
mod proxy;
mod tls;
mod trouble;

use crate::{
    oauth::{
        endpoint,
        message::{Request, Response, Undelivered},
    },
    ports::Transport,
    text::printable,
};
use connecting::Connecting;
use hyper::body::Bytes;
use std::{
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};
use tokio::time::{sleep_until, timeout_at};
use trouble::Trouble;
use zeroize::Zeroizing;

/// Longest time for name, connection and TLS handshake together.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest silence of a server that has the request. A healthy token endpoint answers within one second.
const SILENCE: Duration = Duration::from_secs(10);
/// Largest body, after decompression. Token answers are a few KiB, key sets and metadata below 100 KiB.
const BODY: usize = 1024 * 1024;
/// Largest head. Browsers and servers stop at 8 to 64 KiB.
const HEAD: usize = 64 * 1024;

/// Takes one line per request, for `-v`: method, origin and path, outcome, milliseconds. Never a query, header or body.
pub type Observer = Box<dyn Fn(&str) + Send + Sync>;

/// What a [`Client`] does beyond the rule.
#[derive(Default)]
pub struct Options {
    /// Refuse link-local addresses, where clouds keep the credentials of their machines. A name's addresses are checked
    /// after it was resolved; what a proxy resolves cannot be.
    pub bar_link_local: bool,
    /// Told about each request when it has ended.
    pub observer: Option<Observer>,
    /// For answers that are no part of OAuth: the largest body in bytes, and the longest silence.
    pub roomy: Option<(usize, Duration)>,
}

pub use proxy::check as check_proxies;

/// Whether the system has certificate authorities, without which no server's certificate can be checked.
///
/// # Errors
/// What the system says.
pub fn authorities() -> Result<(), String> {
    tls::Tls::authorities()
}

/// Carries requests over HTTP/1.1. Costs nothing until the first request.
pub struct Client {
    options: Options,
    tls: tls::Tls,
    silence: Duration,
}

impl Client {
    /// A client with the certificate authorities of the system.
    pub fn new(options: Options) -> Self {
        let silence = options.roomy.map_or(SILENCE, |(_, silence)| silence);
        Self { options, tls: tls::Tls::default(), silence }
    }

    fn exchange(&self, request: &Request, began: Instant, deadline: Instant) -> Result<Response, Undelivered> {
        let trouble = Trouble::new(endpoint::authority(&request.url), began);
        address::admit(&request.url, self.options.bar_link_local).map_err(|detail| trouble.barred(detail))?;
        if began >= deadline {
            return Err(trouble.not_sent("no time is left"));
        }
        let connecting = Connecting::default();
        let client = self.build(request, &connecting, &trouble)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| trouble.not_sent(&error.to_string()))?;
        let largest = self.options.roomy.map_or(BODY, |(largest, _)| largest);
        let patience = Patience { deadline, silence: self.silence, largest };
        let outcome = runtime.block_on(carry(&client, request, &connecting, patience, &trouble));
        // A name server that stays silent would otherwise hold us beyond the deadline: its thread cannot be stopped.
        runtime.shutdown_background();
        outcome
    }

    /// One client per request: whether proxies and certificates matter depends on the target.
    fn build(&self, request: &Request, connecting: &Connecting, trouble: &Trouble) -> Result<reqwest::Client, Undelivered> {
        let builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls.config_for(&request.url).map_err(|detail| trouble.no_roots(&detail))?)
            .user_agent(concat!("tokenstrap/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .dns_resolver(address::Names { bar_link_local: self.options.bar_link_local })
            .connector_layer(connecting.clone());
        let builder = if endpoint::is_loopback(&request.url) {
            builder.no_proxy()
        } else {
            proxy::check(&|name| std::env::var(name).ok()).map_err(|detail| trouble.not_sent(&detail))?;
            builder
        };
        builder.build().map_err(|error| trouble.sort(&error, false))
    }

    fn report(&self, request: &Request, outcome: &Result<Response, Undelivered>, took: Duration) {
        if let Some(observer) = &self.options.observer {
            let end = match outcome {
                Ok(response) => response.status.as_u16().to_string(),
                Err(trouble) => trouble.to_string(),
            };
            observer(&printable(&format!("{request:?}: {end}, {} ms", took.as_millis())));
        }
    }
}

impl Transport for Client {
    fn send(&self, request: &Request, deadline: Instant) -> Result<Response, Undelivered> {
        let began = Instant::now();
        let outcome = self.exchange(request, began, deadline);
        self.report(request, &outcome, began.elapsed());
        outcome
    }
}

/// How long a peer is waited for, and how much is taken from it.
#[derive(Clone, Copy)]
struct Patience {
    deadline: Instant,
    silence: Duration,
    largest: usize,
}

impl Patience {
    /// When a peer that has just been heard must have been heard again.
    fn until(self) -> tokio::time::Instant {
        self.deadline.min(Instant::now() + self.silence).into()
    }
}

async fn carry(
    client: &reqwest::Client,
    request: &Request,
    connecting: &Connecting,
    patience: Patience,
    trouble: &Trouble,
) -> Result<Response, Undelivered> {
    let mut sent = reqwest::Request::new(request.method.clone(), request.url.clone());
    sent.headers_mut().clone_from(&request.headers);
    if let Some(body) = &request.body {
        // Owned by the wiping type, so that the bytes are wiped where the connection drops them.
        *sent.body_mut() = Some(Bytes::from_owner(Zeroizing::new(body.expose().as_bytes().to_vec())).into());
    }
    let mut answer = head(client.execute(sent), connecting, patience, trouble).await?;
    let size: usize = answer.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > HEAD {
        return Err(trouble.too_large());
    }
    let body = body(&mut answer, patience, trouble).await?;
    Ok(Response { status: answer.status(), headers: std::mem::take(answer.headers_mut()), body })
}

/// Waits for the head: until the deadline and, from the moment the connection stands, as long as a peer may be silent.
async fn head(
    exchange: impl Future<Output = reqwest::Result<reqwest::Response>>,
    connecting: &Connecting,
    patience: Patience,
    trouble: &Trouble,
) -> Result<reqwest::Response, Undelivered> {
    let mut exchange = pin!(exchange);
    let mut end = pin!(sleep_until(patience.deadline.into()));
    let mut waits_for_answer = false;
    std::future::poll_fn(|context| {
        if let Poll::Ready(outcome) = exchange.as_mut().poll(context) {
            return Poll::Ready(outcome.map_err(|error| trouble.sort(&error, connecting.is_over())));
        }
        if connecting.is_over() && !waits_for_answer {
            waits_for_answer = true;
            Pin::as_mut(&mut end).reset(patience.until());
        }
        let over = end.as_mut().poll(context).is_ready();
        if over { Poll::Ready(Err(trouble.timed_out(connecting.is_over()))) } else { Poll::Pending }
    })
    .await
}

/// Reads the body chunk by chunk, as it comes out of the decompression, and stops at the largest size.
async fn body(answer: &mut reqwest::Response, patience: Patience, trouble: &Trouble) -> Result<Zeroizing<Vec<u8>>, Undelivered> {
    let mut body = Zeroizing::new(Vec::with_capacity(4096));
    loop {
        let chunk = match timeout_at(patience.until(), answer.chunk()).await {
            Err(_) => return Err(trouble.timed_out(true)),
            Ok(Err(error)) => return Err(trouble.sort(&error, true)),
            Ok(Ok(None)) => return Ok(body),
            Ok(Ok(Some(chunk))) => chunk,
        };
        if body.len() + chunk.len() > patience.largest {
            return Err(trouble.too_large());
        }
        append(&mut body, &chunk);
    }
}

/// Appends without leaving an unwiped copy behind, as a vector does that grows by itself.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    let needed = body.len() + chunk.len();
    if needed > body.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(body.capacity() * 2)));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}

#[cfg(all(test, unix))]
mod tests;
