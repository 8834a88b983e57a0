//! Refreshing an access token (RFC 6749 section 6).

use super::{Event, Exchange, Grant, ProtocolError, Step};
use crate::{
    oauth::{answer::Purpose, pins::Rotation, redirect_uri::RedirectUri, request::Client},
    secret::Secret,
};

/// One refresh, with the replays that its server allows.
#[derive(Debug)]
pub struct Refresh(Exchange);

impl Refresh {
    /// Spends `refresh_token`.
    ///
    /// `rotation` is what earlier answers taught; a patient one waits out its budget for an answer that may still come.
    pub fn new(client: Client<'_>, refresh_token: &Secret, redirect_uri: Option<&RedirectUri>, rotation: Rotation, patient: bool) -> Self {
        let request = client.refresh(refresh_token, redirect_uri);
        Self(Exchange { patient, ..Exchange::new(request, Purpose::Refresh, client.pins, rotation) })
    }
}

impl Grant for Refresh {
    fn advance(&mut self, event: Event) -> Result<Step, ProtocolError> {
        match event {
            Event::Begin => Ok(self.0.send()),
            event => self.0.advance(event),
        }
    }
}
