//! A warm read: one connection, three round trips, no thread.
//!
//! The library below asks four times and has a wait of 25 s that nobody can shorten, so its calls run on a thread
//! ([`super::deadline`]). Reading what is unlocked needs none of that: the greeting and the search go out together, then
//! the session is opened, then the secrets are asked for, each with what is left of one deadline. Whatever is not that
//! simple case (something locked, a prompt to show, a bus that is not on this machine) is left to the library.
//!
//! GNOME Keyring sets up what it knows of a caller beside its first message, and now and then only after that was served
//! (seen with 42.1, `gkd_secret_service_get_pkcs11_session: assertion 'client' failed`). A search that comes too early is
//! refused and asked again; an `OpenSession` that comes too early ends the whole keyring. So none is sent before an answer
//! to another question has come from the keyring itself.

use super::{
    agreement::Shared,
    bus::{self, Bus},
    session::{UNKNOWN_METHOD, said},
};
use crate::{ports::StoreError, secret::Secret};
use dbus::{
    Message, Path,
    arg::{ArgType, Variant},
    channel::Channel,
};
use std::{
    cell::RefCell,
    collections::HashMap,
    time::{Duration, Instant},
};
use zeroize::Zeroize;

/// What a read may take in all. A keychain that serves five hundred callers at once needs about one second.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
pub(super) const SERVICE: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const INTERFACE: &str = "org.freedesktop.Secret.Service";
pub(super) const COLLECTION: &str = "org.freedesktop.Secret.Collection";
/// `org.freedesktop.Secret.Service.OpenSession`: the secrets travel as they are, on a socket of this user's own.
const PLAIN: &str = "plain";
/// Session, parameters, value, content type (Secret Service API, "Secret").
pub(super) type Transferred = (Path<'static>, Vec<u8>, Vec<u8>, String);

/// Reads and writes over one connection, which the first read opens: a follower reads again when the sender has let go, and every
/// connection more is one more that the keychain has to greet and forget.
#[derive(Default)]
pub(super) struct Reader(pub(super) RefCell<Option<Line>>);

/// A connection that has had an answer from the keychain, and its sessions.
pub(super) struct Line {
    pub(super) channel: Channel,
    /// The session for reading, once something is to be read.
    plain: Option<Path<'static>>,
    /// The session whose secrets are encrypted, once something is to be written.
    pub(super) sealed: Option<(Path<'static>, Shared)>,
}

impl Reader {
    /// The texts of all items with these attributes, `None` in the place of one that is no text.
    ///
    /// `Ok(None)` leaves the question to the library.
    ///
    /// # Errors
    /// [`StoreError`], as the library's calls have it.
    pub(super) fn texts(&self, service: &str, username: &str) -> Result<Option<Texts>, StoreError> {
        let attributes = HashMap::from([("service", service), ("username", username)]);
        let end = Instant::now() + PATIENCE;
        // A keychain that was started again does not know the session: that is no trouble, a new line finds out.
        let known = self.0.take().and_then(|mut line| {
            let found = search(&line.channel, &attributes, end).ok()?;
            Some((read(&mut line, found, end).ok()?, line))
        });
        let (texts, line) = match known {
            Some(known) => known,
            None => {
                let Some((found, mut line)) = open(&attributes, end)? else { return Ok(None) };
                (read(&mut line, found, end)?, line)
            }
        };
        self.0.replace(Some(line));
        Ok(texts)
    }
}

/// Texts, `None` in the place of what is no text.
pub(super) type Texts = Vec<Option<Secret>>;

/// The texts of what is found; `None` leaves the question to the library.
fn read(line: &mut Line, found: Option<Found>, end: Instant) -> Result<Option<Texts>, StoreError> {
    let Some(found) = found else { return Ok(None) };
    if found.is_empty() {
        return Ok(hides_nothing(&line.channel, end)?.then(Vec::new));
    }
    if line.plain.is_none() {
        let Some(Ok(asked)) = method("OpenSession").map(|open| line.channel.send(open.append2(PLAIN, Variant("")))) else {
            return Ok(None);
        };
        line.plain = answers(&line.channel, &[asked], end)?.first().and_then(session);
    }
    secrets(line, &found, end)
}

/// Whether the default keyring is there and not locked: some keychains do not find what they hold while it is.
fn hides_nothing(channel: &Channel, end: Instant) -> Result<bool, StoreError> {
    let Some(keyring) = default_keyring(channel, end)? else { return Ok(false) };
    let get = Message::new_method_call(SERVICE, keyring, "org.freedesktop.DBus.Properties", "Get");
    let Some(Ok(asked)) = get.ok().map(|get| channel.send(get.append2(COLLECTION, "Locked"))) else { return Ok(false) };
    let locked = answers(channel, &[asked], end)?.first().and_then(Message::get1::<Variant<bool>>);
    Ok(locked.is_some_and(|Variant(locked)| !locked))
}

/// The keyring that new items go into, where there is one.
pub(super) fn default_keyring(channel: &Channel, end: Instant) -> Result<Option<Path<'static>>, StoreError> {
    let Some(Ok(asked)) = method("ReadAlias").map(|read| channel.send(read.append1("default"))) else { return Ok(None) };
    let keyring = answers(channel, &[asked], end)?.first().and_then(Message::get1::<Path<'static>>);
    Ok(keyring.filter(|keyring| &**keyring != "/"))
}

/// The secrets of these items; `None` where one of them was locked or removed since they were found.
fn secrets(line: &Line, found: &[Path<'static>], end: Instant) -> Result<Option<Texts>, StoreError> {
    let (Some(asked), Some(session)) = (method("GetSecrets"), &line.plain) else { return Ok(None) };
    let Ok(asked) = line.channel.send(asked.append2(found, session)) else { return Ok(None) };
    let answers = answers(&line.channel, &[asked], end)?;
    let Some(Ok(secrets)) = answers.first().map(Message::read1::<HashMap<Path<'static>, Transferred>>) else { return Ok(None) };
    if secrets.len() != found.len() {
        return Ok(None);
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map(Secret::new).map_err(|bad| bad.into_bytes().zeroize()).ok();
    Ok(Some(secrets.into_values().map(|(_, _, value, _)| text(value)).collect()))
}

pub(super) type Found = Vec<Path<'static>>;

/// A new line, and what is found over it; `None` where the library has to open its own.
fn open(attributes: &HashMap<&str, &str>, end: Instant) -> Result<Option<(Option<Found>, Line)>, StoreError> {
    let Bus::Local(address) = bus::find()? else { return Ok(None) };
    if !bus::is_ready(&address) {
        return Ok(None);
    }
    let channel = Channel::open_private(&address).map_err(|error| failed(&error))?;
    let hello = Message::new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello");
    let (Ok(hello), Some(asked)) = (hello, method("SearchItems")) else { return Ok(None) };
    let mut questions = Vec::new();
    for question in [hello, asked.append1(attributes)] {
        questions.extend(channel.send(question));
    }
    let mut replies = replies(&channel, &questions, end)?;
    let [greeted, searched] = replies.as_mut_slice() else { return Ok(None) };
    greeted.as_result().map_err(|error| failed(&error))?;
    let found = match searched.as_result() {
        Ok(searched) => unlocked(searched),
        Err(error) if error.name() == Some(UNKNOWN_METHOD) => search(&channel, attributes, end)?,
        Err(error) => return Err(failed(&error)),
    };
    Ok(Some((found, Line { channel, plain: None, sealed: None })))
}

/// What is found over a line that is open; `None` where that is not all there is to say.
pub(super) fn search(channel: &Channel, attributes: &HashMap<&str, &str>, end: Instant) -> Result<Option<Found>, StoreError> {
    let Some(Ok(asked)) = method("SearchItems").map(|search| channel.send(search.append1(attributes))) else { return Ok(None) };
    Ok(answers(channel, &[asked], end)?.first().and_then(unlocked))
}

/// The items of an answer, where none is locked.
pub(super) fn unlocked(answer: &Message) -> Option<Found> {
    let (found, locked) = answer.read2::<Vec<Path<'static>>, Vec<Path<'static>>>().ok()?;
    locked.is_empty().then_some(found)
}

/// The session's path, which stands behind a value that has no meaning for plain sessions.
fn session(answer: &Message) -> Option<Path<'static>> {
    let mut members = answer.iter_init();
    (members.arg_type() == ArgType::Variant && members.next()).then(|| members.get())?
}

pub(super) fn method(name: &str) -> Option<Message> {
    Message::new_method_call(SERVICE, ROOT, INTERFACE, name).ok()
}

/// The answers to these questions, in their order.
fn answers(channel: &Channel, questions: &[u32], end: Instant) -> Result<Vec<Message>, StoreError> {
    let mut answers = replies(channel, questions, end)?;
    for answer in &mut answers {
        answer.as_result().map_err(|error| failed(&error))?;
    }
    Ok(answers)
}

/// What comes back to these questions, refusals included, in their order. libdbus's own blocking calls first write without
/// a limit, and a bus that is stopped lets them wait for ever; reading and writing by turns has one.
pub(super) fn replies(channel: &Channel, questions: &[u32], end: Instant) -> Result<Vec<Message>, StoreError> {
    let mut replies = Vec::new();
    while replies.len() < questions.len() {
        while let Some(message) = channel.pop_message() {
            if message.get_reply_serial().is_some_and(|serial| questions.contains(&serial)) {
                replies.push(message);
            }
        }
        if replies.len() == questions.len() {
            break;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(said("org.freedesktop.DBus.Error.NoReply", ""));
        }
        channel.read_write(Some(left)).map_err(|()| said("org.freedesktop.DBus.Error.Disconnected", ""))?;
    }
    replies.sort_by_key(Message::get_reply_serial);
    Ok(replies)
}

fn failed(error: &dbus::Error) -> StoreError {
    said(error.name().unwrap_or_default(), error.message().unwrap_or_default())
}
