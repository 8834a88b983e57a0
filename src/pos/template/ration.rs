//! Variables, and how much they may still make: a small file could otherwise ask for any amount of memory (SECURITY K-05).

use super::{MOST_BYTES, MOST_HOLES};
use crate::pos::collection::Variables;
use std::cell::Cell;

/// Variables for several texts that share one bound. Once it is reached, further variables stay as they are.
#[derive(Debug)]
pub struct Rationed<'v> {
    variables: &'v Variables,
    holes: Cell<usize>,
    bytes: Cell<usize>,
    spent: Cell<bool>,
}

impl<'v> Rationed<'v> {
    /// For all texts of a collection. Large APIs have some 10,000 examples with a few variables each.
    pub fn for_file(variables: &'v Variables) -> Self {
        Self::new(variables, 10 * MOST_HOLES, 4 * MOST_BYTES)
    }

    /// For what is looked at to answer one call.
    pub fn for_call(variables: &'v Variables) -> Self {
        Self::new(variables, MOST_HOLES, MOST_BYTES)
    }

    fn new(variables: &'v Variables, holes: usize, bytes: usize) -> Self {
        Self { variables, holes: Cell::new(holes), bytes: Cell::new(bytes), spent: Cell::new(false) }
    }

    /// The value of a name, where it has one.
    pub(super) fn get(&self, name: &str) -> Option<&'v str> {
        self.variables.get(name)
    }

    /// Whether one more variable may be written, with a value of so many bytes.
    pub(super) fn take(&self, bytes: usize) -> bool {
        match (self.holes.get().checked_sub(1), self.bytes.get().checked_sub(bytes)) {
            (Some(holes), Some(bytes)) => {
                self.holes.set(holes);
                self.bytes.set(bytes);
            }
            _ => self.spent.set(true),
        }
        !self.spent.get()
    }

    /// Whether variables were left as they are for this reason.
    pub fn is_spent(&self) -> bool {
        self.spent.get()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Template;
    use super::*;

    #[test]
    fn k_05_texts_that_share_variables_share_one_bound() {
        let variables = [("a", "{{b}}"), ("b", "12345678")].map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        let text = |rationed: &Rationed<'_>| Template::new("{{a}}").resolve(rationed, &mut |_| None);

        let few_bytes = Rationed::new(&variables, 100, 25);
        assert_eq!([text(&few_bytes), text(&few_bytes)], ["12345678", "{{b}}"]);
        let few_holes = Rationed::new(&variables, 2, 1000);
        assert_eq!(text(&few_holes), "12345678");
        assert!(!few_holes.is_spent());
        assert_eq!(text(&few_holes), "{{a}}");
        assert!(few_holes.is_spent());
    }
}
