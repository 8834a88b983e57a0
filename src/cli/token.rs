//! `tokenstrap token`

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    held,
    render::read_span,
    terminal,
};
use crate::{
    flow::{self, Budget, Handed, Need},
    oauth::token::TokenSet,
    output::{self, FORMATS, Handout},
    platform::last_use,
    ports::AccessTokenCache,
    profile::{ProfileName, Record, Settings, differs},
    store::cache::KernelCache,
};
use clap::{Args, builder::PossibleValue};
use std::{
    io::{IsTerminal, stdout},
    time::{Duration, Instant},
};

/// Print a valid access token
///
/// Refreshes it first when less than --min-ttl remains. Standard output carries the token and nothing else; everything
/// addressed to you goes to standard error.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tokenstrap token till --format header | curl -H @- https://api.example/orders\n  eval \"$(tokenstrap token till --format env)\""
)]
pub(super) struct Token {
    /// Whose token
    profile: String,
    /// Refresh when less than this remains
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = read_span)]
    min_ttl: Duration,
    /// Fail rather than hand out a token that ends before --min-ttl
    #[arg(long)]
    strict_ttl: bool,
    /// Refresh even a fresh token
    #[arg(long)]
    force_refresh: bool,
    /// End after this time, at most 35 s
    #[arg(long, value_name = "DURATION", value_parser = read_span)]
    timeout: Option<Duration>,
    /// How to print it
    #[arg(long, value_name = "FORMAT", value_parser = formats(), default_value = "raw")]
    format: String,
    /// Name of the variable in the env format [default: ACCESS_TOKEN]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// First print the line on standard error that makes GitHub's logs mask the token
    #[arg(long)]
    github_mask: bool,
}

fn formats() -> clap::builder::PossibleValuesParser {
    FORMATS.iter().map(|format| PossibleValue::new(format.name()).help(format.about())).collect::<Vec<_>>().into()
}

impl Run for Token {
    const NAME: &'static str = "token";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        if self.env.is_some() && (self.format != "env" || context.globals.json) {
            return Err(
                Failure::usage("--env names the variable of the env format, and another format is asked for").hint("add --format env")
            );
        }
        if !output::is_variable(self.variable()) {
            return Err(Failure::usage("the value of --env is not the name of a variable for a token")
                .hint("use capital letters, digits and underscores, and nothing that shells or the loader obey"));
        }
        let settings = context.settings(&profile)?;
        // The cache is passed over where more than the token is asked for.
        let token_alone = !self.force_refresh && !context.globals.json && self.format != "json";
        if let Some(tokens) = token_alone.then(|| cached(context, &profile, &settings, self.min_ttl)).transpose()?.flatten() {
            last_use::note(&context.folders.state, profile.as_str());
            return self.print(context, &tokens);
        }
        let need = Need {
            min_ttl: self.min_ttl,
            force: self.force_refresh,
            strict: self.strict_ttl,
            explicit: false,
            accept_suspect: false,
            called_at: context.started,
            budget: Budget::starting(context.began, self.timeout),
        };
        let handed = hand_out(context, &profile, &settings, &need)?;
        last_use::note(&context.folders.state, profile.as_str());
        context.warn(&handed.warnings);
        let tokens = handed.tokens().ok_or_else(|| Failure::new(Exit::Bug, "a record without tokens was handed out"))?;
        // Saved nowhere and not printed either: no later call can mend that, a person has to.
        let lost = |failure: Failure| Failure { exit: Exit::Unsaved, ..failure };
        self.print(context, tokens).map_err(|failure| if handed.unsaved { lost(failure) } else { failure })?;
        Ok(if handed.unsaved { Exit::Unsaved } else { Exit::Done })
    }
}

impl Token {
    fn variable(&self) -> &str {
        self.env.as_deref().unwrap_or("ACCESS_TOKEN")
    }

    fn print(&self, context: &Context, tokens: &TokenSet) -> Result<Exit, Failure> {
        let name = if context.globals.json { "json" } else { self.format.as_str() };
        let format = output::by_name(name).ok_or_else(|| Failure::usage("there is no such format"))?;
        let handout =
            Handout::new(tokens, context.now(), self.variable()).map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
        if stdout().is_terminal() {
            context.say("warning: this token is a secret, and this terminal keeps what it shows");
        }
        if self.github_mask {
            terminal::mask(&tokens.access_token)?;
        }
        let text = format.text(&handout);
        let mut line = zeroize::Zeroizing::new(String::with_capacity(text.len() + 1));
        line.push_str(text.expose());
        line.push('\n');
        terminal::answer(&line)?;
        Ok(Exit::Done)
    }
}

