//! Who consented: ID tokens (OpenID Connect Core 1.0 sections 2, 3.1.3.6, 3.1.3.7 and 12.2).
//!
//! A claim is believed once the signature holds and every check of section 3.1.3.7 has passed. Time comes in as a
//! value. What fails is refused as a whole; there is no half-verified ID token.

use super::{
    json,
    jwks::JwkSet,
    jws::{Algorithm, Jws, JwsFault, unverified_claims},
};
use crate::secret::Secret;
use data_encoding::BASE64URL_NOPAD;
use ring::digest::digest;
use serde_json::{Map, Value};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 60;

/// Oldest `iat` that is taken, in seconds: an ID token is made for the answer that carries it.
const MAX_AGE: i64 = 24 * 60 * 60;

/// Longest `sub`, in bytes (section 2).
const MAX_SUBJECT: usize = 255;

/// Last second of the year 9999; no token lives longer, and no arithmetic on it overflows.
const LAST_SECOND: i64 = 253_402_300_799;

/// What an ID token has to agree with.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The pinned issuer, byte for byte.
    pub issuer: &'a str,
    /// This client.
    pub client_id: &'a str,
    /// What the authorization request sent; `None` on refresh.
    pub nonce: Option<&'a Secret>,
    /// Pinned signature algorithms.
    pub algorithms: &'a [String],
    /// The access token that came with it.
    pub access_token: Option<&'a Secret>,
    /// The authorization code that bought it.
    pub code: Option<&'a Secret>,
    /// The time of the check.
    pub now: SystemTime,
}

/// What a verified ID token says.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Who says it.
    pub iss: String,
    /// About whom; unique within the issuer.
    pub sub: String,
    /// To whom.
    pub aud: Vec<String>,
    /// The client it was made for, where several may read it.
    pub azp: Option<String>,
    /// When the person signed in, in seconds since 1970.
    pub auth_time: Option<i64>,
    /// Everything it says, raw.
    pub all: Map<String, Value>,
}

