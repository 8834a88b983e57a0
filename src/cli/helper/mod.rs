//! `tokenstrap helper`

mod converse;

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
};
use crate::helper::{self, HELPERS};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

/// One tool's protocol, spoken for one profile.
pub(super) struct Helper {
    kind: String,
    profile: String,
    operand: Option<String>,
    username: Option<String>,
    allow_publish: bool,
}

impl Args for Helper {
    fn augment_args(command: Command) -> Command {
        let command = command
            .about("Answer another tool's request for credentials")
            .long_about(
                "Answer another tool's request for credentials\n\nEach protocol answers only for hosts that are bound to the profile (`tokenstrap bind`), exactly, and never asks a \
                 person anything.",
            )
            .subcommand_required(true)
            .arg_required_else_help(true)
            .disable_help_subcommand(true);
        HELPERS.iter().fold(command, |command, kind| command.subcommand(of_kind(*kind)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn of_kind(kind: &dyn helper::Kind) -> Command {
    Command::new(kind.name()).about(kind.about()).args([
        Arg::new("profile").value_name("PROFILE").required(true).help("Whose token"),
        Arg::new("operand").value_name("OPERAND").allow_hyphen_values(true).help(kind.operand()),
        Arg::new("username").long("username").value_name("NAME").help("Answer with this user name, where the protocol has one"),
        Arg::new("allow-publish").long("allow-publish").action(ArgAction::SetTrue).help("Serve operations that change a registry too"),
    ])
}

impl FromArgMatches for Helper {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (kind, matches) = matches.subcommand().ok_or_else(missing)?;
        let text = |name: &str| matches.get_one::<String>(name).cloned();
        Ok(Self {
            kind: kind.to_owned(),
            profile: text("profile").ok_or_else(missing)?,
            operand: text("operand"),
            username: text("username"),
            allow_publish: matches.get_flag("allow-publish"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Run for Helper {
    const NAME: &'static str = "helper";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        let kind = helper::by_name(&self.kind).ok_or_else(|| Failure::usage("there is no such helper"))?;
        if self.username.as_ref().is_some_and(|name| name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::usage("the value of --username is not a user name").hint("use printable characters without blanks"));
        }
        let context = context.unattended();
        let call = helper::Call {
            operand: self.operand.as_deref(),
            username: self.username.as_deref(),
            allow_publish: self.allow_publish,
            env: &context::env,
        };
        converse::converse(&context, &profile, kind.begin(&call).as_mut())
    }
}
