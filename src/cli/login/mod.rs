//! `tokenstrap login`

mod agent;
mod ask;
mod outcome;
mod paste;

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    render::read_span,
    terminal,
};
use crate::{
    flow::{self, Confirm, FlowError, LoggedIn, Preflight, World},
    oauth::{
        client_auth::{METHODS, Method},
        grant::{self, Prompt},
        redirect_uri::RedirectUri,
    },
    platform::browser::{self, Choice},
    profile::{Account, Plan, ProfileName, Registration, Settings},
    provider::Provider,
    redirect::Listener,
    secret::Secret,
    text::printable,
};
use agent::{Agent, Manner};
use clap::{Args, builder::PossibleValue};
use std::{cell::RefCell, net::SocketAddr, time::Duration};

/// Log in once, in the browser, and store the grant
///
/// Runs the authorization-code flow with PKCE through a listener on this machine that ends with the login. Client id and
/// secret are stored before the browser opens, so that a login that fails is repeated with the name alone. At a terminal
/// whatever is missing is asked for.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  tokenstrap login till --provider lightspeed-o\n  tokenstrap login work --issuer https://id.example --client-id 7f3a --scope openid --scope offline_access\n  pass show till/secret | tokenstrap login till --client-id 7f3a --client-secret-stdin --provider lightspeed-o"
)]
pub(super) struct Login {
    /// Name for the grant; the name of a catalogue entry implies that provider
    pub profile: Option<String>,
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
    /// Refuse endpoints that lie on another host than the issuer
    #[arg(long, requires = "issuer")]
    pub same_host: bool,
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

fn methods() -> clap::builder::PossibleValuesParser {
    let value = |method: &&dyn crate::oauth::client_auth::ClientAuthentication| {
        PossibleValue::new(method.name()).aliases(method.alias()).help(method.about())
    };
    METHODS.iter().map(value).collect::<Vec<_>>().into()
}

fn read_pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it is written NAME=VALUE")?;
    if name.is_empty() { Err("the name is empty".into()) } else { Ok((name.to_owned(), value.to_owned())) }
}

impl Run for Login {
    const NAME: &'static str = "login";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = ask::profile(&self, context)?;
        let stored = context.settings(&profile)?;
        let settings = self.merged(context, &profile, stored)?;
        let entry = entry_of(context, &settings)?;
        self.check_redirect(&settings, entry.as_ref())?;
        let manner = self.manner(context)?;
        Attempt { login: &self, context, profile, manner, entry, settings: RefCell::new(settings) }.run()
    }
}

impl Login {
    /// Flags over what the profile says.
    fn merged(&self, context: &Context, profile: &ProfileName, stored: Settings) -> Result<Settings, Failure> {
        let mut settings = stored;
        let provider = match &self.provider {
            Some(name) => Some(name.clone()),
            None if self.issuer.is_none() && self.auth_url.is_none() && settings.names_no_server() => {
                context.config.provider(profile.as_str())?.map(|entry| entry.name)
            }
            None => None,
        };
        if provider.is_some() || self.issuer.is_some() || self.auth_url.is_some() {
            (settings.provider, settings.issuer) = (provider, self.issuer.clone());
            (settings.auth_url, settings.token_url) = (self.auth_url.clone(), self.token_url.clone());
        }
        settings.variables.extend(self.variables.iter().cloned());
        settings.params.extend(self.params.iter().cloned());
        if let Some(id) = &self.client_id {
            settings.client_id = Some(id.clone());
        }
        if let Some(name) = &self.client_auth {
            settings.client_auth = Some(Method::by_name(name).map_err(|error| Failure::usage(error.to_string()))?);
        }
        if !self.scopes.is_empty() {
            settings.scopes = Some(self.scopes.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect());
        }
        if let Some(uri) = &self.redirect_uri {
            settings.redirect_uri = Some(RedirectUri::parse(uri).map_err(|error| Failure::usage(error.to_string()))?);
        }
        for host in &self.hosts {
            if !settings.hosts.contains(host) {
                settings.hosts.push(host.clone());
            }
        }
        settings.no_pkce |= self.no_pkce;
        if let Some(store) = context.globals.store.clone().or_else(|| context::env("TOKENSTRAP_STORE")) {
            settings.store = Some(store);
        }
        Ok(settings)
    }

