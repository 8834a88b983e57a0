//! The page of the desk: plain HTML, CSS and a little JavaScript from this binary, and the stream of calls that it follows.
//!
//! It asks nobody but this server, and what came from outside only ever becomes text in it. The policy holds both.

use super::journal::Entry;
use hyper::body::{Body, Bytes, Frame};
use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// One file of the page.
pub struct File {
    /// Below the desk.
    pub path: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// What is in it.
    pub text: &'static str,
}

/// The page and what it asks for.
pub static FILES: [File; 3] = [
    File { path: "/", media_type: "text/html; charset=utf-8", text: include_str!("page.html") },
    File { path: "/page.css", media_type: "text/css; charset=utf-8", text: include_str!("page.css") },
    File { path: "/page.js", media_type: "text/javascript; charset=utf-8", text: include_str!("page.js") },
];

/// Own files only, no frame around it, and no string that becomes markup.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                          frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

type Next = Pin<Box<dyn Future<Output = (Result<Arc<Entry>, RecvError>, Receiver<Arc<Entry>>)> + Send>>;

/// Calls as server-sent events (HTML standard, section 9.2), without an end.
pub struct Events {
    begun: bool,
    next: Next,
}

impl Events {
    /// Calls from now on.
    pub fn of(calls: Receiver<Arc<Entry>>) -> Self {
        Self { begun: false, next: after(calls) }
    }
}

fn after(mut calls: Receiver<Arc<Entry>>) -> Next {
    Box::pin(async move { (calls.recv().await, calls) })
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if !std::mem::replace(&mut self.begun, true) {
            // The browser takes the line for open with the first bytes; it comes back a second after it was cut.
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"retry: 1000\n\n")))));
        }
        let (heard, calls) = ready!(self.next.as_mut().poll(cx));
        match heard {
            Ok(entry) => {
                self.next = after(calls);
                Poll::Ready(Some(Ok(Frame::data(format!("data: {}\n\n", entry.document()).into()))))
            }
            // Whoever was too slow asks for all calls when it comes back.
            Err(RecvError::Lagged(_) | RecvError::Closed) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_its_own_files_only_and_makes_no_markup_of_strings() {
        for file in &FILES {
            for never in ["http:", "https:", "//cdn", "innerHTML", "insertAdjacent", "document.write", "eval(", "style=", "onclick="] {
                assert!(!file.text.contains(never), "{never} in {}", file.path);
            }
        }
    }
}
