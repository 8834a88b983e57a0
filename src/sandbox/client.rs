//! Who asks: client authentication at the token endpoint and its neighbours (RFC 6749 section 2.3), and clients that register
//! themselves (RFC 7591).

use super::{
    answer::{self, Answer, Refused, shown},
    call::{Call, Kind},
    mint,
    settings::Settings,
    state::Visit,
};
use crate::{oauth::redirect_uri::RedirectUri, secret::Secret};
use serde_json::{Value, json};

/// A client that this server knows.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub id: String,
    pub secret: Option<Secret>,
    pub methods: Vec<&'static str>,
    pub redirect_uris: Vec<RedirectUri>,
}

impl Client {
    /// The one that is known from the start.
    fn of(settings: &Settings) -> Self {
        Self {
            id: settings.client_id.clone(),
            secret: settings.client_secret.clone(),
            methods: settings.client_auth.clone(),
            redirect_uris: settings.redirect_uris.clone(),
        }
    }

    /// Whether a redirect URI is registered: byte for byte, the port of a loopback redirect excepted.
    pub(super) fn comes_back_to(&self, wanted: &RedirectUri) -> bool {
        self.redirect_uris.iter().any(|known| wanted.is_registered_by(known))
    }
}

impl Visit<'_> {
    /// The client of that id.
    pub(super) fn client(&mut self, id: &str) -> Option<Client> {
        if id == self.settings.client_id {
            return Some(Client::of(self.settings));
        }
        self.state.clients.find(id).cloned()
    }

    /// Proves that a client asks which is known here, and gives its id.
    ///
    /// # Errors
    /// `invalid_client`: with 401 in strict mode (RFC 6749 section 5.2), with 400 as O-Series does it.
    pub(super) fn authenticate(&mut self) -> Result<String, Refused> {
        let secret = self.call.member("client_secret")?;
        let basic = self.call.basic();
        if basic.is_some() && secret.is_some() {
            return Err(Refused::bad("invalid_request", "the client authenticates in two ways at once"));
        }
        let member = self.call.member("client_id")?.unwrap_or_default().to_owned();
        let (method, id, secret) = match (basic, secret) {
            (Some((id, secret)), _) => ("client_secret_basic", id, secret),
            (None, Some(secret)) => ("client_secret_post", member, secret.to_owned()),
            (None, None) => ("none", member, String::new()),
        };
        let knows = |client: &Client| match &client.secret {
            Some(own) => own.matches(&secret),
            None => secret.is_empty(),
        };
        if self.client(&id).is_some_and(|client| knows(&client) && client.methods.contains(&method)) {
            return Ok(id);
        }
        let status = if self.settings.strict { 401 } else { 400 };
        Err(Refused::with(status, "invalid_client", "The client credentials are invalid"))
    }
}

/// `POST /register` (RFC 7591 section 3), open to everybody.
pub(super) fn register(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    let call = visit.call;
    if call.kind != Kind::Json {
        return Err(Refused::bad("invalid_client_metadata", "the body has to be a JSON object"));
    }
    let asked = call.member("token_endpoint_auth_method")?.unwrap_or("client_secret_basic");
    let offered = visit.settings.client_auth.iter().find(|method| **method == asked);
    let method = *offered.ok_or(Refused::bad("invalid_client_metadata", "that authentication method is not offered"))?;
    let redirect_uris = redirect_uris(call)?;
    let secret = if method == "none" { None } else { Some(mint::token()?) };
    let id = mint::token()?;
    let name = shown(&id);
    let mut document = json!({
        "client_id": name,
        "redirect_uris": redirect_uris.iter().map(RedirectUri::as_str).collect::<Vec<_>>(),
        "token_endpoint_auth_method": method,
        "client_name": call.member("client_name")?,
    });
    if let (Some(secret), Some(members)) = (&secret, document.as_object_mut()) {
        members.insert("client_secret".to_owned(), shown(secret));
        members.insert("client_secret_expires_at".to_owned(), Value::from(0));
    }
    let client = Client { id: name.as_str().unwrap_or_default().to_owned(), secret, methods: vec![method], redirect_uris };
    visit.state.clients.put(&id, client);
    Ok(answer::json(201, &document))
}

/// Absolute addresses, each without a fragment; none for a client that has no browser.
fn redirect_uris(call: &Call) -> Result<Vec<RedirectUri>, Refused> {
    let invalid = Refused::bad("invalid_redirect_uri", "a redirect URI is not an absolute address");
    let Some(text) = call.member("redirect_uris")? else { return Ok(Vec::new()) };
    let texts: Vec<String> = serde_json::from_str(text).map_err(|_| invalid)?;
    texts.iter().map(|text| RedirectUri::parse(text).map_err(|_| invalid)).collect()
}
