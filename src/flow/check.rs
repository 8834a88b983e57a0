//! Asking the server whether a grant is alive, and whose it is; and saying what could be stronger.

use super::{
    AnswerKind, FlowError, World,
    account::{by_verify_call, call, call_with_token},
};
use crate::{
    oauth::{introspection::Introspection, pins::Rotation, request::Client, userinfo::UserInfo},
    profile::{Account, Record, Registration},
};
use std::time::Duration;

/// What the server said.
#[derive(Debug)]
pub struct Report {
    /// How it was asked: `verify call`, `userinfo` or `introspection`.
    pub asked: &'static str,
    /// Which host answered.
    pub host: String,
    /// Whose grant it is.
    pub account: Option<Account>,
    /// What could be stronger.
    pub findings: Vec<Finding>,
}

/// Something that could be stronger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding(pub String);

/// Asks the server about the grant's access token: the verify call, else userinfo, else introspection.
///
/// # Errors
/// [`FlowError::Answered`] with [`AnswerKind::Dead`] where the token is not taken; the access-token cache forgets it.
pub fn check(world: &World<'_>, record: &Record) -> Result<Report, FlowError> {
    let no_grant = || FlowError::NoGrant(record.profile.clone());
    let registration = record.registration.as_ref().ok_or_else(no_grant)?;
    let current = record.current.as_ref().ok_or_else(no_grant)?;
    let outcome = ask(world, registration, record);
    if let Err(FlowError::Answered(_, AnswerKind::Dead)) = &outcome {
        world.cache.forget(&record.id);
    }
    let (asked, host, account) = outcome?;
    let account = account.or_else(|| current.account.clone());
    Ok(Report { asked, host, account, findings: findings(record, registration) })
}

fn ask(world: &World<'_>, registration: &Registration, record: &Record) -> Result<(&'static str, String, Option<Account>), FlowError> {
    let pins = &registration.pins;
    let Some(current) = &record.current else { return Err(FlowError::NoGrant(record.profile.clone())) };
    let token = &current.tokens.access_token;
    if let Some(verify) = &pins.verify {
        return Ok(("verify call", verify.url.authority(), by_verify_call(world, registration, &current.tokens)?));
    }
    // Where openid was asked for and not granted, userinfo takes no token, dead or alive (OpenID Connect section 5.3).
    let granted = current.tokens.scope.as_ref().unwrap_or(&current.asked);
    if let Some(endpoint) = pins.userinfo_endpoint.as_ref().filter(|_| granted.iter().any(|scope| scope == "openid")) {
        let response = call_with_token(world, endpoint, token)?;
        let subject = current.account.as_ref().filter(|account| account.noun == "subject").map(|account| account.id.as_str());
        let info = UserInfo::read(&response.body, subject).map_err(|fault| FlowError::Answered(fault.to_string(), AnswerKind::Refused))?;
        let label = info.label().to_owned();
        let account = Account { id: info.sub, label, noun: "subject".into(), facts: Vec::new(), verified: true };
        return Ok(("userinfo", endpoint.authority(), Some(account)));
    }
    let client = Client { pins, secret: registration.client_secret.as_ref() };
    let request =
        client.introspection(token, "access_token").ok_or(FlowError::NoEndpoint("verify call, userinfo or introspection endpoint"))?;
    let host = pins.introspection_endpoint.as_ref().map(crate::oauth::endpoint::Endpoint::authority).unwrap_or_default();
    let response = call(world, &request)?;
    match response.status.as_u16() {
        200..=299 => {}
        403 | 404 | 429 | 500.. => {
            return Err(FlowError::Answered(format!("{host} answered {}", response.status.as_u16()), AnswerKind::Later));
        }
        status => return Err(FlowError::Answered(format!("{host} answered {status}"), AnswerKind::Refused)),
    }
    let said = Introspection::read(&response.body).map_err(|fault| FlowError::Answered(fault.to_string(), AnswerKind::Refused))?;
    if said.active {
        return Ok(("introspection", host, None));
    }
    Err(FlowError::Answered(format!("{host} says that the access token is not active"), AnswerKind::Dead))
}

fn findings(record: &Record, registration: &Registration) -> Vec<Finding> {
    let pins = &registration.pins;
    let Some(current) = &record.current else { return Vec::new() };
    let tokens = &current.tokens;
    let mut findings = Vec::new();
    let mut add = |holds: bool, text: &str| {
        if holds {
            findings.push(Finding(text.to_owned()));
        }
    };
    let day = Duration::from_secs(24 * 3600);
    let life = tokens.expires_at.and_then(|end| end.duration_since(tokens.requested_at).ok());
    add(tokens.refresh_token.is_none(), "no refresh token: a person has to log in whenever the access token ends");
    add(tokens.expires_at.is_none(), "the server does not say when the access token ends");
    add(life.is_some_and(|life| life > day), "the access token lives longer than a day");
    add(current.rotation == Rotation::None, "the refresh token is not rotated: whoever copies it can use it until it is revoked");
    add(pins.revocation_endpoint.is_none(), "no revocation endpoint is known: a lost token cannot be called back from here");
    add(
        registration.client_secret.is_none() && current.rotation == Rotation::None,
        "a public client without rotation (RFC 9700 section 2.2.2)",
    );
    findings
}
