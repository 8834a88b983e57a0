//! A grant on its way to another machine: one line of text, sealed.
//!
//! `tokenstrap-bundle:1:PROFILE:LOCK:TEXT`. LOCK says what opens it: `key`, or `argon2id.` with the salt of a passphrase in
//! hex. TEXT is the seal of the store room in base64url; it binds format, purpose and the profile's name. What travels is
//! the record and the choices that belong to it, never which store or command to use: a bundle is data from elsewhere
//! (SECURITY C-04).

use super::{
    KeySource,
    file::key::{derive, from_file, from_text},
    seal::{self, Key, Purpose, Unopened},
};
use crate::{
    ports::{Entropy, NoEntropy, StoreError},
    profile::{BadRecord, ProfileName, Record, Settings},
    secret::Secret,
};
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use std::{fs::File, io::Write, path::Path};
use zeroize::Zeroizing;

/// Longest bundle that is read, in bytes: the largest record of the file store in base64.
pub const LONGEST: usize = 768 * 1024;

const WORD: &str = "tokenstrap-bundle";
const FORMAT: &str = "1";
const BY_KEY: &str = "key";
const BY_PASSPHRASE: &str = "argon2id.";

/// What a bundle brings.
pub struct Contents {
    /// The grant.
    pub record: Record,
    /// The choices that belong to it.
    pub settings: Settings,
}

/// A bundle that has not been opened.
pub struct Bundle {
    profile: ProfileName,
    salt: Option<Vec<u8>>,
    sealed: Vec<u8>,
}

