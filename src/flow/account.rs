//! Whose tokens they are: the verify call, or the claims of a verified ID token.

use super::{AnswerKind, FlowError, World};
use crate::{
    oauth::{
        account::Identity,
        bearer,
        endpoint::Endpoint,
        id_token::{self, Claims, Expected},
        jwks::JwkSet,
        message::{Request, Response},
        token::TokenSet,
    },
    profile::{Account, Current, Registration},
    secret::Secret,
};
use std::time::{Duration, Instant};

/// A call beside the token endpoint gets as long as a connection and one silence.
const CALL: Duration = Duration::from_secs(20);

/// Sends one request with the call's own deadline.
pub(super) fn call(world: &World<'_>, request: &Request) -> Result<Response, FlowError> {
    let deadline: Instant = world.clock.instant() + CALL;
    Ok(world.transport.send(request, deadline)?)
}

/// Sends one request with the access token and sorts what is not a success.
pub(super) fn call_with_token(world: &World<'_>, endpoint: &Endpoint, token: &Secret) -> Result<Response, FlowError> {
    let response = call(world, &bearer::get(endpoint, token))?;
    let host = endpoint.authority();
    let status = response.status.as_u16();
    match status {
        200..=299 => Ok(response),
        401 => Err(FlowError::Answered(format!("{host} does not take the access token (401)"), AnswerKind::Dead)),
        // Old servers of O-Series answer 400 with this code to a token that has ended.
        400 if String::from_utf8_lossy(&response.body).contains("invalid_token") => {
            Err(FlowError::Answered(format!("{host} does not take the access token (400)"), AnswerKind::Dead))
        }
        403 | 404 | 429 | 500.. => Err(FlowError::Answered(format!("{host} answered {status}"), AnswerKind::Later)),
        _ => Err(FlowError::Answered(format!("{host} answered {status}"), AnswerKind::Refused)),
    }
}

/// The account that the provider's verify call names; `None` where there is no such call.
pub(super) fn by_verify_call(world: &World<'_>, registration: &Registration, tokens: &TokenSet) -> Result<Option<Account>, FlowError> {
    let Some(verify) = &registration.pins.verify else { return Ok(None) };
    let response = call_with_token(world, &verify.url, &tokens.access_token)?;
    let identity = Identity::read(verify, &response.body)
        .map_err(|fault| FlowError::Answered(format!("{} names no account: {fault}", verify.url.authority()), AnswerKind::Refused))?;
    let Identity { id, label, noun, facts } = identity;
    Ok(Some(Account { id, label, noun, facts, verified: true }))
}

/// The account that a verified ID token names; `None` where none was asked for or the answer carries none. `nonce` is
/// what the authorization request sent; a device login has no such request, and sends none.
pub(super) fn by_id_token(
    world: &World<'_>,
    registration: &Registration,
    Current { tokens, asked, .. }: &Current,
    nonce: Option<&Secret>,
) -> Result<Option<Account>, FlowError> {
    let pins = &registration.pins;
    let asked = asked.iter().any(|scope| scope == "openid");
    let Some(token) = tokens.id_token.as_ref().filter(|_| asked) else { return Ok(None) };
    let (Some(issuer), Some(jwks_uri)) = (&pins.issuer, &pins.jwks_uri) else { return Ok(None) };
    let response = call(world, &Request::get(jwks_uri.url().clone()))?;
    if !response.status.is_success() {
        let text = format!("{} answered {} when asked for its keys", jwks_uri.authority(), response.status.as_u16());
        return Err(FlowError::Answered(text, AnswerKind::Later));
    }
    let keys = JwkSet::read(&response.body).map_err(|fault| FlowError::IdToken(fault.to_string()))?;
    let expected = Expected {
        issuer,
        client_id: &pins.client_id,
        nonce,
        algorithms: &pins.id_token_algs,
        access_token: Some(&tokens.access_token),
        code: None,
        now: world.clock.now(),
    };
    let claims = id_token::read(token, &keys, &expected).map_err(|fault| FlowError::IdToken(fault.to_string()))?;
    Ok(Some(of_claims(&claims)))
}

fn of_claims(claims: &Claims) -> Account {
    let label = ["name", "preferred_username", "email"].into_iter().find_map(|name| claims.text(name)).unwrap_or(&claims.sub);
    Account { id: claims.sub.clone(), label: label.to_owned(), noun: "subject".into(), facts: Vec::new(), verified: true }
}
