//! What a token is good for: the company of O-Series, and the neighbours of the token endpoint in strict mode.

use super::{
    answer::{self, Answer, Refused},
    company::{Company, OWN_COMPANY},
    grant::seconds,
    state::Visit,
};
use serde_json::{Value, json};

/// `GET /v1/companies/me.json`, with a bearer token or, for the developer's own company, with Basic credentials.
pub(super) fn company(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    visit.fails_as_told()?;
    if let Some((id, secret)) = visit.call.basic() {
        let own = visit.settings.client_secret.as_ref();
        let knows = id == visit.settings.client_id && own.is_some_and(|own| own.matches(&secret));
        let refused = Refused::with(401, "invalid_client", "The client credentials are invalid");
        return if knows { Ok(answer::json(200, &OWN_COMPANY.document())) } else { Err(refused) };
    }
    let (company, _) = visit.bearer()?;
    Ok(answer::json(200, &company.document()))
}

/// `GET /userinfo` (OpenID Connect Core section 5.3).
pub(super) fn userinfo(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    visit.fails_as_told()?;
    let (company, scope) = visit.bearer()?;
    if !scope.iter().any(|word| word == "openid") {
        return Err(Refused::with(403, "insufficient_scope", "The scope openid was not granted"));
    }
    Ok(answer::json(200, &json!({ "sub": company.id.to_string(), "name": company.name })))
}

/// `POST /revoke` (RFC 7009): an unknown token is as good as a revoked one.
pub(super) fn revoke(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    visit.authenticate()?;
    let token = visit.call.member("token")?.ok_or(Refused::bad("invalid_request", "The token is missing"))?;
    visit.state.ledger.revoke(token);
    Ok(answer::raw(200, "application/json", "{}"))
}

/// `POST /introspect` (RFC 7662).
pub(super) fn introspect(visit: &mut Visit<'_>) -> Result<Answer, Refused> {
    visit.authenticate()?;
    let token = visit.call.member("token")?.ok_or(Refused::bad("invalid_request", "The token is missing"))?;
    let ledger = &visit.state.ledger;
    let access = ledger.access(token, visit.now);
    let found = access.map(|(family, ..)| family).or_else(|| ledger.refresh(token));
    let Some(consent) = found.and_then(|family| ledger.consent(family)) else {
        return Ok(answer::json(200, &json!({ "active": false })));
    };
    let mut document = json!({
        "active": true,
        "client_id": consent.client,
        "scope": consent.scope.join(" "),
        "sub": access.map_or(consent.company, |(_, company, _)| company).id.to_string(),
        "iss": visit.origin,
    });
    if let (Some((.., expires_at)), Some(members)) = (access, document.as_object_mut()) {
        members.insert("token_type".to_owned(), Value::from("Bearer"));
        members.insert("exp".to_owned(), Value::from(seconds(expires_at)));
    }
    Ok(answer::json(200, &document))
}

impl Visit<'_> {
    /// The company and scope behind the bearer token.
    pub(super) fn bearer(&self) -> Result<(&'static Company, Vec<String>), Refused> {
        let invalid = Refused::with(401, "invalid_token", "The access token provided has expired");
        let (family, company, _) = self.call.bearer().and_then(|token| self.state.ledger.access(token, self.now)).ok_or(invalid)?;
        let scope = self.state.ledger.consent(family).map(|consent| consent.scope.clone()).unwrap_or_default();
        Ok((company, scope))
    }

    fn fails_as_told(&self) -> Result<(), Refused> {
        let told = self.state.faults.verify;
        told.map_or(Ok(()), |status| Err(Refused::with(status, "server_error", "The server was told to fail")))
    }
}
