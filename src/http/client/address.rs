//! Which addresses are talked to, and how their names are resolved.
//!
//! Checked at every request, not only when a profile is made. `localhost` is ours to resolve (RFC 6761 section 6.3): a
//! name server that answers for it would decide who gets a secret in clear text.

use crate::oauth::endpoint::is_loopback;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// The error of a name whose addresses are all barred.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a link-local address")]
pub(super) struct LinkLocal;

/// Whether the target may be talked to at all. Nothing is looked up.
///
/// # Errors
/// The rule that it breaks.
pub(super) fn admit(url: &Url, bar_link_local: bool) -> Result<(), &'static str> {
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return Err("`http` is only for this machine"),
        _ => return Err("neither `https` nor `http`"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user name or password in the address");
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(IpAddr::from(address)),
        Some(Host::Ipv6(address)) => Some(IpAddr::from(address)),
        Some(Host::Domain(_)) => None,
        None => return Err("no host"),
    };
    if bar_link_local && literal.is_some_and(is_link_local) { Err("a link-local address") } else { Ok(()) }
}

/// 169.254/16 and fe80::/10, and the former in the clothes of IPv6.
fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.to_ipv4_mapped().is_some_and(|address| address.is_link_local()),
    }
}

/// Resolves `localhost` without asking, everything else through the system.
pub(super) struct Names {
    /// Leave out link-local addresses. What is left out here is not connected to: the connector takes no other address.
    pub(super) bar_link_local: bool,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let bar_link_local = self.bar_link_local;
        let host = name.as_str().to_ascii_lowercase();
        Box::pin(async move {
            if host == "localhost" {
                let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
                return Ok(Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs);
            }
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|address| !(bar_link_local && is_link_local(address.ip()))).collect();
            if allowed.is_empty() && !found.is_empty() {
                return Err(LinkLocal.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(text: &str, bar_link_local: bool) -> bool {
        admit(&Url::parse(text).expect("a URL"), bar_link_local).is_ok()
    }

    #[test]
    fn t_01_clear_text_is_for_this_machine_only() {
        for text in ["https://as.example/t", "http://127.0.0.1/t", "http://127.9.9.9:8080/t", "http://[::1]/t", "http://LOCALHOST/t"] {
            assert!(admitted(text, false), "{text} was refused");
        }
        for text in [
            "http://as.example/t",
            "http://127.0.0.1.nip.io/t",
            "http://localhost.evil.example/t",
            "http://localhost./t",
            "http://0.0.0.0/t",
            "http://10.0.0.1/t",
            "http://[::ffff:10.0.0.1]/t",
            "ftp://127.0.0.1/t",
            "https://user:secret@as.example/t",
        ] {
            assert!(!admitted(text, false), "{text} was taken");
        }
    }

    #[test]
    fn d_04_link_local_literals_are_barred_on_request() {
        for text in ["https://169.254.169.254/x", "https://[fe80::1]/x", "https://[::ffff:169.254.169.254]/x", "https://2852039166/x"] {
            assert!(!admitted(text, true), "{text} was taken");
            assert!(admitted(text, false), "{text} was refused without the option");
        }
    }
}
