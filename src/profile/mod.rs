//! What the user named: a profile, its settings, and the record that a store keeps for it.

pub mod name;
pub mod plan;
pub mod record;
pub mod settings;

pub use name::{BadName, ProfileName};
pub use plan::{Plan, PlanError, differs, plan};
pub use record::{Account, BadRecord, Current, Mark, Pending, PendingAttempt, Record, Registration, Suspect};
pub use settings::Settings;
