//! The few order endpoints that redeeming a reward needs: an order, and payments on it (apidoc.kounta.com/payments).
//!
//! Each company has the same two open orders.

use super::{
    answer::{self, Answer, Refused},
    company::Company,
    state::Visit,
};
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The orders that every company has.
const ORDERS: [u64; 2] = [880_417, 880_418];

/// What is due on each of them.
const TOTAL: f64 = 18.0;

/// Payments that one order takes; a rehearsal needs a few.
const MOST: usize = 100;

/// A payment on an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// A number in the fewest digits; negative for a refund.
    pub amount: String,
    /// The payer's own reference.
    pub reference: String,
}

/// Payments by company and order.
#[derive(Debug, Default)]
pub(super) struct Orders(BTreeMap<(u64, u64), Vec<Payment>>);

impl Orders {
    /// All payments on an order, of whichever company.
    pub(super) fn payments(&self, order: u64) -> Vec<Payment> {
        self.0.iter().filter(|((_, known), _)| *known == order).flat_map(|(_, payments)| payments.clone()).collect()
    }
}

/// What a path below `/v1/companies/` names.
struct Place {
    company: String,
    order: u64,
    payments: bool,
}

impl Place {
    fn read(path: &str) -> Option<Self> {
        let path = path.strip_suffix(".json").unwrap_or(path);
        let segments: Vec<&str> = path.strip_prefix("/v1/companies/")?.split('/').collect();
        let (company, order, payments) = match segments.as_slice() {
            [company, "orders", order] => (company, order, false),
            [company, "orders", order, "payments"] => (company, order, true),
            _ => return None,
        };
        Some(Self { company: (*company).to_owned(), order: order.parse().ok()?, payments })
    }
}

/// Answers a path of an order; nothing for any other path.
pub(super) fn decide(visit: &mut Visit<'_>) -> Option<Answer> {
    let place = Place::read(&visit.call.path)?;
    let answered = match (&visit.call.method, place.payments) {
        (&Method::GET, false) => show(visit, &place),
        (&Method::POST, true) => pay(visit, &place),
        (_, true) => return Some(answer::method_not_allowed("POST")),
        (_, false) => return Some(answer::method_not_allowed("GET")),
    };
    Some(answered.unwrap_or_else(Refused::answer))
}

/// The company of the token, where the path names it and the order is one of its own.
fn open(visit: &Visit<'_>, place: &Place) -> Result<&'static Company, Refused> {
    let (company, _) = visit.bearer()?;
    let missing = Refused::with(404, "not_found", "There is no such order");
    let is_own = place.company == "me" || place.company == company.id.to_string();
    if is_own && ORDERS.contains(&place.order) { Ok(company) } else { Err(missing) }
}

fn show(visit: &Visit<'_>, place: &Place) -> Result<Answer, Refused> {
    let company = open(visit, place)?;
    let payments = visit.state.orders.0.get(&(company.id, place.order)).cloned().unwrap_or_default();
    let payments: Vec<Value> = payments.iter().enumerate().map(|(at, payment)| document(at + 1, payment)).collect();
    Ok(answer::json(200, &json!({ "id": place.order, "status": "PENDING", "total": TOTAL, "payments": payments })))
}

fn pay(visit: &mut Visit<'_>, place: &Place) -> Result<Answer, Refused> {
    let company = open(visit, place)?;
    if visit.call.kind != super::call::Kind::Json {
        return Err(Refused::bad("bad_request", "The body has to be JSON"));
    }
    let amount = visit.call.member("amount")?.filter(|amount| amount.parse::<f64>().is_ok_and(f64::is_finite));
    let amount = amount.ok_or(Refused::bad("bad_request", "The amount is missing"))?.to_owned();
    let reference = visit.call.member("ref")?.unwrap_or_default().to_owned();
    let payments = visit.state.orders.0.entry((company.id, place.order)).or_default();
    if payments.len() == MOST {
        return Err(Refused::bad("bad_request", "The order takes no more payments"));
    }
    payments.push(Payment { amount, reference });
    let number = payments.len();
    let mut answer = answer::raw(201, "application/json", "");
    let location = format!("/v1/companies/{}/orders/{}/payments/{number}.json", company.id, place.order);
    answer.headers_mut().extend(HeaderValue::from_str(&location).ok().map(|location| (header::LOCATION, location)));
    Ok(answer)
}

fn document(number: usize, payment: &Payment) -> Value {
    let amount = serde_json::from_str::<Value>(&payment.amount).unwrap_or_else(|_| payment.amount.clone().into());
    json!({ "number": number, "amount": amount, "ref": payment.reference })
}
