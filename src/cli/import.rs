//! `tokenstrap import`

use super::{
    Run,
    bundle_key::BundleKey,
    context::{self, Context, Nobody},
    failure::{Exit, Failure},
    held,
    render::rfc3339,
    server::{self, ServerArgs},
    show::of_account,
    terminal,
};
use crate::{
    flow::{self, World},
    profile::{PlanError, ProfileName, Record, Registration, Settings},
    secret::Secret,
    store::{
        bundle::{self, Bundle},
        holders::Holders,
    },
};
use clap::Args;
use serde_json::json;
use std::io::{IsTerminal, stdin};

/// Take a grant from standard input: a bundle, or a bare refresh token
///
/// A bundle of `tokenstrap export` brings everything with it. A refresh token that somebody at the vendor issued needs the
/// server and the client beside it, or a client that `tokenstrap login --client-only` has stored; it is spent once, at
/// once, so that what is stored is known to work. With --client-secret-stdin the second line is the client secret.
///
/// The store is proved before anything is sent, and a grant that is there stays unless --replace is given.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tokenstrap import till <till.bundle\n  ssh desk tokenstrap export till | tokenstrap import till --store file\n  pass show till/refresh | tokenstrap import till --provider lightspeed-o --client-id 7f3a --client-secret-env TILL_SECRET"
)]
pub(super) struct Import {
    /// Name for the grant here
    profile: String,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    key: BundleKey,
    /// Take the place of a grant that is there
    #[arg(long)]
    replace: bool,
}

impl Run for Import {
    const NAME: &'static str = "import";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        let stored = context.settings(&profile)?;
        context.config.refuse_clash(&profile)?;
        let text = read(context)?;
        if bundle::is_one(&text) { self.bundle(context, &profile, stored, &text) } else { self.token(context, &profile, stored, &text) }
    }
}

/// What standard input brings; at a terminal a refresh token can be typed unseen.
fn read(context: &Context) -> Result<Secret, Failure> {
    if !stdin().is_terminal() {
        return terminal::piped(bundle::LONGEST);
    }
    if context.may_ask() {
        return terminal::ask_secret("Refresh token (hidden)");
    }
    Err(Failure::usage("import reads a pipe or a file, and standard input is a terminal").hint("tokenstrap import NAME <FILE"))
}

impl Import {
    fn bundle(&self, context: &Context, profile: &ProfileName, stored: Settings, text: &Secret) -> Result<Exit, Failure> {
        if self.server.names_anything() {
            return Err(Failure::usage("a bundle brings its own server and client").hint("leave the flags for them out"));
        }
        let bundle = Bundle::read(text)?;
        let contents = self.key.to_open(context, bundle.wants_passphrase())?.with(|key| bundle.open(key))?;
        let mut settings = Settings { store: chosen_store(context, &stored), ..contents.settings };
        let record = context.with_world(&settings, &Nobody, |world| {
            Ok(flow::import_record(world, &flow::Import { profile, replace: self.replace }, &contents.record)?)
        })?;
        settings.cache = Some(record.id.clone());
        taken_in(context, profile, &settings)?;
        if flow::is_single_use(&record) {
            context.warn(&[format!(
                "this refresh token may be good for one use: see that nobody else refreshes it (`tokenstrap logout {}` where it came from)",
                contents.record.profile
            )]);
        }
        tell(context, &record, false)
    }

    fn token(&self, context: &Context, profile: &ProfileName, stored: Settings, text: &Secret) -> Result<Exit, Failure> {
        let mut settings = stored;
        self.server.merge(context, profile, &mut settings)?;
        settings.store = chosen_store(context, &settings);
        let entry = server::entry_of(context, &settings)?;
        let (refresh_token, second) = terminal::two_lines(text)?;
        let given = if self.server.client_secret_stdin {
            Some(second.ok_or_else(|| Failure::usage("standard input has no second line").hint("the second line is the client secret"))?)
        } else if second.is_some() {
            return Err(Failure::usage("standard input has a second line, and nothing says what it is")
                .hint("--client-secret-stdin takes it as the client secret"));
        } else {
            self.server.secret_from_env()?
        };
        if settings.names_no_server() {
            return Err(PlanError::NoServer.into());
        }
        let done = context.with_world(&settings, &Nobody, |world| {
            let registration = registration(context, world, profile, (&settings, entry.as_ref()), given)?;
            let import = flow::Import { profile, replace: self.replace };
            let outcome = flow::import_token(world, &import, &registration, &refresh_token);
            outcome.map_err(|error| Failure::from(error).while_doing(format!("the refresh token for `{profile}` was not taken")))
        })?;
        context.warn(&done.warnings);
        settings.cache = Some(done.record.id.clone());
        taken_in(context, profile, &settings)?;
        tell(context, &done.record, done.unsaved)
    }
}

