//! The keys of an issuer: JSON Web Key Set (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
//!
//! Keys that cannot be used here are skipped, as RFC 7517 section 5 asks: a set may hold keys of algorithms that come
//! after us. For one token at most one key is tried, so that a large set does not become work.

use super::{
    json::{self, JsonFault},
    jws::{Algorithm, Scheme, holds},
};
use data_encoding::BASE64URL_NOPAD;
use ring::signature::RsaPublicKeyComponents;
use serde_json::{Map, Value};

/// Smallest and largest RSA modulus, in bits: below is broken, above is work for us alone.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Public keys of one issuer.
#[derive(Debug, Clone, Default)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

/// One public key.
#[derive(Debug, Clone)]
pub struct Jwk {
    kid: Option<String>,
    alg: Option<String>,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    Ec { curve: &'static str, point: Vec<u8> },
    Ed25519(Vec<u8>),
}

/// Why a text is not a key set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksFault {
    /// Not a JSON document that can be trusted.
    #[error("the server's keys cannot be read: {0}")]
    Json(#[from] JsonFault),
    /// No list of keys in it.
    #[error("the server's keys are not a list")]
    NotASet,
}

/// Why no key of a set serves for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// The token names a key that is not there; the set may have been replaced since it was fetched.
    #[error("its key is not among those of the issuer")]
    Unknown,
    /// No key is for this algorithm.
    #[error("the issuer has no key for its algorithm")]
    Unfit,
    /// Several could be meant.
    #[error("it does not say which of several keys of the issuer was used")]
    Ambiguous,
}

impl JwkSet {
    /// Reads a set; keys that cannot be used are skipped.
    ///
    /// # Errors
    /// [`JwksFault`].
    pub fn read(body: &[u8]) -> Result<Self, JwksFault> {
        let document = json::read(body)?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or(JwksFault::NotASet)?;
        Ok(Self { keys: keys.iter().filter_map(Value::as_object).filter_map(Jwk::read).collect() })
    }

    /// The one key that can have made a signature of this algorithm.
    ///
    /// # Errors
    /// [`NoKey`]; [`NoKey::Unknown`] is worth one new fetch of the set, the others are not.
    pub fn select(&self, algorithm: &Algorithm, kid: Option<&str>) -> Result<&Jwk, NoKey> {
        let named: Vec<&Jwk> = self.keys.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid).collect();
        let mut fitting = named.iter().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(NoKey::Ambiguous),
            _ if kid.is_some() && named.is_empty() => Err(NoKey::Unknown),
            _ => Err(NoKey::Unfit),
        }
    }
}

impl Jwk {
    fn read(members: &Map<String, Value>) -> Option<Self> {
        let text = |member: &str| members.get(member).and_then(Value::as_str);
        // A member of the wrong type is not the same as a member that is not there.
        let strange = ["kid", "alg", "use"].iter().any(|member| members.get(*member).is_some_and(|value| !value.is_string()));
        let signs = text("use").is_none_or(|purpose| purpose == "sig");
        let verifies = members.get("key_ops").is_none_or(|list| list.as_array().is_some_and(|ops| ops.iter().any(|op| op == "verify")));
        if strange || !signs || !verifies {
            return None;
        }
        let bytes = |member: &str| text(member).and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let material = match (text("kty")?, text("crv")) {
            ("RSA", _) => rsa(&bytes("n")?, &bytes("e")?)?,
            ("EC", Some("P-256")) => ec("P-256", 32, &bytes("x")?, &bytes("y")?)?,
            ("EC", Some("P-384")) => ec("P-384", 48, &bytes("x")?, &bytes("y")?)?,
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x").filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Self { kid: text("kid").map(str::to_owned), alg: text("alg").map(str::to_owned), material })
    }

    fn fits(&self, algorithm: &Algorithm) -> bool {
        let family = match (&self.material, algorithm.scheme) {
            (Material::Rsa { .. }, Scheme::Rsa(_)) | (Material::Ed25519(_), Scheme::Ed25519(_)) => true,
            (Material::Ec { curve, .. }, Scheme::Ec(wanted, _)) => *curve == wanted,
            _ => false,
        };
        family && self.alg.as_deref().is_none_or(|alg| alg == algorithm.name)
    }

    /// Whether this key made that signature over exactly these bytes.
    pub(super) fn verifies(&self, algorithm: &Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        match (&self.material, algorithm.scheme) {
            (Material::Rsa { n, e }, Scheme::Rsa(parameters)) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }
            (Material::Ec { curve, point }, Scheme::Ec(wanted, parameters)) if *curve == wanted => {
                holds(parameters, point, signed, signature)
            }
            (Material::Ed25519(x), Scheme::Ed25519(parameters)) => holds(parameters, x, signed, signature),
            _ => false,
        }
    }
}

fn rsa(n: &[u8], e: &[u8]) -> Option<Material> {
    // Some servers write the sign byte that their big-number library keeps in front.
    let trimmed = |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
    let (n, e) = (trimmed(n), trimmed(e));
    let bits = n.len().checked_mul(8)?.checked_sub(n.first()?.leading_zeros() as usize)?;
    RSA_BITS.contains(&bits).then_some(Material::Rsa { n, e })
}

