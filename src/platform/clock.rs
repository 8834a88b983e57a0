//! The system's clocks.

use crate::ports::Clock;
use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Wall clock, steady clock and sleep of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) {
        thread::sleep(time);
    }
}
