//! How tokens are earned: by a code, by a refresh token, and what every way has in common.

use super::{
    answer::{Refused, shown},
    authorize,
    ledger::{FamilyId, Pair, Presented},
    mint, signature,
    state::Visit,
};
use crate::secret::Secret;
use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Life of an access token in seconds, as O-Series clients see it.
const HOUR: u64 = 3600;

/// Exchanges an authorization code, once (RFC 6749 section 4.1.3).
pub(super) fn by_code(visit: &mut Visit<'_>, client: &str) -> Result<Map<String, Value>, Refused> {
    let gone = Refused::bad("invalid_grant", "Authorization code doesn't exist or is invalid for the client");
    let text = visit.call.member("code")?.ok_or(Refused::bad("invalid_request", "The code is missing"))?;
    let redirect_uri = visit.call.member("redirect_uri")?;
    let verifier = visit.call.member("code_verifier")?;
    let strict = visit.settings.strict;
    let code = visit.state.codes.find(text).filter(|code| code.ticket.client == client).ok_or(gone)?;
    if let Some(family) = code.spent_for {
        // Two people have this code, and one of them is not the client (RFC 6749 section 4.1.2).
        visit.state.ledger.kill(family);
        return Err(gone);
    }
    if visit.now.duration_since(code.issued_at).is_ok_and(|age| age >= visit.settings.code_life()) {
        return Err(Refused::bad("invalid_grant", "The authorization code has expired"));
    }
    if redirect_uri != Some(code.ticket.redirect_uri.as_str()) {
        let error = if strict { "invalid_grant" } else { "redirect_uri_mismatch" };
        return Err(Refused::bad(error, "The redirect URI is missing or do not match"));
    }
    check_verifier(code.ticket.challenge.as_deref(), verifier, strict)?;
    let consent = code.consent.clone();
    let family = visit.state.ledger.open(consent);
    if let Some(code) = visit.state.codes.find(text) {
        code.spent_for = Some(family);
    }
    first_pair(visit, family)
}

/// The first tokens of a family, as an answer.
pub(super) fn first_pair(visit: &mut Visit<'_>, family: FamilyId) -> Result<Map<String, Value>, Refused> {
    let with_refresh_token = !visit.state.faults.omit_refresh_token;
    let pair = issue(visit, family, with_refresh_token)?;
    members(visit, family, &pair)
}

/// Buys the next tokens with a refresh token (RFC 6749 section 6).
pub(super) fn by_refresh_token(visit: &mut Visit<'_>, client: &str) -> Result<Map<String, Value>, Refused> {
    let token = visit.call.member("refresh_token")?.ok_or(Refused::bad("invalid_request", "The refresh token is missing"))?;
    let scope = authorize::scope(visit.call.member("scope")?)?;
    let grace = visit.state.faults.grace;
    let invalid = Refused::bad("invalid_grant", "Invalid refresh token");
    let known = visit.state.ledger.refresh(token).and_then(|family| visit.state.ledger.consent(family));
    if known.is_some_and(|consent| consent.client != client) {
        return Err(invalid);
    }
    let family = match visit.state.ledger.present(token, visit.now, grace) {
        Presented::Live(family) => family,
        Presented::Again(family, pair) => return members(visit, family, &pair),
        Presented::Reused | Presented::Unknown => return Err(invalid),
    };
    let granted = visit.state.ledger.consent(family).map(|consent| consent.scope.clone()).unwrap_or_default();
    if !scope.iter().all(|word| granted.contains(word)) {
        return Err(Refused::bad("invalid_scope", "The scope is wider than what was granted"));
    }
    let rotate = visit.state.faults.rotate;
    let pair = issue(visit, family, rotate)?;
    if rotate {
        visit.state.ledger.spend(token, visit.now, pair.clone());
    }
    members(visit, family, &pair)
}

