//! The client of a login: the one that is stored for this server, or one that registers itself.
//!
//! Id, secret and registration belong to the issuer that they came from, and are shown to no other (SECURITY D-07).

use super::{no_client_id, run::Attempt};
use crate::{
    cli::{
        failure::{Exit, Failure},
        render::rfc3339,
    },
    flow::{self, World},
    oauth::{
        client_auth::Method,
        endpoint::Endpoint,
        metadata::ServerMetadata,
        pins::Pins,
        registration::{Registered, Wanted},
    },
    profile::{Plan, PlanError, Record, Registration},
    secret::Secret,
    text::printable,
};

/// Where a client registered itself, and as what.
pub(super) struct Origin {
    endpoint: Endpoint,
    client_auth: Method,
}

impl Origin {
    /// That of a stored client; none for one that a person registered.
    pub fn of(registration: &Registration) -> Option<Self> {
        let endpoint = registration.pins.registration_endpoint.clone()?;
        Some(Self { endpoint, client_auth: registration.pins.client_auth })
    }
}

impl Attempt<'_> {
    /// Whether no client is known and nobody can be asked for one, which needs no server to be found out.
    pub(super) fn lacks_client(&self, record: Option<&Record>) -> bool {
        let is_known =
            self.settings.borrow().client_id.is_some() || record.is_some_and(|record| flow::stored_clients(record).next().is_some());
        !is_known && !self.login.register && !self.manner.person
    }

    /// The stored client of this server, where it is the one that is asked for.
    pub(super) fn kept_client(&self, record: Option<&Record>, metadata: Option<&ServerMetadata>) -> Result<Option<Registration>, Failure> {
        let asked = self.settings.borrow().client_id.clone();
        let clients = record.into_iter().flat_map(flow::stored_clients);
        let (own, foreign): (Vec<_>, Vec<_>) = clients
            .filter(|client| asked.as_ref().is_none_or(|id| *id == client.pins.client_id))
            .partition(|client| !client.is_elsewhere(metadata.map(|metadata| metadata.issuer.as_str())));
        let is_typed = self.login.server.client_id.is_some();
        if let (true, false, Some(other), Some(metadata)) = (own.is_empty(), is_typed, foreign.first(), metadata) {
            self.leave_behind(other, metadata)?;
        }
        let mut settings = self.settings.borrow_mut();
        if settings.client_id.is_none() {
            settings.client_id = own.first().map(|client| client.pins.client_id.clone());
        }
        let is_missing = settings.client_id.is_none() && !self.login.register;
        if is_missing && self.manner.person && metadata.is_some_and(|metadata| metadata.registration_endpoint.is_some()) {
            self.context.say("note: this server takes registrations; the same command with --register needs no client id");
        }
        if is_missing && !self.manner.person { Err(no_client_id()) } else { Ok(own.first().map(|client| (*client).clone())) }
    }

    /// The server is another one than the stored client's: nothing of that client goes there.
    fn leave_behind(&self, other: &Registration, metadata: &ServerMetadata) -> Result<(), Failure> {
        self.settings.borrow_mut().client_id = None;
        let text = printable(&format!(
            "the client of {} belongs to {}, and the server is {} now",
            self.profile,
            other.pins.server(),
            metadata.issuer
        ));
        if !self.login.register {
            return Err(Failure::new(Exit::Refused, text)
                .hint("--register registers one there, --client-id names one that is registered there already"));
        }
        self.context.say(&format!("note: {text}"));
        Ok(())
    }

    /// The stored secret, where this login goes to the server that it is stored for: an edit of the settings cannot send it
    /// elsewhere (SECURITY T-22).
    pub(super) fn kept_secret(&self, kept: Option<Registration>, plan: &Plan) -> Option<Secret> {
        let Registration { pins, client_secret } = kept?;
        let (stored, wanted) = (&pins.token_endpoint, &plan.pins.token_endpoint);
        if stored != wanted && client_secret.is_some() {
            self.context.warn(&[format!(
                "the stored client secret belongs to {} and is not sent to {}; pass it anew if it is meant for both",
                stored.authority(),
                wanted.authority()
            )]);
        }
        client_secret.filter(|_| stored == wanted)
    }

    /// Whether a client has to be registered; one that is known is used.
    pub(super) fn wants_registration(&self) -> bool {
        let id = self.settings.borrow().client_id.clone();
        if let (true, Some(id)) = (self.login.register, &id) {
            self.context.say(&format!(
                "note: client {} is registered already and used again; `tokenstrap logout {}` forgets it",
                printable(id),
                self.profile
            ));
        }
        self.login.register && id.is_none()
    }

    /// Registers a client, once it is clear that it can be kept.
    pub(super) fn register(
        &self,
        world: &World<'_>,
        metadata: Option<&ServerMetadata>,
        draft: &Plan,
    ) -> Result<(Option<Origin>, Option<Secret>), Failure> {
        let metadata = metadata.ok_or_else(|| {
            Failure::usage("--register is for a server that publishes its metadata").hint("name it with --issuer or --resource")
        })?;
        let endpoint = metadata.registration_endpoint.clone().ok_or_else(|| {
            Failure::new(Exit::Refused, format!("{} takes no registrations", printable(&metadata.issuer)))
                .hint("register a client there by hand, and pass --client-id")
        })?;
        self.refuse_unprotected(draft)?;
        flow::probe(world)?;
        let wanted = self.wanted(metadata, draft)?;
        let registered = flow::register(world, &endpoint, &wanted)
            .map_err(|error| Failure::from(error).while_doing(format!("no client could be registered at {}", endpoint.authority())))?;
        if self.settings.borrow().client_auth.is_some_and(|method| method != registered.client_auth) {
            let method = registered.client_auth.name();
            return Err(Failure::new(Exit::Refused, format!("the server registered the client for `{method}`, which was not asked for"))
                .hint("leave --client-auth out to take what the server gives"));
        }
        self.tell(&endpoint, &registered);
        self.settings.borrow_mut().client_id = Some(registered.client_id);
        Ok((Some(Origin { endpoint, client_auth: registered.client_auth }), registered.client_secret))
    }

    /// A secret of this machine's own binds the refresh token to it (RFC 8252 section 8.4); without one where that is all there is.
    fn wanted(&self, metadata: &ServerMetadata, draft: &Plan) -> Result<Wanted, Failure> {
        let offered = metadata.token_endpoint_auth_methods_supported.as_deref();
        let public =
            || Method::by_name("none").ok().filter(|none| offered.is_some_and(|names| names.iter().any(|name| name == none.name())));
        let chosen = self.settings.borrow().client_auth;
        let client_auth = chosen.or_else(|| Method::negotiate(offered, true)).or_else(public).ok_or(PlanError::NoMethod)?;
        let device = self.login.device;
        Ok(Wanted {
            redirect_uri: (!device).then(|| draft.redirect_uri.clone()),
            refreshes: metadata.grant_types_supported.as_ref().is_none_or(|types| types.iter().any(|name| name == "refresh_token")),
            grant_type: if device { "urn:ietf:params:oauth:grant-type:device_code" } else { "authorization_code" },
            client_auth,
        })
    }

    fn tell(&self, endpoint: &Endpoint, registered: &Registered) {
        let secret = match (&registered.client_secret, registered.secret_ends_at) {
            (None, _) => ", without a secret".to_owned(),
            (Some(_), None) => String::new(),
            (Some(_), Some(end)) if end <= self.context.now() => ", with a secret that has ended already".to_owned(),
            (Some(_), Some(end)) => format!(", with a secret that ends at {}", rfc3339(end).unwrap_or_else(|| "a time unheard of".into())),
        };
        self.context.say(&format!("✓ registered at {} as client {}{secret}", endpoint.authority(), printable(&registered.client_id)));
    }

    /// A client that registered itself is what the server made of it, unless the user says otherwise.
    pub(super) fn keep_origin(&self, origin: Option<Origin>, pins: &mut Pins) {
        let Some(Origin { endpoint, client_auth }) = origin else { return };
        pins.registration_endpoint = Some(endpoint);
        if self.settings.borrow().client_auth.is_none() {
            pins.client_auth = client_auth;
        }
    }

    /// Saves what was chosen. Where the resource names the server, the client id stays with the record, which knows whose it is.
    pub(super) fn save_settings(&self) -> Result<(), Failure> {
        let mut settings = self.settings.borrow().clone();
        if settings.only_resource().is_some() {
            settings.client_id = None;
        }
        Ok(self.context.config.save(&self.profile, &settings)?)
    }
}
