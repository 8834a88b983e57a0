//! Where the records lie: server, namespace, mount and folder, from the settings and the variables that Vault's own
//! tools read.

use crate::{oauth::endpoint, ports::StoreError, store::World, text::printable};
use http::HeaderValue;
use url::Url;

/// A folder of a key-value engine.
pub(super) struct Place {
    address: Url,
    pub(super) namespace: Option<HeaderValue>,
    mount: Vec<String>,
    folder: Vec<String>,
}

impl Place {
    /// What settings and environment name; nothing is asked.
    ///
    /// # Errors
    /// [`StoreError::Unset`] where no server is named, [`StoreError::Unsafe`] for an address or path that is none.
    pub(super) fn find(world: &World<'_>) -> Result<Self, StoreError> {
        let settings = &world.vault;
        let address = settings.address.clone().or_else(|| (world.env)("VAULT_ADDR")).ok_or_else(|| {
            StoreError::Unset("no server is named: set VAULT_ADDR, or `address` under `[vault]` in config.toml".to_owned())
        })?;
        let namespace = settings.namespace.clone().or_else(|| (world.env)("VAULT_NAMESPACE"));
        let namespace = namespace.map(|name| HeaderValue::from_str(&name).map_err(|_| odd("namespace"))).transpose()?;
        Ok(Self {
            address: read_address(&address)?,
            namespace,
            mount: segments(settings.mount.as_deref().unwrap_or("secret")).ok_or_else(|| odd("mount"))?,
            folder: segments(settings.path.as_deref().unwrap_or("tokenstrap")).ok_or_else(|| odd("path"))?,
        })
    }

    /// The address of one part of the engine (`data`, `metadata`) for names below the folder.
    pub(super) fn url(&self, part: &str, below: &[&str]) -> Url {
        let mut url = self.address.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("v1").extend(&self.mount).push(part).extend(&self.folder).extend(below);
        }
        url
    }

    /// The address at which a login method that is mounted here signs in.
    pub(super) fn login_url(&self, mount: &str) -> Result<Url, StoreError> {
        let mut url = self.address.clone();
        let mount = segments(mount).ok_or_else(|| odd("login_mount"))?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", "auth"]).extend(&mount).push("login");
        }
        Ok(url)
    }

    /// What a person calls it, and what tells it from other places.
    pub(super) fn shown(&self) -> String {
        let namespace = self.namespace.as_ref().and_then(|name| name.to_str().ok());
        let namespace = namespace.map(|name| format!(", namespace {name}")).unwrap_or_default();
        printable(&format!("{}/{} at {}{namespace}", self.mount.join("/"), self.folder.join("/"), self.address))
    }

    /// What a policy has to allow, for a hint.
    pub(super) fn policy(&self) -> String {
        let (mount, folder) = (self.mount.join("/"), self.folder.join("/"));
        format!(
            "its policy has to allow create, read and update on `{mount}/data/{folder}/*`, and read, list and delete on `{mount}/metadata/{folder}/*`"
        )
    }

    /// The mount, as it is named in commands.
    pub(super) fn mount(&self) -> String {
        self.mount.join("/")
    }
}

fn odd(what: &str) -> StoreError {
    StoreError::Unsafe(format!("the {what} of the vault store cannot be used: it holds what none can"))
}

fn read_address(text: &str) -> Result<Url, StoreError> {
    let refused = |why: &str| StoreError::Unsafe(format!("the address of the vault store cannot be used: {why}"));
    let url = Url::parse(text).map_err(|_| refused("it is not a URL such as `https://vault.example:8200`"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it holds a name or password"));
    }
    if url.query().is_some() || url.fragment().is_some() || !url.has_host() {
        return Err(refused("it is more than a server"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if endpoint::is_loopback(&url) => Ok(url),
        "http" => Err(refused("`http` shows every secret to the network; use `https`")),
        _ => Err(refused("it is not `https`")),
    }
}

/// The parts of a path that leads nowhere but down.
fn segments(path: &str) -> Option<Vec<String>> {
    let plain = |part: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && part.len() <= 128 && part.bytes().all(known) && !part.bytes().all(|byte| byte == b'.')
    };
    let parts: Vec<String> = path.trim_matches('/').split('/').map(str::to_owned).collect();
    parts.iter().all(|part| plain(part)).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_18_an_address_is_https_or_this_machine() {
        for good in ["https://vault.example:8200", "https://vault.example/proxy/", "http://127.0.0.1:8200", "http://[::1]:1"] {
            assert!(read_address(good).is_ok(), "{good}");
        }
        for bad in ["http://vault.example", "ftp://x", "https://u:p@x", "https://x/?a", "https://x/#a", "vault:8200", "/", ""] {
            assert!(matches!(read_address(bad), Err(StoreError::Unsafe(_))), "{bad}");
        }
    }

    #[test]
    fn a_path_leads_nowhere_but_down() {
        assert_eq!(segments("/team/a.b/"), Some(vec!["team".to_owned(), "a.b".to_owned()]));
        for bad in ["", "..", "a/../b", "a//b", "a b", "a?x", "%2e%2e", "a/."] {
            assert_eq!(segments(bad), None, "{bad}");
        }
    }
}
