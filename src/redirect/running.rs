//! A listener at work: its own thread with its own runtime, so that neither a slow keychain nor a slow browser holds up the other.

use super::{progress::Progress, reception::Reception};
use crate::{
    http::server::{Limits, serve},
    oauth::{
        attempt::{Attempt, Noise},
        redirect_uri::RedirectUri,
    },
};
use std::{
    fmt, io,
    net::TcpListener,
    sync::{Arc, Mutex, mpsc::Sender},
    thread::JoinHandle,
};

/// News from the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// The attempt has ended; how, it says itself. Told before the browser gets its answer.
    Ended,
    /// Something came that was not for us. Told for the first few only: a flood must not fill the memory.
    Noise(Noise),
    /// A browser insists on https; the user has to paste the redirect URL.
    Tls,
}

/// A listener that serves. Dropping it closes the port, within a second and a half even if clients hold on.
pub struct Running {
    progress: Arc<Progress>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    pub(super) fn start(
        sockets: Vec<TcpListener>,
        redirect_uri: &RedirectUri,
        attempt: Arc<Mutex<Attempt>>,
        heard: Sender<Heard>,
    ) -> io::Result<Self> {
        let progress = Arc::new(Progress::new());
        let reception = Arc::new(Reception::new(redirect_uri, attempt, heard, Arc::clone(&progress)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let known = Arc::clone(&progress);
        let listeners = {
            let _context = runtime.enter();
            sockets.into_iter().map(tokio::net::TcpListener::from_std).collect::<io::Result<Vec<_>>>()?
        };
        let thread = std::thread::Builder::new().name("redirect".to_owned()).spawn(move || {
            runtime.block_on(serve(listeners, reception, Limits::default(), known.may_close()));
        })?;
        Ok(Self { progress, thread: Some(thread) })
    }

    /// Tells whoever waits at the result page how it ended: `stored` once the token lies in the store.
    pub fn conclude(&self, stored: bool) {
        self.progress.conclude(stored);
    }

    /// Closes the port: at once, or once a browser that was sent to the result page has it (a second at most).
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.progress.leave();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has closed its sockets all the same.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}
