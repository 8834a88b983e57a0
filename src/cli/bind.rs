//! `tokenstrap bind`

use super::{
    Run, bound,
    context::{self, Context},
    failure::{Exit, Failure},
    terminal,
    token::need,
};
use crate::{
    flow,
    oauth::{
        bound::{BadBound, Bound},
        resource::Resource,
    },
};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Let helpers and requests present a grant's token to a host
///
/// A host is served exactly as it is bound: HOST[:PORT], over https; http://127.0.0.1:PORT binds clear text on this
/// machine. With a path only what lies below it is served. Without HOST, what is bound is listed.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tokenstrap bind work git.example\n  tokenstrap bind work git.example --path our-org\n  tokenstrap bind work git.example --remove"
)]
pub(super) struct Bind {
    /// Whose token
    profile: String,
    /// Where it may be presented
    host: Option<String>,
    /// Only below this path
    #[arg(long, value_name = "PATH", requires = "host")]
    path: Option<String>,
    /// Take the host away
    #[arg(long, requires = "host")]
    remove: bool,
}

impl Run for Bind {
    const NAME: &'static str = "bind";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        let hosts = match self.place()? {
            None => bound::hosts(&bound::record(context, &profile)?).iter().map(ToString::to_string).collect(),
            Some(host) => {
                let mut settings = context.settings(&profile)?;
                let budget = need(context, Duration::ZERO).budget;
                let hosts = context.with_grant(&profile, &settings, |world| {
                    flow::bind(world, &profile, &host, self.remove, budget).map_err(|error| Failure::from(error).hint_login(&profile))
                })?;
                // What the next login proposes; what is bound is what the record says. The place of the resource goes with it.
                let own = settings.resource.as_ref().and_then(Resource::bound).map(|bound| bound.to_string());
                settings.hosts = hosts.iter().filter(|host| own.as_ref() != Some(host)).cloned().collect();
                context.config.save(&profile, &settings)?;
                hosts
            }
        };
        if context.globals.json {
            terminal::document(&json!({"profile": profile, "hosts": hosts}))?;
            return Ok(Exit::Done);
        }
        if hosts.is_empty() {
            context.say(&format!("nothing is bound to {profile}; `tokenstrap bind {profile} HOST` does it"));
        }
        terminal::answer(&hosts.iter().map(|host| format!("{}\n", crate::text::printable(host))).collect::<String>())?;
        Ok(Exit::Done)
    }
}

impl Bind {
    fn place(&self) -> Result<Option<Bound>, Failure> {
        let refused = |error: BadBound| match error {
            BadBound::ClearText(_) => {
                Failure::new(Exit::Refused, error.to_string()).hint("clear text is for 127.0.0.1, [::1] and localhost")
            }
            BadBound::Form(_) => Failure::usage(error.to_string()).hint("write a name in ASCII (punycode), such as git.example:8443"),
        };
        let Some(text) = &self.host else { return Ok(None) };
        let host: Bound = text.parse().map_err(refused)?;
        match &self.path {
            Some(_) if host.has_path() => Err(Failure::usage("the host has a path already, and --path names another")),
            Some(path) => host.below(path).map(Some).map_err(refused),
            None => Ok(Some(host)),
        }
    }
}