fn ec(curve: &'static str, length: usize, x: &[u8], y: &[u8]) -> Option<Material> {
    if x.len() != length || y.len() != length {
        return None;
    }
    // An uncompressed point (SEC 1 section 2.3.3): the form that ring takes.
    Some(Material::Ec { curve, point: [&[4], x, y].concat() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{
        jws::ALGORITHMS,
        test_keys::{Signer, b64, set},
    };
    use proptest::prelude::*;
    use serde_json::json;

    fn select(keys: &[Value], algorithm: &str, kid: Option<&str>) -> Result<String, NoKey> {
        let set = JwkSet::read(&set(keys)).expect("a set");
        let algorithm = ALGORITHMS.iter().find(|known| known.name == algorithm).expect("an algorithm");
        set.select(algorithm, kid).map(|key| key.kid.clone().unwrap_or_default())
    }

    fn with(mut key: Value, member: &str, value: impl Into<Value>) -> Value {
        key.as_object_mut().expect("an object").insert(member.to_owned(), value.into());
        key
    }

    #[test]
    fn i_04_exactly_one_key_has_to_fit() {
        let (ec, rsa) = (Signer::new("ES256"), Signer::new("RS256"));
        let both = [ec.jwk(Some("e")), rsa.jwk(Some("r"))];

        assert_eq!(select(&both, "ES256", Some("e")), Ok("e".into()));
        assert_eq!(select(&both, "ES256", None), Ok("e".into()));
        assert_eq!(select(&both, "RS512", None), Ok("r".into()));
        assert_eq!(select(&both, "ES256", Some("r")), Err(NoKey::Unfit));
        assert_eq!(select(&both, "ES256", Some("x")), Err(NoKey::Unknown));
        assert_eq!(select(&both, "EdDSA", None), Err(NoKey::Unfit));
        assert_eq!(select(&[ec.jwk(Some("a")), ec.jwk(Some("b"))], "ES256", None), Err(NoKey::Ambiguous));
        assert_eq!(select(&[ec.jwk(Some("a")), ec.jwk(Some("a"))], "ES256", Some("a")), Err(NoKey::Ambiguous));
        assert_eq!(select(&[ec.jwk(Some("a")), rsa.jwk(Some("a"))], "RS256", Some("a")), Ok("a".into()));
        assert_eq!(select(&[ec.jwk(None)], "ES256", Some("a")), Err(NoKey::Unknown));
    }

    #[test]
    fn i_04_keys_that_cannot_be_used_are_skipped() {
        let good = Signer::new("ES256").jwk(Some("good"));
        let strangers = [
            json!({"kty": "XX"}),
            json!(7),
            json!({"kty": "oct", "k": "AAAA"}),
            json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}),
            json!({"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"}),
            with(good.clone(), "x", "=not base64="),
            with(good.clone(), "use", "enc"),
            with(good.clone(), "use", 7),
            with(good.clone(), "key_ops", json!(["sign"])),
            with(good.clone(), "alg", "ES384"),
        ];
        for stranger in strangers {
            assert_eq!(select(&[stranger.clone(), good.clone()], "ES256", None), Ok("good".into()), "{stranger}");
            assert!(select(&[stranger], "ES256", None).is_err());
        }
    }

    #[test]
    fn i_11_rsa_keys_are_of_2048_to_8192_bits() {
        let key = |bytes: usize, first: u8| {
            let mut n = vec![0xFF; bytes];
            n.iter_mut().take(1).for_each(|byte| *byte = first);
            json!({"kty": "RSA", "n": b64(&n), "e": "AQAB"})
        };
        for (key, outcome) in [
            (key(128, 0xFF), Err(NoKey::Unfit)),
            (key(256, 0x7F), Err(NoKey::Unfit)),
            (key(256, 0x80), Ok(String::new())),
            (key(257, 0), Ok(String::new())),
            (key(1024, 0xFF), Ok(String::new())),
            (key(1025, 1), Err(NoKey::Unfit)),
            (key(2048, 0xFF), Err(NoKey::Unfit)),
            (key(0, 0), Err(NoKey::Unfit)),
        ] {
            assert_eq!(select(&[key], "RS256", None), outcome);
        }
    }

    #[test]
    fn a_set_is_an_object_with_a_list() {
        for body in ["{}", "[]", r#"{"keys":{}}"#, r#"{"keys":null}"#] {
            assert_eq!(JwkSet::read(body.as_bytes()).err(), Some(JwksFault::NotASet), "{body}");
        }
        assert!(matches!(JwkSet::read(br#"{"keys":[],"keys":[]}"#), Err(JwksFault::Json(JsonFault::Duplicate))));
    }

    proptest! {
        #[test]
        fn no_key_brings_the_reader_down(kty in "RSA|EC|OKP", crv in "P-256|Ed25519|P-384", text in "[A-Za-z0-9_-]{0,90}") {
            let key = json!({"kty": kty, "crv": crv, "n": text, "e": text, "x": text, "y": text});
            let keys = JwkSet::read(&set(&[key])).expect("a set");
            for algorithm in ALGORITHMS {
                let outcome = keys.select(algorithm, None).map(|key| key.verifies(algorithm, b"x", b"y"));
                prop_assert!(!matches!(outcome, Ok(true)));
            }
        }
    }
}