    /// A redirect URI that is not on this machine needs a way home (SECURITY L-05).
    fn check_redirect(&self, settings: &Settings, entry: Option<&Provider>) -> Result<(), Failure> {
        let _ = entry;
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

    /// How the person is reached; unattended with no way is an error at once (SECURITY A-18).
    fn manner(&self, context: &Context) -> Result<Manner, Failure> {
        let person = context.may_ask();
        let unattended = context.globals.non_interactive || context::env("TOKENSTRAP_NON_INTERACTIVE").is_some_and(|value| value != "0");
        let browser = if self.no_browser || self.paste || unattended { Choice::None } else { browser::choose(&context::env) };
        let told = self.no_browser || self.paste || self.device || self.link || self.finish || self.client_only;
        if !person && !told && matches!(browser, Choice::None) {
            return Err(Failure::new(Exit::LoginNeeded, "a person has to consent, and there is neither a terminal nor a browser here")
                .hint("run it at a terminal, set $BROWSER, or add --device, --link, --paste or --no-browser"));
        }
        Ok(Manner { person, browser, paste: self.paste, remote: context::env("SSH_CONNECTION").is_some() })
    }
}

fn entry_of(context: &Context, settings: &Settings) -> Result<Option<Provider>, Failure> {
    let Some(name) = &settings.provider else { return Ok(None) };
    let entry = context.config.provider(name)?;
    entry.map(Some).ok_or_else(|| {
        Failure::usage(format!("there is no catalogue entry `{}`", printable(name)))
            .hint("`tokenstrap providers` lists them; --issuer or --auth-url with --token-url serve any other server")
    })
}

/// One run of the command, once it is clear who is meant and how the person is reached.
struct Attempt<'a> {
    login: &'a Login,
    context: &'a Context,
    profile: ProfileName,
    manner: Manner,
    entry: Option<Provider>,
    settings: RefCell<Settings>,
}

