//! Customers, and what their points buy.

use super::{Ask, Customer, MOST_REDEEMED, Outcome, Redeemed, Reward, Shop};
use serde_json::{Map, Value, json};

/// Members of one search answer; an operator reads no more.
const MOST_FOUND: usize = 20;

impl Shop {
    /// Customer search: every word of `keyword` in name, mail address or id, or a `reference_id` from a check-in.
    pub(super) fn search(&self, ask: &Ask<'_>) -> Outcome {
        let (keyword, reference) = (ask.field("keyword"), ask.field("reference_id"));
        let asked = ask.words(&format!("\"{}\"", if keyword.is_empty() { reference } else { keyword }));
        let words: Vec<_> = keyword.split_whitespace().map(str::to_lowercase).collect();
        let found: Vec<_> = self.now.customers.iter().filter(|known| is_meant(known, &words, reference)).take(MOST_FOUND).collect();
        let members: Map<String, Value> = found.iter().map(|found| (found.id.clone(), member(found))).collect();
        let answered = match found.as_slice() {
            [] => return Outcome::new("none", asked, "no match, fallback {\"members\":{}}"),
            [one] => format!("1 member, {}, {} points", name(one), one.points),
            more => format!("{} members", more.len()),
        };
        Outcome::new("found", asked, answered).json("members", Value::from(members))
    }

    /// Reward lookup: what the customer's points buy right now.
    pub(super) fn lookup(&self, ask: &Ask<'_>) -> Outcome {
        let (reference, customer) = (ask.field("reference_id"), ask.field("customer_id"));
        let asked = ask.words(if reference.is_empty() { customer } else { reference });
        let Some(known) = self.customer(reference).or_else(|| self.customer(customer)) else {
            return Outcome::refused("unknown-customer", asked, "Unknown customer");
        };
        let affordable = self.now.rewards.iter().filter(|reward| reward.points <= known.points);
        let rewards: Vec<_> = affordable.map(|reward| offer(reward, &(ask.redeem_url)(reward, known))).collect();
        let plural = if rewards.len() == 1 { "" } else { "s" };
        let carried = if ask.order.is_empty() { "no order id to carry" } else { "order id carried" };
        Outcome::new("found", asked, format!("{} reward{plural}, {carried}", rewards.len()))
            .text("member", &known.id)
            .text("first_name", &known.first_name)
            .json("points", known.points)
            .json("rewards", Value::from(rewards))
    }

    /// Redeem: takes the points and remembers what for; the order itself is changed by whoever asked.
    pub(super) fn redeem(&mut self, ask: &Ask<'_>) -> Outcome {
        let (reward, member) = (ask.field("reward"), ask.field("member"));
        let asked = ask.words(&format!("{reward} for {member}"));
        let Some(reward) = self.now.rewards.iter().find(|known| known.id == reward).cloned() else {
            return Outcome::refused("unknown-reward", asked, "Unknown reward");
        };
        if self.redeemed.iter().any(|past| past.order == ask.order && past.reward == reward.id && past.member == member) {
            return Outcome::refused("already-redeemed", asked, "Already redeemed on this order");
        }
        let Some(customer) = self.now.customers.iter_mut().find(|known| known.id == member) else {
            return Outcome::refused("unknown-customer", asked, "Unknown customer");
        };
        let before = customer.points;
        let Some(after) = before.checked_sub(reward.points) else {
            return Outcome::refused("not-enough-points", asked, "Not enough points").json("points", before);
        };
        customer.points = after;
        let redeemed = Redeemed {
            order: ask.order.to_owned(),
            reward: reward.id,
            title: reward.title,
            member: member.to_owned(),
            points: reward.points,
            value: reward.value,
        };
        self.redeemed.truncate(MOST_REDEEMED - 1);
        self.redeemed.push_front(redeemed.clone());
        let outcome = Outcome::new("success", asked, format!("success, {before} → {after} points")).json("points", after);
        Outcome { redeemed: Some(redeemed), ..outcome }
    }

    /// Takes a redemption back because the order could not be changed.
    pub fn take_back(&mut self, redeemed: &Redeemed) {
        let Some(at) = self.redeemed.iter().position(|past| past == redeemed) else { return };
        self.redeemed.remove(at);
        if let Some(customer) = self.now.customers.iter_mut().find(|known| known.id == redeemed.member) {
            customer.points = customer.points.saturating_add(redeemed.points);
        }
    }

    fn customer(&self, id: &str) -> Option<&Customer> {
        self.now.customers.iter().find(|known| known.id == id)
    }
}

fn name(customer: &Customer) -> String {
    format!("{} {}", customer.first_name, customer.last_name).trim().to_owned()
}

/// Whether these words in lower case, or this id, name a customer.
fn is_meant(customer: &Customer, words: &[String], reference: &str) -> bool {
    if customer.id == reference {
        return true;
    }
    let Customer { first_name, last_name, email_address, id, .. } = customer;
    let text = [first_name.as_str(), last_name, email_address, id].join(" ").to_lowercase();
    !words.is_empty() && words.iter().all(|word| text.contains(word))
}

/// A member as help article 215799728 lists its fields; `current_points` is a text there.
fn member(customer: &Customer) -> Value {
    let mut member = json!({
        "id": customer.id,
        "first_name": customer.first_name,
        "last_name": customer.last_name,
        "email_address": customer.email_address,
        "current_points": customer.points.to_string(),
        "points_label": customer.points_label,
        "intro_text": customer.intro_text,
        "params": customer.params,
    });
    if let (Some(icon), Some(members)) = (&customer.icon_url, member.as_object_mut()) {
        members.insert("icon_url".to_owned(), icon.clone().into());
    }
    member
}

/// A reward as help article 204010194 lists its fields.
fn offer(reward: &Reward, redeem_url: &str) -> Value {
    json!({
        "id": reward.id,
        "title": reward.title,
        "terms": reward.terms,
        "points_required": reward.points,
        "redeem_url": redeem_url,
    })
}
