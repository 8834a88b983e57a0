//! Any program as a store: pass, 1Password, Bitwarden, the secret manager of a cloud.
//!
//! `[command]` in the user's own `config.toml` names it as an argument vector, `argv = ["/usr/local/bin/keep", "till"]`.
//! No shell reads it, it is found by an absolute path or in `PATH`, it runs in `/`, and no bundle or catalogue entry can
//! bring one along (SECURITY C-04). Secrets travel on its standard input and output alone.
//!
//! Each call starts the program once: one JSON object on standard input, then its end; one JSON object on standard output,
//! exit code 0. Every request has `"tokenstrap": 1`, `do`, and `interactive`, which says whether a person may be asked.
//!
//! | `do` | further members | answer |
//! |---|---|---|
//! | `describe` | | `{"place": "pass", "conflict": false, "lock": false}`: what a person calls it; whether `put` can refuse; whether `lock` and `unlock` are known, which are asked for only then |
//! | `get` | `name` | `{"value": "..."}`, or `{"missing": true}` |
//! | `put` | `name`, `value`, `generation`, `expected` | `{"saved": true}`, or `{"conflict": true}` where the generation that lies there is not `expected` (0: nothing may lie there; `null`: whatever does) |
//! | `delete` | `name` | `{"deleted": true}`, also where nothing was |
//! | `list` | | `{"names": ["till"]}` |
//! | `lock` | `name`, `nonce`, `holder`, `seconds` | `{"taken": true}`, also where this nonce has it, for `seconds` from now; or `{"busy": HOLDER}`, the `holder` of whoever has it and whose time has not ended |
//! | `unlock` | `name`, `nonce` | `{"unlocked": true}`, also where another nonce or nobody has it, which then stays so |
//!
//! Anything can be answered with `{"error": KIND, "message": "..."}`, KIND being `locked`, `denied`, `missing` or
//! `unavailable`. A name is a profile's name, or one followed by `@` and a word: letters, digits, `.`, `_`, `-` and one `@`,
//! at most 128 characters. A value is text of at most 512 KiB. Two of these programs ship in `examples/stores`.

mod lease;
mod run;
mod words;

use super::{StoreKind, World, disk::MOST};
use crate::{
    ports::{Intent, Lock, StoreError, TokenStore},
    profile::{BadRecord, ProfileName, Record},
    secret::Secret,
    text::printable,
};
use lease::Held;
use run::Program;
use std::{
    cell::{OnceCell, RefCell},
    collections::BTreeMap,
    time::{Duration, Instant},
};
use words::{Answer, Request};

/// What a call of the port may take, all runs of the program together.
const CALL: Duration = Duration::from_millis(9500);
/// The same where the program may ask a person.
const PROMPT: Duration = Duration::from_secs(75);

/// A program in the table.
pub struct Kind;

impl StoreKind for Kind {
    fn name(&self) -> &'static str {
        "command"
    }

    fn about(&self) -> &'static str {
        "A program of your own choice, named in config.toml"
    }

    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        Ok(Box::new(Command { world, can_lock: OnceCell::new(), held: RefCell::default() }))
    }
}

struct Command<'w> {
    world: &'w World<'w>,
    /// Asked once; see [`TokenStore::lease`].
    can_lock: OnceCell<bool>,
    held: RefCell<BTreeMap<ProfileName, Held>>,
}

impl Command<'_> {
    /// The runs that one call of the port may need.
    fn session(&self) -> Result<Session, StoreError> {
        let limit = if self.world.prompt { PROMPT } else { CALL };
        Ok(Session { program: Program::of(self.world.command)?, interactive: self.world.prompt, end: Instant::now() + limit })
    }

    fn random(&self) -> Result<String, StoreError> {
        let mut random = [0; 16];
        self.world.entropy.fill(&mut random).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok(data_encoding::HEXLOWER.encode(&random))
    }
}

struct Session {
    program: Program,
    interactive: bool,
    end: Instant,
}

impl Session {
    fn ask(&self, request: &Request<'_>) -> Result<Answer, StoreError> {
        let text = self.program.run(&request.text(self.interactive), self.end)?;
        Answer::read(&text).ok_or_else(|| self.odd())?.refusal(&self.program.name())
    }

    fn odd(&self) -> StoreError {
        StoreError::Unavailable(format!("the program {} answered something that is not in the protocol", self.program.name()))
    }

    fn get(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        match self.ask(&Request::Get { name })? {
            Answer { value: Some(value), .. } => Ok(Some(value)),
            Answer { missing: true, .. } => Ok(None),
            _ => Err(self.odd()),
        }
    }

