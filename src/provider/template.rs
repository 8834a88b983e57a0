//! Addresses with a part that differs from user to user, such as `https://{host}/oauth/token`.
//!
//! A value is put in only where it passes the rule of its variable, so that it can neither end the host nor begin a path
//! of its own; the address that comes out is then checked like any other (SECURITY D-12).

use crate::oauth::endpoint::{Endpoint, EndpointError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest DNS name (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;

/// Values by the names of variables.
pub type Variables = BTreeMap<String, String>;

/// A part of an address that the user has to give, or may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// What a person is asked for.
    pub about: String,
    /// What a value may be.
    pub rule: Rule,
    /// Taken where nothing is given.
    #[serde(default)]
    pub default: Option<String>,
}

/// What the value of a variable may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// One DNS label.
    Label,
    /// DNS labels with dots between them: a domain, or an id with hyphens.
    Name,
    /// A name, and perhaps a port.
    Host,
}

impl Rule {
    /// Whether a value keeps the rule.
    pub fn allows(self, value: &str) -> bool {
        match self {
            Self::Label => is_dns_label(value),
            Self::Name => is_name(value),
            Self::Host => match value.split_once(':') {
                Some((name, port)) => is_name(name) && is_port(port),
                None => is_name(value),
            },
        }
    }

    /// What it allows, in words.
    pub fn says(self) -> &'static str {
        match self {
            Self::Label => "lower-case letters, digits and hyphens, without dots",
            Self::Name => "a lower-case name such as `shop.example`",
            Self::Host => "a lower-case host such as `git.example` or `git.example:8443`",
        }
    }
}

/// Whether a text is one DNS label: `[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?`.
pub fn is_dns_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-') && !text.ends_with('-')
}

