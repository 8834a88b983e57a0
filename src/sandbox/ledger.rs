//! Which tokens live: issue, rotation, reuse, revocation (RFC 6749 section 6, RFC 9700 section 4.14).
//!
//! Tokens that come from one consent are a family. A spent refresh token that comes back outside the grace window kills
//! the whole family, since nobody can tell the thief from the owner. Time and tokens come in as values.

use super::company::Company;
use crate::secret::Secret;
use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

/// What one resource owner agreed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Consent {
    /// To which client.
    pub client: String,
    /// For which company.
    pub company: &'static Company,
    /// What was granted.
    pub scope: Vec<String>,
    /// To be repeated in the ID token.
    pub nonce: Option<String>,
    /// When.
    pub at: SystemTime,
}

/// Tokens issued together.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// Bearer of access.
    pub access: Secret,
    /// Buys the next pair; `None` where the old one stays good.
    pub refresh: Option<Secret>,
    /// When the access token ends.
    pub expires_at: SystemTime,
}

/// Names a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FamilyId(u64);

#[derive(Debug)]
struct Family {
    consent: Consent,
    alive: bool,
}

#[derive(Debug)]
struct Access {
    family: FamilyId,
    expires_at: SystemTime,
    company: &'static Company,
}

#[derive(Debug)]
struct Refresh {
    family: FamilyId,
    spent: Option<(SystemTime, Pair)>,
}

/// What a refresh token that came in stands for.
#[derive(Debug)]
pub(super) enum Presented {
    /// Good.
    Live(FamilyId),
    /// Spent a moment ago: the same pair goes out again.
    Again(FamilyId, Pair),
    /// Spent before: the family is dead from now on.
    Reused,
    /// Never issued, revoked, or of a dead family.
    Unknown,
}

/// All tokens that were ever issued. Keys are hashes, so that looking one up says nothing through its timing.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    families: HashMap<FamilyId, Family>,
    access: HashMap<String, Access>,
    refresh: HashMap<String, Refresh>,
    reuse_events: u64,
}

impl Ledger {
    /// Opens a family for a consent.
    pub(super) fn open(&mut self, consent: Consent) -> FamilyId {
        let id = FamilyId(self.families.len() as u64);
        self.families.insert(id, Family { consent, alive: true });
        id
    }

    /// Writes a pair down; `company` may differ from the consent's where a fault demands it.
    pub(super) fn issue(&mut self, family: FamilyId, pair: &Pair, company: &'static Company) {
        self.access.insert(pair.access.hash(), Access { family, expires_at: pair.expires_at, company });
        if let Some(refresh) = &pair.refresh {
            self.refresh.insert(refresh.hash(), Refresh { family, spent: None });
        }
    }

    /// Judges a refresh token; `grace` is how long a spent one is answered with the pair that it bought.
    pub(super) fn present(&mut self, token: &str, now: SystemTime, grace: Duration) -> Presented {
        let Some(known) = self.refresh.get(&hash(token)) else { return Presented::Unknown };
        let family = known.family;
        let spent = known.spent.clone();
        if !self.is_alive(family) {
            self.reuse_events += u64::from(spent.is_some());
            return Presented::Unknown;
        }
        match spent {
            None => Presented::Live(family),
            Some((at, pair)) if now.duration_since(at).is_ok_and(|since| since < grace) => Presented::Again(family, pair),
            Some(_) => {
                self.reuse_events += 1;
                self.kill(family);
                Presented::Reused
            }
        }
    }

    /// Marks a refresh token as spent for `pair`.
    pub(super) fn spend(&mut self, token: &str, now: SystemTime, pair: Pair) {
        if let Some(known) = self.refresh.get_mut(&hash(token)) {
            known.spent = Some((now, pair));
        }
    }

    /// Ends every token of a family.
    pub(super) fn kill(&mut self, family: FamilyId) {
        if let Some(family) = self.families.get_mut(&family) {
            family.alive = false;
        }
    }

    /// Ends one token: an access token alone, a refresh token with its family (RFC 7009 section 2.1).
    pub(super) fn revoke(&mut self, token: &str) {
        let hash = hash(token);
        self.access.remove(&hash);
        if let Some(family) = self.refresh.get(&hash).map(|known| known.family) {
            self.kill(family);
        }
    }

