//! Sorts what went wrong into [`Undelivered`].
//!
//! Texts come from the innermost cause alone: the outer ones of reqwest may carry the URL with its query.

use super::address::LinkLocal;
use crate::{oauth::message::Undelivered, text::printable};
use std::{
    error::Error,
    io,
    time::{Duration, Instant},
};

/// Whose trouble it is, and since when.
pub(super) struct Trouble {
    host: String,
    began: Instant,
}

impl Trouble {
    pub(super) fn new(host: String, began: Instant) -> Self {
        Self { host: printable(&host), began }
    }

    fn host(&self) -> String {
        self.host.clone()
    }

    pub(super) fn barred(&self, detail: &str) -> Undelivered {
        Undelivered::Barred { host: self.host(), detail: detail.to_owned() }
    }

    pub(super) fn not_sent(&self, detail: &str) -> Undelivered {
        Undelivered::NotSent { host: self.host(), detail: printable(detail) }
    }

    pub(super) fn no_roots(&self, detail: &str) -> Undelivered {
        Undelivered::NoRoots { host: self.host(), detail: printable(detail) }
    }

    pub(super) fn too_large(&self) -> Undelivered {
        Undelivered::TooLarge { host: self.host() }
    }

    /// Our patience ended; `connected` tells whether the server may have the request.
    pub(super) fn timed_out(&self, connected: bool) -> Undelivered {
        let after = self.began.elapsed();
        if connected {
            Undelivered::TimedOut { host: self.host(), after }
        } else {
            self.not_sent(&format!("no connection in {} s", whole_seconds(after)))
        }
    }

    /// Sorts an error; `connected` tells whether the server may have the request.
    pub(super) fn sort(&self, error: &reqwest::Error, connected: bool) -> Undelivered {
        let causes = causes(error);
        let any = |test: &dyn Fn(&(dyn Error + 'static)) -> bool| causes.iter().any(|cause| test(*cause));
        if !connected {
            let detail = causes.last().map(|cause| printable(&cause.to_string())).unwrap_or_default();
            return match () {
                () if any(&|cause| cause.is::<LinkLocal>()) => self.barred(&LinkLocal.to_string()),
                () if any(&is_certificate) => Undelivered::CertificateRefused { host: self.host(), detail },
                () if error.is_timeout() => self.timed_out(false),
                () => self.not_sent(&detail),
            };
        }
        if any(&|cause| cause.downcast_ref().is_some_and(hyper::Error::is_parse_too_large)) {
            self.too_large()
        } else if error.is_timeout() {
            self.timed_out(true)
        } else {
            Undelivered::PeerEnded { host: self.host() }
        }
    }
}

/// Seconds, never 0: "in 0 s" reads like a mistake.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().max(1)
}

/// The error and all that caused it, outermost first. An `io::Error` hides what it carries from `source`.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        causes.push(cause);
        let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match carried {
            Some(carried) => Some(carried as &(dyn Error + 'static)),
            None => cause.source(),
        };
    }
    causes
}

fn is_certificate(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref::<rustls::Error>().is_some_and(|error| {
        matches!(
            error,
            rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::UnsupportedNameType
                | rustls::Error::InvalidCertRevocationList(_)
        )
    })
}