fn is_name(text: &str) -> bool {
    text.len() <= MAX_NAME && text.split('.').all(is_dns_label)
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

/// An address in which `{name}` stands for a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Template(String);

/// Why no address comes out of a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// A brace without its partner, or nothing between them.
    #[error("a brace in it has no partner")]
    Braces,
    /// The entry does not say what may stand there.
    #[error("`{{{0}}}` is not among the variables of the entry")]
    Undeclared(String),
    /// The user has to say it.
    #[error("it needs a value for `{0}`")]
    Unset(String),
    /// The value breaks its rule.
    #[error("`{value}` cannot be used for `{name}`: {says}")]
    Value {
        /// Which variable.
        name: String,
        /// What was given, printable.
        value: String,
        /// What is allowed.
        says: &'static str,
    },
    /// A host was wanted, and this is more or less than one.
    #[error("`{0}` is not a host")]
    NotAHost(String),
    /// What came out must not see a secret.
    #[error(transparent)]
    Address(#[from] EndpointError),
}

impl Template {
    /// A template of this text; it is checked when it is filled.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Names of the variables in it, in their order.
    ///
    /// # Errors
    /// [`BadTemplate::Braces`].
    pub fn names(&self) -> Result<Vec<&str>, BadTemplate> {
        let mut rest = self.0.as_str();
        let mut names = Vec::new();
        while let Some((head, tail)) = rest.split_once('{') {
            let (name, after) = tail.split_once('}').ok_or(BadTemplate::Braces)?;
            if head.contains('}') || name.is_empty() || name.contains('{') {
                return Err(BadTemplate::Braces);
            }
            names.push(name);
            rest = after;
        }
        if rest.contains('}') { Err(BadTemplate::Braces) } else { Ok(names) }
    }

    /// The address for the given values; a variable without a value takes its default.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn fill(&self, declared: &BTreeMap<String, Variable>, values: &Variables) -> Result<Endpoint, BadTemplate> {
        Ok(Endpoint::typed(&self.fill_text(declared, values)?)?)
    }

    /// A host and perhaps its port for the given values, where the template stands for no more than that.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn fill_host(&self, declared: &BTreeMap<String, Variable>, values: &Variables) -> Result<String, BadTemplate> {
        let text = self.fill_text(declared, values)?;
        let endpoint = Endpoint::typed(&format!("https://{text}/"))?;
        let whole = endpoint.authority() == text;
        whole.then_some(text).ok_or_else(|| BadTemplate::NotAHost(crate::text::printable(&self.0)))
    }

    /// An address as text, for identifiers that are compared byte for byte.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn fill_text(&self, declared: &BTreeMap<String, Variable>, values: &Variables) -> Result<String, BadTemplate> {
        let mut text = self.0.clone();
        for name in self.names()? {
            let variable = declared.get(name).ok_or_else(|| BadTemplate::Undeclared(crate::text::printable(name)))?;
            let value = values.get(name).or(variable.default.as_ref()).ok_or_else(|| BadTemplate::Unset(name.to_owned()))?;
            if !variable.rule.allows(value) {
                let value = crate::text::printable(value);
                return Err(BadTemplate::Value { name: name.to_owned(), value, says: variable.rule.says() });
            }
            text = text.replace(&format!("{{{name}}}"), value);
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fill(template: &str, rule: Rule, value: &str) -> Result<String, BadTemplate> {
        let declared = BTreeMap::from([("x".to_owned(), Variable { about: "X".into(), rule, default: None })]);
        let values = BTreeMap::from([("x".to_owned(), value.to_owned())]);
        Template(template.to_owned()).fill(&declared, &values).map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn d_12_a_label_cannot_leave_its_place_in_the_host() {
        let long = "a".repeat(64);
        for value in ["evil.example/", "a@evil", "a.b", "a%2f", "", "-a", "a-", "A", "a_b", "a:1", "é", "a\n", "a b", long.as_str()] {
            assert!(
                matches!(fill("https://{x}.shop.example/t", Rule::Label, value), Err(BadTemplate::Value { .. })),
                "{value:?} was taken"
            );
        }
        for value in ["a", "a-b", "0", &long[..63]] {
            assert_eq!(fill("https://{x}.shop.example/t", Rule::Label, value), Ok(format!("https://{value}.shop.example/t")));
        }
    }

    #[test]
    fn a_host_may_have_dots_and_a_port() {
        for value in ["git.example", "git.example:8443", "localhost"] {
            assert_eq!(fill("https://{x}/t", Rule::Host, value), Ok(format!("https://{value}/t")));
        }
        for value in
            ["git.example:", "git.example:0", "git.example:65536", "git.example:+1", "a..b", ".a", "a.", "a@b", "a/b", "a:1:2", "[::1]"]
        {
            assert!(fill("https://{x}/t", Rule::Host, value).is_err(), "{value} was taken");
        }
        assert!(!Rule::Name.allows("git.example:1"));
    }

    #[test]
    fn a_template_names_only_variables_that_are_declared() {
        assert_eq!(fill("https://{y}/", Rule::Host, "a"), Err(BadTemplate::Undeclared("y".into())));
        for template in ["https://{x/", "https://x}/", "https://{}/", "https://{{x}}/", "https://{x}}/"] {
            assert_eq!(fill(template, Rule::Host, "a"), Err(BadTemplate::Braces), "{template}");
        }
        assert!(matches!(fill("http://{x}/", Rule::Host, "git.example"), Err(BadTemplate::Address(_))));
    }

    proptest! {
        #[test]
        fn a_value_never_changes_anything_but_its_place(value in "[a-z0-9.:/@%?#-]{0,12}|.{0,8}") {
            if let Ok(address) = fill("https://{x}.shop.example/t", Rule::Label, &value) {
                let url = url::Url::parse(&address).expect("a URL");
                let host = format!("{value}.shop.example");
                prop_assert_eq!(url.host_str(), Some(host.as_str()));
                prop_assert_eq!(url.path(), "/t");
            }
        }
    }
}
