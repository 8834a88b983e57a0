//! `tokenstrap demo`
//!
//! The real login, listener, refresh and lock against the embedded authorization server. Every figure that is shown was
//! counted in that run.

mod agent;
mod storm;

use super::{
    Run,
    context::{Context, NoCache, Signals, env},
    failure::{Exit, Failure},
    render::span,
    terminal,
};
use crate::{
    flow::{self, Budget, Confirm, Need, World},
    http::client::{Client, Options},
    oauth::{attempt::ExpectedIssuer, grant, redirect_uri::RedirectUri, token::TokenSet},
    platform::{browser, clock::SystemClock, entropy::SystemEntropy, lock::FileLock, signals::Watch},
    ports::{Spool, StoreError},
    profile::{ProfileName, Record, Registration, Settings, plan},
    provider,
    redirect::Listener,
    sandbox::{Running, Sandbox},
    secret::Secret,
    store::memory::Memory,
};
use agent::Agent;
use clap::Args;
use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Life of the demo's access tokens: short enough to watch one end.
const LIFE: Duration = Duration::from_secs(3);

/// Show the whole life of a token, on this machine only
///
/// Needs no account, no network, no keychain and no browser, and leaves nothing behind. The server is make-believe; the
/// login, the listener and the refresh are the real ones.
#[derive(Args)]
pub(super) struct Demo {
    /// Play against a modern server: PKCE forced, rotation with reuse detection, issuer in the redirect
    #[arg(long)]
    strict: bool,
    /// Use the browser that is here, instead of the robot
    #[arg(long)]
    browser: bool,
}

/// Nothing is spooled where the store is memory.
struct NoSpool;

impl Spool for NoSpool {
    fn keep(&self, _identity: &str, _record: &Record, _key: &Secret) -> Result<(), StoreError> {
        Err(StoreError::Missing("the demo keeps nothing".into()))
    }

    fn waiting(&self, _profile: &ProfileName, _identity: &str, _key: &Secret) -> Option<Record> {
        None
    }

    fn discard(&self, _profile: &ProfileName, _identity: &str) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Run for Demo {
    const NAME: &'static str = "demo";

    fn run(self, _context: &Context) -> Result<Exit, Failure> {
        let machine = |error: std::io::Error| Failure::new(Exit::Machine, "the demo could not be started").because(error);
        let interrupted = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&interrupted);
        let _watch = Watch::begin(move |_| flag.store(true, Ordering::Relaxed));
        let scratch = tempfile::Builder::new().prefix("tokenstrap-demo-").tempdir().map_err(machine)?;
        let builder = if self.strict { Sandbox::builder().strict() } else { Sandbox::builder() };
        let server = builder.expires_in(LIFE.as_secs()).start().map_err(machine)?;
        let choice = if self.browser { browser::choose(&env) } else { browser::Choice::None };
        let began = Instant::now();
        let outcome = Stage { server: &server, scratch: scratch.path(), interrupted: &interrupted, step: Cell::new(0) }.play(&choice);
        server.stop();
        let left = scratch.path().to_owned();
        scratch.close().map_err(machine)?;
        let requests = outcome?;
        let behind = if left.exists() { "a scratch folder" } else { "nothing" };
        say(&format!("\nDone in {:.1} s. {requests} requests, all to 127.0.0.1. Left behind: {behind}.", began.elapsed().as_secs_f64()));
        say("Next   tokenstrap login till --provider lightspeed-o    your own client id and secret");
        say("       tokenstrap pos serve                             answer a register, no account needed");
        say("       tokenstrap sandbox                               keep this server and play");
        Ok(Exit::Done)
    }
}

/// The play is the answer of this command. A reader who has seen enough (`| head`) is no reason to stop in the middle.
fn say(text: &str) {
    let _ = terminal::answer(&format!("{text}\n"));
}

/// What the steps of the play share.
struct Stage<'a> {
    server: &'a Running,
    scratch: &'a std::path::Path,
    interrupted: &'a AtomicBool,
    step: Cell<u8>,
}

