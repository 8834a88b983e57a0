//! A bounded place for what waits: when it is full, the oldest has to go.

use crate::secret::Secret;
use std::collections::VecDeque;

/// Entries that are kept; a flood of authorization requests must not fill the memory.
const MOST: usize = 1_000;

/// Values by secret name. Names are kept as hashes, so that looking one up says nothing through its timing.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    entries: VecDeque<(String, T)>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<T> Shelf<T> {
    /// Puts a value there.
    pub(super) fn put(&mut self, name: &Secret, value: T) {
        if self.entries.len() == MOST {
            self.entries.pop_front();
        }
        self.entries.push_back((name.hash(), value));
    }

    /// Takes a value away.
    pub(super) fn take(&mut self, name: &str) -> Option<T> {
        let hash = Secret::new(name).hash();
        let index = self.entries.iter().position(|(known, _)| *known == hash)?;
        self.entries.remove(index).map(|(_, value)| value)
    }

    /// Looks at a value, to change it.
    pub(super) fn find(&mut self, name: &str) -> Option<&mut T> {
        let hash = Secret::new(name).hash();
        self.find_by(|known, _| known == hash)
    }

    /// Looks for a value by what it holds.
    pub(super) fn find_by(&mut self, fits: impl Fn(&str, &T) -> bool) -> Option<&mut T> {
        self.entries.iter_mut().find(|(known, value)| fits(known, value)).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_shelf_loses_its_oldest() {
        let mut shelf = Shelf::default();
        for number in 0..=MOST {
            shelf.put(&Secret::new(number.to_string()), number);
        }

        assert_eq!(shelf.find("0"), None);
        assert_eq!(shelf.take("1"), Some(1));
        assert_eq!(shelf.take("1"), None);
    }
}
