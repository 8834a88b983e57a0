//! How a login ended, in words.

use super::run::Attempt;
use crate::{
    cli::{
        failure::{Exit, Failure},
        render::{rfc3339, span},
        show::of_account,
        terminal,
    },
    flow::{self, LoggedIn},
    oauth::redirect_uri::RedirectUri,
};
use serde_json::json;

impl Attempt<'_> {
    /// One line of good news, and what the person has now.
    pub(super) fn good_news(&self, done: LoggedIn) -> Result<Exit, Failure> {
        let LoggedIn { record, warnings, unsaved } = done;
        self.context.warn(&warnings);
        let current = record.current.as_ref().ok_or_else(|| Failure::new(Exit::Bug, "a login left no grant"))?;
        let server = record.registration.as_ref().map(|registration| registration.pins.server()).unwrap_or_default();
        let account = current.account.as_ref().map(of_account);
        let left = current.tokens.remaining(self.context.now());
        let renewed = if current.tokens.refresh_token.is_some() { ", renewed by itself" } else { "" };
        self.context.say(&format!("✓ Connected to {} as {}", account.as_deref().unwrap_or(&server), self.profile));
        self.context.say(&format!(
            "  access token   {}{renewed}",
            left.map_or_else(|| "without a known end".into(), |left| format!("good for {}", span(left)))
        ));
        let lightspeed = self.entry.as_ref().is_some_and(|entry| entry.name == "lightspeed-o");
        self.context.say(match (current.tokens.refresh_token.is_some(), lightspeed) {
            (true, true) => "  refresh token  stored: Loyalty and Payments can now activate",
            (true, false) => "  refresh token  stored",
            (false, _) => "  refresh token  none came: a person has to log in again when the access token ends",
        });
        if record.registration.as_ref().is_some_and(|registration| registration.client_secret.is_some()) {
            self.context.say("  client secret  stored too");
        }
        self.context.say(&format!("\nTry   tokenstrap token {0}\n      tokenstrap check {0}", self.profile));
        if self.context.globals.json {
            let document = json!({
                "profile": self.profile, "server": server,
                "account": current.account.as_ref().map(|account| json!({"id": account.id, "label": account.label, "noun": account.noun})),
                "expires_at": current.tokens.expires_at.and_then(rfc3339), "has_refresh_token": current.tokens.refresh_token.is_some(),
                "scopes": {"asked": current.asked, "granted": current.tokens.scope}, "saved": !unsaved,
            });
            terminal::document(&document)?;
        }
        Ok(if unsaved { Exit::Unsaved } else { Exit::Done })
    }

    /// A link for somebody else; what finishes it stays in the store.
    pub(super) fn link(&self, world: &flow::World<'_>, login: &flow::Login<'_>) -> Result<Exit, Failure> {
        let url = flow::link(world, login)?;
        terminal::answer(&if self.context.globals.json { terminal::json(&json!({"link": url.as_str()})) } else { format!("{url}\n") })?;
        self.context.say("\nSend this link to the person who consents. It ends tomorrow at this time.");
        self.context
            .say(&format!("Afterwards they send you the whole address that their browser ends on, which begins {}", login.redirect_uri));
        self.context.say(&format!("Then   tokenstrap login {} --finish", self.profile));
        Ok(Exit::Done)
    }

    /// What usually is wrong where nobody came back.
    pub(super) fn explain(&self, failure: Failure, redirect_uri: &RedirectUri) -> Failure {
        let timed_out = failure.exit == Exit::Later && failure.fact.contains("nobody answered in time");
        if !timed_out {
            return failure.hint(format!("id and secret are kept: `tokenstrap login {}` tries again", self.profile));
        }
        let mismatch = self.entry.as_ref().and_then(|entry| entry.mismatch.clone());
        let cause = mismatch.unwrap_or_else(|| "an error page of the server usually means that another redirect URI is registered".into());
        failure.because(cause).because(format!("it has to be exactly {redirect_uri}")).hint(format!(
            "id and secret are kept: `tokenstrap login {}` tries again, with --paste where the browser is elsewhere",
            self.profile
        ))
    }
}
