//! Which server and which client: flags that several commands share.

use super::{
    context::{self, Context},
    failure::Failure,
};
use crate::{
    oauth::client_auth::{ClientAuthentication, METHODS, Method},
    profile::{ProfileName, Settings},
    provider::Provider,
    secret::Secret,
    text::printable,
};
use clap::{Args, builder::PossibleValue};

/// A server and a client that is registered there.
#[derive(Args, Debug)]
pub(super) struct ServerArgs {
    /// Catalogue entry of the server
    #[arg(long, value_name = "NAME", conflicts_with_all = ["issuer", "auth_url", "token_url"])]
    pub provider: Option<String>,
    /// Server that publishes its metadata at a well-known address
    #[arg(long, value_name = "URL", conflicts_with_all = ["auth_url", "token_url"])]
    pub issuer: Option<String>,
    /// Authorization endpoint
    #[arg(long, value_name = "URL", requires = "token_url")]
    pub auth_url: Option<String>,
    /// Token endpoint
    #[arg(long, value_name = "URL", requires = "auth_url")]
    pub token_url: Option<String>,
    /// Value for a variable of the catalogue entry, such as tenant=contoso
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = read_pair)]
    pub variables: Vec<(String, String)>,
    /// Client id
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Read the client secret from standard input
    #[arg(long, conflicts_with = "client_secret_env")]
    pub client_secret_stdin: bool,
    /// Read the client secret from this environment variable
    #[arg(long, value_name = "VAR")]
    pub client_secret_env: Option<String>,
    /// Client authentication method
    #[arg(long, value_name = "METHOD", value_parser = methods())]
    pub client_auth: Option<String>,
    /// Scope to ask for; repeat, or quote a list
    #[arg(long = "scope", value_name = "SCOPE")]
    pub scopes: Vec<String>,
}

fn methods() -> clap::builder::PossibleValuesParser {
    let value = |method: &&dyn ClientAuthentication| PossibleValue::new(method.name()).aliases(method.alias()).help(method.about());
    METHODS.iter().map(value).collect::<Vec<_>>().into()
}

/// Reads `NAME=VALUE`.
pub(super) fn read_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    if name.is_empty() { Err("the name is empty".into()) } else { Ok((name.to_owned(), value.to_owned())) }
}

impl ServerArgs {
    /// Flags over what the profile says.
    pub fn merge(&self, context: &Context, profile: &ProfileName, settings: &mut Settings) -> Result<(), Failure> {
        let provider = match &self.provider {
            Some(name) => Some(name.clone()),
            None if self.issuer.is_none() && self.auth_url.is_none() && settings.names_no_server() => {
                context.config.provider(profile.as_str())?.map(|entry| entry.name)
            }
            None => None,
        };
        if self.issuer.is_some() && settings.issuer.is_some() && self.issuer != settings.issuer {
            // A client id is worth nothing at another issuer, and none of its business (SECURITY D-07).
            settings.client_id = None;
        }
        if provider.is_some() || self.issuer.is_some() || self.auth_url.is_some() {
            (settings.provider, settings.issuer) = (provider, self.issuer.clone());
            (settings.auth_url, settings.token_url) = (self.auth_url.clone(), self.token_url.clone());
        }
        settings.variables.extend(self.variables.iter().cloned());
        if let Some(id) = &self.client_id {
            // VSCHAR of RFC 6749 appendix A.1, and nothing that a terminal would obey.
            if id.is_empty() || !id.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
                return Err(Failure::usage("the value of --client-id is not a client id").hint("it is printable ASCII"));
            }
            settings.client_id = Some(id.clone());
        }
        if let Some(name) = &self.client_auth {
            let method = Method::by_name(name).map_err(|error| Failure::usage(error.to_string()))?;
            if !method.needs_secret() && (self.client_secret_stdin || self.client_secret_env.is_some()) {
                return Err(Failure::usage(format!("a client secret goes with no client of method `{name}`"))
                    .hint("leave --client-auth out, or the flag for the secret"));
            }
            settings.client_auth = Some(method);
        }
        if !self.scopes.is_empty() {
            settings.scopes = Some(self.scopes.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect());
        }
        Ok(())
    }

    /// Whether any of these flags was given.
    pub fn names_anything(&self) -> bool {
        let texts = [&self.provider, &self.issuer, &self.auth_url, &self.client_id, &self.client_auth, &self.client_secret_env];
        texts.iter().any(|text| text.is_some()) || self.client_secret_stdin || !self.variables.is_empty() || !self.scopes.is_empty()
    }

    /// The client secret of the variable that was named.
    pub fn secret_from_env(&self) -> Result<Option<Secret>, Failure> {
        let Some(variable) = &self.client_secret_env else { return Ok(None) };
        // Not by its name: some will put the secret itself there (SECURITY X-01).
        let missing = || {
            Failure::usage("the environment variable that --client-secret-env names is not set")
                .hint("it takes the name of a variable, never the secret itself")
        };
        context::env(variable).map(Secret::new).map(Some).ok_or_else(missing)
    }
}

/// A value for a variable that nothing asks for is a typo.
fn check_variables(settings: &Settings, entry: Option<&Provider>) -> Result<(), Failure> {
    let declared = |name: &String| entry.is_some_and(|entry| entry.variables.contains_key(name));
    match settings.variables.keys().find(|name| !declared(name)) {
        Some(name) => Err(Failure::usage(format!("nothing here has a variable `{}`", printable(name)))
            .hint("`tokenstrap providers NAME` shows the variables of an entry")),
        None => Ok(()),
    }
}

/// The catalogue entry that the settings name, once their variables are known to be its own.
pub(super) fn entry_of(context: &Context, settings: &Settings) -> Result<Option<Provider>, Failure> {
    let entry = named_entry(context, settings)?;
    check_variables(settings, entry.as_ref())?;
    Ok(entry)
}

fn named_entry(context: &Context, settings: &Settings) -> Result<Option<Provider>, Failure> {
    let Some(name) = &settings.provider else { return Ok(None) };
    let entry = context.config.provider(name)?;
    entry.map(Some).ok_or_else(|| {
        Failure::usage(format!("there is no catalogue entry `{}`", printable(name)))
            .hint("`tokenstrap providers` lists them; --issuer or --auth-url with --token-url serve any other server")
    })
}
