//! The path of a saved request as a pattern, and how well a path fits it.

use crate::pos::{
    call::decoded,
    collection::Address,
    template::{Rationed, Template},
};

/// Most segments of a path. No API goes deeper, and the tree of patterns is walked by recursion.
pub(super) const MOST_SEGMENTS: usize = 64;

/// One segment of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// This text, decoded.
    Literal(String),
    /// Any text: `:name`, or a variable without a value. `usual` is the value that it was saved with.
    Open { name: String, usual: Option<String> },
    /// Any text between two given ones: `user-{{id}}.json`.
    Mixed { before: String, name: String, after: String },
}

/// The path of a saved request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub segments: Vec<Segment>,
    /// Whether a slash stands at its end.
    pub slash: bool,
}

/// How a path that has the shape of a pattern differs from it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Loosened {
    pub slash: bool,
    pub case: bool,
    pub ids: bool,
    pub near: bool,
    /// Segments that any text would have matched.
    pub open: usize,
}

impl Pattern {
    /// The one or two patterns of an address: its path, and its path below that of the base, where the base has one.
    pub(super) fn of(address: &Address, variables: &Rationed<'_>) -> Vec<Self> {
        let path = Template::new(&*address.path).resolve(variables, &mut |_| None);
        let base = Template::new(&*address.base).resolve(variables, &mut |_| None);
        let base = base.split_once("://").map_or(base.as_str(), |(_, rest)| rest);
        let base = base.split(['?', '#']).next().unwrap_or_default();
        let below = base.split_once('/').map(|(_, below)| below.trim_matches('/')).filter(|below| !below.is_empty());
        let values = &address.values;
        let mut patterns = vec![Self::read(&path, values, variables)];
        patterns.extend(below.map(|below| Self::read(&format!("{below}/{path}"), values, variables)));
        patterns.retain(|pattern| pattern.segments.len() <= MOST_SEGMENTS);
        patterns
    }

    fn read(path: &str, values: &[(String, String)], variables: &Rationed<'_>) -> Self {
        let path = path.trim_start_matches('/');
        let inner = path.trim_end_matches('/');
        let texts = if inner.is_empty() { Vec::new() } else { split(inner) };
        let segments = texts.into_iter().map(|text| Segment::read(text, values, variables)).collect();
        Self { segments, slash: inner.len() < path.len() }
    }

    /// How the decoded segments of a path differ, where the tree has found that they have the shape of this pattern.
    pub(super) fn loosened(&self, path: &[String], slash: bool) -> Loosened {
        let mut loosened = Loosened { slash: slash != self.slash && !path.is_empty(), ..Loosened::default() };
        for (segment, text) in self.segments.iter().zip(path) {
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Literal(literal) if lower(literal) == lower(text) => loosened.case = true,
                Segment::Literal(literal) if is_id(literal) && is_id(text) => loosened.ids = true,
                Segment::Literal(_) => loosened.near = true,
                Segment::Open { usual, .. } if usual.as_deref() == Some(text) => {}
                Segment::Open { .. } | Segment::Mixed { .. } => loosened.open += 1,
            }
        }
        loosened
    }

    /// What the open segments matched, by name.
    pub(super) fn captured(&self, path: &[String]) -> Vec<(String, String)> {
        let pairs = self.segments.iter().zip(path).filter_map(|(segment, text)| match segment {
            Segment::Literal(_) => None,
            Segment::Open { name, .. } => Some((name.clone(), text.clone())),
            Segment::Mixed { name, before, after } => Some((name.clone(), between(text, before, after)?.to_owned())),
        });
        pairs.filter(|(name, _)| !name.is_empty()).collect()
    }
}

impl Segment {
    fn read(text: &str, values: &[(String, String)], variables: &Rationed<'_>) -> Self {
        if let Some(name) = text.strip_prefix(':').filter(|name| !name.is_empty()) {
            let value = values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            let usual = value.map(|value| Template::new(value).resolve(variables, &mut |_| None));
            return Self::Open { name: name.to_owned(), usual: usual.filter(|usual| !usual.contains("{{")) };
        }
        let template = Template::new(text);
        let Some((before, word, after)) = template.edges() else { return Self::Literal(decoded(text)) };
        let name = word.and_then(|word| word.name()).unwrap_or_default().to_owned();
        if before.is_empty() && after.is_empty() {
            Self::Open { name, usual: None }
        } else {
            Self::Mixed { before: decoded(before), name, after: decoded(after) }
        }
    }