impl Stage<'_> {
    fn act(&self, name: &str, text: &str, source: &str) {
        self.step.set(self.step.get() + 1);
        let source = if source.is_empty() { String::new() } else { format!("    {source}") };
        say(&format!("{:2} {name:10} {text}{source}", self.step.get()));
    }

    fn play(&self, choice: &browser::Choice) -> Result<u64, Failure> {
        say("The whole life of a token, on this machine only. Nothing is kept.\n");
        let kind = if self.server.is_strict() { "a modern authorization server" } else { "a make-believe Lightspeed O-Series" };
        self.act("server", &format!("{kind} on {}", self.server.url()), "");
        let store = Memory::new();
        let agent = Agent::new(self, choice.clone());
        let transport = Client::new(Options::default());
        let lock = FileLock::new(self.scratch.join("locks"));
        let world = World {
            transport: &transport,
            clock: &SystemClock,
            entropy: &SystemEntropy,
            store: &store,
            lock: &lock,
            spool: &NoSpool,
            cache: &NoCache,
            interrupts: &Signals,
            user_agent: &agent,
        };
        let profile = super::context::profile("demo")?;
        let record = self.login(&world, &profile, &agent)?;
        self.use_token(&world, &profile)?;
        self.expire()?;
        storm::play(self, &record)?;
        self.refresh(&world, &profile)?;
        self.logout(&world, &profile)?;
        Ok(self.server.requests())
    }

    fn login(&self, world: &World<'_>, profile: &ProfileName, agent: &Agent<'_>) -> Result<Record, Failure> {
        let plan = self.plan(world)?;
        let listener = Listener::bind(&plan.redirect_uri)?;
        let redirect_uri = listener.redirect_uri().clone();
        agent.prepare(listener);
        let registration = Registration { pins: plan.pins, client_secret: self.server.client_secret().cloned() };
        flow::begin(world, profile, &registration)?;
        let login = flow::Login {
            profile: profile.clone(),
            registration,
            kind: grant::by_name("authorization_code").ok_or_else(|| Failure::new(Exit::Bug, "a grant is missing from its table"))?,
            redirect_uri,
            scopes: plan.scopes,
            scope_separator: plan.scope_separator,
            params: plan.params,
            expected_issuer: plan.expected_issuer,
            pkce: true,
            patience: Duration::from_secs(120),
            confirm: &|_, _| Confirm::Replace,
            show: &|_| {},
        };
        let done = flow::login(world, &login).map_err(|error| Failure::from(error).while_doing("the demo's login failed"))?;
        let current = done.record.current.as_ref().ok_or_else(|| Failure::new(Exit::Bug, "a login left no grant"))?;
        let life = current.tokens.expires_at.and_then(|end| end.duration_since(current.tokens.requested_at).ok()).unwrap_or_default();
        let path = self.server.token_endpoint().replace(self.server.url(), "");
        self.act("exchange", &format!("POST {path} → 200  access ••••  refresh ••••  good for {}", span(life)), "RFC 6749 4.1.3");
        self.act("store", "one record, in memory for this demo; in your keychain when it is real", "");
        let account = current.account.as_ref().map(super::show::of_account).unwrap_or_default();
        let verify = self.server.verify_endpoint().replace(self.server.url(), "");
        self.act("verify", &format!("GET {verify} → 200  {account}"), "");
        say("   ✓ Connected. On a real register Loyalty and Payments could now be switched on.\n");
        Ok(done.record)
    }

    fn plan(&self, world: &World<'_>) -> Result<crate::profile::Plan, Failure> {
        let mut entry = provider::by_name("lightspeed-o").ok_or_else(|| Failure::new(Exit::Bug, "the catalogue lost its first entry"))?;
        // The entry's own rules, at the make-believe server's addresses and on a free port.
        entry.redirect.port = 0;
        let endpoint = |text: String| provider::Template::new(text);
        entry.authorize_url = endpoint(self.server.authorization_endpoint());
        entry.token_url = endpoint(self.server.token_endpoint());
        entry.preflight = None;
        entry.api_base = None;
        if let Some(verify) = &mut entry.verify {
            verify.url = endpoint(self.server.verify_endpoint());
        }
        let mut settings = Settings { client_id: Some(self.server.client_id().to_owned()), ..Settings::default() };
        let metadata = if self.server.is_strict() { Some(flow::discover(world, self.server.issuer())?) } else { None };
        if self.server.is_strict() {
            settings.redirect_uri = RedirectUri::parse("http://127.0.0.1:0/callback").ok();
        }
        let mut plan = plan(&settings, Some(&entry), metadata.as_ref(), true)?;
        if metadata.is_none() {
            plan.expected_issuer = ExpectedIssuer::Unknown;
        }
        Ok(plan)
    }

    fn need(&self, force: bool) -> Need {
        Need {
            min_ttl: Duration::from_secs(1),
            force,
            strict: false,
            explicit: force,
            accept_suspect: false,
            called_at: std::time::SystemTime::now(),
            budget: Budget::starting(Instant::now(), None),
        }
    }

    fn use_token(&self, world: &World<'_>, profile: &ProfileName) -> Result<(), Failure> {
        let (before, began) = (self.server.requests(), Instant::now());
        let handed = flow::access_token(world, profile, &self.need(false))?;
        let took = began.elapsed();
        let text = shown(handed.tokens());
        let requests = self.server.requests() - before;
        self.act("token", &format!("{text} (a throw-away, so shown)      {requests} requests, {:.1} ms", took.as_secs_f64() * 1000.0), "");
        Ok(())
    }

    fn expire(&self) -> Result<(), Failure> {
        self.act("expire", &format!("waiting {} ...", span(LIFE)), "");
        let end = Instant::now() + LIFE;
        while Instant::now() < end {
            self.check()?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn refresh(&self, world: &World<'_>, profile: &ProfileName) -> Result<(), Failure> {
        if !self.server.is_strict() {
            flow::access_token(world, profile, &self.need(true))?;
            self.act("refresh", "this server keeps the refresh token; --strict shows one that rotates it", "");
            return Ok(());
        }
        self.act(
            "refresh",
            &format!("the storm replaced the refresh token once; {} reuses seen", self.server.reuse_events()),
            "RFC 9700 4.14.2",
        );
        Ok(())
    }

    fn logout(&self, world: &World<'_>, profile: &ProfileName) -> Result<(), Failure> {
        flow::logout(world, profile, false, false)?;
        let text = if self.server.is_strict() {
            "forgotten. --revoke would have told the server first"
        } else {
            "forgotten. O-Series cannot revoke: in real life, remove the integration"
        };
        self.act("logout", text, "");
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        if self.interrupted.load(Ordering::Relaxed) {
            Err(Failure::new(Exit::Later, "the demo was interrupted; nothing is left behind"))
        } else {
            Ok(())
        }
    }
}

fn shown(tokens: Option<&TokenSet>) -> String {
    tokens.map(|tokens| tokens.access_token.expose().chars().take(15).collect()).unwrap_or_default()
}
