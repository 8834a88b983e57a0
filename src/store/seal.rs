//! The seal of everything that a store of our own writes: ChaCha20-Poly1305 (RFC 8439) under a key of its own.
//!
//! Each seal draws a fresh 256-bit salt and derives from it, with HKDF-SHA256 (RFC 5869), a key that seals one text
//! and no other; so no nonce can ever meet the same key twice, however often a store writes. The header (format,
//! purpose, key id, generation, salt, nonce) and the profile's name are bound as additional data: what was moved to
//! another name, another purpose or another generation does not open.

use crate::{
    ports::{Entropy, NoEntropy},
    profile::{BadRecord, ProfileName},
};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey},
    hkdf, hmac,
};
use zeroize::Zeroizing;

/// First bytes of every sealed file.
const MAGIC: &[u8; 8] = b"tknstrap";
/// Format of the envelope; a reader refuses a higher one.
const VERSION: u8 = 1;
const KEY_ID: usize = 8;
const SALT: usize = 32;
const NONCE: usize = 12;
/// Magic, version, purpose, key id, generation, salt, nonce.
const HEADER: usize = MAGIC.len() + 2 + KEY_ID + 8 + SALT + NONCE;

/// What a sealed text is, so that one cannot stand in for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Record = 1,
    Intent = 2,
    Spool = 3,
    Probe = 4,
    Bundle = 5,
}

/// The key of a store or a spool.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// Derives a key from at least 32 unpredictable bytes.
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"tokenstrap store key 1").extract(bytes);
        extracted.expand(&[], hkdf::HKDF_SHA256).and_then(|okm| okm.fill(key.as_mut())).expect("HKDF-SHA256 gives 32 bytes");
        Self(key)
    }

    /// Recognizes the key and tells nothing else of it.
    pub(super) fn id(&self) -> [u8; KEY_ID] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.0.as_ref()), b"tokenstrap key id 1");
        let mut id = [0; KEY_ID];
        id.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
        id
    }

    /// The key that seals one text.
    fn of_one_text(&self, salt: &[u8]) -> LessSafeKey {
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(self.0.as_ref());
        let okm = extracted.expand(&[b"tokenstrap seal 1"], &CHACHA20_POLY1305).expect("HKDF-SHA256 gives 32 bytes");
        LessSafeKey::new(UnboundKey::from(okm))
    }
}

/// Why a sealed text does not open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unopened {
    /// Not what was sealed here, or not all of it.
    Bad(BadRecord),
    /// Sealed with another key.
    OtherKey,
}

/// What was sealed.
pub(super) struct Opened {
    pub(super) generation: u64,
    pub(super) text: Zeroizing<Vec<u8>>,
}

/// Seals a text for one profile, purpose and generation.
///
/// # Errors
/// Where the system has no random bytes to give.
pub(super) fn seal(
    key: &Key,
    (purpose, profile, generation): (Purpose, &ProfileName, u64),
    text: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, NoEntropy> {
    let mut random = [0; SALT + NONCE];
    entropy.fill(&mut random)?;
    let (salt, nonce) = random.split_at(SALT);
    let header = [MAGIC.as_slice(), &[VERSION, purpose as u8], &key.id(), &generation.to_be_bytes(), salt, nonce].concat();
    // Room for the tag from the start, so that growing leaves no clear text behind in freed memory.
    let mut sealed = Vec::with_capacity(text.len() + CHACHA20_POLY1305.tag_len());
    sealed.extend_from_slice(text);
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("the nonce has twelve bytes");
    key.of_one_text(salt)
        .seal_in_place_append_tag(nonce, additional(&header, profile), &mut sealed)
        .expect("a record is far below the cipher's 256 GiB");
    Ok([header, sealed].concat())
}

/// Opens what was sealed for this profile and purpose.
///
/// # Errors
/// [`Unopened`]; nothing of the text is given out before all of it is authenticated.
pub(super) fn open(key: &Key, purpose: Purpose, profile: &ProfileName, bytes: &[u8]) -> Result<Opened, Unopened> {
    let damaged = Unopened::Bad(BadRecord::Damaged);
    let (header, body) = bytes.split_at_checked(HEADER).ok_or(damaged.clone())?;
    let (magic, rest) = header.split_first_chunk::<8>().ok_or(damaged.clone())?;
    let ([version, kind], rest) = rest.split_first_chunk::<2>().ok_or(damaged.clone())?;
    let (key_id, rest) = rest.split_first_chunk::<KEY_ID>().ok_or(damaged.clone())?;
    let (generation, rest) = rest.split_first_chunk::<8>().ok_or(damaged.clone())?;
    let (salt, nonce) = rest.split_first_chunk::<SALT>().ok_or(damaged.clone())?;
    if magic != MAGIC || *kind != purpose as u8 || *version == 0 {
        return Err(damaged);
    }
    if *version > VERSION {
        return Err(Unopened::Bad(BadRecord::Newer(u32::from(*version))));
    }
    // The additional data hold the id of the key at hand: a record whose id field alone was damaged authenticates
    // then, and is not taken for one that another key sealed.
    let own_id = key.id();
    let mut bound = header.to_vec();
    bound.splice(10..10 + KEY_ID, own_id);
    let mut text = Zeroizing::new(body.to_vec());
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| damaged.clone())?;
    let opened = key.of_one_text(salt).open_in_place(nonce, additional(&bound, profile), &mut text).map(|clear| clear.len());
    match (opened, *key_id == own_id) {
        (Ok(length), true) => {
            text.truncate(length);
            Ok(Opened { generation: u64::from_be_bytes(*generation), text })
        }
        (Err(_), false) => Err(Unopened::OtherKey),
        _ => Err(damaged),
    }
}

