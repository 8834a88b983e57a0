//! The scenes of the rehearsal, in the order in which a shop would come to them.
//!
//! What is spent is put back: a top-up before the first checkout, a checkout after the refund. A server that keeps its books well
//! holds the same money afterwards.

use super::{
    super::{
        play::{Addresses, Answer, DEFAULTS, Encoding, PLACEHOLDER, Player, request, with_order},
        register::{self, RegisterCall},
    },
    Story,
};
use crate::oauth::message::{Request, Undelivered};
use http::Method;

/// What the server under test is asked for.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Typed into the customer search; somebody is found.
    pub keyword: String,
    /// A card that is known.
    pub card: String,
    /// An amount, as a register writes it, that the card holds.
    pub amount: String,
    /// The order that rewards are redeemed for.
    pub order: String,
    /// How the fields of a POST travel.
    pub encoding: Encoding,
}

/// Told before each scene is played.
pub type Progress<'a> = &'a dyn Fn(&str);

/// What nobody is called.
pub const NOBODY: &str = "zzz-nobody-0";
/// A card that no shop has.
pub const NO_CARD: &str = "NO-SUCH-CARD-0";
/// Quotes, markup, percent signs, other scripts and an astral character.
pub const ODD: &str = "O'Brien & Søn \"100%\" <b>+\\ 日本 😀";
/// Another placeholder, to see that it is echoed rather than known.
pub const OTHER_PLACEHOLDER: &str = "987654321";
/// An amount beyond what any card holds.
pub const TOO_MUCH: &str = "99999.00";

type Fields<'a> = &'a [(&'a str, &'a str)];

struct Stage<'a> {
    player: &'a Player<'a>,
    addresses: &'a Addresses,
    progress: Progress<'a>,
    encoding: Encoding,
    story: Story,
}

/// Plays every scene that the addresses allow.
pub fn play(player: &Player<'_>, addresses: &Addresses, facts: &Facts, progress: Progress<'_>) -> Story {
    let story = Story { within: player.patience, ..Story::default() };
    let mut stage = Stage { player, addresses, progress, encoding: facts.encoding, story };
    for (name, value) in [("amount", &facts.amount), ("order", &facts.order), ("placeholder", &PLACEHOLDER.to_owned())] {
        stage.story.facts.insert(name, value.clone());
    }
    stage.customers(facts);
    stage.rewards(facts);
    stage.money(facts);
    stage.story
}

