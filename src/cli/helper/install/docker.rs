//! docker: a shim `docker-credential-tokenstrap-PROFILE`, and `credHelpers` in the client's settings.

use super::{
    Site, in_the_way,
    shim::{self, replace},
};
use crate::{
    cli::{
        context,
        failure::{Exit, Failure},
    },
    oauth::bound::{Bound, Target},
};
use serde_json::{Map, Value, json};
use std::{fs, io, path::PathBuf};

/// Largest settings file of docker's that is changed, in bytes.
const LARGEST: u64 = 1024 * 1024;

pub(super) fn install(site: &Site<'_>) -> Result<Vec<String>, Failure> {
    let name = format!("tokenstrap-{}", site.profile);
    let hosts: Vec<String> = site.hosts.iter().filter(|host| is_asked_for(host)).map(Bound::authority).collect();
    if hosts.is_empty() {
        return Err(Failure::usage("docker asks for whole hosts over https, and none is bound")
            .hint(format!("run `tokenstrap bind {} HOST` first", site.profile)));
    }
    let path = settings()?;
    let mut document = read(&path)?;
    let changed = change(&mut document, hosts, &name)?;
    let (_, wrote) = shim::write(site, &format!("docker-credential-{name}"), "docker")?;
    let mut said = vec![wrote];
    if changed.is_empty() {
        said.push(format!("✓ {} has it already", path.display()));
        return Ok(said);
    }
    let text = serde_json::to_string_pretty(&Value::Object(document)).unwrap_or_default();
    replace(&path, format!("{text}\n").as_bytes(), 0o600)
        .map_err(|error| Failure::new(Exit::Machine, format!("{} cannot be written", path.display())).because(error))?;
    said.extend(changed.iter().map(|host| format!("✓ {}: credHelpers[\"{host}\"] = \"{name}\"", path.display())));
    Ok(said)
}

/// The file itself, where the usual place is a link to it.
fn settings() -> Result<PathBuf, Failure> {
    let folder = context::env("DOCKER_CONFIG").or_else(|| context::env("HOME").map(|home| format!("{home}/.docker")));
    let folder = folder.ok_or_else(|| Failure::new(Exit::Machine, "there is no home folder").hint("set HOME"))?;
    let path = PathBuf::from(folder).join("config.json");
    Ok(fs::canonicalize(&path).unwrap_or(path))
}

fn read(path: &std::path::Path) -> Result<Map<String, Value>, Failure> {
    let unreadable = || Failure::new(Exit::Refused, format!("{} is not what docker writes; it is left as it is", path.display()));
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Ok(metadata) if metadata.is_file() && metadata.len() <= LARGEST => {}
        _ => return Err(unreadable()),
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable().because(error))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(document)) => Ok(document),
        _ => Err(unreadable()),
    }
}

/// Docker names a registry without scheme and path; what it could never be answered for is not written down.
fn is_asked_for(host: &Bound) -> bool {
    Target::new("https", &host.authority(), None).is_some_and(|asked| host.serves(&asked))
}

/// Adds what is missing; gives the hosts that were added.
fn change(document: &mut Map<String, Value>, hosts: Vec<String>, name: &str) -> Result<Vec<String>, Failure> {
    let helpers = document.entry("credHelpers").or_insert_with(|| json!({}));
    let Value::Object(helpers) = helpers else { return Err(in_the_way("credHelpers")) };
    let mut added = Vec::new();
    for host in hosts {
        match helpers.get(&host) {
            Some(present) if present == name => {}
            Some(_) => return Err(in_the_way(&format!("credHelpers[\"{host}\"]"))),
            None => {
                helpers.insert(host.clone(), json!(name));
                added.push(host);
            }
        }
    }
    Ok(added)
}
