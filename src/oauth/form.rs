//! The form that every endpoint with client authentication takes (RFC 6749 appendix B).

use super::{endpoint::Endpoint, message::Request};
use crate::secret::Secret;
use http::{HeaderMap, HeaderValue, Method, header};
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

/// Members of a request's body, and the header that a client authentication method may add.
#[derive(Debug, Default)]
pub struct Form {
    /// In the order in which they are sent.
    pub members: Vec<(&'static str, Secret)>,
    /// Value of the `Authorization` header.
    pub authorization: Option<Secret>,
}

impl Form {
    /// A form for the given grant type.
    pub fn of_grant(grant_type: &str) -> Self {
        let mut form = Self::default();
        form.add("grant_type", grant_type);
        form
    }

    /// Adds a member.
    pub fn add(&mut self, name: &'static str, value: &str) {
        self.members.push((name, Secret::new(value)));
    }

    /// The POST that carries it.
    pub fn post(self, endpoint: &Endpoint) -> Request {
        let mut body = Zeroizing::new(String::with_capacity(4096));
        for (name, value) in &self.members {
            if !body.is_empty() {
                body.push('&');
            }
            body.push_str(name);
            body.push('=');
            body.extend(byte_serialize(value.expose().as_bytes()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let request =
            Request { method: Method::POST, url: endpoint.url().clone(), headers, body: Some(Secret::new(std::mem::take(&mut *body))) };
        match self.authorization {
            Some(value) => request.with_secret_header(header::AUTHORIZATION, value.expose()),
            None => request,
        }
    }
}
