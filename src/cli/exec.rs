//! `tokenstrap exec`

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    render::{read_span, span},
    token::at_hand,
};
use crate::{
    oauth::token::TokenSet,
    output::{Handout, is_variable},
    platform::{
        child_env,
        command::{self, Inherited},
    },
    profile::{ProfileName, Settings},
    text::printable,
};
use clap::Args;
use std::{collections::BTreeSet, ffi::OsString, io, time::Duration};

/// Life that a command finds in its token, where the token lives long enough at all.
const GENEROUS: Duration = Duration::from_secs(600);
/// Least life of a token that is handed to a command.
const LEAST: Duration = Duration::from_secs(60);

/// Run a command with access tokens in its environment
///
/// The command takes the place of this process: signals, exit code and terminal are its own. It finds ACCESS_TOKEN, or
/// one variable for each --env, and none of the secrets that tokenstrap itself reads from the environment. It is not
/// started without valid tokens (exit 125, with the reason and its code in the text).
#[derive(Args)]
#[command(
    override_usage = "tokenstrap exec [OPTIONS] [PROFILE] [--env NAME[=PROFILE]]... -- COMMAND...",
    after_help = "Examples:\n  tokenstrap exec till -- ./nightly-sync\n  tokenstrap exec --env GH_TOKEN=work --env TF_VAR_token=lab -- terraform apply"
)]
pub(super) struct Exec {
    /// Whose token
    profile: Option<String>,
    /// Put a token into this variable; =PROFILE takes another profile's
    #[arg(long, value_name = "NAME[=PROFILE]")]
    env: Vec<String>,
    /// Leave this variable in the environment, though it may hold a secret
    #[arg(long, value_name = "NAME")]
    keep_env: Vec<String>,
    /// Refresh when less than this remains [default: 10m, or half of the token's life where that is less]
    #[arg(long, value_name = "DURATION", value_parser = read_span)]
    min_ttl: Option<Duration>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// A variable and the profile whose token it gets.
struct Wanted {
    variable: String,
    profile: ProfileName,
}

impl Run for Exec {
    const NAME: &'static str = "exec";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let inherited = Inherited::now();
        let mut taken = Vec::new();
        let tokens = self.tokens(context, &mut taken)?;
        let now = context.now();
        let mut given = Vec::new();
        for (variable, tokens) in &tokens {
            let token = Handout::new(tokens, now, "ACCESS_TOKEN").map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
            given.push((variable.clone(), token.token()));
        }
        taken.retain(|name| !self.keep_env.contains(name));
        let (program, arguments) = self.command.split_first().ok_or_else(|| Failure::usage("no command was given"))?;
        let command = command::prepared(program, arguments, &taken, &given);
        command::replace(command, &inherited).map(Exit::Child).map_err(|error| unstartable(&program.to_string_lossy(), &error))
    }

    /// The exit code belongs to the command; ours goes into the text.
    fn failed(failure: Failure) -> Failure {
        if matches!(failure.exit, Exit::NotFound | Exit::NotExecutable) {
            return failure;
        }
        let fact = format!("the command was not started (code {}, {})", failure.exit.code(), failure.exit.name().replace('_', " "));
        Failure { exit: Exit::NotStarted, ..failure.while_doing(fact) }
    }
}

impl Exec {
    /// A token for each variable; the names of variables with secrets are collected on the way.
    fn tokens(&self, context: &Context, taken: &mut Vec<String>) -> Result<Vec<(String, TokenSet)>, Failure> {
        taken.extend(child_env::secrets());
        taken.extend(context.general()?.vault.credential_env.clone());
        let mut tokens: Vec<(ProfileName, TokenSet)> = Vec::new();
        let mut given = Vec::new();
        for wanted in self.wanted()? {
            let found = match tokens.iter().find(|(profile, _)| *profile == wanted.profile) {
                Some((_, found)) => found.clone(),
                None => {
                    let settings = context.settings(&wanted.profile)?;
                    taken.extend(settings.client_secret_env.clone());
                    let found = self.token(context, &wanted.profile, &settings)?;
                    tokens.push((wanted.profile.clone(), found.clone()));
                    found
                }
            };
            given.push((wanted.variable, found));
        }
        Ok(given)
    }

    fn token(&self, context: &Context, profile: &ProfileName, settings: &Settings) -> Result<TokenSet, Failure> {
        let mut tokens = at_hand(context, profile, settings, self.min_ttl.unwrap_or(LEAST))?;
        let now = context.now();
        if self.min_ttl.is_none() {
            let half = tokens.expires_at.and_then(|end| end.duration_since(tokens.requested_at).ok()).map(|life| life / 2);
            let generous = half.map_or(GENEROUS, |half| half.min(GENEROUS));
            if !tokens.is_fresh(now, generous) {
                tokens = at_hand(context, profile, settings, generous)?;
            }
        }
        if context.globals.verbose > 0 {
            let life = tokens.remaining(now).map_or_else(|| "an unknown time".to_owned(), span);
            context.say(&format!("the access token of {profile} is good for {life}; the command's copy is not renewed"));
        }
        Ok(tokens)
    }

    fn wanted(&self) -> Result<Vec<Wanted>, Failure> {
        let implied = self.profile.clone().or_else(|| context::env("TOKENSTRAP_PROFILE"));
        let implied = implied.as_deref().map(context::profile).transpose()?;
        let mut wanted = Vec::new();
        for text in &self.env {
            let (variable, profile) = match (text.split_once('='), &implied) {
                (Some((variable, profile)), _) => (variable, context::profile(profile)?),
                (None, Some(profile)) => (text.as_str(), profile.clone()),
                (None, None) => {
                    return Err(Failure::usage("--env names no profile, and none is given").hint("write --env NAME=PROFILE"));
                }
            };
            if !is_variable(&variable.to_ascii_uppercase()) {
                return Err(Failure::usage("the value of --env is not the name of a variable for a token")
                    .hint("use letters, digits and underscores, and nothing that shells or the loader obey"));
            }
            wanted.push(Wanted { variable: variable.to_owned(), profile });
        }
        // A profile that no --env uses would have been named for nothing.
        let unused = implied
            .filter(|implied| wanted.is_empty() || (self.profile.is_some() && !wanted.iter().any(|wanted| wanted.profile == *implied)));
        wanted.extend(unused.map(|profile| Wanted { variable: "ACCESS_TOKEN".to_owned(), profile }));
        let mut seen = BTreeSet::new();
        match wanted.iter().find(|wanted| !seen.insert(wanted.variable.clone())) {
            Some(twice) => Err(Failure::usage(format!("`{}` is to hold two tokens", twice.variable))),
            None if wanted.is_empty() => Err(Failure::usage("no profile was given").hint("write tokenstrap exec PROFILE -- COMMAND")),
            None => Ok(wanted),
        }
    }
}

fn unstartable(program: &str, error: &io::Error) -> Failure {
    let program = printable(program);
    match error.kind() {
        io::ErrorKind::NotFound => Failure::new(Exit::NotFound, format!("there is no command `{program}`")).because(error),
        _ => Failure::new(Exit::NotExecutable, format!("`{program}` cannot be started")).because(error),
    }
}
