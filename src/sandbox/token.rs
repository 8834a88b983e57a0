//! The token endpoint (RFC 6749 sections 4.1.3, 5 and 6), faults included.

use super::{
    answer::{self, Answer, Refused},
    faults::{Failure, Fate},
    grant,
    state::Visit,
};
use crate::http::server::Cut;
use http::{HeaderValue, header};
use serde_json::{Map, Value};

/// Credentials in an address end up in logs (RFC 6749 section 2.3.1).
const NEVER_IN_A_QUERY: &[&str] = &["client_secret", "code", "refresh_token", "code_verifier", "device_code"];

/// `POST /v1/token.json`.
pub(super) fn answer(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    match visit.state.faults.next_fate() {
        Fate::Untouched => {}
        Fate::Refuse(refusing) => return Ok(answer::error(refusing.status, &refusing.error, "The server was told to refuse")),
        Fate::Fail(failure) => {
            if failure.commits {
                issue(visit)?;
            }
            return Ok(failing(&failure));
        }
    }
    let odd = visit.state.faults.next_odd();
    if let Some(odd) = odd.filter(|odd| !odd.commits) {
        return Ok(odd.distort(&Map::new()));
    }
    let members = issue(visit)?;
    let mut answer = odd.map_or_else(|| answer::json(200, &Value::Object(members.clone())), |odd| odd.distort(&members));
    if let Some(after) = visit.state.faults.next_cut() {
        answer.extensions_mut().insert(Cut { after });
    }
    Ok(answer)
}

/// Any path on which nobody should ever arrive with a token request.
pub(super) fn elsewhere(_: &mut Visit<'_>) -> Result<Answer, Refused> {
    Err(Refused::with(404, "not_found", "there is nothing here"))
}

fn issue(visit: &mut Visit<'_>) -> Result<Map<String, Value>, Refused> {
    if visit.call.query.iter().any(|(name, _)| NEVER_IN_A_QUERY.contains(&name.as_str())) {
        return Err(Refused::bad("invalid_request", "credentials do not belong into the address"));
    }
    let client = visit.authenticate()?;
    match visit.call.member("grant_type")? {
        Some("authorization_code") => grant::by_code(visit, &client),
        Some("refresh_token") => grant::by_refresh_token(visit, &client),
        Some("urn:ietf:params:oauth:grant-type:device_code") if visit.settings.strict => super::device::poll(visit, &client),
        Some(_) => Err(Refused::bad("unsupported_grant_type", "The grant type is not supported")),
        None => Err(Refused::bad("invalid_request", "The grant type was not specified in the request")),
    }
}

fn failing(failure: &Failure) -> Answer {
    let mut answer = answer::error(failure.status, "temporarily_unavailable", "The server was told to fail");
    if let Some(value) = failure.retry_after.as_deref().and_then(|text| HeaderValue::from_str(text).ok()) {
        answer.headers_mut().insert(header::RETRY_AFTER, value);
    }
    answer
}
