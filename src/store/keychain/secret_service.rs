//! The Secret Service (GNOME Keyring, KWallet, KeePassXC) over D-Bus.
//!
//! A warm read is three round trips and no thread ([`quick`]), and so is a write over what is there
//! ([`super::write`]). A save reads the generation, writes over an encrypted session, finds the item again as a later load
//! will find it, and compares.
//!
//! An intent stays where it lies when its refresh has ended well: the record itself tells that it has
//! ([`Intent::is_open`]), and taking the item away would write the whole keyring once more, as would making it anew.

use super::{
    INTENTS, Kind, PROBES, RECORDS, deadline, quick,
    session::{Session, remove, text},
};
use crate::{
    ports::{Clock, Entropy, Intent, StoreError, TokenStore},
    profile::{BadRecord, ProfileName, Record},
    secret::Secret,
    store::{StoreKind, World},
    text::printable,
};
use dbus_secret_service::Item;
use std::{
    cell::RefCell,
    thread,
    time::{Duration, Instant, SystemTime},
};

/// What people know it by.
const PLACE: &str = "the Secret Service keychain";
/// A write is tried this often where it is not kept.
const TRIES: usize = 3;
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// After this time a probe has no living writer.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The keychain of a desktop of the Linux kind.
pub(super) struct Keychain<'w> {
    may_prompt: bool,
    entropy: &'w dyn Entropy,
    clock: &'w dyn Clock,
    /// The session of the library, once it had to look for an intent or to write one. The save that follows needs no key
    /// agreement between the server's answer and the write, and the agreement has proved itself.
    ready: RefCell<Option<Session>>,
    reader: quick::Reader,
    /// The intent that this process has written.
    noted: RefCell<Option<Noted>>,
}

struct Noted {
    profile: ProfileName,
    intent: Intent,
    /// The record that is stored now tells that the refresh has ended.
    ended: bool,
}

impl<'w> Keychain<'w> {
    pub(super) fn new(world: &World<'w>) -> Self {
        Self {
            may_prompt: world.prompt,
            entropy: world.entropy,
            clock: world.clock,
            ready: RefCell::default(),
            reader: quick::Reader::default(),
            noted: RefCell::default(),
        }
    }

    fn reading<T: Send + 'static>(&self, call: impl FnOnce(&Session) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        let may_prompt = self.may_prompt;
        deadline::within(self.limit(), move || call(&Session::reading(may_prompt)?))
    }

    fn writing<T: Send + 'static>(&self, call: impl FnOnce(bool) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        self.writing_since(Instant::now(), call)
    }

    /// As [`Self::writing`], within what is left of a call that began then.
    fn writing_since<T: Send + 'static>(
        &self,
        began: Instant,
        call: impl FnOnce(bool) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let may_prompt = self.may_prompt;
        deadline::within(self.limit().saturating_sub(began.elapsed()), move || call(may_prompt))
    }

    /// Asks over the session that is ready, or a new one where there is none yet or the keychain has been started again
    /// since, and keeps it ready.
    fn over_ready<T: Send + 'static>(&self, call: impl Fn(&Session) -> Result<T, StoreError> + Send + 'static) -> Result<T, StoreError> {
        let ready = self.ready.take();
        let (session, told) = self.writing(move |may_prompt| {
            if let Some((told, session)) = ready.and_then(|session| Some((call(&session).ok()?, session))) {
                return Ok((session, told));
            }
            let session = Session::writing(may_prompt)?;
            let told = call(&session)?;
            Ok((session, told))
        })?;
        self.ready.replace(Some(session));
        Ok(told)
    }

    /// Writes the record where `may_replace` says so of what lies there.
    fn put(&self, record: &Record, may_replace: fn(&Record, Option<&Record>) -> bool) -> Result<(), StoreError> {
        let began = Instant::now();
        let text = record.encode();
        if !self.put_on_line(record, &text, may_replace)? {
            self.put_anew(record, text, may_replace, began)?;
        }
        let mut noted = self.noted.borrow_mut();
        if let Some(noted) = noted.as_mut().filter(|noted| noted.profile == record.profile) {
            noted.ended = !noted.intent.is_open(Some(record));
        }
        Ok(())
    }

    /// On the line of the reads, where the label stays the same; `false` where that is not how it is done.
    fn put_on_line(&self, record: &Record, text: &Secret, may_replace: fn(&Record, Option<&Record>) -> bool) -> Result<bool, StoreError> {
        if self.ready.borrow().is_some() {
            return Ok(false);
        }
        let Some(place) = self.reader.place((RECORDS, record.profile.as_str()), self.entropy)? else { return Ok(false) };
        let Some(stored) = place.texts()? else { return Ok(false) };
        let stored = newest_of(stored, &record.profile)?;
        if !may_replace(record, stored.as_ref()) {
            return Err(StoreError::Conflict);
        }
        let label_now = label(record);
        if stored.is_some_and(|stored| label(&stored) != label_now) {
            return Ok(false);
        }
        place.write(&label_now, text, self.entropy)
    }

    fn put_anew(
        &self,
        record: &Record,
        text: Secret,
        may_replace: fn(&Record, Option<&Record>) -> bool,
        began: Instant,
    ) -> Result<(), StoreError> {
        let (record, label) = (record.clone(), label(record));
        let ready = self.ready.take();
        let session = self.writing_since(began, move |may_prompt| {
            let (session, stored) = match ready.and_then(|session| Some((newest(&session, &record.profile).ok()?, session))) {
                Some((stored, session)) => (session, stored),
                // None yet, or the keychain has been started again since.
                None => {
                    let session = Session::writing(may_prompt)?;
                    let stored = newest(&session, &record.profile)?;
                    (session, stored)
                }
            };
            if !may_replace(&record, stored.as_ref()) {
                return Err(StoreError::Conflict);
            }
            keep(session, &label, (RECORDS, record.profile.as_str()), &text)
        })?;
        self.ready.replace(Some(session));
        Ok(())
    }

    /// On the line of the reads; `false` where that is not how it is done.
    fn note_on_line(&self, profile: &ProfileName, text: &Secret) -> Result<bool, StoreError> {
        if self.ready.borrow().is_some() {
            return Ok(false);
        }
        let place = self.reader.place((INTENTS, profile.as_str()), self.entropy)?;
        place.map_or(Ok(false), |place| place.write(&note_label(profile), text, self.entropy))
    }

    fn note_anew(&self, profile: ProfileName, text: Secret, began: Instant) -> Result<(), StoreError> {
        let ready = self.ready.take();
        let session = self.writing_since(began, move |may_prompt| {
            let label = note_label(&profile);
            let place = (INTENTS, profile.as_str());
            match ready.map(|session| keep(session, &label, place, &text)) {
                Some(Ok(session)) => Ok(session),
                _ => keep(Session::writing(may_prompt)?, &label, place, &text),
            }
        })?;
        self.ready.replace(Some(session));
        Ok(())
    }

    fn limit(&self) -> Duration {
        if self.may_prompt { deadline::PROMPT } else { deadline::CALL }
    }
}

