//! Signed tokens: JSON Web Signature, compact form (RFC 7515), with the algorithms of RFC 7518 and RFC 8037.
//!
//! The algorithm has to be one that was pinned at login **and** one of [`ALGORITHMS`]; `none` and the shared-key family
//! (`HS256`, ...) are not in that table, so no header can choose them (RFC 8725 section 3.1). Keys come from the
//! issuer's key set alone: `jku`, `x5u`, `jwk` and `x5c` are not looked at. Encrypted tokens are not read.

use super::{
    json,
    jwks::{JwkSet, NoKey},
};
use data_encoding::BASE64URL_NOPAD;
use ring::{
    digest::{self, SHA256, SHA384, SHA512},
    signature::{self, EdDSAParameters, RsaParameters, UnparsedPublicKey, VerificationAlgorithm},
};
use serde_json::{Map, Value};

/// Longest token that is read, in bytes. ID tokens with many groups come to 8 KiB.
pub const MAX_LENGTH: usize = 16 * 1024;

/// Longest access token whose claims are looked at, in bytes; the longest one that is taken at all.
const MAX_UNVERIFIED: usize = 64 * 1024;

/// What a signature is checked with.
#[derive(Clone, Copy)]
pub enum Scheme {
    /// RSA, with modulus and exponent of 2048 to 8192 bits.
    Rsa(&'static RsaParameters),
    /// A curve of the `EC` family by its name.
    Ec(&'static str, &'static dyn VerificationAlgorithm),
    /// Ed25519 of the `OKP` family.
    Ed25519(&'static EdDSAParameters),
}

/// A signature algorithm.
pub struct Algorithm {
    /// Its registered name.
    pub name: &'static str,
    /// How a signature of it is checked.
    pub scheme: Scheme,
    /// The hash that `at_hash` and `c_hash` are made with.
    pub hash: &'static digest::Algorithm,
}

/// Every algorithm that can be verified here.
pub static ALGORITHMS: &[Algorithm] = &[
    Algorithm { name: "RS256", scheme: Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA256), hash: &SHA256 },
    Algorithm { name: "RS384", scheme: Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA384), hash: &SHA384 },
    Algorithm { name: "RS512", scheme: Scheme::Rsa(&signature::RSA_PKCS1_2048_8192_SHA512), hash: &SHA512 },
    Algorithm { name: "PS256", scheme: Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA256), hash: &SHA256 },
    Algorithm { name: "PS384", scheme: Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA384), hash: &SHA384 },
    Algorithm { name: "PS512", scheme: Scheme::Rsa(&signature::RSA_PSS_2048_8192_SHA512), hash: &SHA512 },
    Algorithm { name: "ES256", scheme: Scheme::Ec("P-256", &signature::ECDSA_P256_SHA256_FIXED), hash: &SHA256 },
    Algorithm { name: "ES384", scheme: Scheme::Ec("P-384", &signature::ECDSA_P384_SHA384_FIXED), hash: &SHA384 },
    Algorithm { name: "EdDSA", scheme: Scheme::Ed25519(&signature::ED25519), hash: &SHA512 },
    Algorithm { name: "Ed25519", scheme: Scheme::Ed25519(&signature::ED25519), hash: &SHA512 },
];

/// The algorithms to pin for a server: those it offers that are known here, `RS256` where it says nothing (OpenID
/// Connect Core section 2).
pub fn pinned(offered: Option<&[String]>) -> Vec<String> {
    let default = ["RS256".to_owned()];
    let offered = offered.unwrap_or(&default);
    ALGORITHMS.iter().filter(|known| offered.iter().any(|name| name == known.name)).map(|known| known.name.to_owned()).collect()
}

/// Why a token is not believed. Nothing of the token is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwsFault {
    /// More than [`MAX_LENGTH`] bytes.
    #[error("it is too long")]
    TooLong,
    /// Five parts instead of three, or a header of an encrypted or compressed token.
    #[error("it is encrypted or compressed")]
    Encrypted,
    /// Not three parts of unpadded base64url with a JSON object as header.
    #[error("it is malformed")]
    Malformed,
    /// The header demands an extension (`crit`); none is known here (RFC 7515 section 4.1.11).
    #[error("it demands an extension that is not known here")]
    Critical,
    /// `typ` says that it is a token of another kind (RFC 8725 section 3.11).
    #[error("it is a token of another kind")]
    OtherKind,
    /// An algorithm that is not pinned, not known, or never to be trusted.
    #[error("its signature algorithm is not one that was agreed on")]
    Algorithm,
    /// No key of the issuer fits.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// The signature does not hold.
    #[error("its signature does not hold")]
    Signature,
}

