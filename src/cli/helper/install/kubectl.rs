//! kubectl: a user of the kubeconfig whose credentials come from us. kubectl writes its own file.

use super::{Site, in_the_way, run, run_well};
use crate::cli::failure::Failure;
use serde_json::Value;

pub(super) fn install(site: &Site<'_>) -> Result<Vec<String>, Failure> {
    let user = format!("tokenstrap-{}", site.profile);
    if let Some(present) = stanza(&user)? {
        let command = present.pointer("/exec/command").and_then(Value::as_str);
        let arguments = present.pointer("/exec/args").map(Value::to_string).unwrap_or_default();
        let ours = arguments == format!("[\"helper\",\"kubectl\",\"{}\"]", site.profile);
        let same = command == Some(&site.program) && ours;
        return if same { Ok(vec![format!("✓ the user {user} is there already")]) } else { Err(in_the_way(&format!("the user {user}"))) };
    }
    let (command, profile) = (format!("--exec-command={}", site.program), format!("--exec-arg={}", site.profile));
    let version = "--exec-api-version=client.authentication.k8s.io/v1";
    let arguments = ["config", "set-credentials", &user, version, &command, "--exec-arg=helper", "--exec-arg=kubectl", &profile];
    let how = ["--exec-provide-cluster-info=true", "--exec-interactive-mode=Never"];
    run_well("kubectl", &[&arguments[..], &how[..]].concat())?;
    Ok(vec![
        format!("✓ kubectl config set-credentials {user}"),
        format!("  Use it with `kubectl config set-context CONTEXT --user={user}`"),
    ])
}

/// What the kubeconfig has for this user.
fn stanza(user: &str) -> Result<Option<Value>, Failure> {
    let output = run("kubectl", &["config", "view", "--output=json"])?;
    let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let users = document.get("users").and_then(Value::as_array).cloned().unwrap_or_default();
    Ok(users.into_iter().find(|entry| entry.get("name").and_then(Value::as_str) == Some(user)).and_then(|entry| entry.get("user").cloned()))
}
