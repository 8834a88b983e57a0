//! The server of a login, where it is not named by its endpoints: found by its issuer, or by the resource that trusts it.

use super::run::Attempt;
use crate::{
    cli::failure::{Exit, Failure},
    flow::{self, World},
    oauth::{metadata::ServerMetadata, resource::Resource},
    text::printable,
};

impl Attempt<'_> {
    /// What the server says of itself; nothing for one that is known otherwise.
    pub(super) fn metadata(&self, world: &World<'_>) -> Result<Option<ServerMetadata>, Failure> {
        let Some(issuer) = self.issuer(world)? else { return Ok(None) };
        let metadata =
            flow::discover(world, &issuer).map_err(|error| Failure::from(error).while_doing("the server's metadata cannot be used"))?;
        let elsewhere: Vec<String> =
            metadata.hosts_elsewhere().iter().map(|(name, endpoint)| format!("{name} at {}", endpoint.authority())).collect();
        if !elsewhere.is_empty() {
            let text = printable(&elsewhere.join(", "));
            if self.login.same_host {
                return Err(Failure::new(Exit::Refused, format!("the server names endpoints on other hosts: {text}")));
            }
            self.context.say(&format!("note: the server names endpoints on other hosts: {text}"));
        }
        Ok(Some(metadata))
    }

    fn issuer(&self, world: &World<'_>) -> Result<Option<String>, Failure> {
        let settings = self.settings.borrow().clone();
        match settings.only_resource() {
            Some(resource) => self.trusted_by(world, resource).map(Some),
            None => Ok(settings.issuer),
        }
    }

    /// The authorization server that the resource names, asked anew at each login: it may have moved.
    fn trusted_by(&self, world: &World<'_>, resource: &Resource) -> Result<String, Failure> {
        let found = flow::protected_resource(world, resource).map_err(|error| {
            let failure = Failure::from(error).while_doing(format!("the server of {} cannot be found", printable(resource.as_str())));
            if failure.exit == Exit::Refused {
                failure.hint("it has to be the address by which the API calls itself; where you know its server, name that with --issuer")
            } else {
                failure
            }
        })?;
        let others = match found.further {
            0 => String::new(),
            1 => ", the first of two".to_owned(),
            more => format!(", the first of {}", more + 1),
        };
        self.context.say(&printable(&format!("{resource} trusts {}{others}", found.issuer)));
        if self.settings.borrow().scopes.is_none() && !found.scopes_supported.is_empty() {
            self.context.say(&printable(&format!("it knows the scopes {}; --scope asks for one", found.scopes_supported.join(" "))));
        }
        Ok(found.issuer)
    }
}
