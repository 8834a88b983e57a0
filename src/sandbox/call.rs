//! One request, taken apart: path, query, form members, credentials.

use super::answer::Refused;
use http::{HeaderMap, Method, header};
use hyper::body::Bytes;

/// A request as the endpoints read it.
#[derive(Clone)]
pub(super) struct Call {
    /// Its method.
    pub method: Method,
    /// Its path, not decoded: endpoints match byte for byte.
    pub path: String,
    /// Members of the query.
    pub query: Vec<(String, String)>,
    /// Members of the body, from a form or a JSON object.
    pub form: Vec<(String, String)>,
    /// What kind of body came.
    pub kind: Kind,
    /// All headers.
    pub headers: HeaderMap,
}

/// What kind of body a request carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// None at all.
    Empty,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// A JSON object whose members are texts or numbers.
    Json,
    /// Said to be JSON, but is no object.
    Garbled,
    /// Anything else.
    Other,
}

impl Call {
    /// Takes a request apart; nothing is refused yet.
    pub(super) fn read(request: &http::Request<Bytes>) -> Self {
        let uri = request.uri();
        let (kind, form) = members(request.headers(), request.body());
        Self {
            method: request.method().clone(),
            path: uri.path().to_owned(),
            query: url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect(),
            form,
            kind,
            headers: request.headers().clone(),
        }
    }

    /// The one value of a form member; an empty one counts as absent (RFC 6749 section 3.2).
    ///
    /// # Errors
    /// Where it comes twice.
    pub(super) fn member(&self, name: &str) -> Result<Option<&str>, Refused> {
        only(&self.form, name)
    }

    /// The one value of a query parameter.
    ///
    /// # Errors
    /// Where it comes twice.
    pub(super) fn parameter(&self, name: &str) -> Result<Option<&str>, Refused> {
        only(&self.query, name)
    }

    /// The value of a header that comes once and is text.
    pub(super) fn header(&self, name: header::HeaderName) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() { None } else { value.to_str().ok() }
    }

    /// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
    pub(super) fn bearer(&self) -> Option<&str> {
        self.scheme("bearer")
    }

    /// User and password of an `Authorization: Basic` header, each form-decoded (RFC 6749 section 2.3.1).
    pub(super) fn basic(&self) -> Option<(String, String)> {
        let decoded = data_encoding::BASE64.decode(self.scheme("basic")?.as_bytes()).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((form_decoded(user), form_decoded(password)))
    }

    fn scheme(&self, wanted: &str) -> Option<&str> {
        let (scheme, rest) = self.header(header::AUTHORIZATION)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
    }
}

fn only<'a>(members: &'a [(String, String)], name: &str) -> Result<Option<&'a str>, Refused> {
    let mut found = members.iter().filter(|(known, _)| known == name);
    let first = found.next();
    if found.next().is_some() {
        return Err(Refused::bad("invalid_request", "a parameter comes more than once"));
    }
    Ok(first.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty()))
}

fn form_decoded(text: &str) -> String {
    // A lone value without `=` parses as a name; `&` and `=` inside cannot occur in what a client encoded.
    let pairs = url::form_urlencoded::parse(text.as_bytes());
    pairs.map(|(name, value)| if value.is_empty() { name.into_owned() } else { format!("{name}={value}") }).collect()
}

fn members(headers: &HeaderMap, body: &Bytes) -> (Kind, Vec<(String, String)>) {
    if body.is_empty() {
        return (Kind::Empty, Vec::new());
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => (Kind::Form, url::form_urlencoded::parse(body).into_owned().collect()),
        "application/json" => json_members(body).map_or((Kind::Garbled, Vec::new()), |form| (Kind::Json, form)),
        _ => (Kind::Other, Vec::new()),
    }
}

fn json_members(body: &Bytes) -> Option<Vec<(String, String)>> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    Some(object.into_iter().map(|(name, value)| (name, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(content_type: &str, body: &'static str) -> Call {
        let request = http::Request::post("/v1/token.json?a=b").header("content-type", content_type).body(Bytes::from(body));
        Call::read(&request.expect("a request"))
    }

    #[test]
    fn forms_and_json_objects_carry_the_same_members() {
        let form = call("application/x-www-form-urlencoded; charset=utf-8", "grant_type=refresh_token&n=1");
        let json = call("application/json", r#"{"grant_type":"refresh_token","n":1}"#);

        assert_eq!(form.form, json.form);
        assert_eq!(call("application/json", "[]").kind, Kind::Garbled);
        assert_eq!(call("text/plain", "x").kind, Kind::Other);
    }

    #[test]
    fn a_member_that_comes_twice_is_refused_and_an_empty_one_is_absent() {
        let call = call("application/x-www-form-urlencoded", "a=1&a=2&b=");

        assert!(call.member("a").is_err());
        assert_eq!(call.member("b"), Ok(None));
        assert_eq!(call.parameter("a"), Ok(Some("b")));
    }

    #[test]
    fn basic_credentials_are_form_decoded() {
        let encoded = data_encoding::BASE64.encode(b"my+id:p%3Aq%25");
        let request = http::Request::get("/").header("authorization", format!("Basic {encoded}")).body(Bytes::new());

        let call = Call::read(&request.expect("a request"));

        assert_eq!(call.basic(), Some(("my id".to_owned(), "p:q%".to_owned())));
    }
}