    /// Puts a value and finds it again.
    fn put(&self, name: &str, value: &Secret, generation: u64, expected: Option<u64>) -> Result<(), StoreError> {
        if value.len() > MOST {
            return Err(StoreError::TooBig { size: value.len(), limit: MOST });
        }
        match self.ask(&Request::Put { name, value, generation, expected })? {
            Answer { conflict: true, .. } => return Err(StoreError::Conflict),
            Answer { saved: true, .. } => {}
            _ => return Err(self.odd()),
        }
        match self.get(name)? {
            Some(back) if back.hash() == value.hash() => Ok(()),
            _ => Err(StoreError::Forgetful(format!("the program {}", self.program.name()))),
        }
    }

    /// Deletes a value and looks that it is gone.
    fn delete(&self, name: &str) -> Result<(), StoreError> {
        if !self.ask(&Request::Delete { name })?.deleted {
            return Err(self.odd());
        }
        match self.get(name)? {
            None => Ok(()),
            Some(_) => Err(StoreError::Forgetful(format!("the program {}", self.program.name()))),
        }
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        let corrupt = |reason| StoreError::Corrupt { profile: profile.clone(), reason };
        self.get(profile.as_str())?.map(|text| Record::decode(profile, &text).map_err(corrupt)).transpose()
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        // Looked at here as well: not every program can refuse.
        let stored = self.load(&record.profile)?;
        if !record.follows(stored.as_ref()) {
            return Err(StoreError::Conflict);
        }
        let expected = stored.map_or(0, |stored| stored.generation);
        self.put(record.profile.as_str(), &record.encode(), record.generation, Some(expected))
    }
}

impl TokenStore for Command<'_> {
    fn name(&self) -> &'static str {
        Kind.name()
    }

    fn place(&self) -> String {
        match Program::of(self.world.command) {
            Ok(program) => format!("the program {}", program.name()),
            Err(_) => "a program that config.toml would name".to_owned(),
        }
    }

    fn identity(&self) -> String {
        format!("{}:{}", Kind.name(), self.world.command.join("\u{1f}"))
    }

    fn is_shared(&self) -> Result<bool, StoreError> {
        let described = self.session()?.ask(&Request::Describe)?;
        Ok(described.can_conflict || described.lock)
    }

    fn lease(&self) -> Option<&dyn Lock> {
        let can_lock = || self.session()?.ask(&Request::Describe).map(|described| described.lock);
        // Where nobody knows, `lock` is asked for and says what is wrong: going on without it could end the grant.
        let can_lock = *self.can_lock.get_or_init(|| can_lock().unwrap_or(true));
        can_lock.then_some(self as &dyn Lock)
    }

    fn probe(&self) -> Result<(), StoreError> {
        let (session, random) = (self.session()?, self.random()?);
        let name = format!("probe@{random}");
        let written = session.put(&name, &Secret::new(random), 1, None);
        written.and(session.delete(&name))
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        self.session()?.load(profile)
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        let outcome = self.session().and_then(|session| session.save(record));
        self.remember_whether_saved(&record.profile, &outcome);
        outcome
    }

    fn take_in(&self, record: &Record) -> Result<(), StoreError> {
        let session = self.session()?;
        let stored = session.load(&record.profile)?.map_or(0, |stored| stored.generation);
        if stored >= record.generation {
            return Err(StoreError::Conflict);
        }
        session.put(record.profile.as_str(), &record.encode(), record.generation, Some(stored))
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        let text = serde_json::to_string(intent).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        self.session()?.put(&intent_of(profile), &Secret::new(text), intent.generation, None)?;
        self.remember_intent(profile, intent);
        Ok(())
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        let Some(text) = self.session()?.get(&intent_of(profile))? else { return Ok(None) };
        let damaged = |_| StoreError::Corrupt { profile: profile.clone(), reason: BadRecord::Damaged };
        words::intent(&text).map(Some).map_err(damaged)
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        self.session()?.delete(&intent_of(profile))
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let session = self.session()?;
        session.delete(profile.as_str())?;
        session.delete(&intent_of(profile))
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        let session = self.session()?;
        let names = session.ask(&Request::List)?.names.ok_or_else(|| session.odd())?;
        let mut profiles: Vec<ProfileName> = names.iter().filter_map(|name| name.parse().ok()).collect();
        profiles.sort();
        profiles.dedup();
        Ok(profiles)
    }
}

/// `@` is in no profile's name.
fn intent_of(profile: &ProfileName) -> String {
    format!("{profile}@intent")
}

/// A program by the name of its file.
fn shown(program: &str) -> String {
    let name = std::path::Path::new(program).file_name().map_or(program.into(), |name| name.to_string_lossy());
    format!("`{}`", printable(&name))
}
