//! Reading what the server answers, strictly: what is not understood is never taken for *nothing there*.

use super::{place::Place, sign_in::SignedIn};
use crate::{
    oauth::{
        json,
        message::{Response, Undelivered},
    },
    ports::StoreError,
    secret::{self, Secret},
    text::printable,
};
use http::header;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::time::{Duration, SystemTime};

/// Most words of the server that are repeated, and the longest of them: a token is longer.
const WORDS: (usize, usize) = (24, 20);

/// What lies at one path.
pub(super) struct Item {
    /// 0 where nothing ever lay.
    pub(super) version: u64,
    /// Nothing where it was removed by hand.
    pub(super) content: Option<Secret>,
    /// Time since it was written, by the server's own clock.
    pub(super) age: Duration,
}

/// Why there is no answer that counts.
pub(super) enum Refusal {
    /// A moment later it may be there.
    Passing(StoreError),
    /// Nobody is there.
    Unreached(StoreError),
    /// It stays so.
    Final(StoreError),
}

#[derive(Deserialize)]
struct Read {
    data: ReadData,
}

#[derive(Deserialize)]
struct ReadData {
    #[serde(default)]
    data: Option<Content>,
    metadata: Metadata,
}

#[derive(Serialize, Deserialize)]
struct Content {
    #[serde(with = "secret::at_rest")]
    tokenstrap: Secret,
}

#[derive(Deserialize)]
struct Metadata {
    version: u64,
    created_time: String,
}

#[derive(Deserialize)]
struct Written {
    data: Metadata,
}

#[derive(Deserialize)]
struct Listed {
    data: Keys,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Errors {
    errors: Option<Vec<String>>,
}

/// The body of a write over this version.
pub(super) fn written(content: &Secret, over: u64) -> Secret {
    #[derive(Serialize)]
    struct Body {
        options: Options,
        data: Content,
    }
    #[derive(Serialize)]
    struct Options {
        cas: u64,
    }
    // Room for it all, so that growing leaves no copies behind; escapes of a record in JSON take a tenth more.
    let mut text = Vec::with_capacity(content.len() * 2 + 64);
    let body = Body { options: Options { cas: over }, data: Content { tokenstrap: content.clone() } };
    serde_json::to_writer(&mut text, &body).expect("texts and numbers are JSON");
    Secret::new(String::from_utf8(text).unwrap_or_default())
}

/// The item in an answer to a read.
pub(super) fn item(response: &Response, place: &Place, now: SystemTime) -> Result<Item, StoreError> {
    if response.status.as_u16() == 404 && is_nothing(response) {
        return Ok(Item { version: 0, content: None, age: Duration::ZERO });
    }
    let Read { data: ReadData { data, metadata } } = parse(response).map_err(|_| no_engine(place))?;
    let server_now = response.header(&header::DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
    let created: SystemTime = metadata.created_time.parse::<jiff::Timestamp>().map_err(|_| strange())?.into();
    let age = server_now.duration_since(created).unwrap_or_default();
    let content = data.map(|content| content.tokenstrap);
    Ok(Item { version: metadata.version, content, age })
}

/// The version in an answer to a write.
pub(super) fn version(response: &Response, place: &Place) -> Result<u64, StoreError> {
    parse::<Written>(response).map(|written| written.data.version).map_err(|_| no_engine(place))
}

/// The names in an answer to a list.
pub(super) fn names(response: &Response, place: &Place) -> Result<Vec<String>, StoreError> {
    if response.status.as_u16() == 404 && is_nothing(response) {
        return Ok(Vec::new());
    }
    parse::<Listed>(response).map(|listed| listed.data.keys).map_err(|_| no_engine(place))
}

/// The token of a login.
pub(super) fn signed_in(response: &Response) -> Result<SignedIn, StoreError> {
    parse(response)
}

/// Passes on what a caller has to understand: success, nothing there, a write over another version.
pub(super) fn sort(response: &Response, place: &Place) -> Result<(), Refusal> {
    let errors = parse::<Errors>(response).unwrap_or_default().errors.unwrap_or_default();
    let said = said(&errors);
    let has = |words: &str| errors.iter().any(|error| error.to_lowercase().contains(words));
    let refusal = match response.status.as_u16() {
        200 | 204 => return Ok(()),
        400 if has("check-and-set") => return Ok(()),
        404 if has("no handler for route") => Refusal::Final(no_engine(place)),
        404 => return Ok(()),
        400 | 401 | 405 => Refusal::Final(StoreError::Denied(format!("the vault refused the call{said}"))),
        403 => Refusal::Final(StoreError::Denied(format!("the vault gave no permission{said}: {}", place.policy()))),
        413 => Refusal::Final(StoreError::Denied("the vault takes no records of this size".to_owned())),
        503 if has("sealed") => Refusal::Final(StoreError::Locked("the vault is sealed".to_owned())),
        // A standby says so, too, while a new leader is being chosen.
        307 => Refusal::Passing(StoreError::Unavailable("the vault sends to another of its servers; name that one".to_owned())),
        300..400 => Refusal::Final(StoreError::Unavailable("the vault's address leads elsewhere".to_owned())),
        status => Refusal::Passing(StoreError::Unavailable(format!("the vault answered {status}{said}"))),
    };
    Err(refusal)
}

/// What did not arrive, by what mends it.
pub(super) fn undelivered(undelivered: &Undelivered) -> Refusal {
    let said = undelivered.to_string();
    match undelivered {
        Undelivered::NotSent { .. } => Refusal::Unreached(StoreError::Unavailable(said)),
        Undelivered::CertificateRefused { .. } | Undelivered::Barred { .. } => Refusal::Final(StoreError::Unsafe(said)),
        Undelivered::NoRoots { .. } | Undelivered::TooLarge { .. } => Refusal::Final(StoreError::Unavailable(said)),
        Undelivered::PeerEnded { .. } | Undelivered::TimedOut { .. } => Refusal::Passing(StoreError::Unavailable(said)),
    }
}

/// An empty list of errors is what Vault says where nothing lies; any other 404 comes from somebody else.
fn is_nothing(response: &Response) -> bool {
    parse::<Errors>(response).is_ok_and(|answer| answer.errors.is_some_and(|errors| errors.is_empty()))
}

fn parse<T: DeserializeOwned>(response: &Response) -> Result<T, StoreError> {
    let value = json::read(&response.body).map_err(|_| strange())?;
    serde_json::from_value(value).map_err(|_| strange())
}

fn strange() -> StoreError {
    StoreError::Unavailable("the vault's answer cannot be read; perhaps something else answers at its address".to_owned())
}

fn no_engine(place: &Place) -> StoreError {
    StoreError::Missing(format!("there is no key-value engine of version 2 at `{}` in this vault", printable(&place.mount())))
}

/// The server's own words, short and without anything that could be a token.
fn said(errors: &[String]) -> String {
    let Some(error) = errors.first() else { return String::new() };
    let words: Vec<&str> = error.split_whitespace().filter(|word| word.len() <= WORDS.1).take(WORDS.0).collect();
    if words.is_empty() { String::new() } else { format!(" ({})", printable(&words.join(" "))) }
}