/// Why an ID token is refused. Nothing of it is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenFault {
    /// Form or signature.
    #[error("the ID token is refused: {0}")]
    Jws(#[from] JwsFault),
    /// Not a JSON object, or a claim that is missing or of the wrong type.
    #[error("the ID token has no usable `{0}`")]
    Claim(&'static str),
    /// Another issuer, audience, client or nonce than expected.
    #[error("`{0}` of the ID token is not the one of this login")]
    Mismatch(&'static str),
    /// Over, or not yet begun, or made too long ago.
    #[error("the ID token is not valid at this time (`{0}`)")]
    Time(&'static str),
    /// Another person, issuer or client than at login (section 12.2).
    #[error("`{0}` of the ID token is not the one of the first login")]
    Changed(&'static str),
}

/// Reads and verifies an ID token.
///
/// # Errors
/// [`IdTokenFault`], the first rule that it breaks.
pub fn read(token: &Secret, keys: &JwkSet, expected: &Expected<'_>) -> Result<Claims, IdTokenFault> {
    let jws = Jws::read(token.expose())?;
    let (payload, algorithm) = jws.verify(keys, expected.algorithms)?;
    let Ok(Value::Object(all)) = json::read(payload) else { return Err(IdTokenFault::Claim("payload")) };
    let claims = Claims::from_members(all)?;
    claims.check_parties(expected)?;
    claims.check_time(expected.now)?;
    claims.check_hash("at_hash", expected.access_token, algorithm)?;
    claims.check_hash("c_hash", expected.code, algorithm)?;
    Ok(claims)
}

impl Claims {
    /// The claims of an ID token that was verified before it was stored; its times may be over.
    pub fn recall(token: &Secret) -> Option<Self> {
        Self::from_members(unverified_claims(token.expose())?).ok()
    }

    /// Whether this is about the same person at the same issuer for the same client as the first one (section 12.2).
    ///
    /// # Errors
    /// [`IdTokenFault::Changed`] with the claim that differs.
    pub fn continues(&self, first: &Self) -> Result<(), IdTokenFault> {
        let audience = |claims: &Self| claims.aud.iter().cloned().collect::<BTreeSet<_>>();
        let changed = |name| Err(IdTokenFault::Changed(name));
        if self.iss != first.iss {
            return changed("iss");
        }
        if self.sub != first.sub {
            return changed("sub");
        }
        if audience(self) != audience(first) {
            return changed("aud");
        }
        if self.azp != first.azp {
            return changed("azp");
        }
        match (self.auth_time, first.auth_time) {
            (Some(now), Some(then)) if now != then => changed("auth_time"),
            _ => Ok(()),
        }
    }

    /// A text claim, such as `name` or `email`, raw.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.all.get(name).and_then(Value::as_str)
    }

    fn from_members(all: Map<String, Value>) -> Result<Self, IdTokenFault> {
        let text = |name: &'static str| match all.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(IdTokenFault::Claim(name)),
        };
        let iss = text("iss")?.ok_or(IdTokenFault::Claim("iss"))?;
        let sub = text("sub")?.filter(|sub| is_subject(sub)).ok_or(IdTokenFault::Claim("sub"))?;
        let azp = text("azp")?;
        let aud = audience(all.get("aud")).ok_or(IdTokenFault::Claim("aud"))?;
        let auth_time = all.get("auth_time").map(|value| seconds(value).ok_or(IdTokenFault::Claim("auth_time"))).transpose()?;
        Ok(Self { iss, sub, aud, azp, auth_time, all })
    }

    fn check_parties(&self, expected: &Expected<'_>) -> Result<(), IdTokenFault> {
        if self.iss != expected.issuer {
            return Err(IdTokenFault::Mismatch("iss"));
        }
        if !self.aud.iter().any(|audience| audience == expected.client_id) {
            return Err(IdTokenFault::Mismatch("aud"));
        }
        match self.azp.as_deref() {
            Some(party) if party != expected.client_id => return Err(IdTokenFault::Mismatch("azp")),
            None if self.aud.len() > 1 => return Err(IdTokenFault::Claim("azp")),
            _ => {}
        }
        match (expected.nonce, self.text("nonce")) {
            (Some(sent), Some(nonce)) if !sent.matches(nonce) => Err(IdTokenFault::Mismatch("nonce")),
            (Some(_), None) => Err(IdTokenFault::Claim("nonce")),
            _ => Ok(()),
        }
    }

    fn check_time(&self, now: SystemTime) -> Result<(), IdTokenFault> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let now = i64::try_from(since).unwrap_or(LAST_SECOND).min(LAST_SECOND);
        let at = |name: &'static str| self.all.get(name).map(|value| seconds(value).ok_or(IdTokenFault::Claim(name))).transpose();
        let exp = at("exp")?.ok_or(IdTokenFault::Claim("exp"))?;
        let iat = at("iat")?.ok_or(IdTokenFault::Claim("iat"))?;
        if exp + LEEWAY <= now {
            return Err(IdTokenFault::Time("exp"));
        }
        if iat > now + LEEWAY || iat < now - MAX_AGE {
            return Err(IdTokenFault::Time("iat"));
        }
        match at("nbf")? {
            Some(nbf) if nbf > now + LEEWAY => Err(IdTokenFault::Time("nbf")),
            _ => Ok(()),
        }
    }

    fn check_hash(&self, name: &'static str, text: Option<&Secret>, algorithm: &Algorithm) -> Result<(), IdTokenFault> {
        let Some(said) = self.all.get(name) else { return Ok(()) };
        let said = said.as_str().ok_or(IdTokenFault::Claim(name))?;
        // A claim about something that did not come along says nothing about this answer.
        let Some(text) = text else { return Ok(()) };
        if said == half_hash(text.expose(), algorithm) { Ok(()) } else { Err(IdTokenFault::Mismatch(name)) }
    }
}

/// The left half of the hash, in base64url (section 3.1.3.6).
fn half_hash(text: &str, algorithm: &Algorithm) -> String {
    let hash = digest(algorithm.hash, text.as_bytes());
    BASE64URL_NOPAD.encode(hash.as_ref().chunks(algorithm.hash.output_len() / 2).next().unwrap_or_default())
}

/// Whether a text may be a `sub`: 1 to 255 visible ASCII characters or blanks.
pub fn is_subject(text: &str) -> bool {
    (1..=MAX_SUBJECT).contains(&text.len()) && text.bytes().all(|byte| (0x20..0x7F).contains(&byte))
}

/// One audience or a list of them, at least one.
fn audience(value: Option<&Value>) -> Option<Vec<String>> {
    match value? {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) if !several.is_empty() => several.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// A NumericDate (RFC 7519 section 2): seconds since 1970, fractions dropped; texts and absurd numbers are none.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    #[expect(clippy::cast_possible_truncation, reason = "within the range that is checked first")]
    let whole = |float: f64| (0.0..=LAST_SECOND as f64).contains(&float).then_some(float as i64);
    number.as_i64().or_else(|| number.as_f64().and_then(whole)).filter(|seconds| (0..=LAST_SECOND).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::test_keys::{Signer, set};
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: i64 = 1_700_000_000;

    /// What comes of an ID token that differs from a good one in these claims; `null` takes a claim away.
    fn read_with(changes: Value) -> Result<Claims, IdTokenFault> {
        let signer = Signer::new("ES256");
        let mut claims = json!({"iss": "https://as.example", "sub": "ines", "aud": "cid", "nonce": "n-1", "iat": NOW, "exp": NOW + 300});
        for (name, value) in changes.as_object().expect("an object") {
            let members = claims.as_object_mut().expect("an object");
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value.clone())
            };
        }
        let token = Secret::new(signer.sign(&json!({}), &claims));
        let keys = JwkSet::read(&set(&[signer.jwk(None)])).expect("a set");
        let (nonce, access_token, code) = (Secret::new("n-1"), Secret::new("token"), Secret::new("code"));
        let expected = Expected {
            issuer: "https://as.example",
            client_id: "cid",
            nonce: Some(&nonce),
            algorithms: &["ES256".to_owned()],
            access_token: Some(&access_token),
            code: Some(&code),
            now: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.unsigned_abs()),
        };
        read(&token, &keys, &expected)
    }

    fn refused(cases: &[(Value, IdTokenFault)]) {
        for (changes, fault) in cases {
            assert_eq!(read_with(changes.clone()).map(|claims| claims.sub), Err(*fault), "{changes}");
        }
    }

    #[test]
    fn a_good_id_token_says_who_consented() {
        let claims = read_with(json!({"name": "Ines"})).expect("claims");

        assert_eq!((claims.sub.as_str(), claims.text("name")), ("ines", Some("Ines")));
    }

    #[test]
    fn i_01_and_i_02_issuer_and_audience_are_ours() {
        refused(&[
            (json!({"iss": "https://as.example/"}), IdTokenFault::Mismatch("iss")),
            (json!({"iss": null}), IdTokenFault::Claim("iss")),
            (json!({"aud": "other"}), IdTokenFault::Mismatch("aud")),
            (json!({"aud": null}), IdTokenFault::Claim("aud")),
            (json!({"aud": []}), IdTokenFault::Claim("aud")),
            (json!({"aud": ["cid", 7]}), IdTokenFault::Claim("aud")),
            (json!({"aud": ["cid", "x"]}), IdTokenFault::Claim("azp")),
            (json!({"aud": ["cid", "x"], "azp": "x"}), IdTokenFault::Mismatch("azp")),
            (json!({"azp": "x"}), IdTokenFault::Mismatch("azp")),
        ]);
        assert!(read_with(json!({"aud": ["cid", "x"], "azp": "cid"})).is_ok());
        assert!(read_with(json!({"aud": ["cid"]})).is_ok());
    }

    #[test]
    fn i_05_the_nonce_is_the_one_that_was_sent() {
        refused(&[
            (json!({"nonce": "n-2"}), IdTokenFault::Mismatch("nonce")),
            (json!({"nonce": null}), IdTokenFault::Claim("nonce")),
            (json!({"nonce": 1}), IdTokenFault::Claim("nonce")),
        ]);
    }

    #[test]
    fn i_06_times_are_numbers_and_near() {
        refused(&[
            (json!({"exp": NOW - 61}), IdTokenFault::Time("exp")),
            (json!({"exp": null}), IdTokenFault::Claim("exp")),
            (json!({"exp": "1700000300"}), IdTokenFault::Claim("exp")),
            (json!({"exp": f64::MAX}), IdTokenFault::Claim("exp")),
            (json!({"exp": u64::MAX}), IdTokenFault::Claim("exp")),
            (json!({"exp": -1}), IdTokenFault::Claim("exp")),
            (json!({"iat": null}), IdTokenFault::Claim("iat")),
            (json!({"iat": [NOW]}), IdTokenFault::Claim("iat")),
            (json!({"iat": NOW + 3600}), IdTokenFault::Time("iat")),
            (json!({"iat": NOW - 8 * 86_400}), IdTokenFault::Time("iat")),
            (json!({"nbf": NOW + 3600}), IdTokenFault::Time("nbf")),
        ]);
        for good in [json!({"exp": NOW - 59}), json!({"iat": NOW + 59}), json!({"iat": NOW - 86_000}), json!({"exp": 1_700_000_300.9})] {
            assert!(read_with(good.clone()).is_ok(), "{good}");
        }
    }

    #[test]
    fn i_07_a_subject_is_255_ascii_characters_at_most() {
        for sub in [Value::Null, json!(""), json!("x".repeat(256)), json!("é"), json!(7), json!("a\nb")] {
            refused(&[(json!({ "sub": sub }), IdTokenFault::Claim("sub"))]);
        }
        assert!(read_with(json!({"sub": "x".repeat(255)})).is_ok());
    }

    #[test]
    fn i_08_hashes_of_token_and_code_match_where_they_are_given() {
        let hash = |text: &str| digest(&ring::digest::SHA256, text.as_bytes());
        let half = |text: &str| BASE64URL_NOPAD.encode(hash(text).as_ref().get(..16).expect("32 bytes"));

        assert!(read_with(json!({"at_hash": half("token"), "c_hash": half("code")})).is_ok());
        refused(&[
            (json!({"at_hash": half("tokeN")}), IdTokenFault::Mismatch("at_hash")),
            (json!({"c_hash": half("token")}), IdTokenFault::Mismatch("c_hash")),
            (json!({"at_hash": 7}), IdTokenFault::Claim("at_hash")),
        ]);
    }

    #[test]
    fn i_08_the_example_of_the_specification_holds() {
        let access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        let algorithm = crate::oauth::jws::ALGORITHMS.iter().find(|known| known.name == "RS256").expect("an algorithm");

        assert_eq!(half_hash(access_token, algorithm), "77QmUPtjPfzWtF2AnpK9RQ", "OpenID Connect Core appendix A.3");
    }

    #[test]
    fn i_10_a_refresh_keeps_person_issuer_and_client() {
        let first = read_with(json!({"auth_time": NOW})).expect("claims");
        let with = |changes: Value| read_with(changes).expect("claims").continues(&first);

        assert_eq!(with(json!({"auth_time": NOW})), Ok(()));
        assert_eq!(with(json!({"nonce": "n-1"})), Ok(()));
        assert_eq!(with(json!({"sub": "otto"})), Err(IdTokenFault::Changed("sub")));
        assert_eq!(with(json!({"aud": ["cid", "x"], "azp": "cid"})), Err(IdTokenFault::Changed("aud")));
        assert_eq!(with(json!({"azp": "cid"})), Err(IdTokenFault::Changed("azp")));
        assert_eq!(with(json!({"auth_time": NOW - 1})), Err(IdTokenFault::Changed("auth_time")));
        let other = Claims { iss: "https://other.example".into(), ..first.clone() };
        assert_eq!(other.continues(&first), Err(IdTokenFault::Changed("iss")));
    }

    #[test]
    fn claims_are_recalled_from_a_token_that_is_over() {
        let token = Signer::new("EdDSA").sign(&json!({}), &json!({"iss": "i", "sub": "s", "aud": ["a"], "exp": 1}));

        assert_eq!(Claims::recall(&Secret::new(token)).map(|claims| claims.sub), Some("s".to_owned()));
        assert_eq!(Claims::recall(&Secret::new("opaque")), None);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_alive_and_ours(exp in any::<i64>(), iat in any::<f64>(), iss in "https://as\\.example/?") {
            if read_with(json!({"exp": exp, "iss": iss})).is_ok() {
                prop_assert!(exp > NOW - LEEWAY && iss == "https://as.example");
            }
            if read_with(json!({"iat": iat})).is_ok() {
                prop_assert!((iat - NOW as f64).abs() <= MAX_AGE as f64);
            }
        }
    }
}
