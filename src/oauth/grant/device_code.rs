//! The device authorization grant (RFC 8628): the person consents on another device.

use super::{Consent, Event, Exchange, Grant, GrantKind, Prompt, ProtocolError, Step};
use crate::{
    oauth::{
        answer::{Class, Expiry, Purpose, judge, read_expires_in},
        endpoint::Endpoint,
        json,
        message::Response,
        pins::Rotation,
        request::Client,
    },
    secret::Secret,
};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

/// Pause between two polls where the server names none (RFC 8628 section 3.2), and what `slow_down` adds for good.
const FIVE: Duration = Duration::from_secs(5);
/// Longest life of a device code that is believed. An hour is more than anybody looks for a phone.
const LONGEST: u64 = 3600;
/// Longest user code, in characters. People type it by hand.
const LONGEST_USER_CODE: usize = 32;

/// Registers the grant.
pub(super) struct Kind;

impl GrantKind for Kind {
    fn name(&self) -> &'static str {
        "device_code"
    }

    fn about(&self) -> &'static str {
        "Consent on another device, with a code to type"
    }

    fn needs_redirect(&self) -> bool {
        false
    }

    fn begin(&self, consent: Consent) -> Box<dyn Grant> {
        Box::new(DeviceCode { consent, codes: None, asked: false, elapsed: Duration::ZERO })
    }
}

struct Codes {
    poll: Exchange,
    interval: Duration,
    expires_in: Duration,
}

struct DeviceCode {
    consent: Consent,
    codes: Option<Codes>,
    asked: bool,
    elapsed: Duration,
}

impl DeviceCode {
    fn ask(&mut self) -> Result<Step, ProtocolError> {
        let Consent { pins, client_secret, scopes, scope_separator, .. } = &self.consent;
        let endpoint = pins.device_authorization_endpoint.as_ref();
        let endpoint =
            endpoint.ok_or_else(|| ProtocolError::Unsupported("no device authorization endpoint is known for this server".into()))?;
        self.asked = true;
        let client = Client { pins, secret: client_secret.as_ref() };
        Ok(Step::Send(client.device_authorization(endpoint, scopes, scope_separator)))
    }

    fn read_codes(&mut self, response: &Response, sent_at: SystemTime) -> Result<Step, ProtocolError> {
        let Consent { pins, client_secret, .. } = &self.consent;
        let members = match json::read(&response.body) {
            Ok(Value::Object(members)) if response.status.is_success() => members,
            _ => return Err(refused(response, pins.default_expires_in, sent_at)),
        };
        let flawed =
            || ProtocolError::Unsupported("the server's device authorization answer lacks a code or an address that can be shown".into());
        let device_code = members.get("device_code").and_then(Value::as_str).filter(|code| !code.is_empty()).ok_or_else(flawed)?;
        let prompt = read_prompt(&members, &pins.token_endpoint).ok_or_else(flawed)?;
        let interval = read_interval(members.get("interval"));
        if interval > prompt.expires_in {
            return Err(ProtocolError::Unsupported("the server wants longer pauses between polls than its code lives".into()));
        }
        let request = Client { pins, secret: client_secret.as_ref() }.device_token(&Secret::new(device_code));
        let poll = Exchange::new(request, Purpose::Exchange, pins, Rotation::Unknown);
        self.codes = Some(Codes { poll, interval, expires_in: prompt.expires_in });
        Ok(Step::Display(prompt))
    }
}

impl Codes {
    fn wait(&self, elapsed: &mut Duration) -> Result<Step, ProtocolError> {
        *elapsed += self.interval;
        if *elapsed > self.expires_in { Err(ProtocolError::CodeExpired) } else { Ok(Step::Wait(self.interval)) }
    }

