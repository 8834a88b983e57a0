//! One call until there is an answer worth showing: a dead token is renewed once, a rate limit waited for, a redirect
//! followed where the token may go.

use crate::{
    cli::{
        bound,
        context::Context,
        failure::Failure,
        token::{hand_out, need},
    },
    flow::{self, Need},
    http::client::Client,
    oauth::{
        answer::read_retry_after,
        api::Api,
        bearer,
        message::{Request, Response},
        request,
        token::TokenSet,
    },
    output::Handout,
    ports::Transport,
    profile::{ProfileName, Registration},
    secret::Secret,
};
use http::{
    HeaderMap, HeaderValue, Method,
    header::{CONTENT_TYPE, LOCATION, RETRY_AFTER},
};
use std::{
    thread,
    time::{Duration, Instant},
};
use url::Url;

/// Redirects of one call that are followed.
const MOST_REDIRECTS: u32 = 3;
/// Waits of one call for a rate limit.
const MOST_WAITS: u32 = 3;

/// What proves who calls.
pub(super) enum Credentials {
    Token(TokenSet),
    /// Client id and secret.
    Basic,
}

/// A call that may be sent several times.
pub(super) struct Exchange<'a> {
    pub context: &'a Context,
    pub profile: ProfileName,
    pub client: &'a Client,
    pub api: Api<'a>,
    pub registration: &'a Registration,
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Option<Secret>,
    pub credentials: Credentials,
    pub deadline: Instant,
    pub renewed: bool,
}

impl Exchange<'_> {
    /// Sends until there is an answer; gives the address that answered, too.
    pub fn send(&mut self, url: &Url) -> Result<(Url, Response), Failure> {
        let mut url = url.clone();
        let (mut redirects, mut waits) = (0, 0);
        loop {
            let response = self.client.send(&self.request(&url)?, self.deadline)?;
            match response.status.as_u16() {
                401 if self.renew()? => {}
                301 | 302 | 303 | 307 | 308 if redirects < MOST_REDIRECTS => match self.redirected(&url, &response) {
                    Some(target) => (url, redirects) = (target, redirects + 1),
                    None => return Ok((url, response)),
                },
                429 | 503 if waits < MOST_WAITS => match self.wait(&response) {
                    Some(wait) => {
                        self.context.say(&format!("the server asks to wait {} s", wait.as_secs()));
                        thread::sleep(wait);
                        waits += 1;
                    }
                    None => return Ok((url, response)),
                },
                _ => return Ok((url, response)),
            }
        }
    }

    fn request(&self, url: &Url) -> Result<Request, Failure> {
        let mut request = Request::get(url.clone());
        request.method = self.method.clone();
        request.body.clone_from(&self.body);
        if self.body.is_some() {
            request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for name in self.headers.keys() {
            request.headers.remove(name);
        }
        request.headers.extend(self.headers.clone());
        match &self.credentials {
            Credentials::Token(tokens) => {
                let unprintable = |error: crate::output::Unprintable| Failure::new(super::Exit::Refused, error.to_string());
                Handout::new(tokens, self.context.now(), "ACCESS_TOKEN").map_err(unprintable)?;
                Ok(bearer::call(request, &tokens.access_token))
            }
            Credentials::Basic => {
                let client = request::Client { pins: &self.registration.pins, secret: self.registration.client_secret.as_ref() };
                client.basic_call(request).ok_or_else(|| Failure::usage("there is no client secret"))
            }
        }
    }

    /// Whether there is another token to try: somebody's newer one, else a refreshed one (SECURITY T-31).
    fn renew(&mut self) -> Result<bool, Failure> {
        let Credentials::Token(used) = &self.credentials else { return Ok(false) };
        if std::mem::replace(&mut self.renewed, true) {
            return Ok(false);
        }
        let settings = self.context.settings(&self.profile)?;
        let record = bound::record(self.context, &self.profile)?;
        let stored = record.current.as_ref().map(|current| &current.tokens);
        let newer = stored.filter(|stored| stored.access_token.hash() != used.access_token.hash());
        if let Some(newer) = newer.filter(|newer| newer.is_fresh(self.context.now(), Duration::ZERO)) {
            self.credentials = Credentials::Token(newer.clone());
            return Ok(true);
        }
        if !self.context.with_grant(&self.profile, &settings, |world| Ok(flow::may_renew(world, &record)))? {
            return Ok(false);
        }
        let forced = Need { force: true, ..need(self.context, Duration::from_secs(60)) };
        let handed = hand_out(self.context, &self.profile, &settings, &forced)?;
        self.context.warn(&handed.warnings);
        let Some(tokens) = handed.tokens() else { return Ok(false) };
        self.credentials = Credentials::Token(tokens.clone());
        Ok(true)
    }

    /// Where a GET is sent on to, if the token may go there.
    fn redirected(&self, url: &Url, response: &Response) -> Option<Url> {
        let target = url.join(response.header(&LOCATION)?).ok()?;
        (matches!(self.method, Method::GET | Method::HEAD) && self.api.allows(&target)).then_some(target)
    }

    /// How long the server asks to wait, where that fits into the time that is left. A call that changes something is
    /// repeated only after 429, which says that it was not done.
    fn wait(&self, response: &Response) -> Option<Duration> {
        let wait = read_retry_after(response.header(&RETRY_AFTER)?, self.context.now())?.max(Duration::from_secs(1));
        let repeatable = response.status.as_u16() == 429 || matches!(self.method, Method::GET | Method::HEAD);
        let fits = Instant::now() + wait + Duration::from_secs(5) < self.deadline;
        (repeatable && fits).then_some(wait)
    }
}
