//! Who asks: client authentication at the token endpoint and its neighbours (RFC 6749 section 2.3).

use super::{answer::Refused, state::Visit};

impl Visit<'_> {
    /// Proves that the one registered client asks.
    ///
    /// # Errors
    /// `invalid_client`: with 401 in strict mode (RFC 6749 section 5.2), with 400 as O-Series does it.
    pub(super) fn authenticate(&self) -> Result<(), Refused> {
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
        let knows = match &self.settings.client_secret {
            Some(own) => own.matches(&secret),
            None => secret.is_empty(),
        };
        if knows && id == self.settings.client_id && self.settings.client_auth.contains(&method) {
            return Ok(());
        }
        let status = if self.settings.strict { 401 } else { 400 };
        Err(Refused::with(status, "invalid_client", "The client credentials are invalid"))
    }
}