impl TokenStore for Keychain<'_> {
    fn name(&self) -> &'static str {
        Kind.name()
    }

    fn place(&self) -> String {
        PLACE.to_owned()
    }

    /// One for all sessions of a user: two buses may well lead to the same keyring, and one lock too many does no harm.
    fn identity(&self) -> String {
        "keychain".to_owned()
    }

    fn probe(&self) -> Result<(), StoreError> {
        let mut random = [0; 16];
        self.entropy.fill(&mut random).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let name = data_encoding::HEXLOWER.encode(&random);
        let before = self.clock.now().checked_sub(ABANDONED).unwrap_or(SystemTime::UNIX_EPOCH);
        self.writing(move |may_prompt| {
            let text = Secret::new(name.as_str());
            let session = keep(Session::writing(may_prompt)?, "tokenstrap: probe", (PROBES, &name), &text)?;
            for item in session.find(PROBES, None)? {
                if is_probe_to_remove(&item, &name, before) {
                    remove(&item)?;
                }
            }
            if session.find(PROBES, Some(&name))?.is_empty() { Ok(()) } else { Err(StoreError::Forgetful(PLACE.to_owned())) }
        })
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        match self.reader.texts(RECORDS, profile.as_str())? {
            Some(texts) => newest_of(texts, profile),
            None => {
                let profile = profile.clone();
                self.reading(move |session| newest(session, &profile))
            }
        }
    }

    fn save(&self, record: &Record) -> Result<(), StoreError> {
        self.put(record, Record::follows)
    }

    fn take_in(&self, record: &Record) -> Result<(), StoreError> {
        self.put(record, Record::is_newer_than)
    }

    fn begin(&self, profile: &ProfileName, intent: &Intent) -> Result<(), StoreError> {
        let began = Instant::now();
        let text = serde_json::to_string(intent).map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let text = Secret::new(text);
        self.noted.take();
        if !self.note_on_line(profile, &text)? {
            self.note_anew(profile.clone(), text, began)?;
        }
        self.noted.replace(Some(Noted { profile: profile.clone(), intent: intent.clone(), ended: false }));
        Ok(())
    }

    fn intent(&self, profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        let texts = match self.reader.texts(INTENTS, profile.as_str())? {
            Some(texts) => texts,
            None => {
                let profile = profile.clone();
                self.over_ready(move |session| session.find(INTENTS, Some(profile.as_str()))?.iter().map(text).collect())?
            }
        };
        let Some(text) = texts.into_iter().next() else { return Ok(None) };
        let read: Option<Intent> = text.and_then(|text| serde_json::from_str(text.expose()).ok());
        let intent = read.ok_or_else(|| StoreError::Corrupt { profile: profile.clone(), reason: BadRecord::Damaged })?;
        Ok(intent.is_open(self.load(profile)?.as_ref()).then_some(intent))
    }

    fn clear(&self, profile: &ProfileName) -> Result<(), StoreError> {
        if self.noted.take().is_some_and(|noted| noted.ended && noted.profile == *profile) {
            return Ok(());
        }
        let profile = profile.clone();
        self.over_ready(move |session| session.find(INTENTS, Some(profile.as_str()))?.iter().try_for_each(remove))
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        let profile = profile.clone();
        self.reading(move |session| {
            for service in [RECORDS, INTENTS] {
                session.find(service, Some(profile.as_str()))?.iter().try_for_each(remove)?;
                if !session.find(service, Some(profile.as_str()))?.is_empty() {
                    return Err(StoreError::Forgetful(PLACE.to_owned()));
                }
            }
            Ok(())
        })
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        self.reading(|session| {
            let mut profiles = Vec::new();
            for item in session.find(RECORDS, None)? {
                let attributes = item.get_attributes().map_err(|error| super::session::trouble(&error))?;
                // An item that somebody else made under our name is not ours to show.
                profiles.extend(attributes.get("username").and_then(|name| name.parse::<ProfileName>().ok()));
            }
            profiles.sort();
            profiles.dedup();
            Ok(profiles)
        })
    }
}

