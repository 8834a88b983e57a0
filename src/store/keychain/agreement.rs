//! How secrets travel in an encrypted session: `dh-ietf1024-sha256-aes128-cbc-pkcs7` (Secret Service API, "Transfer of
//! Secrets").
//!
//! The group, the hash and the cipher are what the API fixes; nothing stronger is spoken there. The exponent comes from
//! the system's entropy and has 256 bits, far above what the group is worth (RFC 2412 section 5 asks for 160), and a
//! quarter of the work that one as long as the prime would take between a server's answer and the saved record.

use crate::{
    ports::{Entropy, NoEntropy},
    secret::Secret,
};
use aes::Aes128;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
use num_bigint::BigUint;
use ring::hkdf;
use zeroize::{Zeroize, Zeroizing};

/// The second Oakley group (RFC 2409 section 6.2); its generator is 2.
const PRIME: &[u8; 256] = b"ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74\
020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245\
e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe6\
49286651ece65381ffffffffffffffff";
/// Bytes of a number of the group.
const WIDTH: usize = 128;
const EXPONENT: usize = 32;
const KEY: usize = 16;
const BLOCK: usize = 16;

/// Our half of an agreement.
pub(super) struct Offer {
    exponent: BigUint,
    prime: BigUint,
}

/// The key that both sides have.
pub(super) struct Shared(Zeroizing<[u8; KEY]>);

impl Offer {
    pub(super) fn new(entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut exponent = Zeroizing::new([0; EXPONENT]);
        entropy.fill(exponent.as_mut())?;
        let prime = BigUint::parse_bytes(PRIME, 16).expect("the prime is written in hex");
        Ok(Self { exponent: BigUint::from_bytes_be(exponent.as_ref()), prime })
    }

    /// What the other side needs.
    pub(super) fn public(&self) -> Vec<u8> {
        BigUint::from(2_u8).modpow(&self.exponent, &self.prime).to_bytes_be()
    }

    /// The key, from the other side's half; `None` where that half is no number of the group, or one that leaves no secret.
    pub(super) fn agree(self, theirs: &[u8]) -> Option<Shared> {
        let theirs = BigUint::from_bytes_be(theirs);
        let one = BigUint::from(1_u8);
        if theirs <= one || theirs >= &self.prime - &one {
            return None;
        }
        let secret = Zeroizing::new(theirs.modpow(&self.exponent, &self.prime).to_bytes_be());
        let mut padded = Zeroizing::new([0; WIDTH]);
        let (_, low) = padded.split_at_mut_checked(WIDTH.checked_sub(secret.len())?)?;
        low.copy_from_slice(&secret);
        let mut key = Zeroizing::new([0; KEY]);
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(padded.as_ref());
        extracted.expand(&[], Length).and_then(|okm| okm.fill(key.as_mut())).ok()?;
        Some(Shared(key))
    }
}

impl Shared {
    /// Parameter and value of a secret on its way.
    pub(super) fn seal(&self, text: &Secret, entropy: &dyn Entropy) -> Result<(Vec<u8>, Vec<u8>), NoEntropy> {
        let mut start = [0; BLOCK];
        entropy.fill(&mut start)?;
        let cipher = cbc::Encryptor::<Aes128>::new(self.0.as_ref().into(), &start.into());
        Ok((start.to_vec(), cipher.encrypt_padded_vec_mut::<Pkcs7>(text.expose().as_bytes())))
    }

    /// The text of a secret that has arrived; `None` where it is none.
    pub(super) fn open(&self, parameter: &[u8], value: &[u8]) -> Option<Secret> {
        let cipher = cbc::Decryptor::<Aes128>::new_from_slices(self.0.as_ref(), parameter).ok()?;
        let bytes = cipher.decrypt_padded_vec_mut::<Pkcs7>(value).ok()?;
        String::from_utf8(bytes).map(Secret::new).map_err(|bad| bad.into_bytes().zeroize()).ok()
    }
}

/// The length of the key, as HKDF asks for it.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        KEY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;

    /// Counts up, so that every number below is known.
    struct Steps;

    impl Entropy for Steps {
        fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
            buffer.iter_mut().zip(1..).for_each(|(byte, step)| *byte = step);
            Ok(())
        }
    }

    fn offer() -> Offer {
        Offer::new(&Steps).expect("steps")
    }

    #[test]
    fn both_sides_come_to_the_same_key() {
        let (ours, theirs) = (offer(), Offer { exponent: BigUint::from(77_u8), prime: offer().prime });
        let (our_half, their_half) = (ours.public(), theirs.public());
        let (one, other) = (ours.agree(&their_half).expect("a key"), theirs.agree(&our_half).expect("a key"));

        let (parameter, value) = one.seal(&Secret::new("text"), &Steps).expect("steps");

        assert!(other.open(&parameter, &value).is_some_and(|text| text.matches("text")));
        assert!(other.open(&parameter[1..], &value).is_none() && other.open(&parameter, &value[1..]).is_none());
    }

    /// Figures of an independent implementation (Python's `pow`, HKDF by `hmac`, the cipher of OpenSSL).
    #[test]
    fn key_and_cipher_are_those_of_the_interface() {
        let shared = offer().agree(&[5]).expect("a key");

        assert_eq!(HEXLOWER.encode(shared.0.as_ref()), "46772c138426424edc9eb0ba0adde96d");
        let (parameter, value) = shared.seal(&Secret::new("a record"), &Steps).expect("steps");
        assert_eq!(HEXLOWER.encode(&parameter), "0102030405060708090a0b0c0d0e0f10");
        assert_eq!(HEXLOWER.encode(&value), "e16e784aebaa4ef7ccde77fc57371f8e");
    }

    #[test]
    fn s_15_a_half_that_leaves_no_secret_is_refused() {
        let prime = offer().prime;
        for theirs in [BigUint::from(0_u8), BigUint::from(1_u8), &prime - 1_u8, prime.clone(), &prime + 5_u8] {
            assert!(offer().agree(&theirs.to_bytes_be()).is_none(), "{theirs}");
        }
        assert!(offer().agree(&[]).is_none() && offer().agree(&[0xff; 4096]).is_none());
    }
}
