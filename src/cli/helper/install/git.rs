//! git: `credential.URL.helper` in the user's settings.

use super::{Site, in_the_way, run, run_well};
use crate::cli::failure::Failure;

pub(super) fn install(site: &Site<'_>) -> Result<Vec<String>, Failure> {
    // git hands the line to a shell; `!` keeps it from putting `git credential-` in front.
    let line = format!("!{} helper git {}", site.quoted(), site.profile);
    let mut said = Vec::new();
    for host in &site.hosts {
        let key = format!("credential.{}.helper", host.url());
        let output = run("git", &["config", "--global", "--get-all", &key])?;
        let present = String::from_utf8_lossy(&output.stdout).into_owned();
        match present.lines().collect::<Vec<_>>().as_slice() {
            [] => {
                // An empty line in front: helpers that keep what they are told would keep this token in clear text.
                run_well("git", &["config", "--global", "--add", &key, ""])?;
                run_well("git", &["config", "--global", "--add", &key, &line])?;
                said.push(format!("✓ git config --global {key} \"{line}\""));
            }
            ["", ours] if *ours == line => said.push(format!("✓ {key} is set already")),
            _ => return Err(in_the_way(&key)),
        }
        if host.has_path() {
            // Without it git does not say which repository is asked for.
            let key = format!("credential.{}.useHttpPath", host.url());
            run_well("git", &["config", "--global", &key, "true"])?;
            said.push(format!("✓ git config --global {key} true"));
        }
    }
    Ok(said)
}
