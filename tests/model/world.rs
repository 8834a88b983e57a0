//! A machine in memory: each effect of a use case is a moment at which the process can be killed, or somebody else can act.

use super::server::Server;
use crate::support::rig::name;
use std::{
    cell::{Cell, RefCell},
    panic::resume_unwind,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};
use tokenstrap::{
    flow::World,
    oauth::{
        attempt::Attempt,
        message::{Request, Response, Undelivered},
    },
    platform::entropy::SystemEntropy,
    ports::{
        AccessTokenCache, Acquired, Cached, Clock, Guard, Hold, Intent, Interrupts, Lock, LockError, Spool, StoreError, TokenStore,
        Transport, Unanswered, UserAgent,
    },
    profile::{ProfileName, Record},
    secret::Secret,
    store::memory::Memory,
};

/// What unwinds a process that is killed.
pub struct Killed;

/// Who interferes, and after how many effects.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    Kill,
    LoginBegins,
    LoginEnds,
    Logout,
    StoreRefusesWrites,
    StoreLocks,
}

pub struct Machine {
    pub server: RefCell<Server>,
    pub store: Memory,
    pub spooled: RefCell<Option<Secret>>,
    /// The store refuses writes, or everything.
    pub refuses: Cell<(bool, bool)>,
    pub fuse: Cell<Option<(u32, Moment)>>,
    /// Answers that are lost.
    pub lost: Cell<u32>,
    pub now: Cell<SystemTime>,
    pub passed: Cell<Duration>,
    pub began: Instant,
    /// What another program does when its moment has come.
    pub interfere: fn(&Machine, Moment),
    sending: RefCell<Option<String>>,
}

impl Machine {
    pub fn new(grace: bool, interfere: fn(&Machine, Moment)) -> Self {
        Self {
            server: RefCell::new(Server::new(grace)),
            store: Memory::new(),
            spooled: RefCell::default(),
            refuses: Cell::default(),
            fuse: Cell::default(),
            lost: Cell::default(),
            now: Cell::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
            passed: Cell::default(),
            began: Instant::now(),
            interfere,
            sending: RefCell::default(),
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

    /// One more effect is about to happen.
    fn effect(&self) {
        match self.fuse.take() {
            Some((0, Moment::Kill)) => resume_unwind(Box::new(Killed)),
            Some((0, moment)) => (self.interfere)(self, moment),
            Some((left, moment)) => self.fuse.set(Some((left - 1, moment))),
            None => {}
        }
    }

    fn allow(&self, writes: bool) -> Result<(), StoreError> {
        self.effect();
        let (no_writes, nothing) = self.refuses.get();
        if nothing || writes && no_writes { Err(StoreError::Locked("it is locked".into())) } else { Ok(()) }
    }

    /// The process is gone: whatever answer it waited for is lost.
    pub fn buried(&self) {
        if let Some(token) = self.sending.take()
            && let Some(issued) = self.server.borrow_mut().tokens.get_mut(&token)
        {
            issued.excused += 1;
        }
    }

    /// The refresh token that was sent last is safe, or is known to be refused.
    pub fn settled(&self) {
        self.sending.take();
    }

    fn act(&self, body: &str) -> (u16, String) {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        let member = |name: &str| form.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        match member("refresh_token") {
            Some(token) => {
                let answer = self.server.borrow_mut().refresh(&token);
                *self.sending.borrow_mut() = Some(token);
                answer
            }
            None => (200, self.server.borrow_mut().consent()),
        }
    }
}

impl Transport for Machine {
    fn send(&self, request: &Request, _: Instant) -> Result<Response, Undelivered> {
        self.effect();
        let (status, body) = self.act(request.body.as_ref().unwrap().expose());
        self.effect();
        if let Some(left) = self.lost.get().checked_sub(1) {
            self.lost.set(left);
            self.buried();
            return crate::support::rig::lost();
        }
        crate::support::rig::answer(status, &body)
    }
}

impl Clock for Machine {
    fn now(&self) -> SystemTime {
        self.now.get()
    }

    fn instant(&self) -> Instant {
        self.began + self.passed.get()
    }

    fn sleep(&self, time: Duration) {
        self.now.set(self.now.get() + time);
        self.passed.set(self.passed.get() + time);
    }
}

impl TokenStore for Machine {
    fn name(&self) -> &'static str {
        "model"
    }

    fn place(&self) -> String {
        "a model".into()
    }

    fn identity(&self) -> String {
        "model".into()
    }

    fn probe(&self) -> Result<(), StoreError> {
        self.allow(true)
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        self.allow(false)?;
        self.store.load(profile)
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        self.allow(true)?;
        self.store.save(record)
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        self.allow(true)?;
        self.store.begin(profile, intent)
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        self.allow(false)?;
        self.store.intent(profile)
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        self.allow(true)?;
        self.store.clear(profile)
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        self.allow(true)?;
        self.store.delete(profile)
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        self.store.list()
    }
}

impl Spool for Machine {
    fn keep(&self, _: &str, record: &Record, _: &Secret) -> Result<(), StoreError> {
        self.effect();
        *self.spooled.borrow_mut() = Some(record.encode());
        Ok(())
    }

    fn waiting(&self, profile: &ProfileName, _: &str, spool_key: &Secret) -> Option<Record> {
        self.effect();
        let record = Record::decode(profile, self.spooled.borrow().as_ref()?).unwrap();
        (record.spool_key.hash() == spool_key.hash()).then_some(record)
    }

    fn discard(&self, _: &ProfileName, _: &str) -> Result<(), StoreError> {
        self.effect();
        self.spooled.take();
        Ok(())
    }
}

pub struct Free;

impl Guard for Free {
    fn is_held(&self) -> bool {
        true
    }

    fn forget(self: Box<Self>) {}
}

impl Hold for Free {}

impl Lock for Machine {
    fn acquire(&self, _: &str, _: &ProfileName, _: Instant, satisfied: &mut dyn FnMut() -> bool) -> Result<Acquired<'_>, LockError> {
        Ok(if satisfied() { Acquired::Satisfied } else { Acquired::Exclusive(Box::new(Free)) })
    }
}

impl AccessTokenCache for Machine {
    fn read(&self, _: &str) -> Option<Cached> {
        None
    }

    fn replace(&self, _: &str, _: &Cached, _: SystemTime) {}

    fn forget(&self, _: &str) {}
}

impl Interrupts for Machine {
    fn hold(&self) -> Box<dyn Hold> {
        Box::new(Free)
    }
}

impl UserAgent for Machine {
    fn authorize(&self, url: &url::Url, attempt: &Arc<Mutex<Attempt>>, _: Instant) -> Result<(), Unanswered> {
        let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned()).unwrap();
        attempt.lock().unwrap().receive_query(&format!("code=good&state={state}"));
        Ok(())
    }

    fn conclude(&self, _: bool) {}
}

/// What is stored, whatever the store says of itself.
pub fn stored(machine: &Machine) -> Option<Record> {
    machine.store.load(&name()).unwrap()
}
