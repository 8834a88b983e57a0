//! A world to play: scripted answers, a clock that moves only when someone sleeps, a store in memory.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};
use tokenstrap::{
    flow::{Budget, Need, World},
    oauth::{
        attempt::Attempt,
        message::{Request, Response, Undelivered},
        pins::Pins,
        token::{TokenSet, TokenType},
    },
    platform::entropy::SystemEntropy,
    ports::{
        AccessTokenCache, Acquired, Cached, Clock, Guard, Hold, Intent, Interrupts, Lock, LockError, Spool, StoreError, TokenStore,
        Transport, Unanswered, UserAgent,
    },
    profile::{Current, ProfileName, Record, Registration},
    secret::Secret,
    store::memory::Memory,
};

/// What the server does with one request: an answer, or silence.
pub type Script = Box<dyn Fn(&Request, usize) -> Result<Response, Undelivered>>;

/// What another program does to the store.
pub type Meanwhile = Box<dyn FnOnce(&Memory)>;

/// A world with everything in it that a use case asks for.
pub struct Rig {
    pub store: Memory,
    /// The store refuses to be written: records, and intents as well.
    pub refuses: Cell<(bool, bool)>,
    /// Happens once, right before the next record is saved.
    pub meanwhile: RefCell<Option<Meanwhile>>,
    /// The next record is kept, and the store says that it was not.
    pub keeps_in_secret: Cell<bool>,
    /// What waits in the spool.
    pub spooled: RefCell<Option<Secret>>,
    /// Somebody holds the lock.
    pub locked: Cell<bool>,
    pub sent: RefCell<Vec<(String, String)>>,
    pub saved_before_send: RefCell<Vec<bool>>,
    pub script: Script,
    pub now: Cell<SystemTime>,
    pub slept: Cell<Duration>,
    pub began: Instant,
    pub opened: RefCell<Vec<String>>,
    /// The redirect's query, from the state of the request; without it nobody comes back.
    pub query: Option<fn(state: &str) -> String>,
}

impl Rig {
    pub fn new(script: impl Fn(&Request, usize) -> Result<Response, Undelivered> + 'static) -> Self {
        Self {
            store: Memory::new(),
            refuses: Cell::default(),
            meanwhile: RefCell::default(),
            keeps_in_secret: Cell::new(false),
            spooled: RefCell::default(),
            locked: Cell::new(false),
            sent: RefCell::default(),
            saved_before_send: RefCell::default(),
            script: Box::new(script),
            now: Cell::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
            slept: Cell::default(),
            began: Instant::now(),
            opened: RefCell::default(),
            query: None,
        }
    }

    pub fn world(&self) -> World<'_> {
        World {
            transport: self,
            clock: self,
            entropy: &SystemEntropy,
            store: self,
            lock: self,
            spool: self,
            cache: self,
            interrupts: self,
            user_agent: self,
        }
    }

    /// Stores a grant with these tokens, which ends `life` from now.
    pub fn grant(&self, refresh_token: Option<&str>, life: Duration) {
        let now = self.now.get();
        let mut record = Record::new(name(), "a1b2c3".into(), Secret::new("00".repeat(32)));
        record.generation = 1;
        record.registration = Some(Registration { pins: pins(), client_secret: Some(Secret::new("secret")) });
        record.current = Some(Current {
            tokens: TokenSet {
                access_token: Secret::new("access-0"),
                token_type: TokenType::Bearer,
                refresh_token: refresh_token.map(Secret::new),
                id_token: None,
                requested_at: now - Duration::from_secs(10),
                expires_at: Some(now + life),
                scope: None,
            },
            asked: Vec::new(),
            account: None,
            consented_at: now,
            rotations: 0,
            rotation: tokenstrap::oauth::pins::Rotation::Unknown,
            redirect_uri: None,
        });
        self.store.save(&record).unwrap();
    }

    pub fn record(&self) -> Record {
        self.store.load(&name()).unwrap().unwrap()
    }

    pub fn need(&self, min_ttl: u64, force: bool) -> Need {
        Need {
            min_ttl: Duration::from_secs(min_ttl),
            force,
            strict: false,
            explicit: false,
            accept_suspect: false,
            called_at: self.now.get(),
            budget: Budget::starting(self.instant(), None),
        }
    }
}

pub fn name() -> ProfileName {
    "till".parse().unwrap()
}

pub fn pins() -> Pins {
    let json = serde_json::json!({
        "authorization_endpoint": "https://as.example/authorize", "token_endpoint": "https://as.example/token",
        "client_id": "till", "client_auth": "client_secret_post",
    });
    serde_json::from_value(json).unwrap()
}