impl Stage<'_> {
    fn customers(&mut self, facts: &Facts) {
        let long = "x".repeat(1000);
        for (scene, keyword) in [
            ("a customer is found", facts.keyword.as_str()),
            ("nobody is found", NOBODY),
            ("odd characters are typed", ODD),
            ("nothing is typed", ""),
            ("a very long text is typed", &long),
        ] {
            self.call("search", scene, &[("keyword", keyword), ("order_id", PLACEHOLDER)]);
        }
        self.wrong_method(facts);
    }

    /// What no register does, but a server answers all the same.
    fn wrong_method(&mut self, facts: &Facts) {
        let Some((call, address)) = self.address("search") else { return };
        let mut asked = request(call, &address, &fields(call, &[("keyword", &facts.keyword), ("order_id", PLACEHOLDER)]), Encoding::Form);
        asked.method = Method::DELETE;
        self.send(call, "the method is wrong", asked);
    }

    fn rewards(&mut self, facts: &Facts) {
        let member = self.story.of("a customer is found").and_then(first_member).unwrap_or_else(|| facts.keyword.clone());
        for (scene, customer, order) in [
            ("rewards of a customer", member.as_str(), PLACEHOLDER),
            ("rewards for another order", &member, OTHER_PLACEHOLDER),
            ("rewards of nobody", NOBODY, PLACEHOLDER),
        ] {
            self.call("rewards", scene, &[("customer_id", customer), ("reference_id", customer), ("order_id", order)]);
        }
        let Some((redeem, address)) = self.redeem_address() else { return };
        for scene in ["a reward is redeemed", "it is redeemed again"] {
            self.send(redeem, scene, Request::get(with_order(&address, &facts.order)));
            let scene = if scene.ends_with("again") { "rewards after the second" } else { "rewards after the first" };
            self.call("rewards", scene, &[("customer_id", &member), ("reference_id", &member), ("order_id", PLACEHOLDER)]);
        }
    }

    /// The address that the look-up gave for the cheapest reward, else the one that the user named.
    fn redeem_address(&self) -> Option<(&'static RegisterCall, url::Url)> {
        let call = register::by_name("redeem")?;
        let named = self.story.of("rewards of a customer").and_then(cheapest);
        let named = named.and_then(|text| self.addresses.named_by_server(&text).ok());
        named.or_else(|| self.addresses.of(call)).map(|address| (call, address))
    }

    fn money(&mut self, facts: &Facts) {
        let card = facts.card.as_str();
        let amount = facts.amount.as_str();
        self.pay("balance", "the balance of a card", card, None);
        self.otherwise("the balance, asked in the other encoding", card);
        self.pay("balance", "the balance of an unknown card", NO_CARD, None);
        self.pay("topup", "a card is topped up", card, Some(("topup_amount", amount)));
        self.pay("balance", "the balance after the top-up", card, None);
        self.pay("checkout", "a card pays", card, Some(("amount", amount)));
        self.pay("balance", "the balance after the payment", card, None);
        self.pay("refund", "the payment is refunded", card, Some(("amount", amount)));
        self.pay("balance", "the balance after the refund", card, None);
        if self.story.of("a card is topped up").is_some_and(Answer::is_good) {
            self.pay("checkout", "the top-up is spent again", card, Some(("amount", amount)));
        }
        self.pay("checkout", "an unknown card pays", NO_CARD, Some(("amount", amount)));
        self.pay("checkout", "a card pays more than it holds", card, Some(("amount", TOO_MUCH)));
        self.pay("balance", "the balance at the end", card, None);
        if self.story.cents("a card pays more than it holds", "amount").is_some_and(|taken| taken > 0) {
            let taken = self.story.of("a card pays more than it holds").and_then(|answer| answer.member("amount")).map(ToString::to_string);
            self.pay("refund", "what it paid of that is refunded", card, Some(("amount", &taken.unwrap_or_default())));
        }
    }

    fn pay(&mut self, call: &str, scene: &str, card: &str, amount: Option<(&str, &str)>) {
        let fields: Vec<_> = [("keyword", card), ("reference_id", card)].into_iter().chain(amount).collect();
        self.call(call, scene, &fields);
    }

    fn otherwise(&mut self, scene: &str, card: &str) {
        let encoding = if self.encoding == Encoding::Form { Encoding::Json } else { Encoding::Form };
        if let Some((call, address)) = self.address("balance") {
            let fields = fields(call, &[("keyword", card), ("reference_id", card)]);
            self.send(call, scene, request(call, &address, &fields, encoding));
        }
    }

    fn call(&mut self, call: &str, scene: &str, own: Fields<'_>) {
        if let Some((call, address)) = self.address(call) {
            self.send(call, scene, request(call, &address, &fields(call, own), self.encoding));
        }
    }

    fn address(&self, call: &str) -> Option<(&'static RegisterCall, url::Url)> {
        let call = register::by_name(call)?;
        self.addresses.of(call).map(|address| (call, address))
    }

    fn send(&mut self, call: &'static RegisterCall, scene: &str, request: Request) {
        // A server that is not there is not waited for scene by scene.
        if self.story.answers(call.name).any(|answer| answer.trouble.as_ref().is_some_and(Undelivered::is_unsent)) {
            return;
        }
        (self.progress)(scene);
        let answer = self.player.send(call.name, scene, request);
        self.story.add(answer);
    }
}

/// The call's own fields in its order: named ones, defaults for the rest, nothing for what only sometimes comes.
fn fields(call: &RegisterCall, own: Fields<'_>) -> Vec<(String, String)> {
    let value = |name: &str| {
        let named = own.iter().find(|(own, _)| *own == name);
        named.or_else(|| DEFAULTS.iter().find(|(own, _)| *own == name)).map(|(_, value)| (*value).to_owned())
    };
    call.parameters.iter().filter_map(|parameter| Some((parameter.name.to_owned(), value(parameter.name)?))).collect()
}

/// The id of the first member that a search found.
fn first_member(answer: &Answer) -> Option<String> {
    answer.member("members")?.as_object()?.keys().next().cloned()
}

/// The address of the reward that costs least.
fn cheapest(answer: &Answer) -> Option<String> {
    let rewards = answer.member("rewards")?.as_array()?;
    let affordable = rewards.iter().filter(|reward| reward.get("redeem_url").is_some_and(serde_json::Value::is_string));
    let least = affordable.min_by_key(|reward| reward.get("points_required").and_then(serde_json::Value::as_u64).unwrap_or(u64::MAX))?;
    least.get("redeem_url")?.as_str().map(str::to_owned)
}

impl Default for Facts {
    /// Somebody and something of the built-in mock.
    fn default() -> Self {
        Self { keyword: "david".into(), card: "GC-1001".into(), amount: "1.00".into(), order: "880417".into(), encoding: Encoding::Form }
    }
}
