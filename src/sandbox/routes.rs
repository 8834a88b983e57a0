//! Which path is answered by whom. One row per path and method.

use super::{
    answer::{self, Answer, Refused},
    api, authorize,
    call::Kind,
    client, device, discovery, orders,
    state::Visit,
    token,
};
use http::{Method, header};

/// The token endpoint.
pub(super) const TOKEN: &str = "/v1/token.json";

/// The token endpoint as the vendor's documents write it; it needs an `Accept` header.
const TOKEN_WITHOUT_EXTENSION: &str = "/v1/token";

/// The API, as the resource that tokens are for.
pub(super) const RESOURCE: &str = "/v1";

/// Where the API says which server it trusts (RFC 9728 section 3.1).
const RESOURCE_METADATA: &str = "/.well-known/oauth-protected-resource/v1";

/// Where clients register themselves.
pub(super) const REGISTER: &str = "/register";

/// Both of them; the faults of the wire hold for these alone.
pub(super) const TOKEN_PATHS: [&str; 2] = [TOKEN, TOKEN_WITHOUT_EXTENSION];

struct Route {
    path: &'static str,
    method: Method,
    /// Offered by a server in the manner of O-Series too.
    always: bool,
    answer: fn(&mut Visit<'_>) -> Result<Answer, Refused>,
}

static ROUTES: &[Route] = &[
    both(Method::GET, "/authorize", authorize::ask),
    both(Method::POST, "/authorize", authorize::decide),
    both(Method::POST, TOKEN, token::answer),
    both(Method::POST, TOKEN_WITHOUT_EXTENSION, token::answer),
    both(Method::GET, "/v1/companies/me.json", api::company),
    both(Method::GET, "/v1/companies/me", api::company),
    // Where the fault `redirect-307` leads, so that a client that follows is seen.
    both(Method::POST, "/elsewhere", token::elsewhere),
    strict(Method::GET, "/.well-known/openid-configuration", discovery::metadata),
    strict(Method::GET, "/.well-known/oauth-authorization-server", discovery::metadata),
    strict(Method::GET, RESOURCE_METADATA, discovery::resource),
    strict(Method::POST, REGISTER, client::register),
    strict(Method::GET, "/jwks", discovery::key_set),
    strict(Method::GET, "/userinfo", api::userinfo),
    strict(Method::POST, "/userinfo", api::userinfo),
    strict(Method::POST, "/revoke", api::revoke),
    strict(Method::POST, "/introspect", api::introspect),
    strict(Method::POST, "/device_authorization", device::begin),
    strict(Method::GET, "/device", device::ask),
    strict(Method::POST, "/device", device::decide),
];

const fn both(method: Method, path: &'static str, answer: fn(&mut Visit<'_>) -> Result<Answer, Refused>) -> Route {
    Route { path, method, always: true, answer }
}

const fn strict(method: Method, path: &'static str, answer: fn(&mut Visit<'_>) -> Result<Answer, Refused>) -> Route {
    Route { path, method, always: false, answer }
}

/// Whether a path issues tokens.
pub(super) fn is_token_endpoint(path: &str) -> bool {
    TOKEN_PATHS.contains(&path)
}

/// Decides one request from beginning to end.
pub(super) fn decide(visit: &mut Visit<'_>) -> Answer {
    let (strict, absent) = (visit.settings.strict, &visit.settings.absent);
    let offered = |route: &&Route| (strict || route.always) && !absent.iter().any(|absent| absent == route.path);
    let here: Vec<&Route> = ROUTES.iter().filter(|route| route.path == visit.call.path).filter(offered).collect();
    if here.is_empty()
        && let Some(answer) = orders::decide(visit)
    {
        return answer;
    }
    if here.is_empty() {
        return Refused::with(404, "not_found", "there is nothing here").answer();
    }
    let Some(route) = here.iter().find(|route| route.method == visit.call.method) else {
        return answer::method_not_allowed(allowed(&here));
    };
    let answered = acceptable(visit).and_then(|()| (route.answer)(visit));
    answered.unwrap_or_else(Refused::answer)
}

fn allowed(here: &[&Route]) -> &'static str {
    let offers = |method: Method| here.iter().any(|route| route.method == method);
    match (offers(Method::GET), offers(Method::POST)) {
        (true, true) => "GET, POST",
        (true, false) => "GET",
        _ => "POST",
    }
}

/// Bodies are forms, a registration is JSON, and at O-Series' token endpoint JSON too; its API wants an extension or an `Accept` (406 elsewhere).
fn acceptable(visit: &Visit<'_>) -> Result<(), Refused> {
    let (call, strict) = (visit.call, visit.settings.strict);
    match call.kind {
        Kind::Empty | Kind::Form => {}
        Kind::Json if !strict && is_token_endpoint(&call.path) => {}
        Kind::Json | Kind::Garbled if call.path == REGISTER => {}
        Kind::Garbled if !strict => return Err(Refused::bad("invalid_request", "the body is not a JSON object")),
        _ => return Err(Refused::with(415, "invalid_request", "the body has to be a form")),
    }
    let is_api = call.path.starts_with("/v1/") && !call.path.ends_with(".json");
    let accepts_json = call.header(header::ACCEPT).is_some_and(|accept| accept.contains("json"));
    if is_api && !strict && !accepts_json {
        return Err(Refused::with(406, "not_acceptable", "ask for .json, or send Accept: application/json"));
    }
    Ok(())
}
