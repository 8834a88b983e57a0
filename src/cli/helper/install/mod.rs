//! `tokenstrap helper install`: another tool's settings, made to ask us.
//!
//! Each tool is one file and one line in [`TOOLS`]. Installing twice changes nothing, what somebody else wrote is left as it
//! is, and everything that was written is said.

mod cargo;
mod docker;
mod git;
mod kubectl;
mod shim;

use crate::{
    cli::{
        bound,
        context::Context,
        failure::{Exit, Failure},
    },
    oauth::bound::Bound,
    platform::child_env,
    profile::ProfileName,
    text::printable_bytes,
};
use std::{
    io,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

/// What an installation has to go by.
struct Site<'a> {
    profile: &'a ProfileName,
    hosts: Vec<Bound>,
    /// This program, as other tools start it.
    program: String,
    /// Where a shim goes, if the person said so.
    folder: Option<PathBuf>,
}

/// How a tool is set up; gives what was done, line by line.
type Install = fn(&Site<'_>) -> Result<Vec<String>, Failure>;

/// Tools that can be set up.
const TOOLS: &[(&str, Install)] =
    &[("git", git::install), ("docker", docker::install), ("kubectl", kubectl::install), ("cargo", cargo::install)];

/// Their names.
pub(super) fn names() -> Vec<&'static str> {
    TOOLS.iter().map(|(name, _)| *name).collect()
}

/// Sets a tool up for a profile.
pub(super) fn install(context: &Context, kind: &str, profile: &ProfileName, folder: Option<PathBuf>) -> Result<Exit, Failure> {
    let (_, act) = TOOLS.iter().find(|(name, _)| *name == kind).ok_or_else(|| Failure::usage("there is nothing to install for it"))?;
    let hosts = bound::hosts(&bound::record(context, profile)?);
    if hosts.is_empty() {
        return Err(Failure::usage(format!("no host is bound to {profile}")).hint(format!("run `tokenstrap bind {profile} HOST` first")));
    }
    let program = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
    let program = program.ok_or_else(|| Failure::new(Exit::Machine, "the place of this program cannot be written down"))?;
    for line in act(&Site { profile, hosts, program, folder })? {
        context.say(&crate::text::printable(&line));
    }
    Ok(Exit::Done)
}

impl Site<'_> {
    /// A word as a POSIX shell takes it.
    fn quoted(&self) -> String {
        let plain = self.program.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
        if plain { self.program.clone() } else { format!("'{}'", self.program.replace('\'', "'\\''")) }
    }
}

/// Runs another tool to its end, with none of our secrets and no terminal to ask at.
fn run(program: &str, arguments: &[&str]) -> Result<Output, Failure> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    for name in child_env::secrets() {
        command.env_remove(name);
    }
    command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new(Exit::Machine, format!("there is no {program} here")),
        _ => Failure::new(Exit::Machine, format!("{program} cannot be started")).because(error),
    })
}

/// The same where anything but success is a failure.
fn run_well(program: &str, arguments: &[&str]) -> Result<(), Failure> {
    let output = run(program, arguments)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::new(Exit::Machine, format!("{program} did not take the setting")).because(printable_bytes(output.stderr.trim_ascii())))
}

/// Something of somebody else is in the way.
fn in_the_way(what: &str) -> Failure {
    Failure::new(Exit::Refused, format!("{what} is set already, and not by this")).hint("take it out first, if you mean it")
}