/// An answer of the token endpoint.
pub fn answer(status: u16, body: &str) -> Result<Response, Undelivered> {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    Ok(Response { status: http::StatusCode::from_u16(status).unwrap(), headers, body: zeroize::Zeroizing::new(body.as_bytes().to_vec()) })
}

/// The request went out and the peer hung up.
pub fn lost() -> Result<Response, Undelivered> {
    Err(Undelivered::PeerEnded { host: "as.example".into() })
}

impl Transport for Rig {
    fn send(&self, request: &Request, _deadline: Instant) -> Result<Response, Undelivered> {
        let body = request.body.as_ref().map(|body| body.expose().to_owned()).unwrap_or_default();
        let count = self.sent.borrow().len();
        self.sent.borrow_mut().push((request.url.to_string(), body));
        self.saved_before_send.borrow_mut().push(self.store.intent(&name()).unwrap().is_some());
        (self.script)(request, count)
    }
}

fn refusal() -> StoreError {
    StoreError::Locked("the store is locked".into())
}

impl TokenStore for Rig {
    fn name(&self) -> &'static str {
        "rig"
    }

    fn place(&self) -> String {
        "a store to play".into()
    }

    fn identity(&self) -> String {
        "rig".into()
    }

    fn probe(&self) -> Result<(), StoreError> {
        if self.refuses.get().0 { Err(refusal()) } else { Ok(()) }
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        self.store.load(profile)
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile(&self.store);
        }
        if self.refuses.get().0 {
            return Err(refusal());
        }
        self.store.save(record)?;
        if self.keeps_in_secret.take() { Err(StoreError::Unavailable("no answer in time".into())) } else { Ok(()) }
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        if self.refuses.get().1 { Err(refusal()) } else { self.store.begin(profile, intent) }
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        self.store.intent(profile)
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        if self.refuses.get().1 { Err(refusal()) } else { self.store.clear(profile) }
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        if self.refuses.get().0 { Err(refusal()) } else { self.store.delete(profile) }
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        self.store.list()
    }
}

impl Clock for Rig {
    fn now(&self) -> SystemTime {
        self.now.get()
    }

    fn instant(&self) -> Instant {
        self.began + self.slept.get()
    }

    fn sleep(&self, time: Duration) {
        self.now.set(self.now.get() + time);
        self.slept.set(self.slept.get() + time);
    }
}

struct Free;

impl Guard for Free {
    fn is_held(&self) -> bool {
        true
    }

    fn forget(self: Box<Self>) {}
}

impl Lock for Rig {
    fn acquire(&self, _: &str, _: &ProfileName, _: Instant, satisfied: &mut dyn FnMut() -> bool) -> Result<Acquired<'_>, LockError> {
        match (satisfied(), self.locked.get()) {
            (true, _) => Ok(Acquired::Satisfied),
            (false, true) => Err(LockError::Busy(None)),
            (false, false) => Ok(Acquired::Exclusive(Box::new(Free))),
        }
    }
}

impl Spool for Rig {
    fn keep(&self, _: &str, record: &Record, _: &Secret) -> Result<(), StoreError> {
        *self.spooled.borrow_mut() = Some(record.encode());
        Ok(())
    }

    fn waiting(&self, profile: &ProfileName, _: &str, spool_key: &Secret) -> Option<Record> {
        let record = Record::decode(profile, self.spooled.borrow().as_ref()?).unwrap();
        // Another grant's key opens nothing.
        (record.spool_key.hash() == spool_key.hash()).then_some(record)
    }

    fn discard(&self, _: &ProfileName, _: &str) -> Result<(), StoreError> {
        self.spooled.take();
        Ok(())
    }
}

impl AccessTokenCache for Rig {
    fn read(&self, _: &str) -> Option<Cached> {
        None
    }

    fn replace(&self, _: &str, _: &Cached, _: SystemTime) {}

    fn forget(&self, _: &str) {}
}

impl Hold for Free {}

impl Interrupts for Rig {
    fn hold(&self) -> Box<dyn Hold> {
        Box::new(Free)
    }
}

impl UserAgent for Rig {
    fn authorize(&self, url: &url::Url, attempt: &Arc<Mutex<Attempt>>, _: Instant) -> Result<(), Unanswered> {
        self.opened.borrow_mut().push(url.to_string());
        let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned()).unwrap();
        let query = self.query.ok_or(Unanswered::TimedOut)?;
        attempt.lock().unwrap().receive_query(&query(&state));
        Ok(())
    }

    fn conclude(&self, _: bool) {}
}
