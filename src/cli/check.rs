//! `tokenstrap check`

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    render::span,
    show::of_account,
    terminal,
    token::{hand_out, need},
};
use crate::flow::{self, FlowError};
use clap::Args;
use serde_json::json;
use std::time::Duration;

/// Ask the server whether a grant is alive, and whose it is
///
/// Uses the provider's verify call, else userinfo, else introspection, and says what could be stronger. Exit 0 means
/// that the server takes the token.
#[derive(Args)]
pub(super) struct Check {
    /// Whose grant
    profile: String,
}

impl Run for Check {
    const NAME: &'static str = "check";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        let settings = context.settings(&profile)?;
        let handed = hand_out(context, &profile, &settings, &need(context, Duration::from_secs(5)))?;
        context.warn(&handed.warnings);
        let report = context.with_grant(&profile, &settings, |world| {
            flow::check(world, &handed.record).map_err(|error| match error {
                FlowError::NoEndpoint(_) => {
                    Failure::from(error).hint("the token may work all the same; only a call to the server's API can tell")
                }
                error => Failure::from(error).hint_login(&profile),
            })
        })?;
        let left = handed.tokens().and_then(|tokens| tokens.remaining(context.now()));
        if context.globals.json {
            let findings: Vec<_> = report.findings.iter().map(|finding| finding.0.clone()).collect();
            let account = report.account.as_ref().map(|account| json!({"id": account.id, "label": account.label, "noun": account.noun}));
            let document = json!({
                "profile": profile, "alive": true, "asked": report.asked, "host": report.host, "account": account,
                "expires_in": left.map(|left| left.as_secs()), "findings": findings,
            });
            terminal::document(&document)?;
            return Ok(Exit::Done);
        }
        let mut text = format!("✓ {} takes the token of {profile} ({})\n", report.host, report.asked);
        if let Some(account) = &report.account {
            text.push_str(&format!("  account       {}\n", of_account(account)));
        }
        text.push_str(&format!("  access token  good for {}\n", left.map_or_else(|| "an unknown time".into(), span)));
        for finding in &report.findings {
            text.push_str(&format!("  could be stronger: {}\n", finding.0));
        }
        terminal::answer(&text)?;
        Ok(Exit::Done)
    }
}
