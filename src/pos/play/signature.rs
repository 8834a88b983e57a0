//! `X-Kounta-Signature`: HMAC-SHA256 of the raw body, in hex.
//!
//! The header is documented, the algorithm is not: this is how two clients of other people read it.

use crate::secret::Secret;
use http::HeaderName;
use ring::hmac;

/// The header that carries it.
pub const HEADER: HeaderName = HeaderName::from_static("x-kounta-signature");

/// The signature of a body.
pub fn sign(key: &Secret, body: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    data_encoding::HEXLOWER.encode(hmac::sign(&key, body.expose().as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_signed_as_rfc_4231_case_2_shows() {
        let signature = sign(&Secret::new("Jefe"), &Secret::new("what do ya want for nothing?"));

        assert_eq!(signature, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
