//! `X-Kounta-Signature`, made and checked; a signature that does not fit is reported, never a reason to refuse.
//!
//! The vendor documents the header and not the algorithm. Two clients of other people read it as HMAC-SHA256 of the raw body in
//! hex; what the key is called differs between them. So a signature that does not fit says as much about this reading as about the call.

use super::journal::Signature;
use crate::secret::Secret;
use http::HeaderMap;
use ring::hmac;

/// The header.
pub const HEADER: &str = "x-kounta-signature";

/// How sure this is, for whoever reads the verdict.
pub const CERTAINTY: &str = "HMAC-SHA256 of the body in hex, as other people's clients read it; the vendor does not say";

/// The signature of a body, in lower-case hex.
pub fn sign(key: &Secret, body: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    data_encoding::HEXLOWER.encode(hmac::sign(&key, body.expose().as_bytes()).as_ref())
}

/// Compares in constant time what came with what the key makes of the body.
pub fn check(key: &Secret, headers: &HeaderMap, body: &[u8]) -> Signature {
    let mut values = headers.get_all(HEADER).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Signature::Missing };
    let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes());
    let tag = data_encoding::HEXLOWER_PERMISSIVE.decode(value.as_bytes());
    match tag.map(|tag| hmac::verify(&key, body, &tag)) {
        Ok(Ok(())) => Signature::Good,
        _ => Signature::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_signature_is_good_bad_or_missing() {
        // RFC 4231 section 4.3.
        let (key, body) = (Secret::new("Jefe"), b"what do ya want for nothing?");
        let good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let checked = |value: Option<&str>, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.extend(value.map(|value| (http::HeaderName::from_static(HEADER), HeaderValue::from_str(value).expect("a value"))));
            check(&key, &headers, body)
        };

        assert_eq!(sign(&key, &Secret::new("what do ya want for nothing?")), good);
        assert_eq!(checked(Some(good), body), Signature::Good);
        assert_eq!(checked(Some(&good.to_uppercase()), body), Signature::Good);
        assert_eq!(checked(Some(good), b"what do ya want for nothing"), Signature::Bad);
        assert_eq!(checked(Some(&good[..62]), body), Signature::Bad);
        assert_eq!(checked(Some("nonsense"), body), Signature::Bad);
        assert_eq!(checked(None, body), Signature::Missing);
    }
}
