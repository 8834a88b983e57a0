//! One saved example: the request that it answers, and the answer.

use super::{Address, SavedBody, header, text};
use crate::pos::template::{Scope, Template, Word};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::body::Bytes;
use serde_json::Value;

/// Headers that describe how the saved answer once travelled. Postman saves bodies decoded.
const OF_THE_TRANSPORT: [&str; 8] =
    ["connection", "content-encoding", "content-length", "date", "keep-alive", "trailer", "transfer-encoding", "upgrade"];

/// Most headers of an answer. Clients take about as many.
const MOST_HEADERS: usize = 100;

/// A saved request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedRequest {
    /// The method.
    pub method: Method,
    /// The URL.
    pub address: Address,
    /// Headers that are switched on.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: SavedBody,
}

/// A saved example.
#[derive(Debug, Clone)]
pub struct Example {
    /// Its id; empty where the file has none.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The folders above it, and the request that it belongs to, from the outside in.
    pub place: Vec<String>,
    /// The request that it answers.
    pub request: SavedRequest,
    /// The status of the answer.
    pub status: StatusCode,
    /// The headers of the answer that are switched on.
    pub headers: Vec<(String, Template)>,
    /// The body of the answer.
    pub body: Template,
}

/// An answer with its variables filled in.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The status.
    pub status: StatusCode,
    /// The headers, those of the transport left out; a content type where one was saved or known.
    pub headers: HeaderMap,
    /// The body; byte for byte as it was saved where it has no variables.
    pub body: Bytes,
}

impl SavedRequest {
    /// Reads a request: an object, or a URL that is fetched with GET.
    ///
    /// # Errors
    /// What is wrong with the method.
    pub(super) fn read(request: &Value) -> Result<Self, String> {
        let method = request.get("method").and_then(Value::as_str).unwrap_or("GET").trim().to_ascii_uppercase();
        let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no method"))?;
        let address = Address::read(request.get("url").unwrap_or(request));
        Ok(Self { method, address, headers: header::read(request.get("header")), body: SavedBody::read(request.get("body")) })
    }
}

impl Example {
    pub(super) fn read(response: &Value, place: Vec<String>, request: SavedRequest, remarks: &mut Vec<String>) -> Self {
        let name = text(response.get("name")).unwrap_or_default();
        let mut headers: Vec<_> = header::read(response.get("header"));
        let language = response.get("_postman_previewlanguage").and_then(Value::as_str);
        let kind = language.and_then(content_type).filter(|_| !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")));
        headers.extend(kind.map(|kind| ("Content-Type".to_owned(), kind.to_owned())));
        Self {
            id: text(response.get("id")).or_else(|| text(response.get("_postman_id"))).unwrap_or_default(),
            status: status(response.get("code"), &place, &name, remarks),
            headers: headers.into_iter().map(|(name, value)| (name, Template::new(value))).collect(),
            body: Template::new(text(response.get("body")).unwrap_or_default()),
            name,
            place,
            request,
        }
    }

    /// Folders, request and name in one line.
    pub fn title(&self) -> String {
        let names = self.place.iter().map(String::as_str).chain([self.name.as_str()]);
        names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" / ")
    }

    /// Bytes of its texts.
    pub(super) fn size(&self) -> usize {
        let Self { id, name, place, request, headers, body, .. } = self;
        let Address { base, path, query, values } = &request.address;
        let texts = [id, name, base, path].into_iter().chain(place).map(String::len);
        let query = query.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, String::len));
        let sent = headers.iter().map(|(name, value)| name.len() + value.text().len());
        let pairs = values.iter().chain(&request.headers).map(|(name, value)| name.len() + value.len());
        texts.chain(query).chain(sent).chain(pairs).sum::<usize>() + request.body.size() + body.text().len()
    }

    /// The words of headers and body.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.headers.iter().map(|(_, value)| value).chain([&self.body]).flat_map(Template::words)
    }

    /// The answer with its variables filled in. What could not be is said in `remarks`.
    pub fn render(&self, scope: &Scope<'_>, remarks: &mut Vec<String>) -> Rendered {
        let (mut headers, mut left_out) = (HeaderMap::new(), Vec::new());
        for (name, value) in &self.headers {
            if OF_THE_TRANSPORT.iter().any(|other| name.eq_ignore_ascii_case(other)) {
                continue;
            }
            let value = HeaderValue::from_maybe_shared(value.render(scope, remarks)).ok();
            let known = HeaderName::from_bytes(name.as_bytes()).ok();
            if known.zip(value).filter(|_| headers.len() < MOST_HEADERS).map(|(name, value)| headers.append(name, value)).is_none() {
                left_out.push(name);
            }
        }
        if let Some(name) = left_out.first() {
            let more = left_out.len().checked_sub(2).map(|_| format!(" and {} more", left_out.len() - 1)).unwrap_or_default();
            remarks.push(format!("the saved header `{name}`{more} cannot be sent and is left out"));
        }
        Rendered { status: self.status, headers, body: self.body.render(scope, remarks) }
    }
}

/// A status that ends an answer; 200 where the file has none.
fn status(code: Option<&Value>, place: &[String], name: &str, remarks: &mut Vec<String>) -> StatusCode {
    let Some(code) = code.filter(|code| !code.is_null()) else { return StatusCode::OK };
    let number = code.as_u64().or_else(|| code.as_str()?.trim().parse().ok());
    let status = number.and_then(|number| u16::try_from(number).ok()).filter(|number| (200..=599).contains(number));
    status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_else(|| {
        remarks.push(format!("`{} / {name}` has the status {code}, which ends no answer; 200 is sent", place.join(" / ")));
        StatusCode::OK
    })
}

/// The content type of the language in which Postman showed an answer.
fn content_type(language: &str) -> Option<&'static str> {
    match language {
        "json" => Some("application/json"),
        "html" => Some("text/html; charset=utf-8"),
        "xml" => Some("application/xml"),
        "javascript" => Some("text/javascript; charset=utf-8"),
        "plain" | "text" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}
