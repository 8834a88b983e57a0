//! A client that registers itself (RFC 7591): the request, and what of the answer is believed.
//!
//! What comes back is bound to the server that it came from: id and secret go into the record together with that server's pins.
//! The registration is never read or changed later (RFC 7592), so the token for that is not kept.

use super::{
    client_auth::{Method, UnknownMethod},
    endpoint::{Endpoint, EndpointError, Reach},
    json::{self, JsonFault},
    message::{Request, Response},
    redirect_uri::RedirectUri,
};
use crate::{secret::Secret, text::printable};
use http::{HeaderValue, header};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// Name under which a person finds the client in the server's lists, the same for everybody: it says nothing of this machine.
const NAME: &str = "tokenstrap";
/// Longest id or secret, in bytes. Ids that are signed documents of their own reach 2 KiB.
const LONGEST: usize = 8 * 1024;

/// What this client is to be registered as.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where the user agent comes back to; none for a login on another device.
    pub redirect_uri: Option<RedirectUri>,
    /// How tokens are earned.
    pub grant_type: &'static str,
    /// Whether they are to be refreshed; a server that cannot may refuse whoever asks for it.
    pub refreshes: bool,
    /// How the client proves who it is.
    pub client_auth: Method,
}

/// A client as the server registered it.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Its id; printable ASCII.
    pub client_id: String,
    /// Its secret, where its method needs one.
    pub client_secret: Option<Secret>,
    /// When the secret ends.
    pub secret_ends_at: Option<SystemTime>,
    /// How it proves who it is, as the server has it.
    pub client_auth: Method,
}

/// Why an answer registers nothing. Texts in it are printable and hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationFault {
    /// An error response (section 3.2.2).
    #[error("the server registers no client here: {0}")]
    Refused(String),
    /// Not a JSON document that can be trusted.
    #[error("the answer to the registration cannot be read: {0}")]
    Json(#[from] JsonFault),
    /// JSON, but not an object.
    #[error("the answer to the registration is not a JSON object")]
    NotAnObject,
    /// A member is missing or not of its type.
    #[error("`{0}` in the answer to the registration is not what it should be")]
    Member(&'static str),
    /// The registered redirect URIs are not ours.
    #[error("the server registered other redirect URIs than the one that was asked for")]
    OtherRedirect,
    /// Where the registration could be changed is no safe address.
    #[error("`registration_client_uri` in the answer to the registration is refused: {0}")]
    Address(#[from] EndpointError),
    /// It names a method that is not known here.
    #[error("the server registered the client for another method: {0}")]
    Method(#[from] UnknownMethod),
}

impl Wanted {
    /// The request (section 3.1); it carries no secret.
    pub fn request(&self, endpoint: &Endpoint) -> Request {
        let redirect_uris: Vec<&str> = self.redirect_uri.iter().map(RedirectUri::as_str).collect();
        let grant_types: Vec<&str> = [self.grant_type].into_iter().chain(self.refreshes.then_some("refresh_token")).collect();
        let mut document = json!({
            "client_name": NAME,
            "application_type": "native",
            "grant_types": grant_types,
            "response_types": self.redirect_uri.iter().map(|_| "code").collect::<Vec<_>>(),
            "token_endpoint_auth_method": self.client_auth.name(),
        });
        if let (false, Some(members)) = (redirect_uris.is_empty(), document.as_object_mut()) {
            members.insert("redirect_uris".into(), json!(redirect_uris));
        }
        let mut request = Request::get(endpoint.url().clone());
        request.method = http::Method::POST;
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = Some(Secret::new(document.to_string()));
        request
    }

    /// Reads the answer of a server of that reach (section 3.2.1).
    ///
    /// # Errors
    /// [`RegistrationFault`].
    pub fn read(&self, response: &Response, reach: Reach) -> Result<Registered, RegistrationFault> {
        if !matches!(response.status.as_u16(), 200 | 201) {
            return Err(RegistrationFault::Refused(refusal(response)));
        }
        let Value::Object(members) = json::read(&response.body)? else { return Err(RegistrationFault::NotAnObject) };
        self.check_redirect_uris(&members)?;
        if let Some(uri) = text(&members, "registration_client_uri")? {
            Endpoint::parse(uri, reach)?;
        }
        let client_id = text(&members, "client_id")?.filter(|id| is_plain(id)).ok_or(RegistrationFault::Member("client_id"))?;
        let secret = text(&members, "client_secret")?.filter(|secret| !secret.is_empty());
        if !secret.is_none_or(is_plain) {
            return Err(RegistrationFault::Member("client_secret"));
        }
        let client_auth = match text(&members, "token_endpoint_auth_method")? {
            Some(name) => Method::by_name(name)?,
            None => self.client_auth,
        };
        if client_auth.needs_secret() && secret.is_none() {
            return Err(RegistrationFault::Member("client_secret"));
        }
        let client_secret = secret.filter(|_| client_auth.needs_secret()).map(Secret::new);
        let secret_ends_at = if client_secret.is_some() { end(&members)? } else { None };
        Ok(Registered { client_id: client_id.to_owned(), client_secret, secret_ends_at, client_auth })
    }

    /// A server that registered something else would send the code there, or nowhere.
    fn check_redirect_uris(&self, members: &Map<String, Value>) -> Result<(), RegistrationFault> {
        let Some(own) = &self.redirect_uri else { return Ok(()) };
        let registered = members.get("redirect_uris").and_then(Value::as_array).ok_or(RegistrationFault::Member("redirect_uris"))?;
        let known = registered.iter().filter_map(|uri| RedirectUri::parse(uri.as_str()?).ok());
        if known.into_iter().any(|known| own.is_registered_by(&known)) { Ok(()) } else { Err(RegistrationFault::OtherRedirect) }
    }
}

/// 1 to 8 KiB of printable ASCII (RFC 6749 appendix A.1 and A.2).
fn is_plain(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

fn text<'a>(members: &'a Map<String, Value>, member: &'static str) -> Result<Option<&'a str>, RegistrationFault> {
    let Some(value) = members.get(member).filter(|value| !value.is_null()) else { return Ok(None) };
    value.as_str().map(Some).ok_or(RegistrationFault::Member(member))
}

/// Seconds since 1970; 0 means never, and so does what is beyond all calendars.
fn end(members: &Map<String, Value>) -> Result<Option<SystemTime>, RegistrationFault> {
    const MEMBER: &str = "client_secret_expires_at";
    let Some(value) = members.get(MEMBER).filter(|value| !value.is_null()) else { return Ok(None) };
    let seconds = value.as_u64().ok_or(RegistrationFault::Member(MEMBER))?;
    Ok(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).filter(|_| seconds > 0))
}

/// The server's own words, printable and short.
fn refusal(response: &Response) -> String {
    let status = response.status.as_u16();
    let Some(Value::Object(members)) = json::read_leniently(&response.body) else { return format!("it answered {status}") };
    let said = |name: &str| members.get(name).and_then(Value::as_str);
    match (said("error"), said("error_description")) {
        (Some(error), Some(description)) => format!("{status} {}", printable(&format!("`{error}`: {description}"))),
        (Some(error), None) => format!("{status} `{}`", printable(error)),
        _ => format!("it answered {status}"),
    }
}

#[cfg(test)]
mod tests;
