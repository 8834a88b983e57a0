//! The key of the file store: from a text, a key file or a passphrase.

use super::{
    super::{
        disk::{Folder, check_key_file, resolved, shown, trouble},
        seal::Key,
    },
    KeySource, World,
};
use crate::{ports::StoreError, secret::Secret};
use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use std::{
    io::Read,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Least length of a key in bytes: what the cipher takes, so that guessing the key is no easier than breaking it.
const LEAST: usize = 32;
/// Longest key file in bytes; a longer one is something else.
const LONGEST_FILE: u64 = 4096;
/// The key file that [`init`] makes, under the settings folder: whoever copies the data folder does not copy it.
const KEY_FILE: &str = "store.key";
/// The salt of a passphrase, beside the records. It ends like none of them.
const SALT_FILE: &str = "passphrase.salt";

/// Argon2id's cost: the second recommendation of RFC 9106 section 4, for machines without 2 GiB to spare. Part of
/// format 1 of the salt file, so that nobody can lower it there.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 1;

/// One salt per store, and what recognizes the right passphrase.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Salt {
    format: u32,
    salt: String,
    key: String,
}

/// The key of the store in `folder`.
///
/// # Errors
/// [`StoreError::NoKey`] where there is none, it is too weak or it is the wrong one.
pub(super) fn find(world: &World<'_>, folder: &Path) -> Result<Key, StoreError> {
    match &world.key {
        KeySource::Text(text) => from_text(text, "TOKENSTRAP_KEY"),
        KeySource::File(path) => from_file(path)?.ok_or_else(|| StoreError::NoKey(format!("there is no key file `{}`", shown(path)))),
        KeySource::Passphrase(ask) => {
            let passphrase = ask().filter(|text| !text.is_empty());
            let passphrase = passphrase.ok_or_else(|| StoreError::NoKey("no passphrase was given".to_owned()))?;
            from_passphrase(&passphrase, world, folder)
        }
        KeySource::Unsaid => from_file(&world.config.join(KEY_FILE))?.ok_or_else(|| {
            let ways = "no key opens the file store: set TOKENSTRAP_KEY (at least 32 random bytes in base64 or hex), \
                        name a key file with --key-file or TOKENSTRAP_KEY_FILE, type a passphrase at a terminal, \
                        or make a key file with `tokenstrap store init file`";
            StoreError::NoKey(ways.to_owned())
        }),
    }
}

/// Where that key comes from, as a person knows it.
pub(super) fn origin(world: &World<'_>) -> String {
    match &world.key {
        KeySource::Text(_) => "TOKENSTRAP_KEY".to_owned(),
        KeySource::File(path) => format!("the key file `{}`", shown(path)),
        KeySource::Passphrase(_) => "the passphrase".to_owned(),
        KeySource::Unsaid => format!("the key file `{}`", shown(&world.config.join(KEY_FILE))),
    }
}

/// Whether [`init`] has made a key file under the settings folder.
pub fn has_key_file(config: &Path) -> bool {
    config.join(KEY_FILE).exists()
}

/// Makes a key file with a random key: at `wanted`, else under the settings folder. Never over an old one.
///
/// # Errors
/// [`StoreError::Unsafe`] where it would lie beside the records, [`StoreError::Conflict`] where there is one already.
pub fn init(world: &World<'_>, wanted: Option<&Path>) -> Result<PathBuf, StoreError> {
    let path = wanted.map_or_else(|| world.config.join(KEY_FILE), Path::to_owned);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Err(StoreError::Unavailable(format!("`{}` is no place for a key file", shown(&path))));
    };
    let parent = std::path::absolute(parent).map_err(|error| trouble(parent, &error))?;
    if resolved(&parent).starts_with(resolved(&world.data)) {
        return Err(StoreError::Unsafe(format!("`{}` lies beside the records: whoever copies them would copy the key", shown(&path))));
    }
    let mut bytes = Zeroizing::new([0; LEAST]);
    world.entropy.fill(bytes.as_mut()).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let text = Zeroizing::new(HEXLOWER.encode(bytes.as_ref()) + "\n");
    let path = parent.join(name);
    if Folder::create(&parent)?.create_new(name, text.as_bytes())? { Ok(path) } else { Err(StoreError::Conflict) }
}

/// The key in a file, or `None` where there is no file.
pub(in crate::store) fn from_file(path: &Path) -> Result<Option<Key>, StoreError> {
    let Some(file) = check_key_file(path)? else { return Ok(None) };
    let mut text = Zeroizing::new(String::with_capacity(256));
    file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| trouble(path, &error))?;
    from_text(&Secret::new(text.as_str()), &format!("`{}`", shown(path))).map(Some)
}

