//! The composition root: folders, settings and adapters, put together once for the command that was named.

use super::{
    Globals,
    failure::{Exit, Failure},
    held, terminal,
};
use crate::{
    config::{Config, Folders, General},
    flow,
    http::client::{Client, Options},
    platform::{clock::SystemClock, entropy::SystemEntropy, harden, lock::FileLock, signals},
    ports::{AccessTokenCache, Cached, Clock, Hold, Interrupts, TokenStore, Transport, Unanswered, UserAgent},
    profile::{ProfileName, Settings},
    secret::Secret,
    store::{self, KeySource, STORES, StoreKind, cache::KernelCache, spool::FileSpool},
};
use std::{
    collections::BTreeSet,
    io::IsTerminal,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Instant, SystemTime},
};

/// What every command may use.
pub(super) struct Context {
    pub globals: Globals,
    pub folders: Folders,
    pub config: Config,
    /// The general settings, read once.
    general: OnceLock<General>,
    /// Warnings that are not said again.
    warned: Mutex<BTreeSet<String>>,
    /// When the caller started; adoption of a newer grant is judged by it.
    pub started: SystemTime,
    pub began: Instant,
}

/// An environment variable; empty counts as not set.
pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Refuses variables of ours whose value is no text: taken for unset, each would silently lead elsewhere, to another store or
/// folder.
fn refuse_unreadable() -> Result<(), Failure> {
    const FOLDERS: [&str; 4] = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"];
    let is_ours = |name: &str| FOLDERS.contains(&name) || name.starts_with("TOKENSTRAP_") || name.starts_with("VAULT_");
    let unreadable = std::env::vars_os().filter(|(_, value)| value.to_str().is_none());
    match unreadable.filter_map(|(name, _)| name.into_string().ok()).find(|name| is_ours(name)) {
        Some(name) => Err(Failure::usage(format!("the environment variable `{}` is not UTF-8", crate::text::printable(&name)))),
        None => Ok(()),
    }
}

/// Names come from the table of stores.
pub(super) fn store_parser() -> clap::builder::PossibleValuesParser {
    STORES.iter().map(|kind| clap::builder::PossibleValue::new(kind.name()).help(kind.about())).collect::<Vec<_>>().into()
}

impl Context {
    pub fn new(globals: Globals, hardened: bool) -> Result<Self, Failure> {
        if !hardened && globals.verbose > 0 {
            terminal::line("warning: the system does not let this process forbid core dumps");
        }
        if harden::outranks_its_caller() {
            return Err(Failure::new(Exit::Refused, "this program runs with more rights than whoever started it")
                .because("whoever sets its variables would say where the secrets of somebody else go")
                .hint("take the set-user-ID bit or the file capabilities off it (`setcap -r FILE`)"));
        }
        refuse_unreadable()?;
        let folders = Folders::of(&env).map_err(|homeless| Failure::new(Exit::Machine, homeless.to_string()).hint("set HOME"))?;
        let general = globals.config.clone().or_else(|| env("TOKENSTRAP_CONFIG").map(Into::into));
        let config = Config::new(folders.config.clone(), general);
        Ok(Self {
            globals,
            folders,
            config,
            general: OnceLock::new(),
            warned: Mutex::default(),
            started: SystemTime::now(),
            began: Instant::now(),
        })
    }

    /// The same where nobody is there.
    pub fn alone(&self) -> Self {
        let globals = Globals { non_interactive: true, ..self.globals.clone() };
        let (folders, config) = (self.folders.clone(), self.config.clone());
        Self { globals, folders, config, general: OnceLock::new(), warned: Mutex::default(), started: self.started, began: self.began }
    }

    /// Whether a person may be asked.
    pub fn may_ask(&self) -> bool {
        !self.unattended() && terminal::has_person()
    }

    /// Whether nobody may be asked and nothing opened, whatever is there.
    pub fn unattended(&self) -> bool {
        self.globals.non_interactive || env("TOKENSTRAP_NON_INTERACTIVE").is_some_and(|value| value != "0")
    }

