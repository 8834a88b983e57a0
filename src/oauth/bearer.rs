//! Presenting an access token (RFC 6750 section 2.1): in the header, never in a body or an address.

use super::{endpoint::Endpoint, message::Request};
use crate::secret::Secret;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

/// A GET of an endpoint out of the pins, with the access token.
pub fn get(endpoint: &Endpoint, access_token: &Secret) -> Request {
    call(Request::get(endpoint.url().clone()), access_token)
}

/// A call with the access token, to a place that the pins allow.
pub fn call(request: Request, access_token: &Secret) -> Request {
    let value = Zeroizing::new(format!("Bearer {}", access_token.expose()));
    request.with_secret_header(AUTHORIZATION, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_travels_in_the_header_alone() {
        let endpoint = Endpoint::typed("https://api.example/me").expect("an endpoint");
        let request = get(&endpoint, &Secret::new("mock-1"));
        let header = request.headers.get(AUTHORIZATION).expect("a header");

        assert_eq!(header.to_str().ok(), Some("Bearer mock-1"));
        assert!(header.is_sensitive());
        assert_eq!(request.url.as_str(), "https://api.example/me");
        assert!(request.body.is_none());
    }
}
