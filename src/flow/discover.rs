//! Fetching what a server says of itself (RFC 8414 section 3, OpenID Connect Discovery section 4), and what a resource says of
//! its server (RFC 9728 section 3).

use super::{AnswerKind, FlowError, World, account::call};
use crate::oauth::{
    message::{Request, Response},
    metadata::{self, ServerMetadata},
    resource::{ProtectedResource, Resource},
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

/// What the resource says of itself. The root of its host is asked only where nothing lies below its own path.
///
/// # Errors
/// [`FlowError::Answered`]: it says nothing, or what it says does not pass its checks.
pub fn protected_resource(world: &World<'_>, resource: &Resource) -> Result<ProtectedResource, FlowError> {
    let host = resource.endpoint().authority();
    for url in resource.well_known() {
        let response = fetch(world, url)?;
        match response.status.as_u16() {
            200..=299 => {
                let read = ProtectedResource::read(&response.body, resource);
                return read.map_err(|fault| FlowError::Answered(fault.to_string(), AnswerKind::Refused));
            }
            404 => {}
            status @ (429 | 500..) => return Err(FlowError::Answered(format!("{host} answered {status}"), AnswerKind::Later)),
            status => return Err(FlowError::Answered(format!("{host} answered {status} instead of its metadata"), AnswerKind::Refused)),
        }
    }
    Err(FlowError::Answered(format!("{host} does not say which authorization server it trusts"), AnswerKind::Refused))
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