    /// The consent behind a family.
    pub(super) fn consent(&self, family: FamilyId) -> Option<&Consent> {
        self.families.get(&family).map(|family| &family.consent)
    }

    /// The family and company of a live access token, and when it ends.
    pub(super) fn access(&self, token: &str, now: SystemTime) -> Option<(FamilyId, &'static Company, SystemTime)> {
        let known = self.access.get(&hash(token))?;
        (now < known.expires_at && self.is_alive(known.family)).then_some((known.family, known.company, known.expires_at))
    }

    /// The family of a live, unspent refresh token.
    pub(super) fn refresh(&self, token: &str) -> Option<FamilyId> {
        let known = self.refresh.get(&hash(token))?;
        (known.spent.is_none() && self.is_alive(known.family)).then_some(known.family)
    }

    /// How many refresh tokens could be spent right now.
    pub(super) fn live_refresh_tokens(&self) -> usize {
        self.refresh.values().filter(|known| known.spent.is_none() && self.is_alive(known.family)).count()
    }

    /// How often a spent refresh token came back outside the grace window.
    pub(super) fn reuse_events(&self) -> u64 {
        self.reuse_events
    }

    /// Ends all access tokens at once, refresh tokens stay: as a key change at the server does.
    pub(super) fn expire_access_tokens(&mut self) {
        self.access.clear();
    }

    fn is_alive(&self, family: FamilyId) -> bool {
        self.families.get(&family).is_some_and(|family| family.alive)
    }
}

fn hash(token: &str) -> String {
    Secret::new(token).hash()
}

#[cfg(test)]
mod tests {
    use super::{super::company::COMPANIES, *};

    const GRACE: Duration = Duration::from_secs(30);

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn pair(name: &str) -> Pair {
        let token = |kind: &str| Secret::new(format!("{kind}-{name}"));
        Pair { access: token("access"), refresh: Some(token("refresh")), expires_at: at(3600) }
    }

    fn ledger() -> (Ledger, FamilyId) {
        let mut ledger = Ledger::default();
        let company = COMPANIES.first().expect("a company");
        let family = ledger.open(Consent { client: String::new(), company, scope: Vec::new(), nonce: None, at: at(0) });
        ledger.issue(family, &pair("1"), company);
        ledger.issue(family, &pair("2"), company);
        ledger.spend("refresh-1", at(100), pair("2"));
        (ledger, family)
    }

    #[test]
    fn k_07_a_spent_refresh_token_that_comes_back_kills_its_whole_family() {
        let (mut ledger, _) = ledger();

        assert!(matches!(ledger.present("refresh-1", at(101), Duration::ZERO), Presented::Reused));

        assert_eq!(ledger.reuse_events(), 1);
        assert_eq!(ledger.live_refresh_tokens(), 0);
        assert!(ledger.access("access-2", at(101)).is_none());
        assert!(matches!(ledger.present("refresh-2", at(101), GRACE), Presented::Unknown));
        assert_eq!(ledger.reuse_events(), 1, "a live token of a dead family is nobody's reuse");
    }

    #[test]
    fn within_the_grace_window_the_same_pair_comes_again_and_one_second_later_the_family_dies() {
        let (mut ledger, family) = ledger();

        let again = ledger.present("refresh-1", at(129), GRACE);
        assert!(matches!(again, Presented::Again(id, pair) if id == family && pair.access.matches("access-2")));
        assert_eq!(ledger.reuse_events(), 0);
        assert!(matches!(ledger.present("refresh-1", at(130), GRACE), Presented::Reused));
    }

    #[test]
    fn an_access_token_ends_when_its_time_is_up_or_it_is_revoked() {
        let (mut ledger, _) = ledger();

        assert!(ledger.access("access-2", at(3599)).is_some());
        assert!(ledger.access("access-2", at(3600)).is_none());
        ledger.revoke("access-1");
        assert!(ledger.access("access-1", at(0)).is_none());
        assert!(ledger.refresh("refresh-2").is_some(), "revoking an access token leaves the refresh token");
        ledger.revoke("refresh-2");
        assert!(ledger.access("access-2", at(0)).is_none());
    }
}