/// The header has a fixed length, so that nothing of the name can pass for a part of it.
fn additional(header: &[u8], profile: &ProfileName) -> Aad<Vec<u8>> {
    Aad::from([header, profile.as_str().as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, collections::BTreeSet};

    /// Counts up, so that no two fills are the same.
    struct Counter(Cell<u64>);

    impl Entropy for Counter {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
            self.0.set(self.0.get() + 1);
            buffer.fill(0);
            buffer.iter_mut().zip(self.0.get().to_be_bytes()).for_each(|(to, from)| *to = from);
            Ok(())
        }
    }

    fn name(text: &str) -> ProfileName {
        text.parse().expect("a profile name")
    }

    fn sealed(key: &Key) -> Vec<u8> {
        seal(key, (Purpose::Record, &name("till"), 3), b"the text", &Counter(Cell::new(0))).expect("sealed")
    }

    #[test]
    fn what_was_sealed_opens_again() {
        let key = Key::from_bytes(&[7; 32]);

        let opened = open(&key, Purpose::Record, &name("till"), &sealed(&key)).expect("opens");

        assert_eq!((opened.generation, opened.text.as_slice()), (3, b"the text".as_slice()));
    }

    #[test]
    fn z_11_no_flipped_bit_no_cut_and_no_added_byte_opens() {
        let key = Key::from_bytes(&[7; 32]);
        let whole = sealed(&key);
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped.iter_mut().skip(bit / 8).take(1).for_each(|byte| *byte ^= 1 << (bit % 8));
            let outcome = open(&key, Purpose::Record, &name("till"), &flipped);
            assert!(matches!(outcome, Err(Unopened::Bad(_))), "bit {bit} went through or was blamed on the key");
        }
        for length in 0..whole.len() {
            assert!(open(&key, Purpose::Record, &name("till"), whole.get(..length).expect("a part")).is_err());
        }
        assert!(open(&key, Purpose::Record, &name("till"), &[whole, vec![0]].concat()).is_err());
    }

    #[test]
    fn s_08_what_was_moved_to_another_name_or_purpose_does_not_open() {
        let key = Key::from_bytes(&[7; 32]);

        assert!(open(&key, Purpose::Record, &name("other"), &sealed(&key)).is_err());
        assert!(open(&key, Purpose::Spool, &name("till"), &sealed(&key)).is_err());
    }

    #[test]
    fn another_key_is_told_from_damage() {
        let outcome = open(&Key::from_bytes(&[8; 32]), Purpose::Record, &name("till"), &sealed(&Key::from_bytes(&[7; 32])));

        assert!(matches!(outcome, Err(Unopened::OtherKey)));
    }

    #[test]
    fn s_08_each_seal_asks_for_its_own_salt_and_nonce() {
        let (key, entropy) = (Key::from_bytes(&[7; 32]), Counter(Cell::new(0)));
        let drawn: BTreeSet<Vec<u8>> = (0..1000)
            .map(|_| seal(&key, (Purpose::Record, &name("till"), 1), b"x", &entropy).expect("sealed"))
            .map(|sealed| sealed.into_iter().skip(HEADER - SALT - NONCE).take(SALT + NONCE).collect())
            .collect();

        assert_eq!(drawn.len(), 1000);
    }
}
