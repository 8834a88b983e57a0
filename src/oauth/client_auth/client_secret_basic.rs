//! `client_secret_basic`: id and secret, form-encoded, in the `Authorization` header (RFC 6749 section 2.3.1).

use super::{ClientAuthentication, Form};
use crate::secret::Secret;
use data_encoding::BASE64;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

/// The method that every server has to support.
pub(super) struct Basic;

impl ClientAuthentication for Basic {
    fn name(&self) -> &'static str {
        "client_secret_basic"
    }

    fn alias(&self) -> Option<&'static str> {
        Some("basic")
    }

    fn about(&self) -> &'static str {
        "Id and secret in the Authorization header"
    }

    fn needs_secret(&self) -> bool {
        true
    }

    fn authenticate(&self, client_id: &str, secret: Option<&Secret>, form: &mut Form) {
        form.authorization = secret.map(|secret| header(client_id, secret));
    }
}

/// The value of the `Authorization` header.
pub fn header(client_id: &str, secret: &Secret) -> Secret {
    let mut pair = Zeroizing::new(byte_serialize(client_id.as_bytes()).collect::<String>());
    pair.push(':');
    pair.extend(byte_serialize(secret.expose().as_bytes()));
    Secret::new(format!("Basic {}", BASE64.encode(pair.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_21_id_and_secret_are_form_encoded_before_they_are_joined() {
        let value = header("till 1", &Secret::new("a:b%+ü"));

        let pair = BASE64.decode(value.expose().strip_prefix("Basic ").expect("the scheme").as_bytes()).expect("base64");
        assert_eq!(pair, b"till+1:a%3Ab%25%2B%C3%BC");
    }
}
