//! Commands: parse, call one flow, render.
//!
//! This floor is the composition root, the only one that knows flags, hints and exit codes. A command is one file and
//! one line in `COMMANDS`. Only the command that was named is built for parsing; help and completions build them all.

mod bind;
mod bound;
mod bundle_key;
mod check;
mod completions;
mod context;
mod demo;
mod doctor;
mod exec;
mod export;
mod failure;
mod held;
mod helper;
#[cfg(unix)]
mod hidden;
mod import;
mod list;
mod login;
mod logout;
mod manual;
mod pos;
mod providers;
mod refresh;
mod render;
mod request;
mod sandbox;
mod server;
mod show;
mod store;
mod terminal;
mod token;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use context::Context;
use failure::{Exit, Failure};
use std::{ffi::OsString, io::IsTerminal, panic, process::ExitCode};

/// A command: its arguments and what it does with them.
trait Run: Args {
    /// As it is typed.
    const NAME: &'static str;

    /// Does it.
    fn run(self, context: &Context) -> Result<Exit, Failure>;

    /// How a failure of this command is told; bad flags are one too.
    fn failed(failure: Failure) -> Failure {
        failure
    }
}

/// A command without its type, so that a table can hold it.
struct Entry {
    name: &'static str,
    define: fn() -> Command,
    run: fn(&ArgMatches, &Context) -> Result<Exit, Failure>,
    failed: fn(Failure) -> Failure,
}

const fn entry<T: Run>() -> Entry {
    Entry {
        name: T::NAME,
        define: || T::augment_args(Command::new(T::NAME)),
        failed: T::failed,
        run: |matches, context| match T::from_arg_matches(matches) {
            Ok(command) => command.run(context),
            Err(error) => Err(Failure::usage(error.to_string())),
        },
    }
}

/// Every command, in the order in which help shows them.
static COMMANDS: &[Entry] = &[
    entry::<login::Login>(),
    entry::<token::Token>(),
    entry::<refresh::Refresh>(),
    entry::<show::Show>(),
    entry::<list::List>(),
    entry::<check::Check>(),
    entry::<logout::Logout>(),
    entry::<exec::Exec>(),
    entry::<request::Request>(),
    entry::<bind::Bind>(),
    entry::<helper::Helper>(),
    entry::<import::Import>(),
    entry::<export::Export>(),
    entry::<providers::Providers>(),
    entry::<store::Store>(),
    entry::<doctor::Doctor>(),
    entry::<demo::Demo>(),
    entry::<sandbox::Sandbox>(),
    entry::<pos::Pos>(),
    entry::<completions::Completions>(),
    entry::<manual::Manual>(),
];

/// Gets an OAuth token once, keeps it safe, and hands out a valid one for ever after
///
/// Standard output is the answer, standard error is the talk, the exit code is the verdict: 0 done, 2 mend the call,
/// 3 a person has to log in, 4 try again later, 5 mend the machine, 6 refused, 7 printed but saved nowhere.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Everywhere")]
struct Globals {
    /// Use this store instead of the profile's
    #[arg(long, global = true, value_name = "NAME", value_parser = context::store_parser())]
    store: Option<String>,
    /// Read this file instead of config.toml
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<std::path::PathBuf>,
    /// Read the file store's key from this file
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<std::path::PathBuf>,
    /// Answer with one JSON document, errors included
    #[arg(long, global = true)]
    json: bool,
    /// Never ask and never open anything
    #[arg(long, global = true)]
    non_interactive: bool,
    /// Say more: each request, without its secrets
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say less: errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

/// The program: returns what the process exits with.
pub fn main() -> ExitCode {
    // A panic's own text may quote values; where it happened is enough to report it.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        terminal::line(&format!(
            "error: this is a bug in tokenstrap, at {place}\nhint: please report it; nothing of your secrets is in this message"
        ));
    }));
    let hardened = crate::platform::harden::begin().is_ok();
    // Refused, it leaves what was there before: a limit that ends the process.
    let _ = crate::platform::signals::let_writes_fail();
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let exit = panic::catch_unwind(|| run(&arguments, hardened)).unwrap_or(Exit::Bug);
    ExitCode::from(exit.code())
}

fn run(arguments: &[OsString], hardened: bool) -> Exit {
    let json = arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json");
    let outcome = parse(arguments).and_then(|parsed| {
        let Some((name, globals, matches)) = parsed else { return Ok(Exit::Done) };
        let context = Context::new(globals, hardened)?;
        let entry = COMMANDS.iter().find(|entry| entry.name == name).ok_or_else(|| Failure::usage("there is no such command"))?;
        (entry.run)(&matches, &context)
    });
    let meant = |argument: &OsString| COMMANDS.iter().find(|entry| argument == entry.name);
    outcome.unwrap_or_else(|failure| match arguments.iter().skip(1).find_map(meant) {
        Some(entry) => (entry.failed)(failure).tell(json),
        None => failure.tell(json),
    })
}

/// The command line as a whole, or with one command only.
fn definition(only: Option<&str>) -> Command {
    let program = Globals::augment_args(Command::new("tokenstrap"))
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true);
    COMMANDS
        .iter()
        .filter(|entry| only.is_none_or(|name| name == entry.name))
        .fold(program, |program, entry| program.subcommand((entry.define)()))
}

type Parsed = (String, Globals, ArgMatches);

/// `None` where help or a version was asked for and has been printed.
fn parse(arguments: &[OsString]) -> Result<Option<Parsed>, Failure> {
    let named = arguments.get(1).and_then(|first| first.to_str()).filter(|first| COMMANDS.iter().any(|entry| entry.name == *first));
    let mut matches = match definition(named).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if !error.use_stderr() => {
            let help = error.render();
            terminal::answer(&if std::io::stdout().is_terminal() { help.ansi().to_string() } else { help.to_string() })?;
            return Ok(None);
        }
        Err(error) => return Err(Failure::of_clap(&error)),
    };
    let globals = Globals::from_arg_matches(&matches).map_err(|error| Failure::of_clap(&error))?;
    let (name, matches) = matches.remove_subcommand().ok_or_else(|| Failure::usage("no command was given"))?;
    Ok(Some((name, globals, matches)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        definition(None).debug_assert();
    }

    #[test]
    fn every_command_has_a_help_line_without_a_full_stop() {
        for entry in COMMANDS {
            let about = (entry.define)().get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && !about.ends_with('.') && about.len() <= 70, "{}: {about}", entry.name);
        }
    }

    #[test]
    fn a_16_no_flag_offers_the_implicit_or_the_password_grant() {
        for entry in COMMANDS {
            let help = (entry.define)().render_long_help().to_string().to_lowercase();
            assert!(
                !help.contains("response_type=token") && !help.contains("--password") && !help.contains("--username"),
                "{}",
                entry.name
            );
        }
    }
}
