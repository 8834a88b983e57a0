//! `--redeem-as PROFILE`: a redeemed reward becomes a payment on the real order, with that profile's token.
//!
//! The only thing of `pos serve` that opens settings and store of a real profile. The token goes to the API base that was pinned at the
//! login and nowhere else. A reward is put down as a payment because payments are what the vendor documents
//! (apidoc.kounta.com/payments); whether the order's company allows that is for the vendor to say.

use super::{Context, Exit, Failure};
use crate::{
    cli::{
        context,
        token::{hand_out, need},
    },
    flow::{self, Budget, Need},
    http::client::{Client, Options},
    oauth::{
        bearer,
        endpoint::Endpoint,
        message::{Request, Response},
    },
    ports::Transport,
    pos::{orders::Orders, shop::Redeemed},
    profile::{ProfileName, Record, Settings},
    secret::Secret,
};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// How much life a token needs for one call.
const MIN_TTL: Duration = Duration::from_secs(60);

/// How long the API is waited for; the register waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(10);

/// The orders of the account behind a profile.
pub(super) struct Api {
    context: Context,
    profile: ProfileName,
    settings: Settings,
}

impl Api {
    /// Looks that there is a grant and an API; asks no server.
    pub fn open(context: &Context, profile: &str) -> Result<Self, Failure> {
        let profile = context::profile(profile)?;
        let settings = context.settings(&profile)?;
        let stored = context.with_grant(&profile, &settings, |world| Ok(flow::peek(world, &profile, &need(context, MIN_TTL))))?;
        let record = match stored.map_err(|error| Failure::from(error).hint_login(&profile))? {
            Ok(handed) => handed.record,
            Err(stale) => stale,
        };
        base(&record).ok_or_else(|| {
            Failure::usage(format!("no API is known for profile `{profile}`"))
                .hint("log in with --provider lightspeed-o, whose entry names it")
        })?;
        Ok(Self { context: Context::new(context.globals.clone(), true)?, profile, settings })
    }

    /// As the server takes it.
    pub fn shared(self) -> Arc<dyn Orders> {
        Arc::new(self)
    }

    fn pay(&self, redeemed: &Redeemed) -> Result<String, Failure> {
        let need = Need { called_at: SystemTime::now(), ..need(&self.context, MIN_TTL) };
        let mut response = self.post(redeemed, &need)?;
        if response.status.as_u16() == 401 {
            // The server may have ended the token early. Nothing was done then, so it is safe to ask again with a fresh one, once.
            response = self.post(redeemed, &Need { force: true, budget: Budget::starting(Instant::now(), None), ..need })?;
        }
        judged(&response)?;
        Ok(format!("order {} paid {}", redeemed.order, redeemed.value))
    }

    fn post(&self, redeemed: &Redeemed, need: &Need) -> Result<Response, Failure> {
        let handed = hand_out(&self.context, &self.profile, &self.settings, need)?;
        let gone = || Failure::new(Exit::LoginNeeded, "there is no grant any more");
        let base = base(&handed.record).ok_or_else(gone)?;
        let token = &handed.tokens().ok_or_else(gone)?.access_token;
        let url = place(base, &company(&handed.record), &redeemed.order).ok_or_else(|| Failure::usage("the order id is not a number"))?;
        let amount = serde_json::from_str::<Value>(&redeemed.value.to_string()).unwrap_or_default();
        let body = json!({ "amount": amount, "ref": format!("{} {}", redeemed.reward, redeemed.member) });
        let mut request = Request { method: Method::POST, body: Some(Secret::new(body.to_string())), ..Request::get(url) };
        request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(Client::new(Options::default()).send(&bearer::call(request, token), Instant::now() + PATIENCE)?)
    }
}

impl Orders for Api {
    fn redeem(&self, redeemed: &Redeemed) -> Result<String, String> {
        self.pay(redeemed).map_err(|failure| failure.fact)
    }
}

fn base(record: &Record) -> Option<&Endpoint> {
    record.registration.as_ref()?.pins.api_base.as_ref()
}

/// The company of the grant, as the login found it; `me` stands for it elsewhere in the API.
fn company(record: &Record) -> String {
    let account = record.current.as_ref().and_then(|current| current.account.as_ref());
    let id = account.filter(|account| account.noun == "company").map(|account| account.id.as_str());
    id.filter(|id| is_number(id)).unwrap_or("me").to_owned()
}

/// The payments of an order, below the API base. Only digits go into the path.
fn place(base: &Endpoint, company: &str, order: &str) -> Option<url::Url> {
    let mut url = base.url().clone();
    let path = format!("{}/companies/{company}/orders/{order}/payments.json", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url.set_query(None);
    is_number(order).then_some(url)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Sorts what the API says; the words are for the operator at the register.
fn judged(response: &Response) -> Result<(), Failure> {
    let (exit, words) = match response.status.as_u16() {
        200..=299 => return Ok(()),
        401 => (Exit::LoginNeeded, "the API does not take the token".to_owned()),
        403 => (Exit::Refused, "the API does not allow this order to be changed".to_owned()),
        404 => (Exit::Usage, "there is no such order".to_owned()),
        429 => (Exit::Later, "the API asks to wait".to_owned()),
        status => (Exit::Later, format!("the API answered {status}")),
    };
    Err(Failure::new(exit, words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_id_cannot_lead_the_token_elsewhere() {
        let base = Endpoint::typed("https://api.example/v1/").expect("an endpoint");

        let url = place(&base, "5042", "880417").expect("a place");
        assert_eq!(url.as_str(), "https://api.example/v1/companies/5042/orders/880417/payments.json");
        for order in ["", "1/../2", "1?x", "1#", "..", "%2e%2e", "１", "123456789012345678901", "@evil.test"] {
            assert!(place(&base, "5042", order).is_none(), "{order}");
        }
    }
}