/// Why a bundle does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBundle {
    /// Some other text.
    #[error("it is no bundle of `tokenstrap export`")]
    Foreign,
    /// From a newer tokenstrap.
    #[error("it was written by a newer tokenstrap")]
    Newer,
    /// A part of a bundle, or one that was changed.
    #[error("it is damaged or cut")]
    Damaged,
    /// The key or passphrase is not the one.
    #[error("it was sealed with another {}", if *.passphrase { "passphrase" } else { "key" })]
    OtherKey {
        /// Whether a passphrase opens it.
        passphrase: bool,
    },
    /// Nothing to open or seal it with.
    #[error("{0}")]
    NoKey(String),
    /// The key file cannot be used.
    #[error(transparent)]
    Key(#[from] StoreError),
    /// No random bytes.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

/// Seals a grant for its journey; one line without its end.
///
/// # Errors
/// [`BadBundle::NoKey`], [`BadBundle::Key`] and [`BadBundle::NoEntropy`].
pub fn seal(contents: &Contents, key: &KeySource<'_>, entropy: &dyn Entropy) -> Result<String, BadBundle> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    let salt = matches!(key, KeySource::Passphrase(_)).then_some(salt.as_slice());
    let key = key_of(key, salt)?;
    let record = &contents.record;
    let settings = Settings { store: None, cache: None, ..contents.settings.clone() };
    let settings = serde_json::to_string(&settings).map_err(|error| BadBundle::NoKey(error.to_string()))?;
    let encoded = record.encode();
    let mut text = Zeroizing::new(String::with_capacity(settings.len() + 1 + encoded.len()));
    for part in [&settings, "\n", encoded.expose()] {
        text.push_str(part);
    }
    let sealed = seal::seal(&key, (Purpose::Bundle, &record.profile, record.generation), text.as_bytes(), entropy)?;
    let lock = salt.map_or_else(|| BY_KEY.to_owned(), |salt| format!("{BY_PASSPHRASE}{}", HEXLOWER.encode(salt)));
    Ok(format!("{WORD}:{FORMAT}:{}:{lock}:{}", record.profile, BASE64URL_NOPAD.encode(&sealed)))
}

/// Whether a text says that it is a bundle.
pub fn is_one(text: &Secret) -> bool {
    text.expose().trim_start().starts_with(WORD)
}

impl Bundle {
    /// Reads the text around the seal; blanks and line ends that a form or a mail put into it are passed over.
    ///
    /// # Errors
    /// [`BadBundle::Foreign`], [`BadBundle::Newer`] and [`BadBundle::Damaged`].
    pub fn read(text: &Secret) -> Result<Self, BadBundle> {
        if !is_one(text) {
            return Err(BadBundle::Foreign);
        }
        if text.len() > LONGEST {
            return Err(BadBundle::Damaged);
        }
        let line: String = text.expose().split_whitespace().collect();
        let mut parts = line.split(':');
        let (Some(WORD), Some(format)) = (parts.next(), parts.next()) else { return Err(BadBundle::Damaged) };
        if format != FORMAT {
            return Err(if format.parse::<u32>().is_ok() { BadBundle::Newer } else { BadBundle::Damaged });
        }
        let (Some(profile), Some(lock), Some(sealed), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(BadBundle::Damaged);
        };
        let salt = match lock.strip_prefix(BY_PASSPHRASE) {
            Some(salt) => Some(HEXLOWER.decode(salt.as_bytes()).ok().filter(|salt| salt.len() == 16).ok_or(BadBundle::Damaged)?),
            None if lock == BY_KEY => None,
            None => return Err(BadBundle::Damaged),
        };
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).map_err(|_| BadBundle::Damaged)?;
        Ok(Self { profile: profile.parse().map_err(|_| BadBundle::Damaged)?, salt, sealed })
    }

    /// Whose grant it says it is; certain once it was opened.
    pub fn profile(&self) -> &ProfileName {
        &self.profile
    }

    /// Whether a passphrase opens it, and no key.
    pub fn wants_passphrase(&self) -> bool {
        self.salt.is_some()
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`BadBundle`].
    pub fn open(&self, key: &KeySource<'_>) -> Result<Contents, BadBundle> {
        let key = key_of(key, self.salt.as_deref())?;
        let opened = seal::open(&key, Purpose::Bundle, &self.profile, &self.sealed).map_err(|unopened| match unopened {
            Unopened::OtherKey => BadBundle::OtherKey { passphrase: self.wants_passphrase() },
            Unopened::Bad(BadRecord::Newer(_)) => BadBundle::Newer,
            Unopened::Bad(_) => BadBundle::Damaged,
        })?;
        let text = std::str::from_utf8(&opened.text).map_err(|_| BadBundle::Damaged)?;
        let (settings, record) = text.split_once('\n').ok_or(BadBundle::Damaged)?;
        let record = Record::decode(&self.profile, &Secret::new(record)).map_err(|bad| match bad {
            BadRecord::Newer(_) => BadBundle::Newer,
            BadRecord::Damaged | BadRecord::Swapped => BadBundle::Damaged,
        })?;
        let settings: Settings = serde_json::from_str(settings).map_err(|_| BadBundle::Newer)?;
        Ok(Contents { record, settings: Settings { store: None, cache: None, ..settings } })
    }
}

fn key_of(source: &KeySource<'_>, salt: Option<&[u8]>) -> Result<Key, BadBundle> {
    let none = |text: &str| Err(BadBundle::NoKey(text.to_owned()));
    match (source, salt) {
        (KeySource::Text(text), None) => Ok(from_text(text, "TOKENSTRAP_KEY")?),
        (KeySource::File(path), None) => {
            from_file(path)?.ok_or_else(|| BadBundle::NoKey(format!("there is no key file `{}`", super::disk::shown(path))))
        }
        (KeySource::Passphrase(ask), Some(salt)) => match ask().filter(|text| !text.is_empty()) {
            Some(passphrase) => Ok(derive(&passphrase, salt)?),
            None => none("no passphrase was given"),
        },
        (_, Some(_)) => none("a passphrase opens it, and none was given"),
        (_, None) => none("a key opens it, and none was given"),
    }
}

