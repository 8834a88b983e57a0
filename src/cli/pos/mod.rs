//! `tokenstrap pos`

mod files;
mod init;
mod serve;
mod set;

use super::{
    Run,
    context::Context,
    failure::{Exit, Failure},
};
use clap::{Args, Subcommand};

/// The port of `pos serve`, below the range that systems hand out.
const PORT: u16 = 18977;

/// Rehearse a register's Loyalty and Payments calls
#[derive(Args)]
pub(super) struct Pos {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Serve(Box<serve::Serve>),
    Set(set::Set),
    Init(init::Init),
}

impl Run for Pos {
    const NAME: &'static str = "pos";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Serve(serve) => serve.run(context),
            Action::Set(set) => set.run(context),
            Action::Init(init) => init.run(context),
        }
    }
}
