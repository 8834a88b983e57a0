//! `tokenstrap show`

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    render::{ago, local, rfc3339, span, words},
    terminal,
};
use crate::{
    flow::FlowError,
    oauth::jws::unverified_claims,
    platform::last_use,
    profile::{Account, Current, ProfileName, Record, Settings},
    secret::Secret,
    text::printable,
};
use clap::Args;
use serde_json::{Value, json};

/// Show everything about a stored grant, nothing of its secrets
///
/// Tokens appear as a hash prefix, enough to tell two of them apart. --reveal shows them.
#[derive(Args)]
pub(super) struct Show {
    /// Whose grant
    profile: String,
    /// Show the tokens and the client secret themselves
    #[arg(long)]
    reveal: bool,
}

impl Run for Show {
    const NAME: &'static str = "show";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        let settings = context.settings(&profile)?;
        let (record, store, place) = context.with_grant(&profile, &settings, |world| {
            let record = world.store.load(&profile)?.ok_or_else(|| Failure::from(FlowError::NoGrant(profile.clone())))?;
            Ok((record, world.store.name(), world.store.place()))
        })?;
        let sheet = Sheet { context, profile: &profile, settings: &settings, record: &record, store, place, reveal: self.reveal };
        let text = if context.globals.json { terminal::json(&sheet.document()) } else { sheet.text() };
        terminal::answer(&text)?;
        Ok(Exit::Done)
    }
}

struct Sheet<'a> {
    context: &'a Context,
    profile: &'a ProfileName,
    settings: &'a Settings,
    record: &'a Record,
    store: &'static str,
    place: String,
    reveal: bool,
}

