//! What stands between the braces, and the values of the words that begin with `$`.
//!
//! `$guid`, `$randomUUID`, `$timestamp`, `$isoTimestamp` and `$randomInt` are Postman's; `$body`, `$queryParams`,
//! `$pathSegments` and `$headers` take a path or name and a default in quotes, as local mock servers have it.

use super::{Filling, Scope};
use std::{
    fmt,
    time::{Duration, SystemTime},
};

/// What a variable asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A variable of the files.
    Name(String),
    /// One that begins with `$`, with what follows it.
    Dollar(String, Vec<String>),
}

impl Word {
    /// Reads what stands between the braces.
    pub(super) fn read(inner: &str) -> Self {
        let inner = inner.trim();
        let Some(rest) = inner.strip_prefix('$') else { return Self::Name(inner.to_owned()) };
        let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        Self::Dollar(name.to_owned(), arguments(rest))
    }

    /// The name of a variable of the files.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Dollar(..) => None,
        }
    }

    /// Whether it begins with `$` and is none of the known ones.
    pub fn is_unknown(&self) -> bool {
        const KNOWN: [&str; 9] =
            ["guid", "randomUUID", "timestamp", "isoTimestamp", "randomInt", "body", "queryParams", "pathSegments", "headers"];
        matches!(self, Self::Dollar(name, _) if !KNOWN.contains(&name.as_str()))
    }

    /// The value of a word that begins with `$`.
    pub(super) fn value(&self, scope: &Scope<'_>) -> Option<Filling> {
        let Self::Dollar(name, arguments) = self else { return None };
        match name.as_str() {
            "guid" | "randomUUID" => uuid(scope).map(Filling::Own),
            "timestamp" => Some(Filling::Own(since_epoch(scope.now).as_secs().to_string())),
            "isoTimestamp" => iso(scope.now).map(Filling::Own),
            "randomInt" => dice(scope).map(|[low, high, ..]| Filling::Own((u16::from_le_bytes([low, high]) % 1001).to_string())),
            _ => {
                let sent = self.sent(scope).or_else(|| arguments.get(1).cloned());
                sent.map(Filling::Foreign)
            }
        }
    }

    /// What the call holds for one of the words that speak of it.
    fn sent(&self, scope: &Scope<'_>) -> Option<String> {
        let Self::Dollar(name, arguments) = self else { return None };
        let key = arguments.first().map(String::as_str);
        let call = scope.call;
        match (name.as_str(), key) {
            ("body", None) => Some(String::from_utf8_lossy(&call.body).into_owned()),
            ("body", Some(path)) => {
                let path = path.trim_start_matches("$.").replace('[', ".").replace(']', "");
                call.fields.of_body(&path).map(str::to_owned)
            }
            ("queryParams", Some(key)) => call.query.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone()),
            ("pathSegments", Some(at)) => call.segments().into_iter().nth(at.parse().ok()?),
            ("headers", Some(key)) => call.headers.get(key).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            _ => None,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "{{{{{name}}}}}"),
            Self::Dollar(name, _) => write!(f, "{{{{${name}}}}}"),
        }
    }
}

/// Words in single or double quotes, or bare ones.
fn arguments(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if matches!(first, '\'' | '"') {
            let inner = rest.get(1..).unwrap_or_default();
            inner.split_once(first).unwrap_or((inner, ""))
        } else {
            rest.split_once(char::is_whitespace).unwrap_or((rest, ""))
        };
        found.push(word.to_owned());
        rest = after.trim_start();
    }
    found
}

fn dice(scope: &Scope<'_>) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    scope.entropy.fill(&mut bytes).ok()?;
    Some(bytes)
}

/// A random UUID (RFC 9562 section 5.4).
fn uuid(scope: &Scope<'_>) -> Option<String> {
    let random = u128::from_be_bytes(dice(scope)?);
    let versioned = random & !(0xF << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{versioned:032x}");
    let groups: Option<Vec<_>> = [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().map(|range| hex.get(range)).collect();
    groups.map(|groups| groups.join("-"))
}

fn since_epoch(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

fn iso(now: SystemTime) -> Option<String> {
    let now = jiff::Timestamp::try_from(now).ok()?;
    Some(format!("{now:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_in_quotes_or_not() {
        let word = Word::read(r#" $body 'member.id'  "no one" 0 "#);

        assert_eq!(word, Word::Dollar("body".to_owned(), ["member.id", "no one", "0"].map(str::to_owned).to_vec()));
        assert_eq!(Word::read(" a b "), Word::Name("a b".to_owned()));
        assert_eq!(arguments("'open"), ["open"]);
        assert_eq!(arguments("'' ''"), ["", ""]);
    }

    #[test]
    fn only_words_of_postman_that_are_missing_here_are_unknown() {
        assert!(Word::read("$randomFirstName").is_unknown());
        assert!(Word::read("$").is_unknown());
        assert!(!Word::read("$guid").is_unknown() && !Word::read("name").is_unknown());
    }
}
