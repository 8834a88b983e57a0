//! TLS: versions 1.2 and 1.3, chain and name always checked, no key log (`SSLKEYLOGFILE` is not read).
//!
//! The provider is named here and installed nowhere, so that no other part of the process depends on it.

use rustls::{ClientConfig, RootCertStore, crypto::ring};
use rustls_platform_verifier::BuilderVerifierExt;
use std::sync::{Arc, OnceLock};
use url::Url;

/// The certificate authorities of the system, loaded on first need.
#[derive(Default)]
pub(super) struct Tls {
    system: OnceLock<Result<ClientConfig, String>>,
}

impl Tls {
    /// What a request to `url` needs.
    ///
    /// Loading the authorities takes 3 to 30 ms and reads files; `http` gets a set of none at all, which reqwest wants
    /// to be given but has no use for.
    ///
    /// # Errors
    /// What the system says where it has no authorities.
    pub(super) fn config_for(&self, url: &Url) -> Result<ClientConfig, String> {
        if url.scheme() == "https" { self.system.get_or_init(system).clone() } else { trusting(RootCertStore::empty()) }
    }

    /// Whether the system has authorities.
    pub(super) fn authorities() -> Result<(), String> {
        system().map(drop)
    }

    /// Trusts the given authorities and no others.
    #[cfg(all(test, unix))]
    pub(super) fn trusting(roots: RootCertStore) -> Self {
        Self { system: OnceLock::from(trusting(roots)) }
    }

    /// Whether the authorities were loaded.
    #[cfg(all(test, unix))]
    pub(super) fn is_loaded(&self) -> bool {
        self.system.get().is_some()
    }
}

type Builder = rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>;

fn builder() -> Result<Builder, String> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| error.to_string())
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, String> {
    Ok(finish(builder()?.with_root_certificates(roots).with_no_client_auth()))
}

fn system() -> Result<ClientConfig, String> {
    match builder()?.with_platform_verifier() {
        Ok(builder) => Ok(finish(builder.with_no_client_auth())),
        Err(error) => bundled().unwrap_or_else(|| Err(crate::text::printable(&error.to_string()))),
    }
}

/// The authorities that were compiled in, where the system has none of its own.
#[cfg(feature = "bundled-roots")]
fn bundled() -> Option<Result<ClientConfig, String>> {
    Some(trusting(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }))
}

#[cfg(not(feature = "bundled-roots"))]
fn bundled() -> Option<Result<ClientConfig, String>> {
    None
}

fn finish(mut config: ClientConfig) -> ClientConfig {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}
