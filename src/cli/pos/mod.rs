//! `tokenstrap pos`

mod call;
mod files;
mod init;
mod manner;
mod serve;
mod set;
mod verify;

use super::{
    Run,
    context::Context,
    failure::{Exit, Failure},
};
use crate::secret::Secret;
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
    Call(Box<call::Call>),
    Verify(Box<verify::Verify>),
    Set(set::Set),
    Init(init::Init),
}

impl Run for Pos {
    const NAME: &'static str = "pos";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Serve(serve) => serve.run(context),
            Action::Call(call) => call.run(context),
            Action::Verify(verify) => verify.run(context),
            Action::Set(set) => set.run(context),
            Action::Init(init) => init.run(context),
        }
    }
}

/// The key that the environment variable named by `--signature-key-env` holds.
fn signature_key(variable: Option<&str>) -> Result<Option<Secret>, Failure> {
    let Some(name) = variable else { return Ok(None) };
    let value = super::context::env(name).map(Secret::new);
    let unset = || Failure::usage("the environment variable that --signature-key-env names is not set");
    value.map(Some).ok_or_else(|| unset().hint("it holds the signature token of the webhook, or the client secret; try both"))
}
