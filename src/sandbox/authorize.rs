//! The authorization endpoint (RFC 6749 section 4.1.1): request checked, decision taken, code sent home.
//!
//! As long as client and redirect URI are not known to be right, nothing goes to the redirect URI (section 4.1.2.1).

use super::{
    answer::{self, Answer, Refused},
    company::{COMPANIES, Company, OWN_COMPANY},
    ledger::{Consent, FamilyId},
    mint, page,
    settings::Decision,
    state::Visit,
};
use crate::{oauth::redirect_uri::RedirectUri, secret::Secret};
use std::time::SystemTime;

/// A checked authorization request.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    /// Who asks.
    pub client: String,
    pub redirect_uri: RedirectUri,
    pub state: Option<String>,
    pub challenge: Option<String>,
    pub scope: Vec<String>,
    pub nonce: Option<String>,
}

/// A code that was issued.
#[derive(Debug)]
pub(super) struct Code {
    pub ticket: Ticket,
    pub consent: Consent,
    pub issued_at: SystemTime,
    /// What it was exchanged for; it never is again.
    pub spent_for: Option<FamilyId>,
}

/// `GET /authorize`.
pub(super) fn ask(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    let Some((client, redirect_uri)) = known_redirect(visit) else { return Ok(mismatch(visit)) };
    let state = visit.call.parameter("state").ok().flatten().map(str::to_owned);
    let ticket = match request(visit, client, redirect_uri.clone()) {
        Ok(ticket) => ticket,
        Err(refused) => return Ok(go_home(visit, &redirect_uri, state.as_deref(), &refusal(refused.error, refused.description))),
    };
    if let Some(error) = visit.state.faults.refuse_authorization.clone() {
        return Ok(go_home(visit, &redirect_uri, state.as_deref(), &refusal(&error, "The server was told to refuse")));
    }
    match visit.settings.decision {
        Decision::Granted => grant(visit, ticket, COMPANIES.first().unwrap_or(&OWN_COMPANY)),
        Decision::Denied => Ok(deny(visit, &ticket)),
        Decision::Asked => {
            let name = mint::token()?;
            let form_action = form_action(&ticket.redirect_uri);
            visit.state.tickets.put(&name, ticket);
            Ok(page::consent(name.expose(), &form_action))
        }
    }
}

/// `POST /authorize`: what was pressed.
pub(super) fn decide(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    let company = visit.call.member("company")?.and_then(Company::by_id);
    let decision = visit.call.member("decision")?;
    let grants = match (decision, company) {
        (Some("grant"), Some(company)) => Some(company),
        (Some("deny"), _) => None,
        _ => return Err(Refused::bad("invalid_request", "pick a company and press a button")),
    };
    let Some(ticket) = visit.call.member(page::TICKET)?.and_then(|name| visit.state.tickets.take(name)) else {
        return Ok(page::notice(400, "Too late", "This page was answered before, or is too old. Start again."));
    };
    match grants {
        Some(company) => grant(visit, ticket, company),
        None => Ok(deny(visit, &ticket)),
    }
}

/// Client and redirect URI, if the client is known and has registered it.
fn known_redirect(visit: &mut Visit<'_>) -> Option<(String, RedirectUri)> {
    let client = visit.call.parameter("client_id").ok()??;
    let uri = RedirectUri::parse(visit.call.parameter("redirect_uri").ok()??).ok()?;
    let client = visit.client(client).filter(|client| client.comes_back_to(&uri))?;
    Some((client.id, uri))
}

fn mismatch(visit: &Visit<'_>) -> Answer {
    if !visit.settings.strict {
        return page::bare_500();
    }
    page::notice(400, "Not registered", "This server does not know that client with that redirect URI. Nothing was sent there.")
}

fn request(visit: &Visit<'_>, client: String, redirect_uri: RedirectUri) -> Result<Ticket, Refused> {
    let (call, strict) = (visit.call, visit.settings.strict);
    let state = call.parameter("state")?.map(str::to_owned);
    if state.is_none() && !strict {
        return Err(Refused::bad("invalid_request", "The state parameter is required"));
    }
    if call.parameter("response_type")? != Some("code") {
        return Err(Refused::bad("unsupported_response_type", "The response type has to be code"));
    }
    let challenge = call.parameter("code_challenge")?.map(str::to_owned);
    match (&challenge, call.parameter("code_challenge_method")?) {
        (Some(challenge), Some("S256")) if challenge.len() == 43 => {}
        (None, None) if !strict => {}
        (None, _) => return Err(Refused::bad("invalid_request", "code_challenge is required")),
        _ => return Err(Refused::bad("invalid_request", "The code challenge has to be made with S256")),
    }
    let scope = scope(call.parameter("scope")?)?;
    Ok(Ticket { client, redirect_uri, state, challenge, scope, nonce: call.parameter("nonce")?.map(str::to_owned) })
}

/// The words of a scope (RFC 6749 section 3.3).
pub(super) fn scope(text: Option<&str>) -> Result<Vec<String>, Refused> {
    let text = text.unwrap_or_default();
    if text.bytes().any(|b| !(b' '..=b'~').contains(&b) || matches!(b, b'"' | b'\\')) {
        return Err(Refused::bad("invalid_scope", "The scope holds characters that no scope may hold"));
    }
    Ok(text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

fn grant(visit: &mut Visit<'_>, ticket: Ticket, company: &'static Company) -> Result<Answer, Refused> {
    let name: Secret = mint::token()?;
    let answer = go_home(visit, &ticket.redirect_uri, ticket.state.as_deref(), &[("code", name.expose())]);
    let consent =
        Consent { client: ticket.client.clone(), company, scope: ticket.scope.clone(), nonce: ticket.nonce.clone(), at: visit.now };
    visit.state.codes.put(&name, Code { ticket, consent, issued_at: visit.now, spent_for: None });
    Ok(answer)
}

fn deny(visit: &Visit<'_>, ticket: &Ticket) -> Answer {
    let members = refusal("access_denied", "The resource owner denied the request");
    go_home(visit, &ticket.redirect_uri, ticket.state.as_deref(), &members)
}

fn refusal<'a>(error: &'a str, description: &'a str) -> [(&'static str, &'a str); 2] {
    [("error", error), ("error_description", description)]
}

/// Sends the user agent to the redirect URI; its text stays as it was registered, members are added.
fn go_home(visit: &Visit<'_>, uri: &RedirectUri, state: Option<&str>, members: &[(&str, &str)]) -> Answer {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(members);
    query.extend_pairs(state.map(|state| ("state", state)));
    let own = visit.settings.strict.then_some(visit.origin);
    let iss = visit.state.faults.iss.as_deref().or(own).filter(|iss| !iss.is_empty());
    query.extend_pairs(iss.map(|iss| ("iss", iss)));
    let separator = if uri.as_str().contains('?') { '&' } else { '?' };
    answer::see_other(&format!("{uri}{separator}{}", query.finish()))
}

/// Browsers hold a form's redirects against `form-action` too. They know no IPv6 literal there.
fn form_action(uri: &RedirectUri) -> String {
    let url = uri.url();
    match url.host() {
        Some(url::Host::Ipv6(_)) => format!("'self' {}:", url.scheme()),
        _ => format!("'self' {}", url.origin().ascii_serialization()),
    }
}
