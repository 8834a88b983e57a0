//! The resource owner's side of a login: browser, listener and paste prompt at once, whichever comes first.

use super::{countdown::Countdown, paste::Paste};
use crate::{
    cli::{context::Context, render::span},
    oauth::{attempt::Attempt, grant::Prompt, pins::Pins},
    platform::{
        browser::{self, Choice},
        signals::Watch,
    },
    ports::{Unanswered, UserAgent},
    redirect::{Heard, Listener, Running},
    text::printable,
};
use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};
use url::Url;

/// How the person is reached.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// At a terminal, where questions may be asked and the redirect URL pasted.
    pub person: bool,
    /// Whether there is any way to ask for consent.
    pub reachable: bool,
    /// How a browser is opened.
    pub browser: Choice,
    /// Nothing listens: the redirect URL is pasted or piped in.
    pub paste: bool,
    /// Over SSH: the browser is on another machine.
    pub remote: bool,
}

/// What may end or interrupt the wait.
pub(super) enum News {
    /// From the listener.
    Heard(Heard),
    /// Enter, at the terminal: open the page again.
    Again,
    /// Something was pasted, and what became of it.
    Pasted(crate::oauth::attempt::Reception),
    /// Standard input ended.
    NoMoreInput,
    /// A signal that asks us to end.
    Signal(i32),
}

/// The user agent of one login.
pub(super) struct Agent<'a> {
    context: &'a Context,
    manner: Manner,
    timeout: Duration,
    listener: RefCell<Option<Listener>>,
    running: RefCell<Option<Running>>,
    finishing: Cell<bool>,
    about: RefCell<About>,
}

/// What is said before the browser opens.
#[derive(Default)]
struct About {
    client_id: String,
    scopes: String,
    mismatch: Option<String>,
}

impl<'a> Agent<'a> {
    pub fn new(context: &'a Context, manner: Manner, timeout: Duration) -> Self {
        let (listener, running) = (RefCell::new(None), RefCell::new(None));
        Self { context, manner, timeout, listener, running, finishing: Cell::new(false), about: RefCell::default() }
    }

    /// What is known once the plan is made. While `finishing`, only a pasted redirect is waited for.
    pub fn prepare(&self, listener: Option<Listener>, pins: &Pins, scopes: &[String], mismatch: Option<String>, finishing: bool) {
        *self.listener.borrow_mut() = listener;
        self.finishing.set(finishing);
        *self.about.borrow_mut() = About { client_id: printable(&pins.client_id), scopes: printable(&scopes.join(" ")), mismatch };
    }

    /// A device prompt (RFC 8628 section 3.3). The plain address is shown, without the code in it.
    pub fn show(&self, prompt: &Prompt) {
        let About { client_id, scopes, .. } = &*self.about.borrow();
        let asks = if scopes.is_empty() { String::new() } else { format!(", scopes {scopes}") };
        self.context.say(&format!("On any device, open\n    {}\nand type\n    {}", prompt.verification_uri, prompt.user_code));
        self.context.say(&format!("for client {client_id}{asks}. Waiting at most {} ...", span(prompt.expires_in)));
    }

    /// Says who asks for what before anything opens (SECURITY A-17).
    fn announce(&self, url: &Url, attempt: &Attempt) {
        let About { client_id, scopes, mismatch } = &*self.about.borrow();
        let host = crate::oauth::endpoint::authority(url);
        let asks = if scopes.is_empty() { String::new() } else { format!(", scopes {scopes}") };
        let verb = if matches!(self.manner.browser, Choice::None) { "Consent at" } else { "Opening" };
        self.context.say(&format!("\n{verb} {host} for client {client_id}{asks}, redirect {}", attempt.redirect_uri()));
        if let Some(mismatch) = mismatch {
            self.context.say(&format!("  {mismatch}"));
        }
        let port = attempt.redirect_uri().port();
        if self.manner.remote && attempt.redirect_uri().loopback().is_some() && !self.manner.paste {
            self.context.say(&format!("  From the machine with the browser: ssh -L {port}:127.0.0.1:{port} THIS_MACHINE"));
        }
        if self.manner.person {
            self.context.say("  On another machine? Paste the whole address it ends on here, and nowhere else: no page, chat or form.");
        }
    }

    fn open(&self, url: &Url) {
        if matches!(self.manner.browser, Choice::None) {
            self.context.say(&format!("Open this address:\n\n{url}\n"));
            return;
        }
        if let Err(error) = browser::open(url, &self.manner.browser, &self.hidden()) {
            self.context.warn(&[error.to_string()]);
            self.context.say(&format!("Open this address yourself:\n\n{url}\n"));
        }
    }

