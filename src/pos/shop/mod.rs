//! The make-believe shop behind the calls: customers with points, gift cards with balances, rewards that cost points.
//!
//! It decides *what* is true (found or not, enough or not) and moves points and money; *how* that is said lies in the
//! saved examples of the collection, one for each outcome, because the vendor does not document every field. It knows
//! no HTTP and no clock. What was spent comes back with [`Shop::reset`].

mod data;
mod loyalty;
mod money;
mod payments;

pub use data::{BadData, Card, Customer, Data, MOST_BYTES, Reward, SAMPLE};
pub use money::{Money, NoAmount};

use super::{call::Call, template::Given};
use std::{
    borrow::Cow,
    collections::{BTreeMap, VecDeque},
};

/// Values for the variables of an example.
pub type Values = BTreeMap<String, Given>;

/// Redemptions that are remembered, so that one is not made twice for an order.
const MOST_REDEEMED: usize = 10_000;

/// The shop as it is now.
#[derive(Debug, Clone)]
pub struct Shop {
    initial: Data,
    now: Data,
    redeemed: VecDeque<Redeemed>,
}

/// A reward that was bought with points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redeemed {
    /// The order that it is for, as the register named it.
    pub order: String,
    /// Id of the reward.
    pub reward: String,
    /// What it is called.
    pub title: String,
    /// Id of the customer.
    pub member: String,
    /// Points that it cost.
    pub points: u64,
    /// What it takes off the order.
    pub value: Money,
}

/// One call as the shop reads it.
pub struct Ask<'a> {
    /// The call.
    pub call: &'a Call,
    /// The order id byte for byte as it stands in the query, else as it is.
    pub order: &'a str,
    /// An amount that somebody has set by hand; it goes before the one that was asked for.
    pub amount: Option<Money>,
    /// Makes the address at which a reward is redeemed.
    pub redeem_url: &'a dyn Fn(&Reward, &Customer) -> String,
}

/// What the shop decided.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The name of the example that says it, such as `unknown-card`.
    pub name: Cow<'static, str>,
    /// Values for its variables.
    pub values: Values,
    /// What was asked, in a few words; parts of it come from outside.
    pub asked: String,
    /// What was answered, in a few words.
    pub answered: String,
    /// The redemption that was made, to be taken back where the order cannot be changed.
    pub redeemed: Option<Redeemed>,
}

/// What a name names nothing in this shop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0} `{1}`")]
pub struct Unknown(pub &'static str, pub String);

impl Shop {
    /// A shop as its data says.
    pub fn new(data: Data) -> Self {
        Self { now: data.clone(), initial: data, redeemed: VecDeque::new() }
    }

    /// Points and balances as at the beginning, nothing redeemed.
    pub fn reset(&mut self) {
        self.now = self.initial.clone();
        self.redeemed.clear();
    }

    /// Customers, cards and rewards as they are now.
    pub fn data(&self) -> &Data {
        &self.now
    }

    /// Puts a balance on a card.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn set_balance(&mut self, card: &str, balance: Money) -> Result<(), Unknown> {
        let found = self.card(card).ok_or_else(|| Unknown("card", card.to_owned()))?;
        found.balance = balance;
        Ok(())
    }

    /// Gives a customer points.
    ///
    /// # Errors
    /// [`Unknown`].
    pub fn set_points(&mut self, customer: &str, points: u64) -> Result<(), Unknown> {
        let found = self.now.customers.iter_mut().find(|known| known.id == customer);
        found.ok_or_else(|| Unknown("customer", customer.to_owned()))?.points = points;
        Ok(())
    }

    /// Decides one of the register's calls; `None` for a name that is none.
    pub fn decide(&mut self, name: &str, ask: &Ask<'_>) -> Option<Outcome> {
        match name {
            "search" => Some(self.search(ask)),
            "rewards" => Some(self.lookup(ask)),
            "redeem" => Some(self.redeem(ask)),
            "topup" => Some(self.top_up(ask)),
            "balance" => Some(self.balance(ask)),
            "checkout" => Some(self.checkout(ask)),
            "refund" => Some(self.refund(ask)),
            _ => None,
        }
    }

    fn card(&mut self, id: &str) -> Option<&mut Card> {
        self.now.cards.iter_mut().find(|known| known.id.eq_ignore_ascii_case(id))
    }
}

impl Ask<'_> {
    fn field(&self, name: &str) -> &str {
        self.call.field(name).unwrap_or_default().trim()
    }

    /// Some words, and the order where there is one.
    fn words(&self, words: &str) -> String {
        if self.order.is_empty() { words.to_owned() } else { format!("{words}  order {}", self.order) }
    }
}

impl Outcome {
    fn new(name: &'static str, asked: String, answered: impl Into<String>) -> Self {
        Self { name: name.into(), asked, answered: answered.into(), ..Self::default() }
    }

    /// A refusal in words for the operator.
    fn refused(name: &'static str, asked: String, error: &str) -> Self {
        Self::new(name, asked, format!("refused: {error}")).text("error", error)
    }

    /// A redemption whose order could not be changed; `why` is for the operator.
    pub fn not_updated(asked: String, why: &str) -> Self {
        Self::refused("order-not-updated", asked, why)
    }

    #[must_use]
    fn text(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), Given::Text(value.into()));
        self
    }

    #[must_use]
    fn json(mut self, name: &str, value: impl ToString) -> Self {
        self.values.insert(name.to_owned(), Given::Json(value.to_string()));
        self
    }
}

#[cfg(test)]
mod tests;
