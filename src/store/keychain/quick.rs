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

/// The texts of all items with these attributes, `None` in the place of one that is no text.
///
/// `Ok(None)` leaves the question to the library.
///
/// # Errors
/// [`StoreError`], as the library's calls have it.
pub(super) fn texts(service: &str, username: &str) -> Result<Option<Vec<Option<Secret>>>, StoreError> {
    let Bus::Local(address) = bus::find()? else { return Ok(None) };
    if !bus::is_ready(&address) {
        return Ok(None);
    }
    let end = Instant::now() + PATIENCE;
    let channel = Channel::open_private(&address).map_err(|error| failed(&error))?;
    let Some((session, found)) = search(&channel, HashMap::from([("service", service), ("username", username)]), end)? else {
        return Ok(None);
    };
    let Some(asked) = method("GetSecrets") else { return Ok(None) };
    let Ok(asked) = channel.send(asked.append2(&found, session)) else { return Ok(None) };
    let answers = answers(&channel, &[asked], end)?;
    let Some(Ok(secrets)) = answers.first().map(Message::read1::<HashMap<Path<'static>, Transferred>>) else { return Ok(None) };
    // An item that was locked or removed between the two questions is missing here.
    if secrets.len() != found.len() {
        return Ok(None);
    }
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map(Secret::new).map_err(|bad| bad.into_bytes().zeroize()).ok();
    Ok(Some(secrets.into_values().map(|(_, _, value, _)| text(value)).collect()))
}

type Found = (Path<'static>, Vec<Path<'static>>);

/// A session, and the items that are there and unlocked; `None` where that is not all there is to say.
fn search(channel: &Channel, attributes: HashMap<&str, &str>, end: Instant) -> Result<Option<Found>, StoreError> {
    let hello = Message::new_method_call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello");
    let (Ok(hello), Some(open), Some(search)) = (hello, method("OpenSession"), method("SearchItems")) else { return Ok(None) };
    let mut questions = Vec::new();
    for question in [hello, open.append2(PLAIN, Variant("")), search.append1(attributes)] {
        questions.extend(channel.send(question));
    }
    let answers = answers(channel, &questions, end)?;
    let [_, opened, searched] = answers.as_slice() else { return Ok(None) };
    let Ok((found, locked)) = searched.read2::<Vec<Path<'static>>, Vec<Path<'static>>>() else { return Ok(None) };
    if found.is_empty() || !locked.is_empty() {
        return Ok(None);
    }
    Ok(session(opened).map(|session| (session, found)))
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
