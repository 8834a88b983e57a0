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
