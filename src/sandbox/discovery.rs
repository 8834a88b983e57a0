//! What a modern server tells about itself (RFC 8414, OpenID Connect Discovery 1.0), and its API about the two (RFC 9728).

use super::{
    answer::{self, Answer, Refused},
    routes,
    state::Visit,
};
use serde_json::{Value, json};

/// Metadata members that name a path of this server; one that is not offered is not named.
const ENDPOINTS: &[(&str, &str)] = &[
    ("authorization_endpoint", "/authorize"),
    ("token_endpoint", routes::TOKEN),
    ("jwks_uri", "/jwks"),
    ("userinfo_endpoint", "/userinfo"),
    ("revocation_endpoint", "/revoke"),
    ("introspection_endpoint", "/introspect"),
    ("device_authorization_endpoint", "/device_authorization"),
    ("registration_endpoint", routes::REGISTER),
];

/// `GET /.well-known/openid-configuration` and `GET /.well-known/oauth-authorization-server`.
pub(super) fn metadata(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    let mut document = json!({
        "issuer": visit.origin,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": visit.settings.client_auth,
        "authorization_response_iss_parameter_supported": true,
        "scopes_supported": ["openid", "offline_access"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    });
    if let Some(members) = document.as_object_mut() {
        for (name, path) in ENDPOINTS {
            if !visit.settings.absent.iter().any(|absent| absent == path) {
                members.insert((*name).to_owned(), Value::from(visit.at(path)));
            }
        }
        members.extend(visit.settings.metadata.clone());
    }
    Ok(answer::json(200, &document))
}

/// `GET /.well-known/oauth-protected-resource/v1`.
pub(super) fn resource(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    Ok(answer::json(200, &json!({ "resource": visit.at(routes::RESOURCE), "authorization_servers": [visit.origin] })))
}

/// `GET /jwks`.
pub(super) fn key_set(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    Ok(answer::json(200, &visit.state.key.key_set()))
}
