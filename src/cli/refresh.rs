//! `tokenstrap refresh`

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    render::{read_span, span},
    terminal,
    token::{hand_out, need},
};
use crate::{flow::Need, profile::ProfileName, text::printable};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Longest time that `--all` spreads its requests over, so that a fleet's cron jobs do not meet in one instant.
const SPREAD: Duration = Duration::from_secs(2);

/// Refresh a grant now, or all of them
///
/// Asks the server for new tokens, however fresh the stored ones are. A mark that a person is needed is no reason to
/// stay away. With --all every stored grant is refreshed, one after the other, past those that fail; the exit code is
/// the worst of them.
#[derive(Args)]
#[command(after_help = "Examples:\n  tokenstrap refresh till\n  tokenstrap refresh --all --older-than 7d")]
pub(super) struct Refresh {
    /// Whose grant
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    profile: Option<String>,
    /// Every stored grant
    #[arg(long)]
    all: bool,
    /// With --all, leave grants alone that were refreshed within this time
    #[arg(long, value_name = "DURATION", requires = "all", conflicts_with = "profile", value_parser = read_span)]
    older_than: Option<Duration>,
    /// Use the refresh token of an answer that failed a check
    #[arg(long, conflicts_with = "all")]
    accept_suspect: bool,
    /// End after this time, at most 35 s
    #[arg(long, value_name = "DURATION", value_parser = read_span)]
    timeout: Option<Duration>,
}

impl Run for Refresh {
    const NAME: &'static str = "refresh";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        match &self.profile {
            Some(name) => self.one(context, &context::profile(name)?),
            None => self.every(context),
        }
    }
}

impl Refresh {
    fn need(&self, context: &Context) -> Need {
        let budget = crate::flow::Budget::starting(std::time::Instant::now(), self.timeout);
        Need {
            force: true,
            explicit: true,
            accept_suspect: self.accept_suspect,
            called_at: context.now(),
            budget,
            ..need(context, Duration::ZERO)
        }
    }

    fn one(&self, context: &Context, profile: &ProfileName) -> Result<Exit, Failure> {
        let settings = context.settings(profile)?;
        let handed = hand_out(context, profile, &settings, &self.need(context))?;
        context.warn(&handed.warnings);
        let left = handed.tokens().and_then(|tokens| tokens.remaining(context.now()));
        if context.globals.json {
            let document =
                json!({"profile": profile, "expires_in": left.map(|left| left.as_secs()), "generation": handed.record.generation});
            terminal::document(&document)?;
        }
        context.say(&format!("✓ {profile} refreshed, good for {}", left.map_or_else(|| "an unknown time".into(), span)));
        Ok(if handed.unsaved { Exit::Unsaved } else { Exit::Done })
    }

    fn every(&self, context: &Context) -> Result<Exit, Failure> {
        let due = self.due(context)?;
        let pause = SPREAD.checked_div(u32::try_from(due.len()).unwrap_or(u32::MAX)).unwrap_or_default().min(Duration::from_millis(50));
        let mut worst = Exit::Done;
        let mut lines = Vec::new();
        for (index, profile) in due.iter().enumerate() {
            if index > 0 {
                std::thread::sleep(pause);
            }
            let exit = match self.one_of_many(context, profile) {
                Ok(exit) => exit,
                Err(failure) => {
                    context.say(&format!("✗ {profile} {}", printable(&failure.causes.last().unwrap_or(&failure.fact).clone())));
                    lines.push(json!({"profile": profile, "code": failure.exit.code(), "message": failure.fact}));
                    worst = worse(worst, failure.exit);
                    continue;
                }
            };
            lines.push(json!({"profile": profile, "code": exit.code()}));
            worst = worse(worst, exit);
        }
        if context.globals.json {
            terminal::document(&json!({"refreshed": lines}))?;
        }
        context.say(&format!("{} of {} refreshed", lines.iter().filter(|line| line["code"] == 0).count(), due.len()));
        Ok(worst)
    }

    fn one_of_many(&self, context: &Context, profile: &ProfileName) -> Result<Exit, Failure> {
        let settings = context.settings(profile)?;
        let handed = hand_out(context, profile, &settings, &self.need(context))?;
        context.warn(&handed.warnings);
        let left = handed.tokens().and_then(|tokens| tokens.remaining(context.now()));
        context.say(&format!("✓ {profile} good for {}", left.map_or_else(|| "an unknown time".into(), span)));
        Ok(if handed.unsaved { Exit::Unsaved } else { Exit::Done })
    }

    /// Grants without a refresh token are nobody's failure: there is nothing to do for them.
    fn due(&self, context: &Context) -> Result<Vec<ProfileName>, Failure> {
        let now = context.now();
        let mut due = Vec::new();
        for row in super::list::rows(context)? {
            let Some(current) = row.record.as_ref().and_then(|record| record.current.as_ref()) else {
                if row.problem.is_some() {
                    due.push(row.profile);
                }
                continue;
            };
            let age = now.duration_since(current.tokens.requested_at).unwrap_or_default();
            if current.tokens.refresh_token.is_some() && self.older_than.is_none_or(|limit| age >= limit) {
                due.push(row.profile);
            }
        }
        Ok(due)
    }
}

/// The more a person has to do, the worse.
fn worse(one: Exit, other: Exit) -> Exit {
    if other.code() > one.code() { other } else { one }
}