/// The settings go with the grant, and where it is is known from now on.
fn taken_in(context: &Context, profile: &ProfileName, settings: &Settings) -> Result<(), Failure> {
    context.config.save(profile, settings)?;
    let used = context.store_name(settings)?;
    Holders::new(&context.folders.state).add(profile, &used);
    held::tell_of_others(context, profile, settings, &used)
}

/// What a flag or a variable says stays said.
fn chosen_store(context: &Context, stored: &Settings) -> Option<String> {
    context.named_store().or_else(|| stored.store.clone())
}

/// Server and client: what was named, and the secret that is stored for just them.
fn registration(
    context: &Context,
    world: &World<'_>,
    profile: &ProfileName,
    (settings, entry): (&Settings, Option<&crate::provider::Provider>),
    given: Option<Secret>,
) -> Result<Registration, Failure> {
    let record = world.store.load(profile)?;
    let issuer = match settings.only_resource() {
        Some(resource) => Some(flow::protected_resource(world, resource)?.issuer),
        None => settings.issuer.clone(),
    };
    let kept = record.iter().flat_map(flow::stored_clients).find(|client| !client.is_elsewhere(issuer.as_deref()));
    let kept = kept.map(|client| (&client.pins, client.client_secret.clone()));
    let mut settings = settings.clone();
    if settings.client_id.is_none() {
        settings.client_id = kept.as_ref().map(|(pins, _)| pins.client_id.clone());
    }
    let metadata = issuer.as_deref().map(|issuer| flow::discover(world, issuer)).transpose()?;
    let plan = |has_secret| crate::profile::plan(&settings, entry, metadata.as_ref(), has_secret);
    let has_secret = given.is_some() || kept.as_ref().is_some_and(|(_, secret)| secret.is_some());
    let mut pins = plan(has_secret)?.pins;
    if pins.client_id.is_empty() {
        return Err(PlanError::NoClientId.into());
    }
    let own = kept.filter(|(kept, _)| kept.token_endpoint == pins.token_endpoint && kept.client_id == pins.client_id);
    let mut secret = given.or_else(|| own.and_then(|(_, secret)| secret));
    let wanted =
        pins.client_auth.needs_secret() || settings.client_auth.is_none() && entry.is_some_and(|entry| entry.client_auth.needs_secret());
    if secret.is_none() && wanted {
        if !context.may_ask_beside_stdin() {
            return Err(Failure::usage("there is no client secret")
                .hint("name it with --client-secret-env VAR, or put it into the second line with --client-secret-stdin"));
        }
        secret = Some(terminal::ask_secret("Client secret (hidden)")?).filter(|secret| !secret.is_empty());
    }
    if secret.is_some() != has_secret {
        pins = plan(secret.is_some())?.pins;
    }
    Ok(Registration { pins, client_secret: secret })
}

fn tell(context: &Context, record: &Record, unsaved: bool) -> Result<Exit, Failure> {
    let server = record.registration.as_ref().map(|registration| registration.pins.server()).unwrap_or_default();
    let current = record.current.as_ref();
    let account = current.and_then(|current| current.account.as_ref());
    if context.globals.json {
        terminal::document(&json!({
            "profile": record.profile, "server": server, "saved": !unsaved,
            "account": account.map(|account| json!({"id": account.id, "label": account.label, "noun": account.noun})),
            "expires_at": current.and_then(|current| current.tokens.expires_at).and_then(rfc3339),
            "has_refresh_token": current.is_some_and(|current| current.tokens.refresh_token.is_some()),
        }))?;
    }
    let whose = account.map_or_else(|| crate::text::printable(&server), of_account);
    context.say(&format!("✓ {} is here now: {whose}", record.profile));
    context.say(&format!("Try   tokenstrap token {}", record.profile));
    Ok(if unsaved { Exit::Unsaved } else { Exit::Done })
}
