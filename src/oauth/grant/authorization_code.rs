//! The authorization-code grant (RFC 6749 section 4.1) with PKCE (RFC 7636).

use super::{Consent, Event, Exchange, Grant, GrantKind, ProtocolError, Step};
use crate::{
    oauth::{
        answer::Purpose,
        attempt::{Attempt, Ending},
        pins::Rotation,
        request::{AuthorizationRequest, Client},
    },
    secret::Secret,
    text::printable,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Registers the grant.
pub(super) struct Kind;

impl GrantKind for Kind {
    fn name(&self) -> &'static str {
        "authorization_code"
    }

    fn about(&self) -> &'static str {
        "Consent in a browser that comes back to this machine"
    }

    fn needs_redirect(&self) -> bool {
        true
    }

    fn begin(&self, consent: Consent) -> Box<dyn Grant> {
        Box::new(AuthorizationCode::new(consent))
    }
}

/// One authorization, from the request to the tokens.
#[derive(Debug)]
pub struct AuthorizationCode {
    consent: Consent,
    attempt: Arc<Mutex<Attempt>>,
    exchange: Option<Exchange>,
}

impl AuthorizationCode {
    /// At its beginning.
    pub fn new(consent: Consent) -> Self {
        let attempt = Attempt::new(consent.state.clone(), consent.redirect_uri.clone(), consent.expected_issuer.clone());
        Self { consent, attempt: Arc::new(Mutex::new(attempt)), exchange: None }
    }

    fn authorize(&self) -> Result<Step, ProtocolError> {
        let Consent { redirect_uri, state, verifier, nonce, scopes, scope_separator, params, pins, .. } = &self.consent;
        let (verifier, nonce) = (verifier.as_ref(), nonce.as_ref());
        let url = AuthorizationRequest { redirect_uri, state, verifier, nonce, scopes, scope_separator, params }.url(pins)?;
        Ok(Step::Authorize { url, attempt: Arc::clone(&self.attempt) })
    }

    fn redirected(&mut self) -> Result<Step, ProtocolError> {
        let attempt = Arc::clone(&self.attempt);
        let attempt = attempt.lock().unwrap_or_else(PoisonError::into_inner);
        match attempt.ending() {
            Some(Ending::Code { code, .. }) => Ok(self.exchange(code)),
            Some(Ending::Refused { error, description }) => {
                Err(ProtocolError::Denied { error: printable(error), description: description.as_deref().map(printable) })
            }
            Some(Ending::WrongIssuer { got }) => Err(ProtocolError::WrongIssuer { got: got.as_deref().map(printable) }),
            None => Err(ProtocolError::OutOfStep),
        }
    }

    fn exchange(&mut self, code: &Secret) -> Step {
        let Consent { pins, client_secret, redirect_uri, verifier, .. } = &self.consent;
        let request = Client { pins, secret: client_secret.as_ref() }.code_exchange(code, redirect_uri, verifier.as_ref());
        self.exchange.insert(Exchange::new(request, Purpose::Exchange, pins, Rotation::Unknown)).send()
    }
}

impl Grant for AuthorizationCode {
    fn advance(&mut self, event: Event) -> Result<Step, ProtocolError> {
        match (event, &mut self.exchange) {
            (Event::Begin, None) => self.authorize(),
            (Event::Redirected, None) => self.redirected(),
            (event, Some(exchange)) => exchange.advance(event),
            _ => Err(ProtocolError::OutOfStep),
        }
    }

    fn issuer(&self) -> Option<String> {
        match self.attempt.lock().unwrap_or_else(PoisonError::into_inner).ending() {
            Some(Ending::Code { issuer, .. }) => issuer.clone(),
            _ => None,
        }
    }
}
