//! Who is connected, and who has to go when the house is full (CWE-400).
//!
//! A connection that is kept for a next request has none under way, so it goes first, whoever has waited longest before the
//! others. Then go those whose request is not complete, the oldest first: an honest client sends its request at once, so whoever
//! has taken longest without finishing has the least to lose. Turning newcomers away instead would let a few silent connections
//! lock everybody out.

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
    /// Counts what guests begin, so that it is known who was first.
    turns: u64,
}

struct Guest {
    task: Option<AbortHandle>,
    state: State,
    /// When that began.
    since: u64,
}

/// What a guest is about; who stands first here goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Was answered and has not begun anything since.
    Waiting,
    /// Has not said all that it wants, or has been answered for the last time.
    Unfinished,
    /// Is being answered.
    Served,
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
        let (id, since) = (ledger.arrivals, ledger.turn());
        ledger.guests.insert(id, Guest { task: None, state: State::Unfinished, since });
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
    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    /// The oldest of those that have least to lose; one goes in any case: accepting must never stop.
    fn send_one_away(&mut self) {
        let first = self.guests.iter().min_by_key(|(_, guest)| (guest.state, guest.since)).map(|(id, _)| *id);
        if let Some(id) = first {
            self.send_away(id);
        }
    }

    fn send_idle_away(&mut self) {
        let idle: Vec<u64> = self.guests.iter().filter(|(_, guest)| guest.state != State::Served).map(|(id, _)| *id).collect();
        idle.into_iter().for_each(|id| self.send_away(id));
    }

    fn send_away(&mut self, id: u64) {
        if let Some(Guest { task: Some(task), .. }) = self.guests.remove(&id) {
            task.abort();
        }
    }
}

impl Seat {
    /// A request has begun on a connection that was kept.
    pub(super) fn begins(&self) {
        self.mark(State::Unfinished);
    }

    /// The request is complete: from now on nobody takes this place.
    pub(super) fn is_served(&self) {
        self.mark(State::Served);
    }

    /// The answer is written, and the connection is kept.
    pub(super) fn waits(&self) {
        self.mark(State::Waiting);
    }

    /// The answer is written; what follows is courtesy. Returns whether there is time for it.
    pub(super) fn lingers(&self) -> bool {
        self.mark(State::Unfinished);
        !self.is_closing()
    }

    /// Whether all are being sent away.
    pub(super) fn is_closing(&self) -> bool {
        self.guests.ledger().closing
    }

    fn mark(&self, state: State) {
        let mut ledger = self.guests.ledger();
        let since = ledger.turn();
        if let Some(guest) = ledger.guests.get_mut(&self.id).filter(|guest| guest.state != state) {
            (guest.state, guest.since) = (state, since);
        }
        if ledger.closing && state != State::Served {
            self.guests.left.notify_one();
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
    fn k_06_who_waits_goes_before_who_has_begun_and_the_longest_waiting_first() {
        let guests = Guests::new(5);
        let seats: Vec<Seat> = (0..5).map(|_| arrive(&guests)).collect();
        let [first, second, third, fourth, _] = seats.as_slice() else { panic!("five seats") };
        third.waits();
        second.waits();
        first.is_served();
        fourth.waits();
        fourth.begins();

        let _newcomers: Vec<Seat> = [vec![1, 2, 4, 5, 6], vec![1, 4, 5, 6, 7], vec![1, 4, 6, 7, 8], vec![1, 6, 7, 8, 9]]
            .into_iter()
            .map(|left| {
                let seat = arrive(&guests);
                assert_eq!(present(&guests), left);
                seat
            })
            .collect();
    }

    #[test]
    fn a_guest_who_leaves_makes_room() {
        let guests = Guests::new(1);

        drop(arrive(&guests));

        assert!(present(&guests).is_empty());
    }
}