impl Attempt<'_> {
    fn run(mut self) -> Result<Exit, Failure> {
        if self.entry.is_none() && self.settings.borrow().names_no_server() {
            if !self.manner.person {
                return Err(crate::profile::PlanError::NoServer.into());
            }
            self.entry = Some(ask::provider(self.context)?);
            self.settings.borrow_mut().provider = self.entry.as_ref().map(|entry| entry.name.clone());
        }
        let secret = self.given_secret()?;
        if !self.manner.person && !self.login.finish && self.settings.borrow().client_id.is_none() {
            return Err(crate::profile::PlanError::NoClientId.into());
        }
        let agent = Agent::new(self.context, self.manner.clone(), self.login.timeout);
        let settings = self.settings.borrow().clone();
        self.context.with_world(&settings, &agent, |world| self.in_world(world, &agent, secret))
    }

    fn given_secret(&self) -> Result<Option<Secret>, Failure> {
        if self.login.client_secret_stdin {
            return terminal::secret_from_stdin().map(Some);
        }
        let Some(variable) = &self.login.client_secret_env else { return Ok(None) };
        let missing = || Failure::usage(format!("the environment variable `{}` is not set", printable(variable)));
        context::env(variable).map(Secret::new).map(Some).ok_or_else(missing)
    }

    fn in_world(&self, world: &World<'_>, agent: &Agent<'_>, secret: Option<Secret>) -> Result<Exit, Failure> {
        let record = world.store.load(&self.profile)?;
        if self.login.replace && record.as_ref().and_then(|record| record.pending.as_ref()).is_some_and(|pending| pending.granted.is_some())
        {
            return self.good_news(flow::take_aside(world, &self.profile)?);
        }
        let stored = record.as_ref().and_then(flow::stored_client).map(|(registration, secret)| (registration.clone(), secret.cloned()));
        let kept = stored.filter(|(registration, _)| {
            let asked = self.settings.borrow().client_id.clone();
            asked.is_none_or(|id| id == registration.pins.client_id)
        });
        let secret = secret.or_else(|| kept.as_ref().and_then(|(_, secret)| secret.clone()));
        if self.settings.borrow().client_id.is_none() {
            self.settings.borrow_mut().client_id = kept.map(|(registration, _)| registration.pins.client_id);
        }
        let metadata = self.metadata(world)?;
        let mut secret = secret;
        let draft = self.plan(metadata.as_ref(), self.wants_secret(secret.is_some()))?;
        let listener = self.bind(&draft.redirect_uri)?;
        let redirect_uri = listener.as_ref().map_or_else(|| draft.redirect_uri.clone(), |listener| listener.redirect_uri().clone());
        self.ask_missing(&redirect_uri, &mut secret)?;
        let mut plan = self.plan(metadata.as_ref(), secret.is_some())?;
        plan.redirect_uri = redirect_uri;
        self.refuse_weak(&plan, secret.as_ref())?;
        flow::probe(world)?;
        let registration = Registration { pins: plan.pins.clone(), client_secret: secret };
        let record = flow::begin(world, &self.profile, &registration)?;
        self.settings.borrow_mut().cache = Some(record.id);
        self.context.config.save(&self.profile, &self.settings.borrow())?;
        if self.manner.person {
            self.context.say(&format!("✓ {} can be written; id and secret are safe from here on", world.store.place()));
        }
        if self.login.client_only {
            self.context.say(&format!("✓ client stored; `tokenstrap login {}` goes on", self.profile));
            return Ok(Exit::Done);
        }
        self.preflight(world, &plan, &registration)?;
        self.consent(world, agent, plan, registration, listener)
    }

    /// A secret is expected unless the person said that there is none.
    fn wants_secret(&self, has_secret: bool) -> bool {
        let settings = self.settings.borrow();
        match settings.client_auth {
            Some(method) => method.needs_secret(),
            None => has_secret || self.entry.as_ref().is_some_and(|entry| self.manner.person && entry.client_auth.needs_secret()),
        }
    }

    fn metadata(&self, world: &World<'_>) -> Result<Option<crate::oauth::metadata::ServerMetadata>, Failure> {
        let Some(issuer) = self.settings.borrow().issuer.clone() else { return Ok(None) };
        let metadata =
            flow::discover(world, &issuer).map_err(|error| Failure::from(error).while_doing("the server's metadata cannot be used"))?;
        let elsewhere: Vec<String> =
            metadata.hosts_elsewhere().iter().map(|(name, endpoint)| format!("{name} at {}", endpoint.authority())).collect();
        if !elsewhere.is_empty() {
            let text = printable(&elsewhere.join(", "));
            if self.login.same_host {
                return Err(Failure::new(Exit::Refused, format!("the server names endpoints on other hosts: {text}")));
            }
            self.context.say(&format!("note: the server names endpoints on other hosts: {text}"));
        }
        Ok(Some(metadata))
    }

    fn plan(&self, metadata: Option<&crate::oauth::metadata::ServerMetadata>, has_secret: bool) -> Result<Plan, Failure> {
        Ok(crate::profile::plan(&self.settings.borrow(), self.entry.as_ref(), metadata, has_secret)?)
    }

    /// Bound once and kept, before anything is asked or opened.
    fn bind(&self, uri: &RedirectUri) -> Result<Option<Listener>, Failure> {
        let Login { paste, device, link, finish, client_only, listen, .. } = self.login;
        if *paste || *device || *link || *finish || *client_only {
            return Ok(None);
        }
        match listen {
            Some(address) => Ok(Some(Listener::bind_behind(uri, *address)?)),
            None => Ok(Some(Listener::bind(uri)?)),
        }
    }

    /// The redirect URI is shown before the id is asked for: the two are typed into the same form of the vendor.
    fn ask_missing(&self, redirect_uri: &RedirectUri, secret: &mut Option<Secret>) -> Result<(), Failure> {
        if self.login.finish {
            return Ok(());
        }
        let id_missing = self.settings.borrow().client_id.is_none();
        let secret_missing = secret.is_none() && self.wants_secret(id_missing && self.settings.borrow().client_auth.is_none());
        if !self.manner.person {
            return if self.settings.borrow().client_auth.is_some_and(|method| method.needs_secret()) && secret.is_none() {
                Err(Failure::usage("there is no client secret").hint("pass it with --client-secret-stdin or --client-secret-env VAR"))
            } else {
                Ok(())
            };
        }
        if !self.login.device && (id_missing || secret_missing) {
            ask::show_steps(self.context, self.entry.as_ref(), redirect_uri);
        }
        if id_missing {
            self.settings.borrow_mut().client_id = Some(ask::client_id()?);
        }
        if secret_missing {
            let typed = terminal::ask_secret("Client secret (hidden, Enter for none)")?;
            *secret = (!typed.is_empty()).then_some(typed);
        }
        Ok(())
    }

    fn refuse_weak(&self, plan: &Plan, secret: Option<&Secret>) -> Result<(), Failure> {
        if plan.pins.client_auth.needs_secret() && secret.is_none() {
            return Err(Failure::usage(format!("{} needs a client secret", plan.pins.client_auth.name()))
                .hint("pass it with --client-secret-stdin or --client-secret-env VAR"));
        }
        if plan.pins.client_id.is_empty() {
            return Err(crate::profile::PlanError::NoClientId.into());
        }
        if plan.pkce_unsupported && !self.settings.borrow().no_pkce {
            return Err(Failure::new(Exit::Refused, "the server's metadata rules out PKCE with S256")
                .hint("--no-pkce goes on without that protection"));
        }
        if self.settings.borrow().no_pkce {
            self.context.warn(&[
                "PKCE is left out: a stolen code could be exchanged by whoever has the client's secret, or by anybody where there is none"
                    .into(),
            ]);
        }
        let secrets =
            plan.params.keys().any(|name| ["client_secret", "password", "access_token", "refresh_token"].contains(&name.as_str()));
        if secrets { Err(Failure::new(Exit::Refused, "a secret does not belong into an address")) } else { Ok(()) }
    }

    fn preflight(&self, world: &World<'_>, plan: &Plan, registration: &Registration) -> Result<(), Failure> {
        let Some(endpoint) =
            plan.preflight.as_ref().filter(|_| !self.login.no_preflight && !self.login.finish && registration.client_secret.is_some())
        else {
            return Ok(());
        };
        match flow::preflight(world, registration, endpoint) {
            Preflight::Accepted => self.context.say(&format!("✓ id and secret accepted by {}, before any browser", endpoint.authority())),
            Preflight::Unknown(reason) => self.context.warn(&[format!("id and secret could not be tried: {reason}")]),
            Preflight::Refused(status) => {
                let text = format!(
                    "{} does not take id and secret ({status}); it does so only for a developer's own company, and some have none",
                    endpoint.authority()
                );
                self.context.warn(&[text]);
                if self.manner.person && !terminal::confirm("Go on all the same?") {
                    return Err(Failure::new(Exit::Refused, "id and secret were not accepted").hint("`--no-preflight` leaves this try out"));
                }
            }
        }
        Ok(())
    }

    fn consent(
        &self,
        world: &World<'_>,
        agent: &Agent<'_>,
        plan: Plan,
        registration: Registration,
        listener: Option<Listener>,
    ) -> Result<Exit, Failure> {
        let confirm = |old: &Account, new: &Account| self.confirm(old, new);
        let show = |prompt: &Prompt| agent.show(prompt);
        let name = if self.login.device { "device_code" } else { "authorization_code" };
        let login = flow::Login {
            profile: self.profile.clone(),
            kind: grant::by_name(name).ok_or_else(|| Failure::new(Exit::Bug, "a grant is missing from its table"))?,
            redirect_uri: plan.redirect_uri.clone(),
            scopes: plan.scopes,
            scope_separator: plan.scope_separator,
            params: plan.params,
            expected_issuer: plan.expected_issuer,
            pkce: !self.settings.borrow().no_pkce,
            patience: self.login.timeout,
            confirm: &confirm,
            show: &show,
            registration,
        };
        if self.login.link {
            return self.link(world, &login);
        }
        let pins = &login.registration.pins;
        let mismatch = self.entry.as_ref().and_then(|entry| entry.mismatch.clone());
        agent.prepare(listener, pins, &login.scopes, mismatch, self.login.finish);
        let outcome = if self.login.finish { self.finish(world, &login) } else { flow::login(world, &login).map_err(Failure::from) };
        self.good_news(outcome.map_err(|failure| self.explain(failure, &plan.redirect_uri))?)
    }

    fn finish(&self, world: &World<'_>, login: &flow::Login<'_>) -> Result<LoggedIn, Failure> {
        let nothing = || Failure::from(FlowError::NothingPending(self.profile.clone()));
        let pending = world.store.load(&self.profile)?.and_then(|record| record.pending).ok_or_else(nothing)?;
        let attempt = pending.attempt.ok_or_else(nothing)?;
        Ok(flow::finish(world, login, attempt)?)
    }

    fn confirm(&self, old: &Account, new: &Account) -> Confirm {
        if self.login.replace {
            return Confirm::Replace;
        }
        let question = format!("{} holds {}. Replace it by {}?", self.profile, super::show::of_account(old), super::show::of_account(new));
        if self.manner.person && terminal::confirm(&question) { Confirm::Replace } else { Confirm::Keep }
    }
}
