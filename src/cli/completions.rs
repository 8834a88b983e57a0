//! `tokenstrap completions`

use super::{
    Run,
    context::Context,
    definition,
    failure::{Exit, Failure},
    terminal,
};
use clap::Args;
use clap_complete::Shell;

/// Print completions for a shell
#[derive(Args)]
#[command(after_help = "Example:\n  tokenstrap completions bash > ~/.local/share/bash-completion/completions/tokenstrap")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Run for Completions {
    const NAME: &'static str = "completions";

    fn run(self, _context: &Context) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut definition(None), "tokenstrap", &mut script);
        terminal::answer(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Done)
    }
}
