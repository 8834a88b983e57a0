//! The invented companies that a resource owner may pick.

use serde_json::{Value, json};

/// One company; a token belongs to exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Company {
    /// As `id` in the API, and as `sub` where OpenID Connect is spoken.
    pub id: u64,
    /// What a person calls it.
    pub name: &'static str,
    /// How many sites.
    pub sites: u64,
    /// How many registers.
    pub registers: u64,
}

/// The first one is what a robot picks when nobody tells it otherwise.
pub static COMPANIES: &[Company] = &[
    Company { id: 5042, name: "Corner Cafe", sites: 2, registers: 3 },
    Company { id: 5117, name: "Harbour Kiosk", sites: 1, registers: 1 },
];

/// The developer's own company, which Basic credentials stand for.
pub static OWN_COMPANY: Company = Company { id: 5001, name: "Workshop", sites: 1, registers: 1 };

impl Company {
    /// The company with that number, as a form carries it.
    pub(super) fn by_id(id: &str) -> Option<&'static Self> {
        COMPANIES.iter().find(|company| company.id.to_string() == id)
    }

    /// Another one than this, for the fault that delivers a stranger's token.
    pub(super) fn other(&self) -> &'static Self {
        COMPANIES.iter().find(|company| company.id != self.id).unwrap_or(&OWN_COMPANY)
    }

    /// What `GET /v1/companies/me.json` shows.
    pub(super) fn document(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "currency": "AUD",
            "timezone": { "offset": "+10:00", "name": "Australia/Sydney" },
            "sites": { "count": self.sites, "url": "/v1/sites.json" },
            "registers": { "count": self.registers, "url": "/v1/registers.json" },
        })
    }
}
