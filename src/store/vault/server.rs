//! Calls to the server: one item read, written, removed, or the names of many.
//!
//! A standby may answer from a state that is behind. Each answer carries an index of the state that it comes from; sent
//! back with the wish to be forwarded, nothing older answers from then on. A write is always done by the active node, so
//! whoever has written knows the newest state. A standby that is behind also refuses writes that are right; only a higher
//! version is a conflict.

use super::{
    answer::{self, Item, Refusal},
    place::Place,
    sign_in,
};
use crate::{
    oauth::message::{Request, Response},
    ports::{Clock, StoreError},
    profile::settings::VaultLogin,
    secret::Secret,
    store::World,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use std::{
    cell::{OnceCell, RefCell},
    time::{Duration, Instant},
};
use url::Url;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const INDEX: HeaderName = HeaderName::from_static("x-vault-index");
const INCONSISTENT: HeaderName = HeaderName::from_static("x-vault-inconsistent");

/// First and longest pause before a call is made again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_millis(500));
/// How long a server that cannot be reached is tried: a restart, not an outage.
const UNREACHED: Duration = Duration::from_millis(1500);
/// How often a write that is refused without a higher version is tried again; a standby catches up within some of them.
const FALSE_REFUSALS: usize = 40;
/// Pause between two of them.
const CATCH_UP: Duration = Duration::from_millis(25);
/// A token that ends sooner is not used any more.
const TOKEN_LEFT: Duration = Duration::from_secs(5);

/// A server, found at the first call.
pub(super) struct Server<'w> {
    pub(super) world: &'w World<'w>,
    place: OnceCell<Place>,
    token: RefCell<Option<SignedIn>>,
    index: RefCell<Option<HeaderValue>>,
}

/// A token that a login gave, and when it ends by [`Clock::boottime`].
struct SignedIn {
    token: Secret,
    end: Option<Duration>,
}

impl<'w> Server<'w> {
    pub(super) fn new(world: &'w World<'w>) -> Self {
        Self { world, place: OnceCell::new(), token: RefCell::default(), index: RefCell::default() }
    }

    pub(super) fn place(&self) -> Result<&Place, StoreError> {
        if let Some(place) = self.place.get() {
            return Ok(place);
        }
        let found = Place::find(self.world)?;
        Ok(self.place.get_or_init(|| found))
    }

    fn clock(&self) -> &dyn Clock {
        self.world.clock
    }

    /// What lies there, and in which version.
    pub(super) fn read(&self, below: &[&str], end: Instant) -> Result<Item, StoreError> {
        let place = self.place()?;
        let response = self.ask(&Method::GET, &place.url("data", below), None, end)?;
        answer::item(&response, place, self.clock().now())
    }

    /// Writes over version `over` (0 where nothing lies) and gives the new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where another version lies there.
    pub(super) fn write(&self, below: &[&str], content: &Secret, over: u64, end: Instant) -> Result<u64, StoreError> {
        let place = self.place()?;
        let url = place.url("data", below);
        let body = answer::written(content, over);
        for _ in 0..FALSE_REFUSALS {
            let response = self.ask(&Method::POST, &url, Some(body.clone()), end)?;
            if response.status.is_success() {
                return answer::version(&response, place);
            }
            let found = self.read(below, end)?;
            if found.version > over {
                // An earlier try may have been done, though its answer was lost.
                let is_ours = found.content.is_some_and(|found| found.hash() == content.hash());
                return if is_ours { Ok(found.version) } else { Err(StoreError::Conflict) };
            }
            if self.clock().instant() + CATCH_UP >= end {
                break;
            }
            self.clock().sleep(CATCH_UP);
        }
        Err(StoreError::Conflict)
    }

    /// Removes every version.
    pub(super) fn remove(&self, below: &[&str], end: Instant) -> Result<(), StoreError> {
        let url = self.place()?.url("metadata", below);
        self.ask(&Method::DELETE, &url, None, end).map(drop)
    }