/// Reads hex or base64, padded or not, of either alphabet.
pub(in crate::store) fn from_text(text: &Secret, origin: &str) -> Result<Key, StoreError> {
    let text = text.expose().trim().trim_end_matches('=').as_bytes();
    let decoded = HEXLOWER_PERMISSIVE
        .decode(text)
        .or_else(|_| BASE64_NOPAD.decode(text))
        .or_else(|_| BASE64URL_NOPAD.decode(text))
        .map(Zeroizing::new);
    let bytes = decoded.map_err(|_| StoreError::NoKey(format!("{origin} holds neither base64 nor hex")))?;
    if bytes.len() < LEAST {
        return Err(StoreError::NoKey(format!("{origin} holds a key of {} bytes; {LEAST} random bytes are the least", bytes.len())));
    }
    if !looks_random(&bytes) {
        return Err(StoreError::NoKey(format!("{origin} holds a key that is not random; `tokenstrap store init file` makes one")));
    }
    Ok(Key::from_bytes(&bytes))
}

/// Among 32 random bytes fewer than 16 different ones come once in 10¹⁴ keys; zeros and repeated words have fewer.
fn looks_random(bytes: &[u8]) -> bool {
    let mut seen = Zeroizing::new([false; 256]);
    for byte in bytes {
        seen.iter_mut().skip(usize::from(*byte)).take(1).for_each(|entry| *entry = true);
    }
    seen.iter().filter(|entry| **entry).count() >= 16
}

fn from_passphrase(passphrase: &Secret, world: &World<'_>, folder: &Path) -> Result<Key, StoreError> {
    let folder = Folder::create(folder)?;
    if let Some(key) = with_kept_salt(passphrase, &folder)? {
        return Ok(key);
    }
    // Records without their salt belong to a lost one or to another key: a fresh salt would open none of them.
    if folder.names()?.iter().any(|name| name.ends_with(super::RECORD)) {
        return Err(StoreError::NoKey("the records here were not sealed with a passphrase, or its salt file is lost".to_owned()));
    }
    let mut bytes = [0; 16];
    world.entropy.fill(&mut bytes).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    let key = derive(passphrase, &bytes)?;
    let salt = Salt { format: 1, salt: HEXLOWER.encode(&bytes), key: HEXLOWER.encode(&key.id()) };
    let text = serde_json::to_vec(&salt).map_err(|error| StoreError::Unavailable(error.to_string()))?;
    if folder.create_new(SALT_FILE, &text)? {
        return Ok(key);
    }
    // Another process was first: its salt holds.
    with_kept_salt(passphrase, &folder)?.ok_or_else(|| StoreError::Unavailable("the salt file comes and goes".to_owned()))
}

fn with_kept_salt(passphrase: &Secret, folder: &Folder) -> Result<Option<Key>, StoreError> {
    let Some(bytes) = folder.read(SALT_FILE)? else { return Ok(None) };
    let damaged = || StoreError::NoKey(format!("the salt file `{SALT_FILE}` of the store is damaged"));
    let salt: Salt = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    if salt.format != 1 {
        return Err(StoreError::NoKey(format!("the salt file is of format {}, from a newer tokenstrap", salt.format)));
    }
    let key = derive(passphrase, &HEXLOWER.decode(salt.salt.as_bytes()).map_err(|_| damaged())?)?;
    // Told before anything is sealed: a slip of the finger must not seal a record that nobody can open.
    if HEXLOWER.encode(&key.id()) == salt.key {
        Ok(Some(key))
    } else {
        Err(StoreError::NoKey("the passphrase does not open this store".to_owned()))
    }
}

/// A key from a passphrase, by Argon2id at the one cost of format 1.
pub(in crate::store) fn derive(passphrase: &Secret, salt: &[u8]) -> Result<Key, StoreError> {
    let refused = |error: argon2::Error| StoreError::NoKey(format!("the passphrase cannot be stretched: {error}"));
    let mut stretched = Zeroizing::new([0; 32]);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(stretched.len())).map_err(refused)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_into(passphrase.expose().as_bytes(), salt, stretched.as_mut()).map_err(refused)?;
    Ok(Key::from_bytes(stretched.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> Result<[u8; 8], StoreError> {
        from_text(&Secret::new(text), "the key").map(|key| key.id())
    }

    #[test]
    fn one_key_in_hex_and_in_both_alphabets_of_base64_is_one_key() {
        let bytes: Vec<u8> = (200..=255).collect();
        let hex = id(&HEXLOWER.encode(&bytes)).expect("a key");

        assert_eq!(id(&format!(" {}\n", HEXLOWER.encode(&bytes).to_uppercase())), Ok(hex));
        assert_eq!(id(&data_encoding::BASE64.encode(&bytes)), Ok(hex));
        assert_eq!(id(&data_encoding::BASE64URL.encode(&bytes)), Ok(hex));
        assert_eq!(id(&BASE64_NOPAD.encode(&bytes)), Ok(hex));
    }

    #[test]
    fn a_short_or_plain_key_is_refused_without_a_word_of_it() {
        for text in ["", "hunter2!", "hunter2hunter2hunter2", &"00".repeat(32), &"ab".repeat(64)] {
            let refused = id(text);
            assert!(matches!(&refused, Err(StoreError::NoKey(fact)) if !fact.contains("hunter2") && !fact.contains("abab")), "{refused:?}");
        }
    }
}