    /// Variables that hold secrets of ours and are none of the browser's business.
    fn hidden(&self) -> Vec<String> {
        let named = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect::<Vec<_>>();
        let value_of = |flag: &str| {
            let joined = named.iter().find_map(|argument| argument.strip_prefix(&format!("{flag}=")).map(str::to_owned));
            joined.or_else(|| named.iter().position(|argument| argument == flag).and_then(|at| named.get(at + 1).cloned()))
        };
        value_of("--client-secret-env").into_iter().collect()
    }

    fn listen(&self, attempt: &Arc<Mutex<Attempt>>, news: &Sender<News>) -> Result<(), Unanswered> {
        let Some(listener) = self.listener.borrow_mut().take() else { return Ok(()) };
        let (heard, hears) = mpsc::channel();
        let news = news.clone();
        let running = listener.start(Arc::clone(attempt), heard).map_err(|error| Unanswered::Unreachable(error.to_string()))?;
        *self.running.borrow_mut() = Some(running);
        std::thread::spawn(move || {
            while let Ok(heard) = hears.recv() {
                if news.send(News::Heard(heard)).is_err() {
                    return;
                }
            }
        });
        Ok(())
    }

    fn wait(&self, url: &Url, attempt: &Arc<Mutex<Attempt>>, news: &Receiver<News>, deadline: Instant) -> Result<(), Unanswered> {
        let countdown = self.countdown();
        let mut refused = "it never came".to_owned();
        loop {
            let ended = attempt.lock().unwrap_or_else(PoisonError::into_inner).ending().is_some();
            if ended {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Unanswered::TimedOut);
            }
            if let Some(countdown) = &countdown {
                countdown.show(left);
            }
            match news.recv_timeout(left.min(Duration::from_millis(500))) {
                Ok(News::Signal(number)) => return Err(Unanswered::Interrupted(number)),
                Ok(News::NoMoreInput) if self.only_paste() => return Err(Unanswered::BadPaste(refused)),
                Ok(news) => {
                    if let News::Pasted(crate::oauth::attempt::Reception::Noise(noise)) = &news {
                        refused = noise.to_string();
                    }
                    self.tell(url, &news, countdown.as_ref());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Err(Unanswered::Unreachable("nothing is left to wait for".into())),
            }
        }
    }

    fn only_paste(&self) -> bool {
        self.manner.paste || self.finishing.get()
    }

    fn countdown(&self) -> Option<Countdown> {
        (self.manner.person && !self.context.globals.quiet).then(Countdown::new)
    }

    fn tell(&self, url: &Url, news: &News, countdown: Option<&Countdown>) {
        let say = |text: &str| {
            if let Some(countdown) = countdown {
                countdown.step_aside();
            }
            self.context.say(text);
        };
        match news {
            News::Again => {
                say(&format!("Opening it again. By hand:\n{url}"));
                if !matches!(self.manner.browser, Choice::None) {
                    self.open(url);
                }
            }
            News::Pasted(crate::oauth::attempt::Reception::Noise(noise)) => say(&format!("That is not it: {noise}. Still waiting.")),
            News::Heard(Heard::Noise(noise)) if self.context.globals.verbose > 0 => {
                say(&format!("Something else came to the listener: {noise}"))
            }
            News::Heard(Heard::Tls) => {
                say("A browser insists on https here; paste the whole address it ends on into this terminal instead.")
            }
            _ => {}
        }
    }
}

impl UserAgent for Agent<'_> {
    fn authorize(&self, url: &Url, attempt: &Arc<Mutex<Attempt>>, deadline: Instant) -> Result<(), Unanswered> {
        let (sender, news) = mpsc::channel();
        self.listen(attempt, &sender)?;
        let signals = sender.clone();
        let watch = Watch::begin(move |number| {
            let _ = signals.send(News::Signal(number));
        });
        if !self.finishing.get() {
            self.announce(url, &attempt.lock().unwrap_or_else(PoisonError::into_inner));
            self.open(url);
        }
        let paste = Paste::begin(self.manner.person, self.only_paste(), attempt, &sender);
        if self.finishing.get() && self.manner.person {
            self.context.say("Paste the whole address that the browser ended on (hidden), then Enter:");
        }
        // One sender is kept, so that a paste prompt that has ended does not end the wait for the listener.
        let outcome = self.wait(url, attempt, &news, deadline.min(Instant::now() + self.timeout));
        drop((paste, watch, sender));
        if outcome.is_err() {
            self.running.borrow_mut().take();
        }
        outcome
    }

    fn conclude(&self, stored: bool) {
        if let Some(running) = self.running.borrow_mut().take() {
            running.conclude(stored);
            running.finish();
        }
    }
}
