//! The system's source of unpredictable bytes.

use crate::ports::{Entropy, NoEntropy};
use ring::rand::{SecureRandom, SystemRandom};

/// `getrandom(2)` or what stands in its place.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        SystemRandom::new().fill(buffer).map_err(|_| NoEntropy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut first, mut second) = ([0; 32], [0; 32]);
        SystemEntropy.fill(&mut first).expect("entropy");
        SystemEntropy.fill(&mut second).expect("entropy");

        assert_ne!(first, second);
        assert_ne!(first, [0; 32]);
    }
}
