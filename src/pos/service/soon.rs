//! What is known at once for nearly every call, and has to be waited for with a few.
//!
//! A future that never waits still has to be made, moved and dropped with room for all that it might wait for; that costs more
//! than deciding what to answer.

use std::{future::Future, pin::Pin};

/// A value, now or later.
pub(super) enum Soon<T> {
    Now(T),
    Later(Pin<Box<dyn Future<Output = T> + Send>>),
}

impl<T: Send + 'static> Soon<T> {
    pub(super) fn later(value: impl Future<Output = T> + Send + 'static) -> Self {
        Self::Later(Box::pin(value))
    }

    pub(super) async fn get(self) -> T {
        match self {
            Self::Now(value) => value,
            Self::Later(value) => value.await,
        }
    }
}
