//! `tokenstrap login`

mod agent;
mod ask;
mod client;
mod countdown;
mod found;
mod outcome;
mod paste;
mod run;

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    render::read_span,
    server::{self, ServerArgs, read_pair},
};
use crate::{
    oauth::{bound::Bound, redirect_uri::RedirectUri, resource::Resource},
    platform::browser::{self, Choice},
    profile::{PlanError, ProfileName, Settings},
};
use agent::Manner;
use clap::Args;
use run::Attempt;
use std::{cell::RefCell, net::SocketAddr, time::Duration};

/// Log in once, in the browser, and store the grant
///
/// Runs the authorization-code flow with PKCE through a listener on this machine that ends with the login. Client id and
/// secret are stored before the browser opens, so that a login that fails is repeated with the name alone. At a terminal
/// whatever is missing is asked for.
///
/// An API that says which server it trusts is named by its own address, with --resource: the tokens are made out for it alone.
/// Where that server takes registrations, --register needs no client that somebody registered before.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tokenstrap login till --provider lightspeed-o\n  tokenstrap login work --issuer https://id.example --client-id 7f3a --scope openid --scope offline_access\n  tokenstrap login notes --resource https://mcp.example/notes --register\n  pass show till/secret | tokenstrap login till --client-id 7f3a --client-secret-stdin --provider lightspeed-o"
)]
pub(super) struct Login {
    /// Name for the grant; the name of a catalogue entry implies that provider
    pub profile: Option<String>,
    #[command(flatten)]
    pub server: ServerArgs,
    /// Address of the API that the tokens are for; where nothing else names the server, it says which one it trusts
    #[arg(long, value_name = "URI")]
    pub resource: Option<String>,
    /// Register a client where the server takes registrations and none is stored
    #[arg(long, conflicts_with_all = ["client_id", "client_secret_stdin", "client_secret_env", "finish"])]
    pub register: bool,
    /// Refuse endpoints that lie on another host than the issuer
    #[arg(long)]
    pub same_host: bool,
    /// Further parameter of the authorization request
    #[arg(long = "param", value_name = "KEY=VALUE", value_parser = read_pair)]
    pub params: Vec<(String, String)>,
    /// Where the browser comes back to; port 0 takes a free one
    #[arg(long, value_name = "URI")]
    pub redirect_uri: Option<String>,
    /// With an https redirect URI: listen here, behind a tunnel of your own
    #[arg(long, value_name = "ADDRESS:PORT", requires = "redirect_uri", conflicts_with_all = ["paste", "link", "device"])]
    pub listen: Option<SocketAddr>,
    /// Host that helpers and requests may serve with this grant
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Print the address instead of opening a browser
    #[arg(long)]
    pub no_browser: bool,
    /// Do not listen; the redirect URL is pasted, or piped in
    #[arg(long, conflicts_with_all = ["device", "link", "finish"])]
    pub paste: bool,
    /// Consent on another device, with a code to type there
    #[arg(long, conflicts_with_all = ["link", "finish"])]
    pub device: bool,
    /// Print a link for somebody else to follow, and keep the login for a day
    #[arg(long, conflicts_with = "finish")]
    pub link: bool,
    /// Finish a login begun with --link: the redirect URL comes from standard input or a hidden prompt
    #[arg(long)]
    pub finish: bool,
    /// Store client id and secret, and stop there
    #[arg(long, conflicts_with_all = ["link", "finish", "device", "paste"])]
    pub client_only: bool,
    /// Leave PKCE out, for a server that breaks on it
    #[arg(long)]
    pub no_pkce: bool,
    /// Leave out the call that tries id and secret before the browser opens
    #[arg(long)]
    pub no_preflight: bool,
    /// Take the place of a grant of another account
    #[arg(long)]
    pub replace: bool,
    /// How long to wait for consent
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = read_span)]
    pub timeout: Duration,
}

