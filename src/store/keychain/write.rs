//! Writes of one item, on the line that has read it or has not found it.
//!
//! An item that is created in place of another is written twice by GNOME Keyring, first its label and attributes, then its
//! secret, and each time the whole keyring goes to the disk; `SetSecret` writes once. The secret travels encrypted
//! (SECURITY S-15), is asked for again in the same breath, and compared: a write counts only when the keychain has said yes
//! and gives it back (RELIABILITY F-11), from the item that a later load finds: one that is there was found so right
//! before, and one that is new is searched for. Whatever is not that simple case is left to
//! the library: several items, one that is locked, a keychain that refuses `SetSecret` or keeps something else.

use super::{
    agreement::{Offer, Shared},
    quick::{self, COLLECTION, Found, Line, PATIENCE, Reader, SERVICE, Texts, Transferred},
};
use crate::{
    ports::{Entropy, NoEntropy, StoreError},
    secret::Secret,
};
use dbus::{
    Message, Path,
    arg::{PropMap, RefArg, Variant},
};
use std::{collections::HashMap, time::Instant};

const ITEM: &str = "org.freedesktop.Secret.Item";
const ENCRYPTED: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";
const TEXT: &str = "text/plain";

/// Session, parameters, value, content type.
type Sent<'s> = (&'s Path<'static>, Vec<u8>, Vec<u8>, &'static str);

/// The place of one item, and an encrypted session.
pub(super) struct Place<'r> {
    reader: &'r Reader,
    line: Line,
    attributes: HashMap<&'r str, &'r str>,
    item: Option<Path<'static>>,
    end: Instant,
}

impl Reader {
    /// The place of the item with these attributes, where a line is open, there is at most one, and it is not locked.
    ///
    /// # Errors
    /// [`StoreError`] where the keychain does not answer.
    pub(super) fn place<'r>(
        &'r self,
        (service, username): (&'r str, &'r str),
        entropy: &dyn Entropy,
    ) -> Result<Option<Place<'r>>, StoreError> {
        let Some(mut line) = self.0.take() else { return Ok(None) };
        let attributes = HashMap::from([("service", service), ("username", username)]);
        let end = Instant::now() + PATIENCE;
        let found = match line.sealed {
            // What a refused search means, the library finds out.
            Some(_) => quick::search(&line.channel, &attributes, end).ok().flatten(),
            None => seal(&mut line, &attributes, entropy, end)?,
        };
        match found.and_then(at_most_one) {
            Some(item) => Ok(Some(Place { reader: self, line, attributes, item, end })),
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

impl Place<'_> {
    /// What lies there: no text or one, `None` in the place of what is no text; `Ok(None)` leaves the question to the library.
    ///
    /// # Errors
    /// [`StoreError`] where the keychain does not answer.
    pub(super) fn texts(&self) -> Result<Option<Texts>, StoreError> {
        let Some(item) = &self.item else { return Ok(Some(Vec::new())) };
        let (Some((session, shared)), Some(get)) = (&self.line.sealed, quick::method("GetSecrets")) else { return Ok(None) };
        let replies = ask(&self.line, [get.append2(vec![item], session)], self.end)?;
        let [Some(got)] = replies.as_slice() else { return Ok(None) };
        Ok(opened(got, item, shared).map(|text| vec![text]))
    }

    /// Writes the text there, under this label where nothing lies there yet; `false` where it is not known to lie there now,
    /// and the library has to write.
    ///
    /// # Errors
    /// [`StoreError`] where the keychain does not answer, and may have written.
    pub(super) fn write(self, label: &str, text: &Secret, entropy: &dyn Entropy) -> Result<bool, StoreError> {
        let Some((session, shared)) = &self.line.sealed else { return Ok(false) };
        let (parameter, value) = shared.seal(text, entropy).map_err(|error| no_entropy(&error))?;
        let secret = (session, parameter, value, TEXT);
        let back = match &self.item {
            Some(item) => self.set(item, secret)?,
            None => self.create(label, secret)?,
        };
        let is_kept = back.is_some_and(|back| back.matches(text.expose()));
        if is_kept {
            self.reader.0.replace(Some(self.line));
        }
        Ok(is_kept)
    }

    /// Replaces the secret of the item that is there, and gives back what is in it then.
    fn set(&self, item: &Path<'static>, secret: Sent<'_>) -> Result<Option<Secret>, StoreError> {
        let set = Message::new_method_call(SERVICE, item.clone(), ITEM, "SetSecret");
        let (Ok(set), Some((session, shared)), Some(get)) = (set, &self.line.sealed, quick::method("GetSecrets")) else { return Ok(None) };
        let replies = ask(&self.line, [set.append1(secret), get.append2(vec![item], session)], self.end)?;
        let [Some(_), Some(got)] = replies.as_slice() else { return Ok(None) };
        Ok(opened(got, item, shared).flatten())
    }

    /// Creates the item, and gives back what is found then.
    fn create(&self, label: &str, secret: Sent<'_>) -> Result<Option<Secret>, StoreError> {
        let Some(keyring) = quick::default_keyring(&self.line.channel, self.end)? else { return Ok(None) };
        let Ok(create) = Message::new_method_call(SERVICE, keyring, COLLECTION, "CreateItem") else { return Ok(None) };
        let attributes: HashMap<String, String> = self.attributes.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let properties: [(&str, Box<dyn RefArg>); 2] = [("Label", Box::new(label.to_owned())), ("Attributes", Box::new(attributes))];
        let properties: PropMap = properties.into_iter().map(|(name, value)| (format!("{ITEM}.{name}"), Variant(value))).collect();
        let replies = ask(&self.line, [create.append3(properties, secret, true)], self.end)?;
        let [Some(created)] = replies.as_slice() else { return Ok(None) };
        // A keychain that asks somebody first names no item yet.
        let Some(item) = created.get1::<Path<'static>>().filter(|item| &**item != "/") else { return Ok(None) };
        let (Some(search), Some(get)) = (quick::method("SearchItems"), quick::method("GetSecrets")) else { return Ok(None) };
        let Some((session, shared)) = &self.line.sealed else { return Ok(None) };
        let questions = [search.append1(&self.attributes), get.append2(vec![&item], session)];
        let replies = ask(&self.line, questions, self.end)?;
        let [Some(searched), Some(got)] = replies.as_slice() else { return Ok(None) };
        let is_found = quick::unlocked(searched).is_some_and(|found| found == [item.clone()]);
        Ok(opened(got, &item, shared).flatten().filter(|_| is_found))
    }
}

/// What is in this item.
fn opened(got: &Message, item: &Path<'static>, shared: &Shared) -> Option<Option<Secret>> {
    let (_, parameter, value, _) = got.read1::<HashMap<Path<'static>, Transferred>>().ok()?.remove(item)?;
    Some(shared.open(&parameter, &value))
}

/// The replies, `None` in the place of a refusal.
fn ask<const N: usize>(line: &Line, questions: [Message; N], end: Instant) -> Result<Vec<Option<Message>>, StoreError> {
    let asked: Vec<u32> = questions.into_iter().flat_map(|question| line.channel.send(question)).collect();
    let replies = quick::replies(&line.channel, &asked, end)?;
    Ok(replies.into_iter().map(|mut reply| reply.as_result().is_ok().then_some(reply)).collect())
}

/// The one item or none; nothing where there are more.
fn at_most_one(found: Found) -> Option<Option<Path<'static>>> {
    let mut found = found.into_iter();
    let first = found.next();
    found.next().is_none().then_some(first)
}

fn no_entropy(error: &NoEntropy) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