/// The newest record among the items of this profile; usually there is one.
fn newest(session: &Session, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
    let items = session.find(RECORDS, Some(profile.as_str()))?;
    newest_of(items.iter().map(text).collect::<Result<Vec<_>, _>>()?, profile)
}

/// The record of the highest generation.
///
/// One that cannot be read fails the call even where another can: the readable one may be the older, and spending its
/// refresh token would end the whole grant.
fn newest_of(texts: Vec<Option<Secret>>, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
    let corrupt = |reason| StoreError::Corrupt { profile: profile.clone(), reason };
    let mut newest: Option<Record> = None;
    for text in texts {
        let record = Record::decode(profile, &text.ok_or_else(|| corrupt(BadRecord::Damaged))?).map_err(corrupt)?;
        if newest.as_ref().is_none_or(|other| other.generation < record.generation) {
            newest = Some(record);
        }
    }
    Ok(newest)
}

/// Writes an item, finds it again, and compares (RELIABILITY F-11); gives the session that did it. Each further try has a
/// session of its own: a key agreement that went wrong goes wrong for all that is written with it.
fn keep(first: Session, label: &str, place: (&str, &str), wanted: &Secret) -> Result<Session, StoreError> {
    let mut session = first;
    for attempt in 0..TRIES {
        if attempt > 0 {
            thread::sleep(PAUSE);
            session = session.anew()?;
        }
        if is_kept(&session, label, place, wanted)? {
            return Ok(session);
        }
    }
    Err(StoreError::Forgetful(PLACE.to_owned()))
}

fn is_kept(session: &Session, label: &str, (service, username): (&str, &str), wanted: &Secret) -> Result<bool, StoreError> {
    let written = session.put(label, service, username, wanted)?;
    let found = session.find(service, Some(username))?;
    // Older copies, in another keyring or with further attributes, would come back one day.
    for stray in found.iter().filter(|item| item.path != written.path) {
        remove(stray)?;
    }
    let back = found.iter().find(|item| item.path == written.path).map(text).transpose()?.flatten();
    Ok(back.is_some_and(|back| back.matches(wanted.expose())))
}

/// Our own probe, and those whose writers were killed long ago.
fn is_probe_to_remove(item: &Item<'_>, own: &str, before: SystemTime) -> bool {
    let is_own = item.get_attributes().is_ok_and(|attributes| attributes.get("username").is_some_and(|name| name == own));
    is_own || item.get_created().is_ok_and(|at| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)).is_some_and(|at| at < before))
}

/// True while the refresh goes on and ever after.
fn note_label(profile: &ProfileName) -> String {
    format!("tokenstrap: last refresh of {profile}")
}

/// Profile and server; nothing of a token (SECURITY S-14).
fn label(record: &Record) -> String {
    let registration = record.registration.as_ref().or(record.pending.as_ref().map(|pending| &pending.registration));
    match registration {
        Some(registration) => printable(&format!("tokenstrap: {} ({})", record.profile, registration.pins.server())),
        None => format!("tokenstrap: {}", record.profile),
    }
}
