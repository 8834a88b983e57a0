//! The only loop that knows both a grant and the world.

use super::{FlowError, World, budget::Tries};
use crate::oauth::{
    grant::{Event, Grant, Prompt, Step},
    message::Request,
    token::TokenSet,
};
use std::time::{Duration, Instant};

/// Drives a grant to its end.
///
/// `show` puts a device prompt before the person; `patience` is how long the person may take in all.
///
/// # Errors
/// [`FlowError`]: the protocol said no, or nobody came back.
pub fn drive(
    grant: &mut dyn Grant,
    world: &World<'_>,
    mut tries: Tries,
    patience: Instant,
    show: &dyn Fn(&Prompt),
) -> Result<(TokenSet, Vec<String>), FlowError> {
    let mut event = Event::Begin;
    loop {
        // Whoever begins has looked at the time.
        let begins = matches!(event, Event::Begin);
        event = match grant.advance(event)? {
            Step::Authorize { url, attempt } => {
                world.user_agent.authorize(&url, &attempt, patience)?;
                // The person's time is not the server's: its tries begin when the code is there.
                tries = Tries::until(world.clock.instant() + TRIES_OF_AN_EXCHANGE);
                Event::Redirected
            }
            Step::Display(prompt) => {
                show(&prompt);
                tries = Tries::until(patience.min(world.clock.instant() + prompt.expires_in + TRIES_OF_AN_EXCHANGE));
                Event::Displayed
            }
            Step::Send(request) if begins || tries.allow(world.clock.instant(), Duration::ZERO) => send(&request, world, tries),
            Step::Send(_) => Event::OutOfTime,
            Step::Wait(time) => wait(world, tries, jittered(time, world)),
            Step::WaitOut => match tries.longest_wait(world.clock.instant()) {
                Some(time) => wait(world, tries, time),
                None => Event::OutOfTime,
            },
            Step::Done(tokens, remarks) => return Ok((*tokens, remarks)),
        };
    }
}

/// All tries to exchange a code together, as for a refresh.
const TRIES_OF_AN_EXCHANGE: Duration = Duration::from_secs(25);

fn send(request: &Request, world: &World<'_>, tries: Tries) -> Event {
    let sent_at = world.clock.now();
    match world.transport.send(request, tries.end()) {
        Ok(response) => Event::Received { response, sent_at },
        Err(undelivered) => Event::Undelivered { undelivered, sent_at },
    }
}

fn wait(world: &World<'_>, tries: Tries, time: Duration) -> Event {
    if !tries.allow(world.clock.instant(), time) {
        return Event::OutOfTime;
    }
    world.clock.sleep(time);
    Event::Elapsed
}

/// Up to a quarter more, so that clients that failed together do not come back together.
fn jittered(time: Duration, world: &World<'_>) -> Duration {
    let mut byte = [0; 1];
    match world.entropy.fill(&mut byte) {
        Ok(()) => time + time.mul_f64(f64::from(byte[0]) / 1024.0),
        Err(_) => time,
    }
}