/// A token whose parts have been read and whose signature has not.
pub struct Jws<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    payload: Vec<u8>,
    algorithm: String,
    kid: Option<String>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`JwsFault`], one for each rule of form.
    pub fn read(token: &'a str) -> Result<Self, JwsFault> {
        if token.len() > MAX_LENGTH {
            return Err(JwsFault::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwsFault::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(JwsFault::Malformed)?;
        if payload.contains('.') {
            return Err(if payload.matches('.').count() == 2 { JwsFault::Encrypted } else { JwsFault::Malformed });
        }
        let header = read_header(header)?;
        Ok(Self {
            signed,
            signature: decode(signature)?,
            payload: decode(payload)?,
            algorithm: text(&header, "alg")?.ok_or(JwsFault::Malformed)?,
            kid: text(&header, "kid")?,
        })
    }

    /// The payload, once the signature over the exact bytes holds; and the algorithm it was made with.
    ///
    /// # Errors
    /// [`JwsFault::Algorithm`], [`JwsFault::NoKey`], [`JwsFault::Signature`].
    pub fn verify(&self, keys: &JwkSet, allowed: &[String]) -> Result<(&[u8], &'static Algorithm), JwsFault> {
        if !allowed.contains(&self.algorithm) {
            return Err(JwsFault::Algorithm);
        }
        let algorithm = ALGORITHMS.iter().find(|known| known.name == self.algorithm).ok_or(JwsFault::Algorithm)?;
        let key = keys.select(algorithm, self.kid.as_deref())?;
        if key.verifies(algorithm, self.signed.as_bytes(), &self.signature) {
            Ok((&self.payload, algorithm))
        } else {
            Err(JwsFault::Signature)
        }
    }
}

/// Checks a signature with a public key in the form that ring takes.
pub(super) fn holds(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], signed: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
}

fn read_header(part: &str) -> Result<Map<String, Value>, JwsFault> {
    let Ok(Value::Object(header)) = json::read(&decode(part)?) else { return Err(JwsFault::Malformed) };
    if header.contains_key("crit") {
        return Err(JwsFault::Critical);
    }
    if header.contains_key("enc") || header.contains_key("zip") {
        return Err(JwsFault::Encrypted);
    }
    let kind = text(&header, "typ")?.unwrap_or_default().to_ascii_lowercase();
    // An explicitly typed token (`at+jwt`, `logout+jwt`) says that it is no ID token.
    if kind.ends_with("+jwt") { Err(JwsFault::OtherKind) } else { Ok(header) }
}

fn text(header: &Map<String, Value>, member: &str) -> Result<Option<String>, JwsFault> {
    match header.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwsFault::Malformed),
    }
}

/// Unpadded base64url without spare bits (RFC 7515 section 2): one text for one value.
fn decode(part: &str) -> Result<Vec<u8>, JwsFault> {
    BASE64URL_NOPAD.decode(part.as_bytes()).map_err(|_| JwsFault::Malformed)
}

