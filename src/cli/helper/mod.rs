//! `tokenstrap helper`

mod converse;
mod install;

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
};
use crate::helper::{self, HELPERS};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::path::PathBuf;

/// One tool's protocol, spoken for one profile.
pub(super) struct Helper {
    kind: String,
    profile: String,
    operand: Option<String>,
    username: Option<String>,
    allow_publish: bool,
    folder: Option<PathBuf>,
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
        HELPERS.iter().fold(command, |command, kind| command.subcommand(of_kind(*kind))).subcommand(of_install())
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

fn of_install() -> Command {
    Command::new("install").about("Set another tool up to ask").args([
        Arg::new("operand").value_name("KIND").required(true).value_parser(install::names()).help("Which tool"),
        Arg::new("profile").value_name("PROFILE").required(true).help("Whose token"),
        Arg::new("dir").long("dir").value_name("FOLDER").value_parser(clap::value_parser!(PathBuf)).help("Put a shim here"),
    ])
}

impl FromArgMatches for Helper {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(clap::error::ErrorKind::MissingSubcommand);
        let (kind, matches) = matches.subcommand().ok_or_else(missing)?;
        let text = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
        Ok(Self {
            kind: kind.to_owned(),
            profile: text("profile").ok_or_else(missing)?,
            operand: text("operand"),
            username: text("username"),
            allow_publish: matches.try_get_one::<bool>("allow-publish").ok().flatten().copied().unwrap_or_default(),
            folder: matches.try_get_one::<PathBuf>("dir").ok().flatten().cloned(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// A variable as another tool set it: one that is empty or no text is not taken for one that is not there, since what it
/// would have said is where the token goes.
fn as_set(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

impl Run for Helper {
    const NAME: &'static str = "helper";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        if self.kind == "install" {
            return install::install(context, &self.operand.unwrap_or_default(), &profile, self.folder);
        }
        let kind = helper::by_name(&self.kind).ok_or_else(|| Failure::usage("there is no such helper"))?;
        if self.username.as_ref().is_some_and(|name| name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Failure::usage("the value of --username is not a user name").hint("use printable characters without blanks"));
        }
        let context = context.alone();
        let call = helper::Call {
            operand: self.operand.as_deref(),
            username: self.username.as_deref(),
            allow_publish: self.allow_publish,
            env: &as_set,
        };
        converse::converse(&context, &profile, kind.begin(&call).as_mut())
    }
}