    /// Names of what lies below.
    pub(super) fn list(&self, below: &[&str], end: Instant) -> Result<Vec<String>, StoreError> {
        let place = self.place()?;
        let mut url = place.url("metadata", below);
        url.set_query(Some("list=true"));
        answer::names(&self.ask(&Method::GET, &url, None, end)?, place)
    }

    /// Asks until there is an answer that does not pass: success, nothing there, or a write that was refused.
    fn ask(&self, method: &Method, url: &Url, body: Option<Secret>, end: Instant) -> Result<Response, StoreError> {
        let began = self.clock().instant();
        let mut pause = PAUSES.0;
        let mut may_renew = self.token.borrow().is_some();
        loop {
            let refusal = match self.once(method, url, body.clone(), end) {
                Ok(response) => return Ok(response),
                Err(refusal) => refusal,
            };
            let (error, end) = match refusal {
                Refusal::Final(StoreError::Denied(_)) if may_renew => {
                    // The token of an earlier login may have ended or been revoked.
                    may_renew = false;
                    self.token.take();
                    continue;
                }
                Refusal::Final(error) => return Err(error),
                Refusal::Unreached(error) => (error, end.min(began + UNREACHED)),
                Refusal::Passing(error) => (error, end),
            };
            if self.clock().instant() + pause >= end {
                return Err(error);
            }
            self.clock().sleep(pause);
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn once(&self, method: &Method, url: &Url, body: Option<Secret>, end: Instant) -> Result<Response, Refusal> {
        let token = self.token(end)?;
        let mut request = self.request(method, url, body).map_err(Refusal::Final)?.with_secret_header(TOKEN, token.expose());
        if let Some(index) = self.index.borrow().clone() {
            request.headers.insert(INDEX, index);
            request.headers.insert(INCONSISTENT, HeaderValue::from_static("forward-active-node"));
        }
        let response = self.send(&request, end)?;
        if let Some(index) = response.headers.get(INDEX) {
            self.index.replace(Some(index.clone()));
        }
        Ok(response)
    }

    fn request(&self, method: &Method, url: &Url, body: Option<Secret>) -> Result<Request, StoreError> {
        let mut request = Request { method: method.clone(), body, ..Request::get(url.clone()) };
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Vault's own agents and proxies refuse what a browser could be made to send.
        request.headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &self.place()?.namespace {
            request.headers.insert(NAMESPACE, namespace.clone());
        }
        Ok(request)
    }

    fn send(&self, request: &Request, end: Instant) -> Result<Response, Refusal> {
        let response = self.world.transport.send(request, end).map_err(|undelivered| answer::undelivered(&undelivered))?;
        let place = self.place().map_err(Refusal::Final)?;
        answer::sort(&response, place)?;
        Ok(response)
    }

    /// The token that is there, or one of a login.
    fn token(&self, end: Instant) -> Result<Secret, Refusal> {
        if self.world.vault.login == VaultLogin::Token {
            return sign_in::token(self.world).map_err(Refusal::Final);
        }
        let now = self.clock().boottime();
        if let Some(signed_in) = &*self.token.borrow()
            && signed_in.end.is_none_or(|end| now + TOKEN_LEFT < end)
        {
            return Ok(signed_in.token.clone());
        }
        let auth = self.sign_in(end)?;
        let end = (auth.lease_duration > 0).then(|| now + Duration::from_secs(auth.lease_duration));
        self.token.replace(Some(SignedIn { token: auth.client_token.clone(), end }));
        Ok(auth.client_token)
    }

    fn sign_in(&self, end: Instant) -> Result<sign_in::Auth, Refusal> {
        let (mount, body) = sign_in::body(self.world).map_err(Refusal::Final)?;
        let url = self.place().and_then(|place| place.login_url(mount)).map_err(Refusal::Final)?;
        let body = Secret::new(json!(body).to_string());
        let response = self.send(&self.request(&Method::POST, &url, Some(body)).map_err(Refusal::Final)?, end)?;
        let denied = || Refusal::Final(StoreError::Denied(format!("the login at `auth/{mount}` was refused")));
        if response.status != StatusCode::OK {
            return Err(denied());
        }
        answer::signed_in(&response).map_err(Refusal::Passing)?.auth.ok_or_else(denied)
    }
}
