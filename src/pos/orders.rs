//! Changing a real order when a reward is redeemed: a door that the command line opens.
//!
//! This room knows neither profiles nor stores. Who serves with `--redeem-as` hands in something that does.

use super::shop::Redeemed;

/// Whoever can put a redemption on an order.
pub trait Orders: Send + Sync {
    /// Puts it there and gives a few words for the journal. May take as long as a call of the API does.
    ///
    /// # Errors
    /// Why not, in words for the operator and without a secret.
    fn redeem(&self, redeemed: &Redeemed) -> Result<String, String>;
}
