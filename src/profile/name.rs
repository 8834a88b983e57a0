//! The user's name for a grant, in a form that is safe as a file name everywhere.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Longest name. Together with an ending and a temporary suffix it stays below every file system's 255 bytes.
const LONGEST: usize = 64;

/// A name of `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, without a dot at its end, and none of Windows' device names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProfileName(String);

/// The text is not a profile name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a profile name")]
pub struct BadName(String);

impl ProfileName {
    /// As typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether both would be one file on a system that ignores case.
    pub fn clashes_with(&self, other: &Self) -> bool {
        self != other && self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl FromStr for ProfileName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let alphanumeric_first = text.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
        let allowed = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
        let stem = text.split('.').next().unwrap_or_default();
        if alphanumeric_first && allowed && text.len() <= LONGEST && !text.ends_with('.') && !is_device(stem) {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName(crate::text::printable(text)))
        }
    }
}

/// Names that Windows gives to devices, whatever their extension.
fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_uppercase();
    let numbered = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || numbered.is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ProfileName {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<ProfileName> for String {
    fn from(name: ProfileName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_06_names_that_could_leave_the_folder_or_name_a_device_are_refused() {
        let long = "x".repeat(65);
        for text in [
            "../../.ssh/x",
            "a/b",
            "a\\b",
            ".",
            "..",
            "-v",
            "--all",
            "",
            long.as_str(),
            "a\0b",
            "con",
            "NUL.txt",
            "a.",
            "COM¹",
            "com1",
            "LPT9.log",
            "p%2e",
            "é",
            "p\u{1b}[2J",
            "a b",
        ] {
            assert!(text.parse::<ProfileName>().is_err(), "{text:?} was taken");
        }
        for text in ["till", "lightspeed-o", "a.b_c-1", "common", "com10", &long[..64]] {
            assert!(text.parse::<ProfileName>().is_ok(), "{text:?} was refused");
        }
    }

    #[test]
    fn c_07_names_that_differ_in_case_clash() {
        let name = |text: &str| text.parse::<ProfileName>().expect("a name");

        assert!(name("Prod").clashes_with(&name("prod")));
        assert!(!name("prod").clashes_with(&name("prod")));
    }
}
