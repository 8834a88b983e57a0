//! A warm read: one connection, two round trips, no thread.
//!
//! The library below asks four times and has a wait of 25 s that nobody can shorten, so its calls run on a thread
//! ([`super::deadline`]). Reading what is there and unlocked needs none of that: the greeting, the session and the
//! search go out together, then the secrets, each with what is left of one deadline. Whatever is not that simple case
//! (nothing found, something locked, a prompt to show, a bus that is not on this machine) is left to the library.

use super::{
    bus::{self, Bus},
    session::said,
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
const PATIENCE: Duration = Duration::from_secs(5);
const SERVICE: &str = "org.freedesktop.secrets";
const ROOT: &str = "/org/freedesktop/secrets";
const INTERFACE: &str = "org.freedesktop.Secret.Service";
/// `org.freedesktop.Secret.Service.OpenSession`: the secrets travel as they are, on a socket of this user's own.
const PLAIN: &str = "plain";
/// Session, parameters, value, content type (Secret Service API, "Secret").
type Transferred = (Path<'static>, Vec<u8>, Vec<u8>, String);

/// Reads over one connection, which the first read opens: a follower reads again when the sender has let go, and every
/// connection more is one more that the keychain has to greet and forget.
#[derive(Default)]
pub(super) struct Reader(RefCell<Option<Line>>);

/// A connection with a session on it.
struct Line {
    channel: Channel,
    session: Path<'static>,
}

impl Reader {
    /// The texts of all items with these attributes, `None` in the place of one that is no text.
    ///
    /// `Ok(None)` leaves the question to the library.
    ///
    /// # Errors
    /// [`StoreError`], as the library's calls have it.
    pub(super) fn texts(&self, service: &str, username: &str) -> Result<Option<Vec<Option<Secret>>>, StoreError> {
        let attributes = HashMap::from([("service", service), ("username", username)]);
        let end = Instant::now() + PATIENCE;
        // A keychain that was started again does not know the session: that is no trouble, a new line finds out.
        let known = self.0.take().and_then(|line| Some((search(&line.channel, &attributes, end).ok()??, line)));
        let (found, line) = match known {
            Some(known) => known,
            None => match open(&attributes, end)? {
                Some(opened) => opened,
                None => return Ok(None),
            },
        };
        let Some(texts) = secrets(&line, &found, end)? else { return Ok(None) };
        self.0.replace(Some(line));
        Ok(Some(texts))
    }
}

/// The secrets of these items; `None` where one of them was locked or removed since they were found.
fn secrets(line: &Line, found: &[Path<'static>], end: Instant) -> Result<Option<Vec<Option<Secret>>>, StoreError> {
    let Some(asked) = method("GetSecrets") else { return Ok(None) };
    let Ok(asked) = line.channel.send(asked.append2(found, line.session.clone())) else { return Ok(None) };
    let answers = answers(&line.channel, &[asked], end)?;
    let Some(Ok(secrets)) = answers.first().map(Message::read1::<HashMap<Path<'static>, Transferred>>) else { return Ok(None) };
    if secrets.len() != found.len() {
        return Ok(None);
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map(Secret::new).map_err(|bad| bad.into_bytes().zeroize()).ok();
    Ok(Some(secrets.into_values().map(|(_, _, value, _)| text(value)).collect()))
}

type Found = Vec<Path<'static>>;

/// A new line, and what is found over it; `None` where that is not all there is to say.
fn open(attributes: &HashMap<&str, &str>, end: Instant) -> Result<Option<(Found, Line)>, StoreError> {
    let Bus::Local(address) = bus::find()? else { return Ok(None) };
    if !bus::is_ready(&address) {
        return Ok(None);
    }
    let channel = Channel::open_private(&address).map_err(|error| failed(&error))?;
    let hello = Message::new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello");
    let (Ok(hello), Some(open), Some(search)) = (hello, method("OpenSession"), method("SearchItems")) else { return Ok(None) };
    let mut questions = Vec::new();
    for question in [hello, open.append2(PLAIN, Variant("")), search.append1(attributes)] {
        questions.extend(channel.send(question));
    }
    let answers = answers(&channel, &questions, end)?;
    let [_, opened, searched] = answers.as_slice() else { return Ok(None) };
    let (found, session) = (unlocked(searched), session(opened));
    Ok(found.zip(session).map(|(found, session)| (found, Line { channel, session })))
}

/// What is found over a line that is open; `None` where that is not all there is to say.
fn search(channel: &Channel, attributes: &HashMap<&str, &str>, end: Instant) -> Result<Option<Found>, StoreError> {
    let Some(Ok(asked)) = method("SearchItems").map(|search| channel.send(search.append1(attributes))) else { return Ok(None) };
    Ok(answers(channel, &[asked], end)?.first().and_then(unlocked))
}

/// The items of an answer, where there are some and none is locked.
fn unlocked(answer: &Message) -> Option<Found> {
    let (found, locked) = answer.read2::<Vec<Path<'static>>, Vec<Path<'static>>>().ok()?;
    (!found.is_empty() && locked.is_empty()).then_some(found)
}

/// The session's path, which stands behind a value that has no meaning for plain sessions.
fn session(answer: &Message) -> Option<Path<'static>> {
    let mut members = answer.iter_init();
    (members.arg_type() == ArgType::Variant && members.next()).then(|| members.get())?
}

fn method(name: &str) -> Option<Message> {
    Message::new_method_call(SERVICE, ROOT, INTERFACE, name).ok()
}

/// The answers to these questions, in their order. libdbus's own blocking calls first write without a limit, and
/// a bus that is stopped lets them wait for ever; reading and writing by turns has one.
fn answers(channel: &Channel, questions: &[u32], end: Instant) -> Result<Vec<Message>, StoreError> {
    let mut answers = Vec::new();
    while answers.len() < questions.len() {
        while let Some(mut message) = channel.pop_message() {
            if message.get_reply_serial().is_some_and(|serial| questions.contains(&serial)) {
                message.as_result().map_err(|error| failed(&error))?;
                answers.push(message);
            }
        }
        if answers.len() == questions.len() {
            break;
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(said("org.freedesktop.DBus.Error.NoReply", ""));
        }
        channel.read_write(Some(left)).map_err(|()| said("org.freedesktop.DBus.Error.Disconnected", ""))?;
    }
    answers.sort_by_key(Message::get_reply_serial);
    Ok(answers)
}

fn failed(error: &dbus::Error) -> StoreError {
    said(error.name().unwrap_or_default(), error.message().unwrap_or_default())
}
