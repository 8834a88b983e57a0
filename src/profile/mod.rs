//! What the user named: a profile, its settings, and the record that a store keeps for it.

pub mod name;
pub mod record;
pub mod settings;

pub use name::{BadName, ProfileName};
pub use record::{Account, BadRecord, Current, Mark, Pending, PendingAttempt, Record, Registration, Suspect};
pub use settings::Settings;