    /// Whether this pattern of two ends fits a text.
    pub(super) fn fits(before: &str, after: &str, text: &str) -> bool {
        between(text, before, after).is_some()
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.strip_suffix(after).filter(|inner| !inner.is_empty())
}

/// Splits at slashes that do not stand in `{{braces}}`.
fn split(path: &str) -> Vec<&str> {
    let (mut parts, mut from, mut at, mut closes) = (Vec::new(), 0, 0, true);
    while let Some(found) = path.get(at..).and_then(|rest| rest.find(['/', '{'])).map(|found| found + at) {
        let rest = path.get(found..).unwrap_or_default();
        if rest.starts_with('/') {
            parts.push(path.get(from..found).unwrap_or_default());
            from = found + 1;
        }
        let close = if closes && rest.starts_with("{{") { rest.find("}}") } else { None };
        // What does not end behind here ends nowhere behind: no text is gone through twice.
        closes &= close.is_some() || !rest.starts_with("{{");
        at = close.map_or(found + 1, |close| found + close + 2);
    }
    parts.push(path.get(from..).unwrap_or_default());
    parts
}

pub(super) fn lower(text: &str) -> String {
    text.to_lowercase()
}

/// The key under which the tree keeps a literal segment: case does not count, and one id is as good as another.
pub(super) fn key(text: &str) -> String {
    // No decoded segment of a request or a collection is taken for this key by accident: a slash splits segments.
    if is_id(text) { "/id".to_owned() } else { lower(text) }
}

/// Whether a segment looks like the id of one thing: a number, a UUID, or a long text with digits.
pub(super) fn is_id(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let hex_or_dash = || text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let is_uuid = text.len() == 36 && text.bytes().filter(|byte| *byte == b'-').count() == 4 && hex_or_dash();
    let is_long = text.len() >= 20 && text.bytes().any(|byte| byte.is_ascii_digit()) && !text.contains([' ', '.']);
    is_number || is_uuid || is_long
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(base: &str, path: &str, values: &[(&str, &str)]) -> Vec<Pattern> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let address =
            Address { base: base.to_owned(), path: path.to_owned(), values: values.iter().map(own).collect(), ..Address::default() };
        let variables = [("url", "https://a.test/v1/"), ("known", "42"), ("two", "x/y")].map(|pair| own(&pair));
        Pattern::of(&address, &Rationed::for_call(&variables.into_iter().collect()))
    }

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.to_owned())
    }

    #[test]
    fn variables_with_a_value_are_text_and_the_others_are_open() {
        let open = |name: &str, usual: Option<&str>| Segment::Open { name: name.to_owned(), usual: usual.map(str::to_owned) };
        let patterns = pattern("{{nowhere}}", "{{two}}/{{known}}/:id/:n/{{b}}/u-{{c}}.json/a%20b/{{$guid}}/", &[("id", "7")]);

        let mixed = Segment::Mixed { before: "u-".to_owned(), name: "c".to_owned(), after: ".json".to_owned() };
        let segments = vec![
            literal("x"),
            literal("y"),
            literal("42"),
            open("id", Some("7")),
            open("n", None),
            open("b", None),
            mixed,
            literal("a b"),
            open("", None),
        ];
        assert_eq!(patterns, [Pattern { segments, slash: true }]);
    }

    #[test]
    fn a_base_with_a_path_gives_a_second_pattern() {
        let patterns = pattern("{{url}}", "users", &[]);

        assert_eq!(patterns[0].segments, [literal("users")]);
        assert_eq!(patterns[1].segments, [literal("v1"), literal("users")]);
        assert_eq!(pattern("{{url}}", "", &[])[0].segments, []);
    }

    #[test]
    fn each_difference_is_told() {
        let loosened = |path: &str, asked: &[&str], slash| {
            let asked: Vec<_> = asked.iter().map(|text| (*text).to_owned()).collect();
            pattern("", path, &[("id", "7")]).remove(0).loosened(&asked, slash)
        };
        let none = Loosened::default();

        assert_eq!(loosened("a/:id", &["a", "7"], false), none);
        assert_eq!(loosened("a/:id", &["A", "8"], true), Loosened { slash: true, case: true, open: 1, ..none });
        assert_eq!(loosened("a/12", &["a", "13"], false), Loosened { ids: true, ..none });
        assert_eq!(loosened("abcd", &["abce"], false), Loosened { near: true, ..none });
        assert_eq!(loosened("", &[], true), none);
    }

    #[test]
    fn ids_are_numbers_uuids_and_long_texts_with_digits() {
        for id in ["1", "0123", "9f3c51d0-7a2e-4b1c-8d3e-0123456789ab", "5f3c51d07a2e9f3c51d07a2e"] {
            assert!(is_id(id), "{id}");
        }
        for word in ["", "v1", "members", "notification-preferences", "a.very.long.name.of.some.file.1.json"] {
            assert!(!is_id(word), "{word}");
        }
    }

    #[test]
    fn a_path_without_end_has_no_pattern() {
        assert_eq!(pattern("", &"a/".repeat(65), &[]), []);
    }
}