    /// `authorization_pending` and `slow_down` keep the polling going (RFC 8628 section 3.5); so does every answer that
    /// says "later". Nothing here is spent by asking again.
    fn polled(&mut self, event: Event, elapsed: &mut Duration) -> Result<Step, ProtocolError> {
        match error_of(&event).as_deref() {
            Some("authorization_pending") => return self.wait(elapsed),
            Some("slow_down") => {
                self.interval += FIVE;
                return self.wait(elapsed);
            }
            Some("expired_token") => return Err(ProtocolError::CodeExpired),
            _ => {}
        }
        if let Event::Undelivered { .. } = event {
            // RFC 8628 section 3.5 asks for a growing pause when the connection times out.
            self.interval = self.interval.saturating_mul(2);
            return self.wait(elapsed);
        }
        match self.poll.advance(event) {
            Err(ProtocolError::Answer(verdict)) if verdict.class == Class::Later => self.wait(elapsed),
            outcome => outcome,
        }
    }
}

impl Grant for DeviceCode {
    fn advance(&mut self, event: Event) -> Result<Step, ProtocolError> {
        match (event, &mut self.codes) {
            (Event::Begin, None) if !self.asked => self.ask(),
            (Event::Received { response, sent_at }, None) => self.read_codes(&response, sent_at),
            (Event::Undelivered { undelivered, sent_at }, None) => Err(unreached(&undelivered, sent_at)),
            (Event::Displayed, Some(codes)) => codes.wait(&mut self.elapsed),
            (Event::Elapsed, Some(codes)) => Ok(codes.poll.send()),
            (Event::OutOfTime, Some(_)) => Err(ProtocolError::CodeExpired),
            (event, Some(codes)) => codes.polled(event, &mut self.elapsed),
            _ => Err(ProtocolError::OutOfStep),
        }
    }
}

fn error_of(event: &Event) -> Option<String> {
    let Event::Received { response, .. } = event else { return None };
    let Some(Value::Object(members)) = json::read_leniently(&response.body) else { return None };
    members.get("error").and_then(Value::as_str).map(str::to_owned)
}

fn refused(response: &Response, default_expires_in: Option<u64>, sent_at: SystemTime) -> ProtocolError {
    let mut verdict = judge(Ok(response), &asked(default_expires_in, sent_at));
    if verdict.class == Class::Granted {
        verdict.class = Class::Refused;
        verdict.reason = "the server's device authorization answer is not one".into();
    }
    ProtocolError::Answer(Box::new(verdict))
}

fn unreached(undelivered: &crate::oauth::message::Undelivered, sent_at: SystemTime) -> ProtocolError {
    ProtocolError::Answer(Box::new(judge(Err(undelivered), &asked(None, sent_at))))
}

fn asked(default_expires_in: Option<u64>, sent_at: SystemTime) -> crate::oauth::answer::Asked {
    crate::oauth::answer::Asked { purpose: Purpose::Exchange, sent_at, rotation: Rotation::Unknown, has_grace: false, default_expires_in }
}

fn read_prompt(members: &Map<String, Value>, token_endpoint: &Endpoint) -> Option<Prompt> {
    // Some servers spell it `verification_url`, as a draft of the RFC did.
    let address = members.get("verification_uri").or_else(|| members.get("verification_url"))?.as_str()?;
    let verification_uri = Endpoint::parse(address, token_endpoint.reach()).ok()?.url().clone();
    let user_code = members.get("user_code")?.as_str()?;
    let typable =
        !user_code.is_empty() && user_code.len() <= LONGEST_USER_CODE && user_code.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let seconds = match read_expires_in(members.get("expires_in")) {
        Expiry::Seconds(seconds) => seconds.min(LONGEST),
        Expiry::Unsaid | Expiry::Garbage => LONGEST,
    };
    typable.then(|| Prompt { verification_uri, user_code: user_code.to_owned(), expires_in: Duration::from_secs(seconds) })
}

/// A minimum, never shortened below a second (SECURITY P-10).
fn read_interval(value: Option<&Value>) -> Duration {
    match read_expires_in(value) {
        Expiry::Seconds(seconds) => Duration::from_secs(seconds.max(1)),
        Expiry::Unsaid | Expiry::Garbage => FIVE,
    }
}
