//! One run of `login`: what is missing is asked for, what is known is pinned, then a person consents.

use super::{
    Login,
    agent::{Agent, Manner},
    ask,
    client::Origin,
    no_client_id, no_server, unattended_failure,
};
use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure},
        held, show, terminal,
    },
    flow::{self, Confirm, FlowError, Preflight, World},
    oauth::{
        grant::{self, Prompt},
        metadata::ServerMetadata,
        redirect_uri::RedirectUri,
    },
    profile::{Account, Plan, ProfileName, Record, Registration, Settings},
    provider::Provider,
    redirect::Listener,
    secret::Secret,
    store::holders::Holders,
};
use std::{cell::RefCell, collections::BTreeMap};

/// What a login is bound to, the client's secret, and what waits for the redirect.
type Prepared = (Plan, Option<Secret>, Option<Listener>);

/// One run of the command, once it is clear who is meant and how the person is reached.
pub(super) struct Attempt<'a> {
    pub login: &'a Login,
    pub context: &'a Context,
    pub profile: ProfileName,
    pub manner: Manner,
    pub entry: Option<Provider>,
    pub settings: RefCell<Settings>,
}

impl Attempt<'_> {
    pub fn run(mut self) -> Result<Exit, Failure> {
        if self.login.finish {
            let agent = Agent::new(self.context, self.manner.clone(), self.login.timeout);
            let settings = self.settings.borrow().clone();
            return self.context.with_world(&settings, &agent, |world| self.finish(world, &agent));
        }
        if self.entry.is_none() && self.settings.borrow().names_no_server() {
            if !self.manner.person {
                return Err(no_server());
            }
            self.entry = Some(ask::provider(self.context)?);
            self.settings.borrow_mut().provider = self.entry.as_ref().map(|entry| entry.name.clone());
        }
        let secret = self.given_secret()?;
        let may_be_stored = self.settings.borrow().only_resource().is_some();
        if !self.manner.person && !self.login.register && !may_be_stored && self.settings.borrow().client_id.is_none() {
            return Err(no_client_id());
        }
        let agent = Agent::new(self.context, self.manner.clone(), self.login.timeout);
        let settings = self.settings.borrow().clone();
        let exit = self.context.with_world(&settings, &agent, |world| self.in_world(world, &agent, secret))?;
        held::tell_of_others(self.context, &self.profile, &settings, &self.context.store_name(&settings)?)?;
        Ok(exit)
    }

    fn given_secret(&self) -> Result<Option<Secret>, Failure> {
        if self.login.server.client_secret_stdin {
            return terminal::secret_from_stdin().map(Some);
        }
        self.login.server.secret_from_env()
    }

    fn in_world(&self, world: &World<'_>, agent: &Agent<'_>, secret: Option<Secret>) -> Result<Exit, Failure> {
        let record = world.store.load(&self.profile)?;
        if self.login.replace && record.as_ref().and_then(|record| record.pending.as_ref()).is_some_and(|pending| pending.granted.is_some())
        {
            return self.good_news(flow::take_aside(world, &self.profile)?);
        }
        if !self.manner.reachable {
            return Err(unattended_failure());
        }
        if self.lacks_client(record.as_ref()) {
            return Err(no_client_id());
        }
        let (plan, secret, listener) = self.prepare(world, record.as_ref(), secret)?;
        flow::probe(world)?;
        if let Some(caveat) = world.store.caveat() {
            self.context.say(&format!("note: {caveat}"));
        }
        let registration = Registration { pins: plan.pins.clone(), client_secret: secret };
        let record = flow::begin(world, &self.profile, &registration)?;
        self.settings.borrow_mut().cache = Some(record.id);
        self.save_settings()?;
        Holders::new(&self.context.folders.state).add(&self.profile, world.store.name());
        if self.manner.person {
            self.context.say(&format!("✓ {} can be written; id and secret are safe from here on", world.store.place()));
        }
        if self.login.client_only {
            self.context.say(&format!("✓ client stored; `tokenstrap login {}` goes on", self.profile));
            return Ok(Exit::Done);
        }
        self.preflight(world, &plan, &registration)?;
        self.consent(world, agent, plan, registration, listener)
    }

    /// Server and client are known or found out, asked for or registered; nothing is stored yet.
    fn prepare(&self, world: &World<'_>, record: Option<&Record>, secret: Option<Secret>) -> Result<Prepared, Failure> {
        let metadata = self.metadata(world)?;
        let kept = self.kept_client(record, metadata.as_ref())?;
        let is_kept = secret.is_none();
        let has_secret = !is_kept || kept.as_ref().is_some_and(|kept| kept.client_secret.is_some());
        let draft = self.plan(metadata.as_ref(), self.wants_secret(has_secret))?;
        let mut origin = kept.as_ref().and_then(Origin::of);
        let mut secret = secret.or_else(|| self.kept_secret(kept, &draft));
        let listener = self.bind(&draft.redirect_uri)?;
        let redirect_uri = listener.as_ref().map_or_else(|| draft.redirect_uri.clone(), |listener| listener.redirect_uri().clone());
        if self.wants_registration() {
            let draft = Plan { redirect_uri: redirect_uri.clone(), ..draft };
            (origin, secret) = self.register(world, metadata.as_ref(), &draft)?;
        } else {
            self.ask_missing(&redirect_uri, &mut secret)?;
        }
        let mut plan = self.plan(metadata.as_ref(), secret.is_some())?;
        plan.redirect_uri = redirect_uri;
        self.keep_origin(origin, &mut plan.pins);
        // A kept secret goes nowhere but to the server that it was given for, whatever an entry says by now.
        plan.preflight = plan.preflight.filter(|endpoint| !is_kept || endpoint.authority() == plan.pins.token_endpoint.authority());
        self.refuse_weak(&plan, secret.as_ref())?;
        Ok((plan, secret, listener))
    }

    /// A secret is expected unless the person said that there is none.
    fn wants_secret(&self, has_secret: bool) -> bool {
        let settings = self.settings.borrow();
        match settings.client_auth {
            Some(method) => method.needs_secret(),
            None => has_secret || self.entry.as_ref().is_some_and(|entry| self.manner.person && entry.client_auth.needs_secret()),
        }
    }

    fn plan(&self, metadata: Option<&ServerMetadata>, has_secret: bool) -> Result<Plan, Failure> {
        Ok(crate::profile::plan(&self.settings.borrow(), self.entry.as_ref(), metadata, has_secret)?)
    }

    /// Bound once and kept, before anything is asked or opened.
    fn bind(&self, uri: &RedirectUri) -> Result<Option<Listener>, Failure> {
        let Login { paste, device, link, client_only, listen, .. } = self.login;
        if *paste || *device || *link || *client_only {
            return Ok(None);
        }
        match listen {
            Some(address) => Ok(Some(Listener::bind_behind(uri, *address)?)),
            None => Ok(Some(Listener::bind(uri)?)),
        }
    }

    /// The redirect URI is shown before the id is asked for: the two are typed into the same form of the vendor.
    fn ask_missing(&self, redirect_uri: &RedirectUri, secret: &mut Option<Secret>) -> Result<(), Failure> {
        let id_missing = self.settings.borrow().client_id.is_none();
        let secret_missing = secret.is_none() && self.wants_secret(id_missing && self.settings.borrow().client_auth.is_none());
        if !self.manner.person {
            return if self.settings.borrow().client_auth.is_some_and(|method| method.needs_secret()) && secret.is_none() {
                Err(Failure::usage("there is no client secret").hint("pass it with --client-secret-stdin or --client-secret-env VAR"))
            } else {
                Ok(())
            };
        }
        if !self.login.device && (id_missing || secret_missing) {
            ask::show_steps(self.context, self.entry.as_ref(), redirect_uri);
        }
        if id_missing {
            self.settings.borrow_mut().client_id = Some(ask::client_id()?);
        }
        if secret_missing {
            let typed = terminal::ask_secret("Client secret (hidden, Enter for none)")?;
            *secret = (!typed.is_empty()).then_some(typed);
        }
        Ok(())
    }

    fn refuse_weak(&self, plan: &Plan, secret: Option<&Secret>) -> Result<(), Failure> {
        if plan.pins.client_auth.needs_secret() && secret.is_none() {
            return Err(Failure::usage(format!("{} needs a client secret", plan.pins.client_auth.name()))
                .hint("pass it with --client-secret-stdin or --client-secret-env VAR"));
        }
        if plan.pins.client_id.is_empty() {
            return Err(no_client_id());
        }
        self.refuse_unprotected(plan)?;
        if self.settings.borrow().no_pkce {
            self.context.warn(&[
                "PKCE is left out: a stolen code could be exchanged by whoever has the client's secret, or by anybody where there is none"
                    .into(),
            ]);
        }
        Ok(())
    }

    /// What no server has to be asked for.
    pub(super) fn refuse_unprotected(&self, plan: &Plan) -> Result<(), Failure> {
        if plan.pkce_unsupported && !self.settings.borrow().no_pkce {
            return Err(Failure::new(Exit::Refused, "the server's metadata rules out PKCE with S256")
                .hint("--no-pkce goes on without that protection"));
        }
        let secrets =
            plan.params.keys().any(|name| ["client_secret", "password", "access_token", "refresh_token"].contains(&name.as_str()));
        if secrets { Err(Failure::new(Exit::Refused, "a secret does not belong into an address")) } else { Ok(()) }
    }

    fn preflight(&self, world: &World<'_>, plan: &Plan, registration: &Registration) -> Result<(), Failure> {
        let Some(endpoint) = plan.preflight.as_ref().filter(|_| !self.login.no_preflight && registration.client_secret.is_some()) else {
            return Ok(());
        };
        match flow::preflight(world, registration, endpoint) {
            Preflight::Accepted => self.context.say(&format!("✓ id and secret accepted by {}, before any browser", endpoint.authority())),
            Preflight::Unknown(reason) => self.context.warn(&[format!("id and secret could not be tried: {reason}")]),
            Preflight::Refused(status) => {
                let text = format!(
                    "{} does not take id and secret ({status}); it does so only for a developer's own company, and some have none",
                    endpoint.authority()
                );
                self.context.warn(&[text]);
                if self.manner.person && !terminal::confirm("Go on all the same?") {
                    return Err(Failure::new(Exit::Refused, "id and secret were not accepted").hint("`--no-preflight` leaves this try out"));
                }
            }
        }
        Ok(())
    }

    fn consent(
        &self,
        world: &World<'_>,
        agent: &Agent<'_>,
        plan: Plan,
        registration: Registration,
        listener: Option<Listener>,
    ) -> Result<Exit, Failure> {
        let confirm = |old: &Account, new: &Account| self.confirm(old, new);
        let show = |prompt: &Prompt| agent.show(prompt);
        let name = if self.login.device { "device_code" } else { "authorization_code" };
        let login = flow::Login {
            profile: self.profile.clone(),
            kind: grant::by_name(name).ok_or_else(|| Failure::new(Exit::Bug, "a grant is missing from its table"))?,
            redirect_uri: plan.redirect_uri.clone(),
            scopes: plan.scopes,
            scope_separator: plan.scope_separator,
            params: plan.params,
            expected_issuer: plan.expected_issuer,
            pkce: !self.settings.borrow().no_pkce,
            patience: self.login.timeout,
            confirm: &confirm,
            show: &show,
            registration,
        };
        if self.login.link {
            return self.link(world, &login);
        }
        let pins = &login.registration.pins;
        let mismatch = self.entry.as_ref().and_then(|entry| entry.mismatch.clone());
        agent.prepare(listener, pins, &login.scopes, mismatch, false);
        let outcome = flow::login(world, &login).map_err(Failure::from);
        self.good_news(outcome.map_err(|failure| self.explain(failure, &plan.redirect_uri))?)
    }

    /// Goes on where `--link` stopped, with what was stored then; what the settings say by now changes nothing.
    fn finish(&self, world: &World<'_>, agent: &Agent<'_>) -> Result<Exit, Failure> {
        let nothing = || Failure::from(FlowError::NothingPending(self.profile.clone()));
        let pending = world.store.load(&self.profile)?.and_then(|record| record.pending).ok_or_else(nothing)?;
        let attempt = pending.attempt.ok_or_else(nothing)?;
        let confirm = |old: &Account, new: &Account| self.confirm(old, new);
        let login = flow::Login {
            profile: self.profile.clone(),
            kind: grant::by_name("authorization_code").ok_or_else(|| Failure::new(Exit::Bug, "a grant is missing from its table"))?,
            redirect_uri: attempt.redirect_uri.clone(),
            scopes: attempt.scopes.clone(),
            scope_separator: " ".to_owned(),
            params: BTreeMap::new(),
            expected_issuer: attempt.expected_issuer.clone(),
            pkce: attempt.verifier.is_some(),
            patience: self.login.timeout,
            confirm: &confirm,
            show: &|_| {},
            registration: pending.registration,
        };
        agent.prepare(None, &login.registration.pins, &login.scopes, None, true);
        let outcome = flow::finish(world, &login, attempt).map_err(Failure::from);
        self.good_news(outcome.map_err(|failure| self.explain(failure, &login.redirect_uri))?)
    }

    fn confirm(&self, old: &Account, new: &Account) -> Confirm {
        if self.login.replace {
            return Confirm::Replace;
        }
        let question = format!("{} holds {}. Replace it by {}?", self.profile, show::of_account(old), show::of_account(new));
        if self.manner.person && terminal::confirm(&question) { Confirm::Replace } else { Confirm::Keep }
    }
}
