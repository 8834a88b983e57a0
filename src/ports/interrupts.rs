//! Signals, held back where an interruption would lose a grant.

/// Holds back signals that can be caught, while a grant is between server and store.
pub trait Interrupts {
    /// Holds them until the returned value is dropped.
    fn hold(&self) -> Box<dyn Hold>;
}

/// Signals are held back as long as this lives.
pub trait Hold {}