/// Writes a bundle to a new file of mode 0600, and comes back when it is on the disk.
///
/// # Errors
/// [`StoreError::Conflict`] where there is something of that name already; else what the system says.
pub fn write_new(path: &Path, bundle: &str) -> Result<(), StoreError> {
    let trouble = |error: &std::io::Error| super::disk::trouble(path, error);
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".bundle~");
    let mut file = builder.tempfile_in(parent).map_err(|error| trouble(&error))?;
    let written = file.write_all(bundle.as_bytes()).and_then(|()| file.write_all(b"\n")).and_then(|()| file.as_file().sync_all());
    written.map_err(|error| trouble(&error))?;
    match file.persist_noclobber(path) {
        Ok(_) if cfg!(unix) => File::open(parent).and_then(|folder| folder.sync_all()).map_err(|error| trouble(&error)),
        Ok(_) => Ok(()),
        Err(refused) if refused.error.kind() == std::io::ErrorKind::AlreadyExists => Err(StoreError::Conflict),
        Err(refused) => Err(trouble(&refused.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed;

    impl Entropy for Fixed {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
            buffer.fill(9);
            Ok(())
        }
    }

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn key() -> KeySource<'static> {
        KeySource::Text(Secret::new(HEX))
    }

    fn contents() -> Contents {
        let mut record = Record::new("till".parse().expect("a name"), "ab12".into(), Secret::new("canary-spool"));
        record.generation = 7;
        let settings = Settings { store: Some("command".into()), provider: Some("lightspeed-o".into()), ..Settings::default() };
        Contents { record, settings }
    }

    fn opened(text: &str, key: &KeySource<'_>) -> Result<Contents, BadBundle> {
        Bundle::read(&Secret::new(text))?.open(key)
    }

    #[test]
    fn what_was_sealed_comes_back_and_names_no_store() {
        let text = seal(&contents(), &key(), &Fixed).expect("sealed");

        let back = opened(&format!("\n  {} \n", text.replace(":key:", ":key:\n ")), &key()).expect("opened");

        assert!(!text.contains("canary") && !text.contains('\n'));
        assert_eq!((back.record.generation, back.record.id.as_str()), (7, "ab12"));
        assert_eq!((back.settings.provider.as_deref(), back.settings.store), (Some("lightspeed-o"), None));
    }

    #[test]
    fn a_passphrase_opens_what_it_sealed_and_no_key_does() {
        let (right, wrong) = (|| Some(Secret::new("correct horse")), || Some(Secret::new("correct house")));
        let text = seal(&contents(), &KeySource::Passphrase(&right), &Fixed).expect("sealed");

        assert!(opened(&text, &KeySource::Passphrase(&right)).is_ok());
        assert_eq!(opened(&text, &KeySource::Passphrase(&wrong)).err(), Some(BadBundle::OtherKey { passphrase: true }));
        assert!(matches!(opened(&text, &key()), Err(BadBundle::NoKey(_))));
        assert_eq!(
            opened(&text, &KeySource::Text(Secret::new(HEX.replace("00", "ff")))).err().map(|bad| bad.to_string()).as_deref(),
            Some("a passphrase opens it, and none was given")
        );
    }

    #[test]
    fn z_11_no_changed_character_and_no_cut_of_a_bundle_opens() {
        let text = seal(&contents(), &key(), &Fixed).expect("sealed");
        for (at, old) in text.char_indices() {
            for new in ['A', 'b', ':', '1'] {
                let changed: String = text.char_indices().map(|(other, c)| if other == at { new } else { c }).collect();
                assert!(new == old || opened(&changed, &key()).is_err(), "{new} at {at} went through");
            }
            assert!(opened(text.get(..at).expect("a part"), &key()).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn other_texts_are_told_from_damage_and_from_newer_ones() {
        for (text, bad) in [
            ("", BadBundle::Foreign),
            ("1//refresh-token", BadBundle::Foreign),
            ("tokenstrap-bundle:2:till:key:AA", BadBundle::Newer),
            ("tokenstrap-bundle:1:../x:key:AA", BadBundle::Damaged),
            ("tokenstrap-bundle:1:till:argon2id.00:AA", BadBundle::Damaged),
            ("tokenstrap-bundle", BadBundle::Damaged),
        ] {
            assert_eq!(opened(text, &key()).err(), Some(bad), "{text}");
        }
    }
}
