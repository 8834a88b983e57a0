//! The resource owner of the demo: a browser if one is wanted and here, else a robot.

use super::{Stage, say};
use crate::{
    oauth::attempt::Attempt,
    platform::browser::{self, Choice},
    ports::{Unanswered, UserAgent},
    redirect::{Heard, Listener, Running},
    sandbox,
};
use std::{
    cell::RefCell,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::{Duration, Instant},
};
use url::Url;

/// The demo's user agent.
pub(super) struct Agent<'a> {
    stage: &'a Stage<'a>,
    choice: Choice,
    listener: RefCell<Option<Listener>>,
    running: RefCell<Option<Running>>,
}

impl<'a> Agent<'a> {
    pub fn new(stage: &'a Stage<'a>, choice: Choice) -> Self {
        Self { stage, choice, listener: RefCell::new(None), running: RefCell::new(None) }
    }

    pub fn prepare(&self, listener: Listener) {
        *self.listener.borrow_mut() = Some(listener);
    }

    fn send_somebody(&self, url: &Url) -> Result<(), Unanswered> {
        let unreachable = |error: &dyn std::fmt::Display| Unanswered::Unreachable(error.to_string());
        if matches!(self.choice, Choice::None) {
            say("              no browser here: a robot signs in, picks \"Corner Cafe\", presses Grant");
            let url = url.to_string();
            std::thread::Builder::new().spawn(move || sandbox::approve(&url)).map_err(|error| unreachable(&error))?;
            return Ok(());
        }
        say("              your browser is open: pick a company and press Grant");
        browser::open(url, &self.choice, &[]).map_err(|error| unreachable(&error))
    }
}

impl UserAgent for Agent<'_> {
    fn authorize(&self, url: &Url, attempt: &Arc<Mutex<Attempt>>, deadline: Instant) -> Result<(), Unanswered> {
        let (sender, heard) = mpsc::channel();
        let redirect = attempt.lock().unwrap_or_else(PoisonError::into_inner).redirect_uri().clone();
        if let Some(listener) = self.listener.borrow_mut().take() {
            let running = listener.start(Arc::clone(attempt), sender).map_err(|error| Unanswered::Unreachable(error.to_string()))?;
            *self.running.borrow_mut() = Some(running);
        }
        self.stage.act("authorize", &format!("GET {}  client_id=demo state=•••• code_challenge=•••• S256", url.path()), "RFC 7636");
        self.send_somebody(url)?;
        loop {
            match heard.recv_timeout(Duration::from_millis(100)) {
                Ok(Heard::Ended) => break,
                Ok(_) | Err(mpsc::RecvTimeoutError::Timeout) if Instant::now() < deadline => {
                    self.stage.check().map_err(|_| Unanswered::Interrupted(2))?;
                }
                _ => return Err(Unanswered::TimedOut),
            }
        }
        let place = format!("{}{}", redirect.authority(), redirect.url().path());
        self.stage.act("redirect", &format!("GET {place}?code=••••&state=••••"), "RFC 6749 4.1.2");
        say("              state matches");
        Ok(())
    }

    fn conclude(&self, stored: bool) {
        if let Some(running) = self.running.borrow_mut().take() {
            running.conclude(stored);
            running.finish();
        }
    }
}
