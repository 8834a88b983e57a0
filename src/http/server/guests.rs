//! Who is connected, and who has to go when the house is full (CWE-400).
//!
//! Connections whose request is not complete are the ones to go, the oldest first: an honest client sends its request at
//! once, so whoever has been here longest without finishing has the least to lose. Turning newcomers away instead would let
//! a few silent connections lock everybody out.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, task::AbortHandle, time::timeout};

/// The connections that are open.
pub(super) struct Guests {
    most: usize,
    ledger: Mutex<Ledger>,
    left: Notify,
}

#[derive(Default)]
struct Ledger {
    /// By order of arrival.
    guests: BTreeMap<u64, Guest>,
    arrivals: u64,
    closing: bool,
}

#[derive(Default)]
struct Guest {
    task: Option<AbortHandle>,
    served: bool,
}

/// A connection's place; given up when dropped.
pub(super) struct Seat {
    guests: Arc<Guests>,
    id: u64,
}

impl Guests {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, ledger: Mutex::default(), left: Notify::new() })
    }

    /// A place for a newcomer, after somebody else has left it if need be.
    pub(super) fn admit(self: &Arc<Self>) -> (Seat, u64) {
        let mut ledger = self.ledger();
        while !ledger.guests.is_empty() && ledger.guests.len() >= self.most {
            ledger.send_one_away();
        }
        ledger.arrivals += 1;
        let id = ledger.arrivals;
        ledger.guests.insert(id, Guest::default());
        (Seat { guests: Arc::clone(self), id }, id)
    }

    /// Says which task serves the newcomer, unless it is gone already.
    pub(super) fn seated(&self, id: u64, task: AbortHandle) {
        if let Some(guest) = self.ledger().guests.get_mut(&id) {
            guest.task = Some(task);
        }
    }

    /// Sends one guest away because the system has no room for more.
    pub(super) fn make_room(&self) {
        self.ledger().send_one_away();
    }

    /// Sends all away, those that are being served after `grace` at the latest.
    pub(super) async fn close(&self, grace: Duration) {
        self.ledger().closing = true;
        let empty = async {
            loop {
                let left = self.left.notified();
                self.ledger().send_idle_away();
                if self.ledger().guests.is_empty() {
                    break;
                }
                left.await;
            }
        };
        if timeout(grace, empty).await.is_err() {
            let mut ledger = self.ledger();
            while !ledger.guests.is_empty() {
                ledger.send_one_away();
            }
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// The oldest that is not being served, else the oldest of all: accepting must never stop.
    fn send_one_away(&mut self) {
        let idle = self.guests.iter().find(|(_, guest)| !guest.served).map(|(id, _)| *id);
        let Some(id) = idle.or_else(|| self.guests.keys().next().copied()) else { return };
        self.send_away(id);
    }

    fn send_idle_away(&mut self) {
        let idle: Vec<u64> = self.guests.iter().filter(|(_, guest)| !guest.served).map(|(id, _)| *id).collect();
        idle.into_iter().for_each(|id| self.send_away(id));
    }

    fn send_away(&mut self, id: u64) {
        if let Some(Guest { task: Some(task), .. }) = self.guests.remove(&id) {
            task.abort();
        }
    }
}

impl Seat {
    /// The request is complete: from now on nobody takes this place.
    pub(super) fn is_served(&self) {
        self.mark(true);
    }

    /// The answer is written; what follows is courtesy. Returns whether there is time for it.
    pub(super) fn lingers(&self) -> bool {
        self.mark(false);
        !self.guests.ledger().closing
    }

    fn mark(&self, served: bool) {
        if let Some(guest) = self.guests.ledger().guests.get_mut(&self.id) {
            guest.served = served;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.guests.ledger().guests.remove(&self.id);
        self.guests.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(guests: &Arc<Guests>) -> Seat {
        guests.admit().0
    }

    fn present(guests: &Guests) -> Vec<u64> {
        guests.ledger().guests.keys().copied().collect()
    }

    #[test]
    fn l_20_the_oldest_unfinished_guest_goes_first() {
        let guests = Guests::new(3);
        let seats: Vec<Seat> = (0..3).map(|_| arrive(&guests)).collect();
        seats.first().expect("three seats").is_served();

        let _fourth = arrive(&guests);

        assert_eq!(present(&guests), [1, 3, 4]);
    }

    #[test]
    fn l_20_a_house_full_of_served_guests_still_admits() {
        let guests = Guests::new(2);
        let seats: Vec<Seat> = (0..2).map(|_| arrive(&guests)).collect();
        seats.iter().for_each(Seat::is_served);

        let _third = arrive(&guests);

        assert_eq!(present(&guests), [2, 3]);
    }

    #[test]
    fn a_guest_who_leaves_makes_room() {
        let guests = Guests::new(1);

        drop(arrive(&guests));

        assert!(present(&guests).is_empty());
    }
}