/// The kernel's keyring answers without the store, unless another store is named than the profile's, or several may hold it.
fn cached(context: &Context, profile: &ProfileName, settings: &Settings, min_ttl: Duration) -> Result<Option<TokenSet>, Failure> {
    let Some(id) = &settings.cache else { return Ok(None) };
    if context.named_store().is_some() || !context.uses_cache()? {
        return Ok(None);
    }
    if !held::others(context, profile, settings, &context.own_store(settings)?)?.is_empty() {
        return Ok(None);
    }
    let now = context.now();
    let cached = KernelCache.read(id).map(|cached| TokenSet {
        access_token: cached.access_token,
        token_type: crate::oauth::token::TokenType::Bearer,
        refresh_token: None,
        id_token: None,
        requested_at: now,
        expires_at: Some(cached.expires_at),
        scope: None,
    });
    Ok(cached.filter(|tokens| tokens.is_fresh(now, min_ttl)))
}

/// A valid token from wherever it is found fastest, for commands that hand it on without printing it.
///
/// One that is saved nowhere is as good as any for now; that it ends the grant is said as a warning.
pub(super) fn at_hand(context: &Context, profile: &ProfileName, settings: &Settings, min_ttl: Duration) -> Result<TokenSet, Failure> {
    if let Some(tokens) = cached(context, profile, settings, min_ttl)? {
        last_use::note(&context.folders.state, profile.as_str());
        return Ok(tokens);
    }
    let handed = hand_out(context, profile, settings, &need(context, min_ttl))?;
    last_use::note(&context.folders.state, profile.as_str());
    context.warn(&handed.warnings);
    handed.tokens().cloned().ok_or_else(|| Failure::new(Exit::Bug, "a record without tokens was handed out"))
}

/// A token for the need; settings that name another server than the grant's are refused before anything is sent.
pub(super) fn hand_out(context: &Context, profile: &ProfileName, settings: &Settings, need: &Need) -> Result<Handed, Failure> {
    context.with_grant(profile, settings, |world| {
        let stale = match flow::peek(world, profile, need) {
            Ok(Ok(handed)) => {
                // A cache that was lost (another session, a reboot) is filled again by the first call that needs the store.
                flow::keep_at_hand(world, &handed.record);
                return Ok(handed);
            }
            Ok(Err(stale)) => stale,
            Err(error) => return Err(Failure::from(error).while_doing(format!("could not get a token for profile `{profile}`"))),
        };
        refuse_other_pins(profile, settings, &stale)?;
        // As for every request that spends a secret, the pins decide, whatever the settings say by now (SECURITY D-04).
        let is_for_resource = stale.registration.as_ref().is_some_and(|registration| registration.pins.resource.is_some());
        let barred = is_for_resource.then(|| context.client(true));
        let transport = barred.as_ref().map_or(world.transport, |client| client);
        let outcome = flow::renewed(&flow::World { transport, ..*world }, profile, need, stale);
        outcome
            .map_err(|error| Failure::from(error).while_doing(format!("could not get a token for profile `{profile}`")).hint_login(profile))
    })
}

/// A later edit of the settings cannot send a secret elsewhere (SECURITY D-09).
fn refuse_other_pins(profile: &ProfileName, settings: &Settings, record: &Record) -> Result<(), Failure> {
    let pins = record.registration.as_ref().map(|registration| &registration.pins);
    match pins.and_then(|pins| differs(settings, pins)) {
        Some(what) => Err(flow::FlowError::PinsDiffer { profile: profile.clone(), what }.into()),
        None => Ok(()),
    }
}

impl Failure {
    /// Where a person is needed, the command to type.
    pub(super) fn hint_login(self, profile: &ProfileName) -> Self {
        if self.exit == Exit::LoginNeeded { self.hint(format!("sign in again: run `tokenstrap login {profile}`")) } else { self }
    }
}

/// The budget of a command that may refresh.
pub(super) fn need(context: &Context, min_ttl: Duration) -> Need {
    Need {
        min_ttl,
        force: false,
        strict: false,
        explicit: false,
        accept_suspect: false,
        called_at: context.started,
        budget: Budget::starting(Instant::now(), None),
    }
}
