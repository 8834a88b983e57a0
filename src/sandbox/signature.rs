//! The key that signs ID tokens: ES256 (RFC 7518 section 3.4), fresh for each run.

use ring::{
    digest::{SHA256, digest},
    error::Unspecified,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};

/// A key with its name.
pub(super) struct SigningKey {
    pair: EcdsaKeyPair,
    kid: String,
}

impl SigningKey {
    /// Makes a key.
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn generate() -> Result<Self, Unspecified> {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).map_err(|_| Unspecified)?;
        let kid = encode(digest(&SHA256, pair.public_key().as_ref()).as_ref()).chars().take(12).collect();
        Ok(Self { pair, kid })
    }

    /// A JWS in compact form over `claims` (RFC 7515 section 3.1).
    ///
    /// # Errors
    /// Where the system gives no random bytes.
    pub(super) fn sign(&self, claims: &Value) -> Result<String, Unspecified> {
        let header = json!({ "alg": "ES256", "kid": self.kid, "typ": "JWT" });
        let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
        let signature = self.pair.sign(&SystemRandom::new(), input.as_bytes())?;
        Ok(format!("{input}.{}", encode(signature.as_ref())))
    }

    /// The public half as a JWK set (RFC 7517 section 5).
    pub(super) fn key_set(&self) -> Value {
        // An uncompressed point: one byte that says so, then 32 bytes for each coordinate.
        let point = self.pair.public_key().as_ref();
        let coordinate = |range: std::ops::Range<usize>| encode(point.get(range).unwrap_or_default());
        let key = json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": coordinate(1..33), "y": coordinate(33..65),
        });
        json!({ "keys": [key] })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// `at_hash` of an access token for ES256 (OpenID Connect Core section 3.1.3.6).
pub(super) fn at_hash(access_token: &str) -> String {
    let hash = digest(&SHA256, access_token.as_bytes());
    encode(hash.as_ref().get(..16).unwrap_or_default())
}

fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    #[test]
    fn what_is_signed_verifies_with_the_published_key() {
        let key = SigningKey::generate().expect("a key");
        let jws = key.sign(&json!({"sub": "5042"})).expect("a signature");

        let set = key.key_set();
        let coordinate = |name: &str| {
            let text = set.pointer(&format!("/keys/0/{name}")).and_then(Value::as_str).expect("a coordinate");
            data_encoding::BASE64URL_NOPAD.decode(text.as_bytes()).expect("base64url")
        };
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        let (input, signature) = jws.rsplit_once('.').expect("three parts");
        let signature = data_encoding::BASE64URL_NOPAD.decode(signature.as_bytes()).expect("base64url");
        let verifies = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(input.as_bytes(), &signature);

        assert!(verifies.is_ok());
    }

    #[test]
    fn at_hash_is_the_left_half_of_the_hash() {
        // The access token and hash of OpenID Connect Core, appendix A.3.
        assert_eq!(at_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
    }
}
