//! Where there are no signals of this kind, nothing is held back and nothing noticed.

use std::io;

/// Stands in for the section in which signals are held back.
#[derive(Debug)]
pub struct Hold(());

impl Hold {
    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn begin(_limit_seconds: u64) -> io::Result<Self> {
        Ok(Self(()))
    }

    /// Nothing came.
    pub fn end(self) -> Option<i32> {
        None
    }
}

/// Stands in for the watch over a login that waits.
#[derive(Debug)]
pub struct Watch(());

impl Watch {
    /// Does nothing: the process ends as usual, and its sockets with it.
    ///
    /// # Errors
    /// None.
    pub fn begin(_on_signal: impl FnMut(i32) + Send + 'static) -> io::Result<Self> {
        Ok(Self(()))
    }
}

/// Nothing of the kind ends a process here.
///
/// # Errors
/// None.
pub fn let_writes_fail() -> io::Result<()> {
    Ok(())
}
