//! Device logins (RFC 8628): a code for the device, a shorter one for the person, and polls in between.

use super::{
    answer::{self, Answer, Refused},
    authorize,
    company::Company,
    grant,
    ledger::Consent,
    mint, page,
    state::Visit,
};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// One device that waits.
#[derive(Debug)]
pub(super) struct DeviceLogin {
    client: String,
    user_code: String,
    scope: Vec<String>,
    expires_at: SystemTime,
    interval: Duration,
    polled_at: Option<SystemTime>,
    decision: Option<Option<&'static Company>>,
}

/// How much longer a device that polls too fast has to wait each time (section 3.5).
const PENALTY: Duration = Duration::from_secs(5);

/// `POST /device_authorization` (section 3.1).
pub(super) fn begin(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    let client = visit.authenticate()?;
    let scope = authorize::scope(visit.call.member("scope")?)?;
    let (device_code, user_code) = (mint::token()?, mint::user_code()?);
    let (life, interval) = (visit.settings.device_life, visit.settings.device_interval);
    let document = json!({
        "device_code": device_code.expose(),
        "user_code": user_code,
        "verification_uri": visit.at("/device"),
        "verification_uri_complete": visit.at(&format!("/device?user_code={user_code}")),
        "expires_in": life.as_secs(),
        "interval": interval.as_secs(),
    });
    let expires_at = visit.now.checked_add(life).unwrap_or(visit.now);
    let login = DeviceLogin { client, user_code, scope, expires_at, interval, polled_at: None, decision: None };
    visit.state.devices.put(&device_code, login);
    Ok(answer::json(200, &document))
}

/// `GET /device`.
pub(super) fn ask(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    let Some(typed) = visit.call.parameter("user_code")? else { return Ok(page::device(None)) };
    Ok(match waiting(visit, typed) {
        Some(login) => page::device(Some(&login.user_code)),
        None => unknown(),
    })
}

/// `POST /device`: what was pressed.
pub(super) fn decide(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    let company = visit.call.member("company")?.and_then(Company::by_id);
    let decision = match (visit.call.member("decision")?, company) {
        (Some("grant"), Some(company)) => Some(company),
        (Some("deny"), _) => None,
        _ => return Err(Refused::bad("invalid_request", "pick a company and press a button")),
    };
    let typed = visit.call.member("user_code")?.unwrap_or_default();
    let Some(login) = waiting(visit, typed) else { return Ok(unknown()) };
    login.decision = Some(decision);
    Ok(match decision {
        Some(_) => page::notice(200, "Connected", "Go back to your device."),
        None => page::notice(200, "Denied", "The device gets nothing."),
    })
}

/// The device asks whether somebody has decided (section 3.4).
pub(super) fn poll(visit: &mut Visit<'_>, client: &str) -> Result<Map<String, Value>, Refused> {
    let text = visit.call.member("device_code")?.ok_or(Refused::bad("invalid_request", "The device code is missing"))?;
    let slow_down = Refused::bad("slow_down", "Poll less often");
    let told = visit.state.faults.next_slow_down();
    let now = visit.now;
    let login = visit.state.devices.find(text).filter(|login| login.client == client);
    let login = login.ok_or(Refused::bad("invalid_grant", "The device code is unknown"))?;
    let since = login.polled_at.replace(now).map(|at| now.duration_since(at).unwrap_or_default());
    if now >= login.expires_at {
        return Err(Refused::bad("expired_token", "The device code has expired"));
    }
    if told || since.is_some_and(|since| since < login.interval) {
        login.interval = penalized(login.interval);
        return Err(slow_down);
    }
    let company = match login.decision {
        None => return Err(Refused::bad("authorization_pending", "Nobody has decided yet")),
        Some(None) => return Err(Refused::bad("access_denied", "The resource owner denied the request")),
        Some(Some(company)) => company,
    };
    let Some(login) = visit.state.devices.take(text) else { return Err(slow_down) };
    let family = visit.state.ledger.open(Consent { client: login.client, company, scope: login.scope, nonce: None, at: now });
    grant::first_pair(visit, family)
}

/// The interval after a poll that came too early (section 3.5). Without an interval nobody is ever too fast: a client under a
/// clock of its own must not be punished by ours.
fn penalized(interval: Duration) -> Duration {
    if interval.is_zero() { interval } else { interval + PENALTY }
}

/// The undecided login with that user code; people leave the dash out and write small letters (section 6.1).
fn waiting<'a>(visit: &'a mut Visit<'_>, typed: &str) -> Option<&'a mut DeviceLogin> {
    let now = visit.now;
    let plain = |code: &str| code.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let typed = plain(typed);
    visit.state.devices.find_by(|_, login| plain(&login.user_code) == typed && login.decision.is_none() && now < login.expires_at)
}

fn unknown() -> Answer {
    page::notice(400, "Unknown code", "No device waits with that code. Look at its display again.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_early_poll_costs_five_seconds_where_there_is_an_interval() {
        assert_eq!(penalized(Duration::from_secs(5)), Duration::from_secs(10));
        assert_eq!(penalized(Duration::ZERO), Duration::ZERO);
    }
}
