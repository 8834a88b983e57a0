//! Time that a command may take in all.

use std::time::{Duration, Instant};

/// One deadline covers waiting for the lock, sending and saving.
const COMMAND: Duration = Duration::from_secs(35);
/// All tries together; what remains of the command's time belongs to the store.
const TRIES: Duration = Duration::from_secs(25);
/// Nothing is sent with less than this left: an answer that nobody can save would be lost.
const LEAST: Duration = Duration::from_secs(10);
/// What the last try leaves to the store.
const SAVING: Duration = Duration::from_secs(3);

/// What is left of a command's time.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    end: Instant,
}

impl Budget {
    /// A command that begins now, or ends earlier where the user set a shorter time.
    pub fn starting(now: Instant, at_most: Option<Duration>) -> Self {
        Self { end: now + at_most.unwrap_or(COMMAND).min(COMMAND) }
    }

    /// A login, whose user sets the time.
    pub fn of(now: Instant, time: Duration) -> Self {
        Self { end: now + time }
    }

    /// When the command ends at the latest.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// When the tries that begin now end at the latest.
    pub fn tries(&self, now: Instant) -> Tries {
        let earlier = |time| self.end.checked_sub(time).unwrap_or(now);
        Tries { end: earlier(SAVING).min(now + TRIES), last_start: earlier(LEAST) }
    }

    /// Whether a request may still be sent.
    pub fn allows_sending(&self, now: Instant) -> bool {
        self.end.saturating_duration_since(now) >= LEAST
    }
}

/// What is left for the tries of one exchange.
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    end: Instant,
    last_start: Instant,
}

impl Tries {
    /// Tries that end at `end`.
    pub fn until(end: Instant) -> Self {
        Self { end, last_start: end }
    }

    /// When the last one ends at the latest.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// Whether there is time for `wait` and another try after it.
    pub fn allow(&self, now: Instant, wait: Duration) -> bool {
        now + wait < self.end && now + wait <= self.last_start
    }

    /// How long to wait so that one more try of [`LEAST`] fits before the end; `None` where there is none such.
    pub fn longest_wait(&self, now: Instant) -> Option<Duration> {
        self.end.checked_sub(LEAST).map(|latest| latest.min(self.last_start).saturating_duration_since(now))
    }
}
