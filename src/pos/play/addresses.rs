//! Where each call goes: a base with the name of the call added, or an address of its own.

use super::super::register::{self, CALLS, RegisterCall};
use crate::{
    oauth::endpoint::{Endpoint, EndpointError},
    text::printable,
};
use std::collections::BTreeMap;
use url::Url;

/// The addresses of a server.
#[derive(Debug, Clone, Default)]
pub struct Addresses {
    base: Option<Endpoint>,
    own: BTreeMap<&'static str, Endpoint>,
}

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// `NAME=URL` with a name that no call has.
    #[error("the register has no call `{0}`")]
    Name(String),
    /// Two bases, or two addresses for one call.
    #[error("{0} is named twice")]
    Twice(String),
    /// The URL is not one that a register can be pointed at.
    #[error(transparent)]
    Address(#[from] EndpointError),
}

impl Addresses {
    /// Reads `URL` (a base) and `NAME=URL`.
    ///
    /// # Errors
    /// [`AddressError`]; texts in it are printable and hold no query.
    pub fn read(texts: &[String]) -> Result<Self, AddressError> {
        let mut addresses = Self::default();
        for text in texts {
            match text.split_once('=').filter(|(name, _)| !name.contains([':', '/', '?'])) {
                Some((name, url)) => {
                    let call = register::by_name(name).ok_or_else(|| AddressError::Name(printable(name)))?;
                    if addresses.own.insert(call.name, Endpoint::typed(url)?).is_some() {
                        return Err(AddressError::Twice(format!("the address of `{}`", call.name)));
                    }
                }
                None => {
                    if addresses.base.replace(Endpoint::typed(text)?).is_some() {
                        return Err(AddressError::Twice("the base".to_owned()));
                    }
                }
            }
        }
        Ok(addresses)
    }

    /// Where the call goes; none where neither a base nor an address of its own was named.
    ///
    /// `redeem` has no address by a base alone: the register takes it from the answer to `rewards`.
    pub fn of(&self, call: &RegisterCall) -> Option<Url> {
        if let Some(own) = self.own.get(call.name) {
            return Some(own.url().clone());
        }
        let mut url = self.base.as_ref()?.url().clone();
        call.tab?;
        url.path_segments_mut().ok()?.pop_if_empty().push(call.name);
        Some(url)
    }

    /// The base itself.
    pub fn base(&self) -> Option<&Url> {
        self.base.as_ref().map(Endpoint::url)
    }

    /// Reads an address that the server behind these addresses has named, by the rule for where it may lie.
    ///
    /// # Errors
    /// Where it is no absolute address, clear text on the network, or on this machine though the server is not.
    pub fn named_by_server(&self, text: &str) -> Result<Url, EndpointError> {
        let first = self.own.values().chain(&self.base).next();
        match first {
            Some(endpoint) => Endpoint::parse(text, endpoint.reach()).map(|named| named.url().clone()),
            None => Endpoint::typed(text).map(|named| named.url().clone()),
        }
    }

    /// The calls that have an address.
    pub fn known(&self) -> impl Iterator<Item = &'static RegisterCall> + '_ {
        CALLS.iter().filter(|call| self.of(call).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Addresses, AddressError> {
        Addresses::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    fn of(addresses: &Addresses, call: &str) -> Option<String> {
        addresses.of(register::by_name(call).expect("a call")).map(String::from)
    }

    #[test]
    fn a_base_serves_every_call_that_has_no_address_of_its_own() {
        let addresses = read(&["https://a.test/k7?shop=1", "customers=https://b.test/find?x=y"]).expect("addresses");

        assert_eq!(of(&addresses, "search").as_deref(), Some("https://b.test/find?x=y"));
        assert_eq!(of(&addresses, "checkout").as_deref(), Some("https://a.test/k7/checkout?shop=1"));
        assert_eq!(of(&addresses, "redeem"), None);
        assert_eq!(addresses.known().count(), 6);
    }

    #[test]
    fn an_address_that_a_register_cannot_be_pointed_at_is_refused() {
        for text in ["http://a.test", "ftp://a.test", "https://u:CANARY@a.test", "serach=https://a.test", "/etc/passwd", "search="] {
            let refusal = read(&[text]).expect_err(text);
            assert!(!refusal.to_string().contains("CANARY"));
        }
        assert!(matches!(read(&["https://a.test", "https://b.test"]), Err(AddressError::Twice(_))));
    }

    #[test]
    fn a_public_server_cannot_send_the_register_to_this_machine() {
        let (public, local) = (read(&["https://a.test"]).expect("public"), read(&["http://127.0.0.1:1"]).expect("local"));

        assert!(public.named_by_server("http://127.0.0.1:2375/x").is_err());
        assert!(public.named_by_server("https://b.test/redeem").is_ok());
        assert!(local.named_by_server("http://127.0.0.1:2/redeem").is_ok());
    }
}
