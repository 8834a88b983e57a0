//! cargo: a shim `cargo-credential-tokenstrap-PROFILE`. The line for the registry is the user's own to add: where the
//! registry is described only they know.

use super::{Site, shim};
use crate::cli::failure::Failure;

pub(super) fn install(site: &Site<'_>) -> Result<Vec<String>, Failure> {
    let (path, wrote) = shim::write(site, &format!("cargo-credential-tokenstrap-{}", site.profile), "cargo")?;
    Ok(vec![wrote, "  Add to the registry in ~/.cargo/config.toml".to_owned(), format!("  credential-provider = [\"{}\"]", path.display())])
}
