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

    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn boottime(&self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};
        // macOS counts sleep in the clock that has another name on Linux.
        let clock = if cfg!(target_os = "linux") { ClockId::Boottime } else { ClockId::Monotonic };
        Duration::try_from(clock_gettime(clock)).unwrap_or_default()
    }
}
