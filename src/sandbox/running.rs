//! A sandbox at work: what it is called, what it saw, and what shall go wrong next.

use super::{faults::Faults, journal::Logged, orders::Payment, routes, service::Sandbox, signature::SigningKey};
use crate::{
    http::server::{Limits, serve},
    secret::Secret,
};
use std::{
    fmt, io,
    net::TcpListener,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, SystemTime},
};
use tokio::sync::oneshot;

/// Bounds as for the listener, with room for a form and for answers that are delayed beyond every client's patience.
const LIMITS: fn() -> Limits = || Limits { body: 64 * 1024, connections: 128, total_time: Duration::from_secs(600), ..Limits::default() };

/// A sandbox that serves. Dropping it closes the port.
pub struct Running {
    sandbox: Arc<Sandbox>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(super) fn start(listener: TcpListener, sandbox: Arc<Sandbox>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let service = Arc::clone(&sandbox);
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn(move || {
            let stopped = async {
                // A sender that is gone means the same.
                let _ = stopped.await;
            };
            runtime.block_on(serve(vec![listener], service, LIMITS(), stopped));
        })?;
        Ok(Self { sandbox, stop: Some(stop), thread: Some(thread) })
    }

    /// Scheme, host and port, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.sandbox.origin
    }

    /// The issuer; only in strict mode the server says it itself.
    pub fn issuer(&self) -> &str {
        &self.sandbox.origin
    }

    /// Where the browser goes.
    pub fn authorization_endpoint(&self) -> String {
        self.at("/authorize")
    }

    /// Where codes become tokens.
    pub fn token_endpoint(&self) -> String {
        self.at(routes::TOKEN)
    }

    /// The API as a resource; only in strict mode it says which server it trusts.
    pub fn resource(&self) -> String {
        self.at(routes::RESOURCE)
    }

    /// Where a token shows whose it is.
    pub fn verify_endpoint(&self) -> String {
        self.at("/v1/companies/me.json")
    }

    /// Any address of this server.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.origin)
    }

    /// The registered client.
    pub fn client_id(&self) -> &str {
        &self.sandbox.settings.client_id
    }

    /// Its secret, unless it is public.
    pub fn client_secret(&self) -> Option<&Secret> {
        self.sandbox.settings.client_secret.as_ref()
    }

    /// Whether it is a modern server.
    pub fn is_strict(&self) -> bool {
        self.sandbox.settings.strict
    }

    /// Changes what goes wrong from now on.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.sandbox.state().faults)
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.sandbox.state().journal.total()
    }

    /// How many requests came to the token endpoint.
    pub fn token_requests(&self) -> u64 {
        let state = self.sandbox.state();
        routes::TOKEN_PATHS.iter().map(|path| state.journal.to(path)).sum()
    }

    /// How many requests came to a path.
    pub fn requests_to(&self, path: &str) -> u64 {
        self.sandbox.state().journal.to(path)
    }

    /// Waits until so many token requests have arrived, `patience` at most; whether they have.
    pub fn wait_for_token_requests(&self, count: u64, patience: Duration) -> bool {
        self.sandbox.wait(patience, |state| routes::TOKEN_PATHS.iter().map(|path| state.journal.to(path)).sum::<u64>() >= count)
    }

    /// Waits until the log is as wanted, `patience` at most; whether it is.
    pub fn wait_for(&self, patience: Duration, wanted: impl Fn(&[Logged]) -> bool) -> bool {
        self.sandbox.wait(patience, |state| wanted(&state.journal.entries()))
    }

    /// How often a spent refresh token came back outside the grace window.
    pub fn reuse_events(&self) -> u64 {
        self.sandbox.state().ledger.reuse_events()
    }

    /// How many refresh tokens could be spent right now.
    pub fn live_refresh_tokens(&self) -> usize {
        self.sandbox.state().ledger.live_refresh_tokens()
    }

    /// Whether an access token is good right now.
    pub fn is_live_access_token(&self, token: &str) -> bool {
        self.sandbox.state().ledger.access(token, SystemTime::now()).is_some()
    }

    /// Whether a refresh token could be spent right now.
    pub fn is_live_refresh_token(&self, token: &str) -> bool {
        self.sandbox.state().ledger.refresh(token).is_some()
    }

    /// Ends all access tokens; refresh tokens stay good.
    pub fn expire_access_tokens(&self) {
        self.sandbox.state().ledger.expire_access_tokens();
    }

    /// Signs with another key from now on.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub fn change_key(&self) -> io::Result<()> {
        let key = SigningKey::generate().map_err(|_| io::Error::other("the system gives no random bytes"))?;
        self.sandbox.state().key = key;
        Ok(())
    }

    /// The last requests, oldest first.
    pub fn log(&self) -> Vec<Logged> {
        self.sandbox.state().journal.entries()
    }

    /// Payments on an order, oldest first.
    pub fn payments(&self, order: u64) -> Vec<Payment> {
        self.sandbox.state().orders.payments(order)
    }

    /// Closes the port.
    pub fn stop(self) {
        drop(self);
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
        write!(f, "Running({})", self.sandbox.origin)
    }
}