    /// Whether a person may be asked although standard input brings something else: the terminal itself is read then.
    pub fn may_ask_beside_stdin(&self) -> bool {
        let terminal = || cfg!(unix) && std::io::stderr().is_terminal() && std::fs::File::open("/dev/tty").is_ok();
        !self.unattended() && (terminal::has_person() || terminal())
    }

    /// Says something that is neither answer nor error.
    pub fn say(&self, text: &str) {
        if !self.globals.quiet {
            terminal::line(text);
        }
    }

    /// Says what deviates.
    pub fn warn(&self, warnings: &[String]) {
        for warning in warnings {
            self.say(&format!("warning: {}", crate::text::printable(warning)));
        }
    }

    /// Says what deviates, the first time.
    pub fn warn_once(&self, warning: &str) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(warning.to_owned()) {
            self.warn(&[warning.to_owned()]);
        }
    }

    /// The store of a profile: flag, variable, the profile's settings, the general ones, else the keychain.
    pub fn store_name(&self, settings: &Settings) -> Result<String, Failure> {
        self.named_store().map_or_else(|| self.own_store(settings), Ok)
    }

    /// The same without what is said for this call alone.
    pub fn own_store(&self, settings: &Settings) -> Result<String, Failure> {
        match &settings.store {
            Some(name) => Ok(name.clone()),
            None => Ok(self.general()?.store.unwrap_or_else(|| "keychain".to_owned())),
        }
    }

    /// The store that a flag or a variable names.
    pub fn named_store(&self) -> Option<String> {
        self.globals.store.clone().or_else(|| env("TOKENSTRAP_STORE"))
    }

    pub fn general(&self) -> Result<General, Failure> {
        if let Some(general) = self.general.get() {
            return Ok(general.clone());
        }
        let read = self.config.general()?;
        Ok(self.general.get_or_init(|| read).clone())
    }

    /// Opens the store and gives it, with the rest of the world, to `act`.
    pub fn with_world<T>(
        &self,
        settings: &Settings,
        user_agent: &dyn UserAgent,
        act: impl FnOnce(&flow::World<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let kind = kind(&self.store_name(settings)?)?;
        self.with_store_world(|world| {
            let store = kind.open(world)?;
            let barred = self.barred(settings);
            let transport = barred.as_ref().map_or(world.transport, |client| client);
            self.with_parts(world, transport, store.as_ref(), user_agent, act)
        })
    }

    /// The same for whoever uses the grant of a profile: where two stores hold one, the newer.
    pub fn with_grant<T>(
        &self,
        profile: &ProfileName,
        settings: &Settings,
        act: impl FnOnce(&flow::World<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let name = self.store_name(settings)?;
        let (kind, others) = (kind(&name)?, held::others(self, profile, settings, &name)?);
        self.with_store_world(|world| {
            let store = kind.open(world)?;
            let newer = if others.is_empty() { None } else { held::newer(self, world, profile, store.as_ref(), &others) };
            let barred = self.barred(settings);
            let transport = barred.as_ref().map_or(world.transport, |client| client);
            self.with_parts(world, transport, newer.as_deref().unwrap_or(store.as_ref()), &Nobody, act)
        })
    }

    /// A resource names its server by itself: what it names must not lead to where clouds keep their credentials (SECURITY
    /// D-04). The store's own server is the user's word.
    fn barred(&self, settings: &Settings) -> Option<Client> {
        settings.resource.as_ref().map(|_| self.client(true))
    }

    /// A client that tells what it does where that is asked for.
    pub fn client(&self, bar_link_local: bool) -> Client {
        let observer = (self.globals.verbose > 0).then(|| -> Box<dyn Fn(&str) + Send + Sync> { Box::new(terminal::line) });
        Client::new(Options { bar_link_local, observer, ..Options::default() })
    }

    /// Whether the file store would ask a person, who must not be asked twice.
    pub fn asks_for_passphrase(&self) -> bool {
        let is_named = env("TOKENSTRAP_KEY").is_some() || self.globals.key_file.is_some() || env("TOKENSTRAP_KEY_FILE").is_some();
        !is_named && !store::file::has_key_file(&self.folders.config) && self.may_ask()
    }

    /// What a store may use of the world.
    pub fn with_store_world<T>(&self, act: impl FnOnce(&store::World<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
        let passphrase = || terminal::ask_secret("Passphrase of the file store").ok().filter(|text| !text.is_empty());
        let key_file = self.globals.key_file.clone().or_else(|| env("TOKENSTRAP_KEY_FILE").map(Into::into));
        let key = match (env("TOKENSTRAP_KEY"), key_file) {
            (Some(text), _) => KeySource::Text(Secret::new(text)),
            (None, Some(path)) => KeySource::File(path),
            (None, None) if self.asks_for_passphrase() => KeySource::Passphrase(&passphrase),
            (None, None) => KeySource::Unsaid,
        };
        let Folders { config, data, state } = self.folders.clone();
        let transport = self.client(false);
        let command = self.general()?.command.map(|command| command.argv).unwrap_or_default();
        act(&store::World {
            data,
            state,
            config,
            key,
            vault: self.general()?.vault,
            env: &env,
            transport: &transport,
            command: &command,
            prompt: self.may_ask(),
            entropy: &SystemEntropy,
            clock: &SystemClock,
        })
    }

    fn with_parts<T>(
        &self,
        world: &store::World<'_>,
        transport: &dyn Transport,
        store: &dyn TokenStore,
        user_agent: &dyn UserAgent,
        act: impl FnOnce(&flow::World<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let lock = FileLock::new(self.folders.state.join("locks"));
        let spool = FileSpool::new(world);
        let cache: &dyn AccessTokenCache = if self.uses_cache()? { &KernelCache } else { &NoCache };
        act(&flow::World {
            transport,
            clock: &SystemClock,
            entropy: &SystemEntropy,
            store,
            lock: &lock,
            spool: &spool,
            cache,
            interrupts: &Signals,
            user_agent,
        })
    }

    /// Whether access tokens are kept at hand in the kernel's keyring.
    pub fn uses_cache(&self) -> Result<bool, Failure> {
        Ok(self.general()?.access_token_cache.unwrap_or(true))
    }

    /// The profile, and what the user chose for it.
    pub fn settings(&self, profile: &ProfileName) -> Result<Settings, Failure> {
        Ok(self.config.settings(profile)?)
    }

    pub fn now(&self) -> SystemTime {
        SystemClock.now()
    }
}

/// The kind of store of this name.
fn kind(name: &str) -> Result<&'static dyn StoreKind, Failure> {
    store::by_name(name).ok_or_else(|| {
        let known: Vec<_> = STORES.iter().map(|kind| kind.name()).collect();
        Failure::usage(format!("there is no store `{}`", crate::text::printable(name)))
            .hint(format!("the stores are: {}", known.join(", ")))
    })
}

/// Reads a profile's name.
pub(super) fn profile(text: &str) -> Result<ProfileName, Failure> {
    Ok(text.parse::<ProfileName>()?)
}

/// Keeps nothing.
pub(super) struct NoCache;

impl AccessTokenCache for NoCache {
    fn read(&self, _id: &str) -> Option<Cached> {
        None
    }

    fn replace(&self, _id: &str, _cached: &Cached, _now: SystemTime) {}

    fn forget(&self, _id: &str) {}
}

/// The signals of this process. A signal that came while they were held takes effect when the hold ends.
pub(super) struct Signals;

struct Held(#[expect(dead_code, reason = "held for what its drop does")] Option<signals::Hold>);

impl Hold for Held {}

impl Interrupts for Signals {
    fn hold(&self) -> Box<dyn Hold> {
        // Sending and saving together end after 35 s. Without the means to hold signals back the save is as safe as a kill.
        Box::new(Held(signals::Hold::begin(35).ok()))
    }
}

/// Commands that need nobody's consent.
pub(super) struct Nobody;

impl UserAgent for Nobody {
    fn authorize(
        &self,
        _url: &url::Url,
        _attempt: &Arc<Mutex<crate::oauth::attempt::Attempt>>,
        _deadline: Instant,
    ) -> Result<(), Unanswered> {
        Err(Unanswered::Unreachable("this command asks nobody for consent".into()))
    }

    fn conclude(&self, _stored: bool) {}
}
