//! Where no process can pass signals on, no file is kept for a command.

use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure},
    },
    platform::command::Inherited,
    profile::{ProfileName, Settings},
};
use std::{convert::Infallible, marker::PhantomData, path::Path, process::Command, time::Duration};

/// Never begins.
pub(super) struct Kept<'a>(Infallible, PhantomData<&'a Context>);

impl<'a> Kept<'a> {
    /// Refuses.
    pub fn begin(
        _context: &'a Context,
        _profile: ProfileName,
        _settings: Settings,
        _min_ttl: Option<Duration>,
        _path: &Path,
    ) -> Result<Self, Failure> {
        Err(Failure::usage("--refresh-file does not work on this system").hint("have the command call `tokenstrap token` each time"))
    }

    /// Is never reached.
    pub fn run(self, _command: Command, _inherited: &Inherited) -> Result<Exit, Failure> {
        match self.0 {}
    }
}
