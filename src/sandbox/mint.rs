//! Unpredictable texts. Whatever is issued begins with `mock-`, so that no real server is ever sent one (SECURITY K-03).

use super::answer::Refused;
use crate::secret::Secret;
use ring::rand::{SecureRandom, SystemRandom};

/// What every code, token and secret of the sandbox begins with.
pub const PREFIX: &str = "mock-";

/// Letters of a user code: no vowels, so that no words arise, and nothing that looks like a digit (RFC 8628 section 6.1).
const USER_CODE_LETTERS: &[u8; 16] = b"BCDFGHJKLMNPQRST";

/// A token of 160 bits, in the form of O-Series: 40 hex digits behind the prefix.
///
/// # Errors
/// Where the system gives no random bytes; nothing is issued then.
pub(super) fn token() -> Result<Secret, Refused> {
    Ok(Secret::new(format!("{PREFIX}{}", data_encoding::HEXLOWER.encode(&bytes::<20>()?))))
}

/// A code that a person types: eight letters in two groups, 32 bits.
///
/// # Errors
/// As [`token`].
pub(super) fn user_code() -> Result<String, Refused> {
    let letter = |nibble: u8| USER_CODE_LETTERS.get(usize::from(nibble & 15)).copied().map_or('B', char::from);
    let mut code: String = bytes::<4>()?.iter().flat_map(|byte| [letter(byte >> 4), letter(*byte)]).collect();
    code.insert(4, '-');
    Ok(code)
}

fn bytes<const N: usize>() -> Result<[u8; N], Refused> {
    let mut bytes = [0; N];
    let refused = Refused::with(500, "server_error", "the system gives no random bytes");
    SystemRandom::new().fill(&mut bytes).map_err(|_| refused)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_03_tokens_begin_with_mock_and_never_repeat() {
        let (one, two) = (token().expect("entropy"), token().expect("entropy"));

        assert!(one.expose().starts_with("mock-"));
        assert_eq!(one.len(), 45);
        assert!(!one.matches(two.expose()));
    }

    #[test]
    fn a_user_code_is_two_groups_of_four_letters() {
        let code = user_code().expect("entropy");

        assert_eq!(code.len(), 9);
        assert_eq!(code.find('-'), Some(4));
    }
}
