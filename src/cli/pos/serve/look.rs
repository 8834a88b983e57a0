//! A look at the public address from outside: does it reach this server, and does JSON come back?
//!
//! Some tunnels answer with a page of their own, which would crash a register's customer search.

use super::{Context, printable};
use crate::{
    http::client::{Client, Options},
    oauth::{
        endpoint::is_loopback,
        message::{Request, Response, Undelivered},
    },
    ports::Transport,
    pos::{
        place::Place,
        service::{OWN_LOOK, Till},
    },
};
use http::HeaderName;
use std::{
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// How long one look takes at most.
const PATIENCE: Duration = Duration::from_secs(8);

/// Looks at a tunnel that has only just begun; its name may not be known everywhere yet.
const TRIES: u32 = 5;

/// How long until the next look.
const PAUSE: Duration = Duration::from_secs(2);

/// Says what comes back from the public address. Ends at once where somebody stops the program.
pub(super) fn tell(context: &Context, till: &Till, public: &Place, is_tunnel: bool, stopped: &AtomicBool) {
    let shown = printable(public.shown());
    let url = public.url("search");
    if url.scheme() == "http" && !is_loopback(&url) {
        context.say(&format!("– {shown} is plain http and was not looked at; open it on another device of that network"));
        return;
    }
    let request = Request::get(url).with_secret_header(HeaderName::from_static(OWN_LOOK), till.look.expose());
    let tries = if is_tunnel { TRIES } else { 1 };
    let (sender, answers) = mpsc::channel();
    let look = move || {
        let client = Client::new(Options::default());
        for turn in 1..=tries {
            let began = Instant::now();
            let answer = client.send(&request, began + PATIENCE);
            let is_last = turn == tries || answer.as_ref().is_ok_and(is_ours);
            if sender.send((answer, began.elapsed(), is_last)).is_err() || is_last {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    };
    if std::thread::Builder::new().name("look".to_owned()).spawn(look).is_err() {
        return;
    }
    loop {
        match answers.recv_timeout(Duration::from_millis(50)) {
            Ok((answer, took, true)) => return context.say(&verdict(&shown, &answer, took)),
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    }
}

fn is_ours(response: &Response) -> bool {
    response.status.as_u16() == 200 && response.media_type() == "application/json" && response.body.as_slice() == br#"{"members":{}}"#
}

fn verdict(shown: &str, answer: &Result<Response, Undelivered>, took: Duration) -> String {
    match answer {
        Ok(response) if is_ours(response) => format!("✓ {shown} reaches me, {} ms, and what comes back is JSON", took.as_millis()),
        Ok(response) => {
            let (status, media) = (response.status.as_u16(), printable(&response.media_type()));
            let media = if media.is_empty() { "nothing".to_owned() } else { media };
            format!("✗ {shown} answers {status} with {media}, and that is not me; a register's search would crash on it")
        }
        Err(trouble) => format!("✗ {shown} does not reach me: {trouble}"),
    }
}