/// The claims of a JWT that nobody has verified, such as an access token that is meant for the resource server.
///
/// For showing, marked as unverified, and never for deciding. `None` where the token is opaque.
pub fn unverified_claims(token: &str) -> Option<Map<String, Value>> {
    if token.len() > MAX_UNVERIFIED {
        return None;
    }
    let mut parts = token.split('.');
    let (header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    let is_object = |part: &str| match json::read(&decode(part).ok()?) {
        Ok(Value::Object(members)) => Some(members),
        _ => None,
    };
    is_object(header)?;
    is_object(payload).filter(|_| parts.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::test_keys::{Signer, b64, set};
    use proptest::prelude::*;
    use serde_json::json;

    fn verify(token: &str, keys: &[Value], allowed: &[&str]) -> Result<Vec<u8>, JwsFault> {
        let keys = JwkSet::read(&set(keys)).expect("a set");
        let allowed: Vec<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
        Jws::read(token)?.verify(&keys, &allowed).map(|(payload, _)| payload.to_vec())
    }

    #[test]
    fn z_08_the_vectors_of_the_rfcs_hold() {
        let payload = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let ec = json!({"kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
        let es256 = format!(
            "eyJhbGciOiJFUzI1NiJ9.{payload}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
        );
        let okp = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        let eddsa = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

        assert!(verify(&es256, &[ec], &["ES256"]).is_ok(), "RFC 7515 appendix A.3");
        assert_eq!(verify(eddsa, &[okp], &["EdDSA"]), Ok(b"Example of Ed25519 signing".to_vec()), "RFC 8037 appendix A.4");
    }

    #[test]
    fn every_algorithm_of_the_table_verifies_and_no_other_key_or_byte_does() {
        for algorithm in ALGORITHMS {
            let (signer, other) = (Signer::new(algorithm.name), Signer::new(if algorithm.name == "ES256" { "ES256" } else { "EdDSA" }));
            let token = signer.sign(&json!({}), &json!({"sub": "a"}));
            let (head, signature) = token.rsplit_once('.').expect("a signature");
            let (header, _) = head.split_once('.').expect("a header");
            let swapped = format!("{header}.{}.{signature}", b64(br#"{"sub":"b"}"#));

            assert_eq!(verify(&token, &[signer.jwk(None)], &[algorithm.name]), Ok(br#"{"sub":"a"}"#.to_vec()), "{}", algorithm.name);
            assert_eq!(verify(&swapped, &[signer.jwk(None)], &[algorithm.name]), Err(JwsFault::Signature), "{}", algorithm.name);
            assert!(verify(&token, &[other.jwk(None)], &[algorithm.name]).is_err(), "{}", algorithm.name);
            assert_eq!(verify(&token, &[signer.jwk(None)], &["RS1"]), Err(JwsFault::Algorithm));
        }
    }

    #[test]
    fn i_03_none_and_shared_keys_are_never_algorithms() {
        let rsa = Signer::new("RS256");
        for name in ["none", "nOnE", "HS256", "HS512", "", "RS1"] {
            let head = format!("{}.{}", b64(json!({ "alg": name }).to_string().as_bytes()), b64(b"{}"));
            let key = rsa.jwk(None).to_string();
            let mac = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, key.as_bytes()), head.as_bytes());
            for signature in [String::new(), b64(mac.as_ref())] {
                // Even where somebody pinned the name.
                assert_eq!(verify(&format!("{head}.{signature}"), &[rsa.jwk(None)], &[name]), Err(JwsFault::Algorithm), "{name}");
            }
        }
        assert_eq!(pinned(Some(&["none".into(), "HS256".into(), "ES256".into()])), ["ES256"]);
        assert_eq!(pinned(None), ["RS256"]);
    }

    #[test]
    fn i_04_keys_that_a_header_brings_along_are_not_looked_at() {
        let (issuer, thief) = (Signer::new("ES256"), Signer::new("ES256"));
        let header = json!({"jwk": thief.jwk(None), "jku": "http://evil.example/keys", "x5u": "http://evil.example/cert"});

        assert_eq!(verify(&thief.sign(&header, &json!({})), &[issuer.jwk(None)], &["ES256"]), Err(JwsFault::Signature));
        assert!(verify(&issuer.sign(&header, &json!({})), &[issuer.jwk(None)], &["ES256"]).is_ok());
    }

    #[test]
    fn i_11_what_is_encrypted_compressed_too_long_or_demanding_is_refused() {
        let signer = Signer::new("EdDSA");
        let token = |header: Value| signer.sign(&header, &json!({}));
        let bomb =
            format!("{}.{}", token(json!({"alg": "PBES2-HS256+A128KW", "p2c": 2_147_483_647, "enc": "A128GCM", "zip": "DEF"})), "e.e");
        for (token, fault) in [
            (token(json!({"zip": "DEF"})), JwsFault::Encrypted),
            (bomb, JwsFault::Encrypted),
            (signer.sign(&json!({}), &json!({"x": "x".repeat(MAX_LENGTH)})), JwsFault::TooLong),
            (token(json!({"crit": ["b64"], "b64": false})), JwsFault::Critical),
            (token(json!({"typ": "AT+jwt"})), JwsFault::OtherKind),
            (token(json!({"kid": 7})), JwsFault::Malformed),
            (token(json!({"alg": null})), JwsFault::Malformed),
        ] {
            assert_eq!(verify(&token, &[signer.jwk(None)], &["EdDSA"]), Err(fault), "{token}");
        }
    }

    #[test]
    fn z_08_base64url_has_one_spelling() {
        let token = Signer::new("EdDSA").sign(&json!({}), &json!({}));
        let (head, signature) = token.rsplit_once('.').expect("a signature");
        let last = signature.get(..signature.len() - 1).expect("a signature");
        for spelling in
            [format!("{head}.{signature}=="), format!("{head}.{last}_"), format!("{head}. {signature}"), format!("{head}.{signature}.")]
        {
            assert_eq!(Jws::read(&spelling).err(), Some(JwsFault::Malformed), "{spelling}");
        }
        assert!(Jws::read(&token.replace('.', "")).is_err());
    }

    #[test]
    fn claims_of_a_foreign_token_are_only_looked_at() {
        let token = Signer::new("EdDSA").sign(&json!({"typ": "at+jwt"}), &json!({"scope": "a"}));

        assert_eq!(unverified_claims(&token).and_then(|claims| claims.get("scope").cloned()), Some(json!("a")));
        for opaque in ["0123456789abcdef", "a.b.c", "", "..", &format!("{token}.x"), &format!("{}.W10.x", b64(b"{}"))] {
            assert_eq!(unverified_claims(opaque), None, "{opaque}");
        }
    }

    proptest! {
        #[test]
        fn no_token_brings_the_reader_down(token in "[A-Za-z0-9_.=-]{0,60}|.{0,40}") {
            let _ = verify(&token, &[], &["RS256"]);
            let _ = unverified_claims(&token);
        }
    }
}