/// PKCE (RFC 7636 section 4.6). O-Series probably says what went wrong in words of its own.
fn check_verifier(challenge: Option<&str>, verifier: Option<&str>, strict: bool) -> Result<(), Refused> {
    let code = |own: &'static str| if strict { "invalid_grant" } else { own };
    let Some(challenge) = challenge else { return Ok(()) };
    let Some(verifier) = verifier else {
        return Err(Refused::bad(code("code_verifier_missing"), "The PKCE code verifier parameter is required"));
    };
    let is_unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let hash = data_encoding::BASE64URL_NOPAD.encode(digest(&SHA256, verifier.as_bytes()).as_ref());
    if (43..=128).contains(&verifier.len()) && verifier.bytes().all(is_unreserved) && Secret::new(hash).matches(challenge) {
        return Ok(());
    }
    Err(Refused::bad(code("code_verifier_mismatch"), "The PKCE code verifier parameter does not match the code challenge"))
}

fn issue(visit: &mut Visit<'_>, family: FamilyId, with_refresh_token: bool) -> Result<Pair, Refused> {
    let refresh = if with_refresh_token { Some(mint::token()?) } else { None };
    let life = Duration::from_secs(visit.state.faults.expires_in.unwrap_or(HOUR));
    let expires_at = visit.now.checked_add(life).unwrap_or(visit.now);
    let pair = Pair { access: mint::token()?, refresh, expires_at };
    let consented = visit.state.ledger.consent(family).map(|consent| consent.company);
    let company = consented.ok_or(Refused::bad("invalid_grant", "Nobody consented"))?;
    let company = if visit.state.faults.other_account { company.other() } else { company };
    visit.state.ledger.issue(family, &pair, company);
    Ok(pair)
}

/// A successful answer (RFC 6749 section 5.1). A pair that goes out again says what is left of its life.
fn members(visit: &Visit<'_>, family: FamilyId, pair: &Pair) -> Result<Map<String, Value>, Refused> {
    let consent = visit.state.ledger.consent(family).ok_or(Refused::bad("invalid_grant", "Nobody consented"))?;
    let left = pair.expires_at.duration_since(visit.now).unwrap_or_default();
    let mut members = Map::new();
    members.insert("access_token".to_owned(), shown(&pair.access));
    members.insert("expires_in".to_owned(), json!(left.as_secs()));
    members.insert("token_type".to_owned(), json!("Bearer"));
    let scope = if visit.settings.strict { json!(consent.scope.join(" ")) } else { Value::Null };
    members.insert("scope".to_owned(), scope);
    if let Some(refresh) = &pair.refresh {
        members.insert("refresh_token".to_owned(), shown(refresh));
    }
    if visit.settings.strict && consent.scope.iter().any(|word| word == "openid") {
        members.insert("id_token".to_owned(), id_token(visit, family, pair)?);
    }
    Ok(members)
}

/// An ID token (OpenID Connect Core sections 2 and 3.1.3.6).
fn id_token(visit: &Visit<'_>, family: FamilyId, pair: &Pair) -> Result<Value, Refused> {
    let consent = visit.state.ledger.consent(family).ok_or(Refused::bad("invalid_grant", "Nobody consented"))?;
    let access = visit.state.ledger.access(pair.access.expose(), visit.now);
    let company = access.map_or(consent.company, |(_, company, _)| company);
    let mut claims = json!({
        "iss": visit.origin,
        "sub": company.id.to_string(),
        "aud": consent.client,
        "iat": seconds(visit.now),
        "exp": seconds(visit.now) + HOUR,
        "auth_time": seconds(consent.at),
        "at_hash": signature::at_hash(pair.access.expose()),
        "name": company.name,
    });
    if let (Some(nonce), Some(claims)) = (&consent.nonce, claims.as_object_mut()) {
        claims.insert("nonce".to_owned(), json!(nonce));
    }
    let signed = visit.state.key.sign(&claims);
    signed.map(Value::from).map_err(|_| Refused::with(500, "server_error", "the system gives no random bytes"))
}

/// Whole seconds since 1970 (RFC 7519 section 2).
pub(super) fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
