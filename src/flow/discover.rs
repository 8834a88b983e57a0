//! Fetching a server's metadata (RFC 8414 section 3, OpenID Connect Discovery section 4).

use super::{AnswerKind, FlowError, World, account::call};
use crate::oauth::{
    message::{Request, Response},
    metadata::{self, ServerMetadata},
};
use http::header::LOCATION;
use url::Url;

/// The metadata of the issuer, from the first of its well-known addresses that has a document which names it.
///
/// # Errors
/// [`FlowError::Answered`]: no address has one, or the first one found does not pass its checks.
pub fn discover(world: &World<'_>, issuer: &str) -> Result<ServerMetadata, FlowError> {
    let refused = |fault: &dyn std::fmt::Display| FlowError::Answered(fault.to_string(), AnswerKind::Refused);
    let endpoint = metadata::issuer(issuer).map_err(|fault| refused(&fault))?;
    let mut last = None;
    for url in metadata::well_known(&endpoint) {
        let response = fetch(world, url)?;
        if response.status.is_success() {
            match ServerMetadata::read(&response.body, issuer) {
                Ok(metadata) => return Ok(metadata),
                // An issuer with a path shares its host with others: the next form may be its own.
                Err(fault) => last = last.or(Some(refused(&fault))),
            }
        } else if response.status.is_server_error() || response.status.as_u16() == 429 {
            let text = format!("{} answered {}", endpoint.authority(), response.status.as_u16());
            return Err(FlowError::Answered(text, AnswerKind::Later));
        }
    }
    let none = || FlowError::Answered(format!("{} has no metadata at any well-known address", endpoint.authority()), AnswerKind::Refused);
    Err(last.unwrap_or_else(none))
}

/// The only requests whose redirects are followed: no secret travels with them (SECURITY D-04).
fn fetch(world: &World<'_>, mut url: Url) -> Result<Response, FlowError> {
    let mut hops = 0;
    loop {
        let response = call(world, &Request::get(url.clone()))?;
        if !response.status.is_redirection() {
            return Ok(response);
        }
        let location = response.header(&LOCATION).unwrap_or_default();
        url = metadata::next_hop(&url, location, hops).map_err(|fault| FlowError::Answered(fault.to_string(), AnswerKind::Refused))?;
        hops += 1;
    }
}
