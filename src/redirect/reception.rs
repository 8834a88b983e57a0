//! What the listener answers to whom. Of a request only method, path, Host and fetch metadata count; the query goes to the attempt.

use super::{
    page::{Page, Pages},
    progress::Progress,
    running::Heard,
};
use crate::{
    http::server::{Answer, Answering, Bytes, Refusal, Service},
    oauth::{
        attempt::{self, Attempt},
        redirect_uri::RedirectUri,
    },
};
use http::{HeaderMap, Method, Request, header::HOST};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
    mpsc::Sender,
};

/// News of noise that is passed on: enough to help a user with an old tab, too few to fill the memory.
const MOST_NEWS: usize = 64;

/// The service at the redirect URI.
pub(super) struct Reception {
    authority: String,
    path: String,
    pages: Pages,
    attempt: Arc<Mutex<Attempt>>,
    heard: Mutex<Sender<Heard>>,
    news: AtomicUsize,
    progress: Arc<Progress>,
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Response,
    Result,
    Refused(Page),
}

impl Reception {
    pub(super) fn new(redirect_uri: &RedirectUri, attempt: Arc<Mutex<Attempt>>, heard: Sender<Heard>, progress: Arc<Progress>) -> Self {
        let path = redirect_uri.url().path().to_owned();
        // The browser has to leave the URL with the code, so the result needs a path of its own.
        let result = if path == "/done" { "/finished" } else { "/done" };
        Self {
            authority: redirect_uri.authority(),
            pages: Pages::new(result),
            path,
            attempt,
            heard: Mutex::new(heard),
            news: AtomicUsize::new(0),
            progress,
        }
    }

    fn purpose(&self, request: &Request<Bytes>) -> Purpose {
        let path = request.uri().path();
        let is_result = path == self.pages.result() && self.progress.has_result();
        if request.headers().get(HOST).is_none_or(|host| host.as_bytes() != self.authority.as_bytes()) {
            return Purpose::Refused(Page::Misdirected);
        }
        if request.method() == Method::CONNECT || request.uri().path() == "*" {
            return Purpose::Refused(Page::WrongMethod);
        }
        if path != self.path && !is_result {
            return Purpose::Refused(Page::NotFound);
        }
        if request.method() != Method::GET {
            return Purpose::Refused(Page::WrongMethod);
        }
        if !is_navigation(request.headers()) {
            return Purpose::Refused(Page::Forbidden);
        }
        if is_result { Purpose::Result } else { Purpose::Response }
    }

    /// Lets the attempt judge the response. The flow hears of it before the browser does.
    fn receive(&self, query: &str) -> Page {
        let reception = self.attempt.lock().unwrap_or_else(PoisonError::into_inner).receive_query(query);
        match reception {
            attempt::Reception::Accepted => {
                self.progress.send_to_result();
                self.tell(Heard::Ended);
                Page::SeeResult
            }
            attempt::Reception::Repeat => {
                self.progress.send_to_result();
                Page::SeeResult
            }
            attempt::Reception::Gone => Page::Gone,
            attempt::Reception::Noise(noise) => {
                self.tell_in_passing(Heard::Noise(noise));
                Page::BadRequest
            }
        }
    }

    async fn result(&self) -> Answer {
        let page = match self.progress.outcome().await {
            Some(true) => Page::Stored,
            Some(false) => Page::NotStored,
            None => Page::LookAtTerminal,
        };
        self.progress.show();
        self.pages.answer(page)
    }

    fn tell_in_passing(&self, news: Heard) {
        if self.news.fetch_add(1, Ordering::Relaxed) < MOST_NEWS {
            self.tell(news);
        }
    }

    fn tell(&self, news: Heard) {
        // A flow that has stopped listening has its response already, or has given up.
        let _ = self.heard.lock().unwrap_or_else(PoisonError::into_inner).send(news);
    }
}

impl Service for Reception {
    fn answer(self: Arc<Self>, request: Request<Bytes>) -> Answering {
        Box::pin(async move {
            match self.purpose(&request) {
                Purpose::Response => self.pages.answer(self.receive(request.uri().query().unwrap_or_default())),
                Purpose::Result => self.result().await,
                Purpose::Refused(page) => self.pages.answer(page),
            }
        })
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        self.pages.answer(match refusal {
            Refusal::BadRequest => Page::BadRequest,
            Refusal::TooSlow => Page::TooSlow,
            Refusal::BodyTooLarge => Page::BodyTooLarge,
            Refusal::LineTooLong => Page::LineTooLong,
            Refusal::HeadTooLarge => Page::HeadTooLarge,
        })
    }

    fn hears_tls(&self) {
        self.tell_in_passing(Heard::Tls);
    }
}

/// Whether a person went there: neither a prefetch nor an image, frame or fetch of some page (Fetch Metadata).
fn is_navigation(headers: &HeaderMap) -> bool {
    let fetched = headers.get_all("sec-fetch-dest").iter().any(|destination| destination != "document");
    let early = ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .any(|name| headers.get_all(*name).iter().any(|purpose| purpose.as_bytes().to_ascii_lowercase().starts_with(b"pre")));
    !fetched && !early
}
