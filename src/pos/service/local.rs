//! Answers from this program: the shop decides, an example says it.

use super::{Arc, Call, Till, reply::Reply, soon::Soon};
use crate::pos::{
    answers::{Answers, Saved, safe},
    journal::Why,
    orders::Orders,
    place::raw_parameter,
    shop::{Ask, Customer, Outcome, Redeemed, Reward, Values},
};

impl Till {
    /// Answers one of the register's calls out of the shop and its examples.
    pub(super) fn decide(self: &Arc<Self>, name: &'static str, call: Call, query: &str) -> Soon<Reply> {
        let (outcome, answers) = self.outcome(name, &call, query);
        if !answers.follow_the_shop(name) {
            let Outcome { asked, mut values, .. } = outcome;
            values.retain(|variable, _| !answers.has_variable(variable));
            self.desk().lay_over(name, &mut values);
            return Soon::Now(Reply { asked, ..self.matched(Some(name), &answers, &call, &values) });
        }
        if let (Some(redeemed), Some(orders)) = (outcome.redeemed.clone(), self.orders.clone()) {
            let till = Arc::clone(self);
            return Soon::later(async move {
                let outcome = till.redeem(outcome, redeemed, orders).await;
                till.say(name, &answers, &call, outcome)
            });
        }
        let is_redeemed = outcome.redeemed.is_some();
        let mut reply = self.say(name, &answers, &call, outcome);
        if is_redeemed {
            reply.why.also("no order was changed: --redeem-as PROFILE does that".to_owned());
        }
        Soon::Now(reply)
    }

    /// What becomes of a redeemed reward that goes onto a real order.
    async fn redeem(&self, mut outcome: Outcome, redeemed: Redeemed, orders: Arc<dyn Orders>) -> Outcome {
        let wanted = redeemed.clone();
        let done = tokio::task::spawn_blocking(move || orders.redeem(&wanted)).await;
        match done.unwrap_or_else(|_| Err("This went wrong inside of the server".to_owned())) {
            Ok(words) => {
                outcome.answered = format!("{}, {words}", outcome.answered);
                outcome
            }
            Err(why) => {
                self.desk().shop.take_back(&redeemed);
                Outcome::not_updated(outcome.asked, &why)
            }
        }
    }

    /// What the shop says, or what was set by hand in its place; with the examples to say it.
    fn outcome(&self, name: &'static str, call: &Call, query: &str) -> (Outcome, Arc<Answers>) {
        let mut desk = self.desk();
        let answers = Arc::clone(&desk.answers);
        let order = raw_parameter(query, "order_id").or_else(|| call.field("order_id")).unwrap_or_default();
        let redeem_url = |reward: &Reward, customer: &Customer| self.place.redeem_url(&reward.id, &customer.id, order);
        let ask = Ask { call, order, amount: desk.amount(name), redeem_url: &redeem_url };
        let by_hand = desk.outcome(name);
        // An outcome that was set by hand moves neither points nor money.
        let before = by_hand.is_some().then(|| desk.shop.clone());
        let mut outcome = desk.shop.decide(name, &ask).unwrap_or_default();
        if let (Some(by_hand), Some(before)) = (by_hand, before) {
            desk.shop = before;
            outcome.redeemed = None;
            if outcome.name != by_hand {
                let answered = format!("{by_hand}, as set by hand");
                outcome = Outcome { name: by_hand.into(), answered, asked: outcome.asked, ..Outcome::default() };
            }
        }
        desk.lay_over(name, &mut outcome.values);
        (outcome, answers)
    }

    /// The example of an outcome, filled in; a safe answer where the collection has none.
    fn say(&self, name: &'static str, answers: &Answers, call: &Call, outcome: Outcome) -> Reply {
        let saved = answers.of_outcome(name, &outcome.name, call, &outcome.values);
        let Some(saved) = saved else {
            let document = safe(Some(name), "Not possible");
            let remark = format!("the collection has no example `{}` below `{name}`, so a safe answer was sent", outcome.name);
            let reply = Reply::json(200, &document, format!("safe answer {document}"));
            return Reply { asked: outcome.asked, remarks: vec![remark], ..reply };
        };
        Reply { asked: outcome.asked, answered: outcome.answered, ..self.of_saved(Some(name), saved) }
    }

    /// The answer of a collection by matching alone; where nothing fits, what the register can take, or the truth under `--strict`.
    pub(super) fn matched(&self, name: Option<&str>, answers: &Arc<Answers>, call: &Call, values: &Values) -> Reply {
        match answers.of_match(call, values) {
            Ok(saved) => {
                let answered = format!("{} {}", saved.rendered.status.as_u16(), saved.example);
                Reply { answered, why: Why::Weighed(Arc::clone(answers)), ..self.of_saved(name, saved) }
            }
            Err(why) if self.strict || name != Some("search") => {
                let status = why.status().as_u16();
                let reply = Reply::error(status, "No saved example fits", format!("{status} in JSON; {why}"));
                Reply { why: Why::Told(vec![why.to_string()]), ..reply }
            }
            Err(why) => {
                let document = safe(name, "No saved example fits");
                let reply = Reply::json(200, &document, format!("no match, fallback {document}"));
                Reply { why: Why::Told(vec![why.to_string()]), ..reply }
            }
        }
    }

    fn of_saved(&self, name: Option<&str>, saved: Saved) -> Reply {
        let Saved { example, why, rendered, remarks } = saved;
        let content_type = rendered.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let reply = Reply {
            status: rendered.status.as_u16(),
            content_type: content_type.to_owned(),
            body: rendered.body,
            example: Some(example),
            why: Why::Told(why),
            remarks,
            ..Reply::default()
        };
        if self.as_saved { reply } else { reply.sound(name) }
    }
}