impl Sheet<'_> {
    fn text(&self) -> String {
        let mut lines = vec![("profile", self.profile.to_string())];
        lines.extend(self.settings.provider.clone().map(|provider| ("provider", provider)));
        if let Some(registration) = self.record.registration.as_ref().or(self.record.pending.as_ref().map(|pending| &pending.registration))
        {
            let pins = &registration.pins;
            lines.push(("server", pins.server()));
            lines.extend(pins.resource.as_ref().map(|resource| ("resource", resource.to_string())));
            lines.push(("token endpoint", pins.token_endpoint.to_string()));
            let by_itself = if pins.registration_endpoint.is_some() { ", registered by itself" } else { "" };
            lines.push(("client", format!("{}, {}{by_itself}", pins.client_id, pins.client_auth.name())));
            lines.push(("bound hosts", words(&pins.hosts)));
            let secret = registration.client_secret.as_ref();
            lines.push(("client secret", secret.map_or_else(|| "none".into(), |secret| self.shown(secret))));
        }
        match &self.record.current {
            Some(current) => self.current(current, &mut lines),
            None => lines.push(("grant", format!("none yet; `tokenstrap login {}` gets one", self.profile))),
        }
        lines.push(("stored", format!("{} ({}), generation {}", self.place, self.store, self.record.generation)));
        lines.push(("kept at hand", self.at_hand()));
        if let Some(suspect) = &self.record.suspect {
            lines.push(("kept aside", format!("an answer that failed a check: {}", suspect.reason)));
        }
        if let Some(mark) = &self.record.mark {
            lines.push(("refused", format!("the server refused the refresh token {}: log in again", ago(mark.at, self.context.now()))));
        }
        let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        let limit = |value: &str| if self.reveal { value.to_owned() } else { printable(value) };
        lines.iter().map(|(name, value)| format!("{name:width$}  {}\n", limit(value))).collect()
    }

    fn current(&self, current: &Current, lines: &mut Vec<(&'static str, String)>) {
        let now = self.context.now();
        let tokens = &current.tokens;
        lines.extend(current.account.as_ref().map(|account| ("account", of_account(account))));
        lines.push(("scopes asked", words(&current.asked)));
        lines.push(("scopes granted", tokens.scope.as_deref().map_or_else(|| "as asked".into(), words)));
        let end = match (tokens.expires_at, tokens.remaining(now)) {
            (Some(end), Some(left)) if left.is_zero() => format!("ended {}, at {}", ago(end, now), local(end)),
            (Some(end), Some(left)) => format!("{} left, until {}", span(left), local(end)),
            _ => "the server does not say when it ends".into(),
        };
        lines.push(("access token", format!("{}, {end}", self.shown(&tokens.access_token))));
        let refresh = tokens
            .refresh_token
            .as_ref()
            .map_or_else(|| "none".into(), |token| format!("{}, replaced {}", self.shown(token), times(current.rotations)));
        lines.push(("refresh token", refresh));
        lines.push(("consent", format!("{}, at {}", ago(current.consented_at, now), local(current.consented_at))));
        lines.push(("refreshed", format!("{}, at {}", ago(tokens.requested_at, now), local(tokens.requested_at))));
        let used = last_use::of(&self.context.folders.state, self.profile.as_str());
        lines.push(("last used", used.map_or_else(|| "not yet".into(), |at| format!("{}, at {}", ago(at, now), local(at)))));
        if let Some(claims) = unverified_claims(tokens.access_token.expose()) {
            lines.push(("claims", format!("(unverified) {}", Value::Object(claims))));
        }
    }

    /// A secret as a hash prefix, unless it was asked for in so many words.
    fn shown(&self, secret: &Secret) -> String {
        if self.reveal { secret.expose().to_owned() } else { format!("sha256 {}…", secret.fingerprint()) }
    }

    fn at_hand(&self) -> String {
        match self.context.uses_cache() {
            Ok(true) if cfg!(target_os = "linux") => {
                "in the kernel keyring where it works (`access_token_cache = false` turns it off)".into()
            }
            _ => "no".into(),
        }
    }

    fn document(&self) -> Value {
        let pins = self.record.registration.as_ref().map(|registration| &registration.pins);
        let secret = self.record.registration.as_ref().and_then(|registration| registration.client_secret.as_ref());
        let current = self.record.current.as_ref();
        let tokens = current.map(|current| &current.tokens);
        let reveal = |secret: Option<&Secret>| secret.map(|secret| json!(self.shown(secret)));
        json!({
            "profile": self.profile, "provider": self.settings.provider, "store": self.store, "place": self.place,
            "generation": self.record.generation,
            "issuer": pins.and_then(|pins| pins.issuer.clone()),
            "server": pins.map(|pins| pins.server()),
            "authorization_endpoint": pins.map(|pins| pins.authorization_endpoint.to_string()),
            "token_endpoint": pins.map(|pins| pins.token_endpoint.to_string()),
            "revocation_endpoint": pins.and_then(|pins| pins.revocation_endpoint.as_ref().map(ToString::to_string)),
            "registration_endpoint": pins.and_then(|pins| pins.registration_endpoint.as_ref().map(ToString::to_string)),
            "resource": pins.and_then(|pins| pins.resource.as_ref().map(ToString::to_string)),
            "hosts": pins.map(|pins| pins.hosts.clone()),
            "client_id": pins.map(|pins| pins.client_id.clone()),
            "client_auth": pins.map(|pins| pins.client_auth.name()),
            "client_secret": reveal(secret),
            "account": current.and_then(|current| current.account.as_ref()).map(|account| json!({
                "id": account.id, "label": account.label, "noun": account.noun, "facts": account.facts, "verified": account.verified,
            })),
            "scopes": {"asked": current.map(|current| current.asked.clone()), "granted": tokens.and_then(|tokens| tokens.scope.clone())},
            "access_token": reveal(tokens.map(|tokens| &tokens.access_token)),
            "refresh_token": reveal(tokens.and_then(|tokens| tokens.refresh_token.as_ref())),
            "has_refresh_token": tokens.is_some_and(|tokens| tokens.refresh_token.is_some()),
            "expires_at": tokens.and_then(|tokens| tokens.expires_at).and_then(rfc3339),
            "expires_in": tokens.and_then(|tokens| tokens.remaining(self.context.now())).map(|left| left.as_secs()),
            "consented_at": current.and_then(|current| rfc3339(current.consented_at)),
            "refreshed_at": tokens.and_then(|tokens| rfc3339(tokens.requested_at)),
            "rotations": current.map(|current| current.rotations),
            "last_used_at": last_use::of(&self.context.folders.state, self.profile.as_str()).and_then(rfc3339),
            "unverified_claims": tokens.and_then(|tokens| unverified_claims(tokens.access_token.expose())),
            "suspect": self.record.suspect.as_ref().map(|suspect| suspect.reason.clone()),
            "login_needed": self.record.mark.is_some() || current.is_none(),
        })
    }
}

/// `Corner Cafe (company 5042, 2 sites, 3 registers)`
pub(super) fn of_account(account: &Account) -> String {
    let facts: String = account.facts.iter().map(|fact| format!(", {fact}")).collect();
    printable(&format!("{} ({} {}{facts})", account.label, account.noun, account.id))
}

fn times(count: u64) -> String {
    match count {
        0 => "never".into(),
        1 => "once".into(),
        more => format!("{more} times"),
    }
}
