//! Writes over the one item that lies there already, on the line that has read it.
//!
//! An item that is created in place of another is written twice by GNOME Keyring, first its label and attributes, then its
//! secret, and each time the whole keyring goes to the disk; `SetSecret` writes once. The secret travels encrypted
//! (SECURITY S-15). It is asked for again in the same breath, found as a later load finds it, and compared: a write counts
//! only when the keychain has said yes and gives it back (RELIABILITY F-11). Whatever is not that simple case is left to
//! the library: no such item, several, one that is locked, a keychain that refuses `SetSecret` or keeps something else.

use super::{
    agreement::{Offer, Shared},
    quick::{self, Found, Line, PATIENCE, Reader, SERVICE, Transferred},
};
use crate::{
    ports::{Entropy, NoEntropy, StoreError},
    secret::Secret,
};
use dbus::{Message, Path, arg::Variant};
use std::{collections::HashMap, time::Instant};

const ITEM: &str = "org.freedesktop.Secret.Item";
const ENCRYPTED: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";
const TEXT: &str = "text/plain";

/// The one item with its attributes, and an encrypted session.
pub(super) struct Present<'r> {
    reader: &'r Reader,
    line: Line,
    attributes: HashMap<&'r str, &'r str>,
    item: Path<'static>,
    end: Instant,
}

impl Reader {
    /// The item with these attributes, where a line is open, there is exactly one, and it is not locked.
    ///
    /// # Errors
    /// [`StoreError`] where the keychain does not answer.
    pub(super) fn present<'r>(
        &'r self,
        (service, username): (&'r str, &'r str),
        entropy: &dyn Entropy,
    ) -> Result<Option<Present<'r>>, StoreError> {
        let Some(mut line) = self.0.take() else { return Ok(None) };
        let attributes = HashMap::from([("service", service), ("username", username)]);
        let end = Instant::now() + PATIENCE;
        let found = match line.sealed {
            // What a refused search means, the library finds out.
            Some(_) => quick::search(&line.channel, &attributes, end).ok().flatten(),
            None => seal(&mut line, &attributes, entropy, end)?,
        };
        match found.and_then(only) {
            Some(item) => Ok(Some(Present { reader: self, line, attributes, item, end })),
            None => {
                self.0.replace(Some(line));
                Ok(None)
            }
        }
    }
}

/// Opens the encrypted session, and searches on the way.
fn seal(line: &mut Line, attributes: &HashMap<&str, &str>, entropy: &dyn Entropy, end: Instant) -> Result<Option<Found>, StoreError> {
    let offer = Offer::new(entropy).map_err(|error| no_entropy(&error))?;
    let (Some(open), Some(search)) = (quick::method("OpenSession"), quick::method("SearchItems")) else { return Ok(None) };
    let questions = [open.append2(ENCRYPTED, Variant(offer.public())), search.append1(attributes)];
    let replies = ask(line, questions, end)?;
    let [Some(opened), Some(searched)] = replies.as_slice() else { return Ok(None) };
    let Ok((Variant(theirs), session)) = opened.read2::<Variant<Vec<u8>>, Path<'static>>() else { return Ok(None) };
    line.sealed = offer.agree(&theirs).map(|shared| (session, shared));
    Ok(quick::unlocked(searched).filter(|_| line.sealed.is_some()))
}

impl Present<'_> {
    /// What lies there: its text, `Some(None)` where it is no text; `None` leaves the question to the library.
    ///
    /// # Errors
    /// [`StoreError`] where the keychain does not answer.
    pub(super) fn text(&self) -> Result<Option<Option<Secret>>, StoreError> {
        let Some((session, shared)) = &self.line.sealed else { return Ok(None) };
        let Some(get) = quick::method("GetSecrets") else { return Ok(None) };
        let replies = ask(&self.line, [get.append2(vec![&self.item], session)], self.end)?;
        let [Some(got)] = replies.as_slice() else { return Ok(None) };
        Ok(self.opened(got, shared))
    }

    /// Writes the text in its place; `false` where it is not known to lie there now, and the library has to write.
    ///
    /// # Errors
    /// [`StoreError`] where the keychain does not answer, and may have written.
    pub(super) fn replace(self, text: &Secret, entropy: &dyn Entropy) -> Result<bool, StoreError> {
        let Some((session, shared)) = &self.line.sealed else { return Ok(false) };
        let set = Message::new_method_call(SERVICE, self.item.clone(), ITEM, "SetSecret");
        let (Ok(set), Some(search), Some(get)) = (set, quick::method("SearchItems"), quick::method("GetSecrets")) else { return Ok(false) };
        let (parameter, value) = shared.seal(text, entropy).map_err(|error| no_entropy(&error))?;
        let questions =
            [set.append1((session, parameter, value, TEXT)), search.append1(&self.attributes), get.append2(vec![&self.item], session)];
        let replies = ask(&self.line, questions, self.end)?;
        let [Some(_), Some(searched), Some(got)] = replies.as_slice() else { return Ok(false) };
        let is_found = quick::unlocked(searched).and_then(only).is_some_and(|found| found == self.item);
        let is_kept = self.opened(got, shared).flatten().is_some_and(|back| back.matches(text.expose()));
        if is_found && is_kept {
            self.reader.0.replace(Some(self.line));
        }
        Ok(is_found && is_kept)
    }

    fn opened(&self, got: &Message, shared: &Shared) -> Option<Option<Secret>> {
        let mut secrets = got.read1::<HashMap<Path<'static>, Transferred>>().ok()?;
        let (_, parameter, value, _) = secrets.remove(&self.item)?;
        Some(shared.open(&parameter, &value))
    }
}

/// The replies, `None` in the place of a refusal.
fn ask<const N: usize>(line: &Line, questions: [Message; N], end: Instant) -> Result<Vec<Option<Message>>, StoreError> {
    let asked: Vec<u32> = questions.into_iter().flat_map(|question| line.channel.send(question)).collect();
    let replies = quick::replies(&line.channel, &asked, end)?;
    Ok(replies.into_iter().map(|mut reply| reply.as_result().is_ok().then_some(reply)).collect())
}

fn only(found: Found) -> Option<Path<'static>> {
    let [item] = <[_; 1]>::try_from(found).ok()?;
    Some(item)
}

fn no_entropy(error: &NoEntropy) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
