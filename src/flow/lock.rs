//! One sender per grant, on this machine and among all that share its store.
//!
//! The machine's own lock comes first: of all its processes one at most asks for the lease of a shared store.

use super::World;
use crate::{
    oauth::{
        endpoint,
        message::{Request, Response, Undelivered},
    },
    ports::{Acquired, Guard, LockError, Transport},
    profile::ProfileName,
};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

/// Takes the lock of the machine and then the lease of the store, where it has one; see [`crate::ports::Lock`].
pub(super) fn acquire<'a>(
    world: &World<'a>,
    profile: &ProfileName,
    deadline: Instant,
    satisfied: &mut dyn FnMut() -> bool,
) -> Result<Acquired<'a>, LockError> {
    let World { lock, store, .. } = *world;
    let identity = store.identity();
    let Acquired::Exclusive(here) = lock.acquire(&identity, profile, deadline, satisfied)? else { return Ok(Acquired::Satisfied) };
    let Some(lease) = store.lease() else { return Ok(Acquired::Exclusive(here)) };
    Ok(match lease.acquire(&identity, profile, deadline, satisfied)? {
        Acquired::Exclusive(there) => Acquired::Exclusive(Box::new(Both { there, here })),
        Acquired::Satisfied => Acquired::Satisfied,
    })
}

/// Carries the first request, and each further one only where the guard still holds: the machine may have slept between.
pub(super) struct Fence<'a> {
    pub transport: &'a dyn Transport,
    pub guard: &'a dyn Guard,
    pub sent: Cell<bool>,
}

impl Transport for Fence<'_> {
    fn send(&self, request: &Request, deadline: Instant) -> Result<Response, Undelivered> {
        if self.sent.replace(true) && !self.guard.is_held() {
            // The earlier request may still be answered, and not to us.
            return Err(Undelivered::TimedOut { host: endpoint::authority(&request.url), after: Duration::ZERO });
        }
        self.transport.send(request, deadline)
    }
}

/// Both guards. The lease goes first: who waits on this machine would only wait for it again.
struct Both<'a> {
    there: Box<dyn Guard + 'a>,
    here: Box<dyn Guard + 'a>,
}

impl Guard for Both<'_> {
    fn is_held(&self) -> bool {
        self.here.is_held() && self.there.is_held()
    }

    fn forget(self: Box<Self>) {
        self.there.forget();
        self.here.forget();
    }
}
