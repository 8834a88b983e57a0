//! Registering this client at a server that takes registrations from anybody (RFC 7591).

use super::{AnswerKind, FlowError, World, account::call};
use crate::oauth::{
    endpoint::Endpoint,
    registration::{Registered, Wanted},
};

/// Registers a client; nothing is stored here.
///
/// # Errors
/// [`FlowError::Answered`] for anything but a registration that passes its checks. No redirect is followed.
pub fn register(world: &World<'_>, endpoint: &Endpoint, wanted: &Wanted) -> Result<Registered, FlowError> {
    let response = call(world, &wanted.request(endpoint))?;
    match response.status.as_u16() {
        status @ (403 | 404 | 429 | 500..) => {
            Err(FlowError::Answered(format!("{} answered {status} to the registration", endpoint.authority()), AnswerKind::Later))
        }
        _ => wanted.read(&response, endpoint.reach()).map_err(|fault| FlowError::Answered(fault.to_string(), AnswerKind::Refused)),
    }
}
