//! An authorization server in memory that rotates refresh tokens, and knows of each what became of it.

use std::collections::BTreeMap;

/// A refresh token that was issued.
pub struct Issued {
    pub family: u32,
    /// What it bought: access token and refresh token.
    pub bought: Option<(String, String)>,
    /// How often it was acted on.
    pub acted_on: u32,
    /// How often its answer was lost or its sender was killed.
    pub excused: u32,
}

/// The server. With a grace window a spent refresh token fetches the same pair again; without one its use ends the family.
pub struct Server {
    pub grace: bool,
    pub life: u64,
    pub tokens: BTreeMap<String, Issued>,
    pub access: BTreeMap<String, u32>,
    pub dead: Vec<u32>,
    families: u32,
    count: u32,
}

impl Server {
    pub fn new(grace: bool) -> Self {
        Self { grace, life: 3600, tokens: BTreeMap::new(), access: BTreeMap::new(), dead: Vec::new(), families: 0, count: 0 }
    }

    fn pair(&mut self, family: u32) -> (String, String) {
        self.count += 1;
        let (access, refresh) = (format!("access-{}", self.count), format!("refresh-{}", self.count));
        self.access.insert(access.clone(), family);
        self.tokens.insert(refresh.clone(), Issued { family, bought: None, acted_on: 0, excused: 0 });
        (access, refresh)
    }

    /// A new grant.
    pub fn consent(&mut self) -> String {
        self.families += 1;
        let pair = self.pair(self.families);
        self.answer(&pair)
    }

    /// Spends a refresh token; the answer's status and body.
    pub fn refresh(&mut self, token: &str) -> (u16, String) {
        let Some(issued) = self.tokens.get_mut(token) else { return (400, r#"{"error":"invalid_grant"}"#.into()) };
        let (family, bought) = (issued.family, issued.bought.clone());
        if self.dead.contains(&family) {
            return (400, r#"{"error":"invalid_grant"}"#.into());
        }
        issued.acted_on += 1;
        match bought {
            Some(pair) if self.grace => (200, self.answer(&pair)),
            Some(_) => {
                self.dead.push(family);
                (400, r#"{"error":"invalid_grant"}"#.into())
            }
            None => {
                let pair = self.pair(family);
                self.tokens.get_mut(token).unwrap().bought = Some(pair.clone());
                (200, self.answer(&pair))
            }
        }
    }

    fn answer(&self, (access, refresh): &(String, String)) -> String {
        format!(r#"{{"access_token":"{access}","token_type":"Bearer","expires_in":{},"refresh_token":"{refresh}"}}"#, self.life)
    }

    /// The newest refresh token that this one leads to, by replay.
    pub fn leads_to(&self, token: &str) -> String {
        self.tokens.get(token).and_then(|issued| issued.bought.as_ref()).map_or(token.to_owned(), |(_, refresh)| refresh.clone())
    }

    /// The refresh token of this family that is unspent.
    pub fn newest(&self, family: u32) -> &str {
        self.tokens.iter().find(|(_, issued)| issued.family == family && issued.bought.is_none()).unwrap().0
    }
}
