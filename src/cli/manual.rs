//! `tokenstrap manual`

use super::{
    Run,
    context::Context,
    definition,
    failure::{Exit, Failure},
};
use clap::Args;
use std::path::PathBuf;

/// Write the manual pages into a folder
#[derive(Args)]
pub(super) struct Manual {
    /// The folder; it has to exist
    folder: PathBuf,
}

impl Run for Manual {
    const NAME: &'static str = "manual";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        if !self.folder.is_dir() {
            return Err(Failure::usage("there is no such folder").hint("make it first"));
        }
        clap_mangen::generate_to(definition(None), &self.folder)
            .map_err(|error| Failure::new(Exit::Machine, "the manual pages could not be written").because(error))?;
        context.say("✓ manual pages written; `man -l` shows one");
        Ok(Exit::Done)
    }
}
