//! One line at a terminal that says how long the wait still goes on.

use console::Term;
use std::time::Duration;

/// The line; it is gone when this is dropped.
pub(super) struct Countdown(Term);

impl Countdown {
    /// Nothing is shown yet.
    pub fn new() -> Self {
        Self(Term::stderr())
    }

    /// Shows what is left, in place of what stood there. A terminal that is gone is nobody's fault.
    pub fn show(&self, left: Duration) {
        let _ = self.0.clear_line();
        let _ = self.0.write_str(&format!("Waiting for consent ... {}:{:02} left", left.as_secs() / 60, left.as_secs() % 60));
    }

    /// Makes room for a line of talk.
    pub fn step_aside(&self) {
        let _ = self.0.clear_line();
    }
}

impl Drop for Countdown {
    fn drop(&mut self) {
        self.step_aside();
    }
}
