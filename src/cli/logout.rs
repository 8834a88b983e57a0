//! `tokenstrap logout`

use super::{
    Run,
    context::{self, Context, Nobody},
    failure::{Exit, Failure},
    held, terminal,
};
use crate::{
    flow::{self, FlowError},
    profile::Settings,
};
use clap::Args;
use serde_json::json;

/// Forget a grant, at the server first with --revoke
///
/// Takes the record, its settings and everything kept of it off this machine. With --revoke the server is told first;
/// where it refuses, nothing is forgotten unless --force is given.
#[derive(Args)]
pub(super) struct Logout {
    /// Whose grant
    profile: String,
    /// Tell the server to revoke the tokens before they are forgotten
    #[arg(long)]
    revoke: bool,
    /// Forget even if the server does not revoke, or the record cannot be read
    #[arg(long)]
    force: bool,
}

impl Run for Logout {
    const NAME: &'static str = "logout";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        // Settings that cannot be read are no reason to keep a grant, if the person insists.
        let settings = match context.settings(&profile) {
            Ok(settings) => settings,
            Err(_) if self.force => Settings { store: context.named_store(), ..Settings::default() },
            Err(failure) => return Err(failure),
        };
        let entry = settings.provider.as_deref().map(|name| context.config.provider(name)).transpose()?.flatten();
        let hint = entry.and_then(|entry| entry.revoke_hint);
        let outcome = context.with_world(&settings, &Nobody, |world| {
            flow::logout(world, &profile, self.revoke, self.force).map_err(|error| match (error, &hint) {
                (error @ FlowError::NoEndpoint(_), Some(hint)) => Failure::from(error).hint(hint.clone()),
                (error @ FlowError::NoEndpoint(_), None) => {
                    Failure::from(error).hint("leave --revoke out, and end the access at the server by hand")
                }
                (error, _) => error.into(),
            })
        })?;
        context.warn(&outcome.warnings);
        held::let_go(context, &profile, &settings, &context.store_name(&settings)?)?;
        let known = outcome.record.is_some();
        if context.globals.json {
            terminal::document(&json!({"profile": profile, "forgotten": known, "revoked": outcome.revoked}))?;
        }
        context.say(&match (known, outcome.revoked) {
            (true, true) => format!("✓ {profile} revoked at the server and forgotten here"),
            (true, false) => format!("✓ {profile} forgotten here; the server still knows the grant"),
            (false, _) => format!("nothing was stored for {profile}"),
        });
        match (known, self.revoke, hint) {
            (true, false, Some(hint)) => context.say(&hint),
            (true, false, None) => context.say("--revoke tells the server too, where it can revoke"),
            _ => {}
        }
        Ok(Exit::Done)
    }
}