impl Run for Login {
    const NAME: &'static str = "login";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = ask::profile(&self, context)?;
        let stored = context.settings(&profile)?;
        let settings = self.merged(context, &profile, stored)?;
        let entry = server::entry_of(context, &settings)?;
        self.check_redirect(&settings)?;
        let manner = self.manner(context)?;
        Attempt { login: &self, context, profile, manner, entry, settings: RefCell::new(settings) }.run()
    }
}

impl Login {
    /// Flags over what the profile says.
    fn merged(&self, context: &Context, profile: &ProfileName, stored: Settings) -> Result<Settings, Failure> {
        let mut settings = stored;
        if let Some(resource) = &self.resource {
            let refused = |cause| PlanError::Address { what: "resource", cause };
            settings.resource = Some(Resource::parse(resource).map_err(refused)?);
        }
        self.server.merge(context, profile, &mut settings)?;
        settings.params.extend(self.params.iter().cloned());
        if let Some(uri) = &self.redirect_uri {
            settings.redirect_uri = Some(RedirectUri::parse(uri).map_err(|error| Failure::usage(error.to_string()))?);
        }
        for host in &self.hosts {
            let host = host.parse::<Bound>().map_err(|error| Failure::usage(error.to_string()))?.to_string();
            if !settings.hosts.contains(&host) {
                settings.hosts.push(host);
            }
        }
        if self.same_host && settings.issuer.is_none() && settings.only_resource().is_none() {
            return Err(
                Failure::usage("--same-host is for a server that publishes its metadata").hint("name it with --issuer or --resource")
            );
        }
        if let Some(variable) = &self.server.client_secret_env {
            settings.client_secret_env = Some(variable.clone());
        }
        settings.no_pkce |= self.no_pkce;
        if let Some(store) = context.named_store() {
            settings.store = Some(store);
        }
        Ok(settings)
    }

    /// A redirect URI that is not on this machine needs a way home (SECURITY L-05).
    fn check_redirect(&self, settings: &Settings) -> Result<(), Failure> {
        let Some(uri) = &settings.redirect_uri else { return Ok(()) };
        let behind_tunnel = self.listen.is_some() && uri.url().scheme() == "https";
        if let Some(address) = self.listen.filter(|address| !address.ip().is_loopback() || uri.url().scheme() != "https") {
            return Err(Failure::usage(format!("--listen {address} is for a loopback address behind an https redirect URI")));
        }
        if uri.loopback().is_some() || behind_tunnel || self.paste || self.link || self.finish || self.device || self.client_only {
            return Ok(());
        }
        Err(Failure::usage("the redirect URI is not on this machine, so nothing here can listen for it")
            .hint("add --paste, --link, or (for https) --listen 127.0.0.1:PORT behind a tunnel of your own"))
    }

    /// How the person is reached; unattended with no way is an error at once (SECURITY A-18), unless tokens that were kept aside
    /// may need nobody's consent.
    fn manner(&self, context: &Context) -> Result<Manner, Failure> {
        let person = context.may_ask();
        let browser = if self.no_browser || self.paste || context.unattended() { Choice::None } else { browser::choose(&context::env) };
        let told = self.no_browser || self.paste || self.device || self.link || self.finish || self.client_only;
        let reachable = person || told || !matches!(browser, Choice::None);
        if !reachable && !self.replace {
            return Err(unattended_failure());
        }
        Ok(Manner { person, reachable, browser, paste: self.paste, remote: context::env("SSH_CONNECTION").is_some() })
    }
}

/// Nothing says which server is meant.
fn no_server() -> Failure {
    let hint = "name it with --provider, --issuer, --resource, or --auth-url together with --token-url; `tokenstrap providers` lists the known ones";
    Failure::usage(PlanError::NoServer.to_string()).hint(hint)
}

/// There is no client id, and nobody to ask.
fn no_client_id() -> Failure {
    Failure::usage(PlanError::NoClientId.to_string())
        .hint("pass it with --client-id; --register gets one where the server takes registrations")
}

/// There is no way to ask anybody.
fn unattended_failure() -> Failure {
    Failure::new(Exit::LoginNeeded, "a person has to consent, and there is neither a terminal nor a browser here")
        .hint("run it at a terminal, set $BROWSER, or add --device, --link, --paste or --no-browser")
}
