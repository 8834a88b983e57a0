//! Whom and what the shop knows: a file that a user can edit.

use super::Money;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Largest file, in bytes; ten thousand customers are some 3 MiB.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Customers, cards and rewards as a file holds them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Members of the loyalty programme.
    #[serde(default)]
    pub customers: Vec<Customer>,
    /// Gift cards.
    #[serde(default)]
    pub cards: Vec<Card>,
    /// What points buy.
    #[serde(default)]
    pub rewards: Vec<Reward>,
}

/// A member of the loyalty programme; names as the register's search wants them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// The integrator's own id.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    #[serde(default)]
    pub last_name: String,
    /// Mail address.
    pub email_address: String,
    /// Points at the beginning.
    #[serde(default)]
    pub points: u64,
    /// What the points are called.
    #[serde(default = "points")]
    pub points_label: String,
    /// A picture of 300 by 300 pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon_url: Option<String>,
    /// A line for the operator.
    #[serde(default)]
    pub intro_text: String,
    /// Free labels and values for the operator.
    #[serde(default)]
    pub params: Map<String, Value>,
}

fn points() -> String {
    "Points".to_owned()
}

/// A gift card, named by its reference id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// The reference id.
    pub id: String,
    /// What is on it at the beginning.
    pub balance: Money,
}

/// What points buy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reward {
    /// Its id.
    pub id: String,
    /// What the operator reads.
    pub title: String,
    /// Small print.
    #[serde(default)]
    pub terms: String,
    /// Points that it costs.
    pub points: u64,
    /// What it takes off an order.
    #[serde(default)]
    pub value: Money,
}

/// Why a file is no data of a shop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadData {
    /// It is larger than [`MOST_BYTES`].
    #[error("it is larger than {} MiB", MOST_BYTES / 1024 / 1024)]
    TooLarge,
    /// It does not have the form; the text may quote names of the file.
    #[error("{0}")]
    Form(String),
    /// Two of a kind have one id.
    #[error("the {0} `{1}` stands twice")]
    Twice(&'static str, String),
}

impl Data {
    /// The built-in shop.
    pub fn sample() -> Self {
        serde_json::from_str(SAMPLE).expect("the built-in data is sound, which a test holds")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`BadData`].
    pub fn read(bytes: &[u8]) -> Result<Self, BadData> {
        if bytes.len() > MOST_BYTES {
            return Err(BadData::TooLarge);
        }
        let data: Self = serde_json::from_slice(bytes).map_err(|error| BadData::Form(error.to_string()))?;
        unique("customer", data.customers.iter().map(|customer| &customer.id))?;
        unique("card", data.cards.iter().map(|card| &card.id))?;
        unique("reward", data.rewards.iter().map(|reward| &reward.id))?;
        Ok(data)
    }
}

fn unique<'a>(kind: &'static str, mut ids: impl Iterator<Item = &'a String>) -> Result<(), BadData> {
    let mut seen = BTreeSet::new();
    ids.try_for_each(|id| if seen.insert(id) { Ok(()) } else { Err(BadData::Twice(kind, id.clone())) })
}

/// The built-in shop as a file.
pub const SAMPLE: &str = include_str!("../sample/data.json");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_shop_knows_the_customer_of_the_guide() {
        let data = Data::read(SAMPLE.as_bytes()).expect("sound data");

        assert!(data.customers.iter().any(|customer| customer.first_name == "David" && customer.last_name == "Kent"));
        assert_eq!((data.customers.len(), data.cards.len(), data.rewards.len()), (3, 3, 4));
        assert_eq!(Data::sample(), data);
    }

    #[test]
    fn a_file_that_is_wrong_says_where() {
        let twice = r#"{"cards":[{"id":"A","balance":1},{"id":"A","balance":"2.00"}]}"#;
        assert_eq!(Data::read(twice.as_bytes()), Err(BadData::Twice("card", "A".into())));
        let misspelt = r#"{"cards":[{"id":"A","ballance":1}]}"#;
        assert!(Data::read(misspelt.as_bytes()).expect_err("misspelt").to_string().contains("ballance"));
        assert!(Data::read(br#"{"cards":[{"id":"A","balance":1.234}]}"#).is_err());
    }
}
