//! How far the login is, shared by the listener's thread and the flow.

use std::time::Duration;
use tokio::{sync::watch, time::timeout};

/// How long the result page is held while the outcome is unknown. A person waits that long without thinking that it hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Result pages held at once; the browser needs one. More are answered without an outcome, so that nobody fills the house.
const MOST_HELD: usize = 8;

/// How long the listener stays for a browser that was sent to the result page and has not asked for it yet.
const STAY: Duration = Duration::from_secs(1);

/// What both sides know.
pub(super) struct Progress(watch::Sender<Known>);

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// A browser was sent to the result page.
    sent: bool,
    /// Result pages that wait for the outcome.
    held: usize,
    /// A result page is on its way.
    shown: bool,
    /// Whether the token was stored.
    outcome: Option<bool>,
    /// The flow is done with the listener.
    leaving: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(Known::default()))
    }

    /// A browser is sent to the result page.
    pub(super) fn send_to_result(&self) {
        self.0.send_modify(|known| known.sent = true);
    }

    /// Whether anybody was ever sent to the result page.
    pub(super) fn has_result(&self) -> bool {
        self.0.borrow().sent
    }

    /// How it ended.
    pub(super) fn conclude(&self, stored: bool) {
        self.0.send_modify(|known| known.outcome = Some(stored));
    }

    /// The listener is to go.
    pub(super) fn leave(&self) {
        self.0.send_modify(|known| known.leaving = true);
    }

    /// Waits for the outcome; `None` where it takes too long or will never be known.
    pub(super) async fn outcome(&self) -> Option<bool> {
        let mut known = self.0.subscribe();
        let _held = Held::take(self)?;
        let settled = timeout(PATIENCE, known.wait_for(|known| known.outcome.is_some() || known.leaving)).await;
        // What was seen is copied here: the reference that it comes in bars every writer, and giving up the place writes.
        settled.ok()?.ok().and_then(|known| known.outcome)
    }

    /// A result page is written next.
    pub(super) fn show(&self) {
        self.0.send_modify(|known| known.shown = true);
    }

    /// Waits until the listener may close: the flow is done with it, and whoever was sent to the result page has it or does
    /// not come.
    pub(super) async fn may_close(&self) {
        let mut known = self.0.subscribe();
        // The sender is `self`, so the channel cannot be closed.
        let _ = known.wait_for(|known| known.leaving).await;
        let _ = timeout(STAY, known.wait_for(|known| (known.shown || !known.sent) && known.held == 0)).await;
    }
}

/// One result page that is held.
struct Held<'p>(&'p Progress);

impl<'p> Held<'p> {
    fn take(progress: &'p Progress) -> Option<Self> {
        let mut taken = false;
        progress.0.send_modify(|known| {
            taken = known.held < MOST_HELD;
            known.held += usize::from(taken);
        });
        taken.then_some(Self(progress))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|known| known.held = known.held.saturating_sub(1));
    }
}
