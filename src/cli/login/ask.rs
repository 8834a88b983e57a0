//! Questions of a login, at a terminal only.

use super::Login;
use crate::{
    cli::{
        context::{self, Context},
        failure::Failure,
        terminal,
    },
    oauth::redirect_uri::RedirectUri,
    profile::ProfileName,
    provider::{self, Provider},
};

/// The profile that was named, or asked for.
pub(super) fn profile(login: &Login, context: &Context) -> Result<ProfileName, Failure> {
    if let Some(name) = login.profile.clone().or_else(|| context::env("TOKENSTRAP_PROFILE")) {
        return context::profile(&name);
    }
    if !context.may_ask() {
        return Err(Failure::usage("no profile is named").hint("tokenstrap login NAME"));
    }
    context::profile(&terminal::ask("Name for this grant", login.server.provider.as_deref())?)
}

/// The server, chosen from the catalogue.
pub(super) fn provider(context: &Context) -> Result<Provider, Failure> {
    let mut entries = provider::all();
    for name in context.config.own_providers()? {
        entries.extend(context.config.provider(&name)?);
    }
    let items: Vec<String> = entries.iter().map(|entry| crate::text::printable(&format!("{:14} {}", entry.name, entry.title))).collect();
    let chosen = terminal::choose("Provider (type to search)", &items)?;
    entries.into_iter().nth(chosen).ok_or_else(|| Failure::usage("no provider was chosen"))
}

/// What a person does at the vendor before the login, with the exact redirect URI.
pub(super) fn show_steps(context: &Context, entry: Option<&Provider>, redirect_uri: &RedirectUri) {
    let steps = entry.map(|entry| entry.steps(redirect_uri)).unwrap_or_default();
    context.say("");
    if steps.is_empty() {
        context.say(&format!("Register this redirect URI for your client, exactly\n    {redirect_uri}"));
    }
    for step in steps {
        context.say(&step);
    }
    context.say("");
}

/// The client id.
pub(super) fn client_id() -> Result<String, Failure> {
    let id = terminal::ask("Client id", None)?;
    if id.is_empty() { Err(Failure::usage("there is no client id")) } else { Ok(id) }
}
