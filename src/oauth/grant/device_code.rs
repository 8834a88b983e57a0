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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{attempt::ExpectedIssuer, redirect_uri::RedirectUri};
    use http::{HeaderMap, StatusCode};

    fn grant() -> Box<dyn Grant> {
        let pins = serde_json::json!({
            "authorization_endpoint": "https://as.example/a", "token_endpoint": "https://as.example/t",
            "device_authorization_endpoint": "https://as.example/d", "client_id": "till", "client_auth": "none",
        });
        Kind.begin(Consent {
            pins: serde_json::from_value(pins).expect("pins"),
            client_secret: None,
            redirect_uri: RedirectUri::parse("http://127.0.0.1:1/").expect("a redirect URI"),
            scopes: Vec::new(),
            scope_separator: " ".into(),
            params: std::collections::BTreeMap::new(),
            state: Secret::new("state"),
            verifier: None,
            nonce: None,
            expected_issuer: ExpectedIssuer::Unknown,
        })
    }

    fn received(status: u16, body: &str) -> Event {
        let body = zeroize::Zeroizing::new(body.as_bytes().to_vec());
        let status = StatusCode::from_u16(status).expect("a status");
        Event::Received { response: Response { status, headers: HeaderMap::new(), body }, sent_at: SystemTime::UNIX_EPOCH }
    }

    fn codes(members: &str) -> String {
        format!(r#"{{"device_code":"DEVICE","user_code":"ABCD-EFGH","verification_uri":"https://as.example/go"{members}}}"#)
    }

    fn begun(members: &str) -> Result<(Box<dyn Grant>, Step), ProtocolError> {
        let mut grant = grant();
        grant.advance(Event::Begin)?;
        let step = grant.advance(received(200, &codes(members)))?;
        Ok((grant, step))
    }

    fn waits(grant: &mut dyn Grant, event: Event) -> u64 {
        match grant.advance(event) {
            Ok(Step::Wait(time)) => time.as_secs(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn p_06_pauses_are_the_servers_and_grow_for_good_when_it_says_slow_down() {
        let (mut grant, _) = begun(r#","interval":5,"expires_in":600"#).expect("codes");
        assert_eq!(waits(grant.as_mut(), Event::Displayed), 5);
        for expected in [10, 15, 20] {
            assert!(matches!(grant.advance(Event::Elapsed), Ok(Step::Send(_))));
            assert_eq!(waits(grant.as_mut(), received(400, r#"{"error":"slow_down"}"#)), expected);
        }
        assert!(matches!(grant.advance(Event::Elapsed), Ok(Step::Send(_))));
        assert_eq!(waits(grant.as_mut(), received(400, r#"{"error":"authorization_pending"}"#)), 20);
    }

    #[test]
    fn p_06_polling_ends_with_the_code() {
        let (mut grant, _) = begun(r#","interval":5,"expires_in":10"#).expect("codes");
        assert_eq!(waits(grant.as_mut(), Event::Displayed), 5);
        let mut polls = 0;
        loop {
            assert!(matches!(grant.advance(Event::Elapsed), Ok(Step::Send(_))));
            polls += 1;
            match grant.advance(received(400, r#"{"error":"authorization_pending"}"#)) {
                Ok(Step::Wait(_)) => {}
                Err(ProtocolError::CodeExpired) => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(polls, 2);
    }

    #[test]
    fn p_07_only_web_addresses_and_typable_codes_are_shown() {
        for address in ["file:///etc/passwd", "javascript:alert(1)", "http://as.example/go", "http://127.0.0.1/go"] {
            let mut grant = grant();
            grant.advance(Event::Begin).expect("a request");
            let body = codes("").replace("https://as.example/go", address);
            assert!(grant.advance(received(200, &body)).is_err(), "{address}");
        }
        for code in ["\\u001b[2J", "", &"x".repeat(10_000)] {
            let mut grant = grant();
            grant.advance(Event::Begin).expect("a request");
            assert!(grant.advance(received(200, &codes("").replace("ABCD-EFGH", code))).is_err());
        }
    }

    #[test]
    fn p_09_the_device_code_is_not_in_what_is_shown() {
        let (_, step) = begun("").expect("codes");

        assert!(matches!(step, Step::Display(_)));
        assert!(!format!("{step:?}").contains("DEVICE"));
    }

    #[test]
    fn p_10_silly_numbers_neither_poll_at_once_nor_for_ever() {
        for (members, expected) in [
            (r#","interval":0"#, 1),
            (r#","interval":-1"#, 1),
            (r#","interval":"5""#, 5),
            ("", 5),
            (r#","interval":true"#, 5),
            (r#","expires_in":1e9"#, 5),
        ] {
            let (mut grant, _) = begun(members).expect("codes");
            assert_eq!(waits(grant.as_mut(), Event::Displayed), expected, "{members}");
        }
        assert!(begun(r#","interval":1000000000"#).is_err());
        assert!(begun(r#","expires_in":0"#).is_err());
    }
}
