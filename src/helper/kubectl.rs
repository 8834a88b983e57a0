//! The exec plugins of client-go (`client.authentication.k8s.io`): a variable in, an `ExecCredential` out.
//!
//! With `provideClusterInfo: true` the variable names the cluster's server, and that has to be bound. Where a kubeconfig
//! leaves it out nobody can tell where the token will go; then a profile with any bound host is served.

use super::{Call, Conversation, Event, Granted, Step, Trouble, quoted, stranger, written};
use crate::oauth::bound::Target;
use serde_json::Value;
use std::fmt::Write;

/// Versions whose answers have the form that is written here.
const VERSIONS: &[&str] = &["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];
/// Largest description of a cluster, in bytes; its certificates are in it.
const LARGEST: usize = 256 * 1024;

/// The protocol of kubectl.
pub(super) struct Kind;

impl super::Kind for Kind {
    fn name(&self) -> &'static str {
        "kubectl"
    }

    fn about(&self) -> &'static str {
        "Answer kubectl as an exec plugin"
    }

    fn operand(&self) -> &'static str {
        "nothing"
    }

    fn begin(&self, call: &Call<'_>) -> Box<dyn Conversation> {
        let asked = match (call.operand, (call.env)("KUBERNETES_EXEC_INFO")) {
            (Some(_), _) => Err(Trouble::Unknown),
            (None, None) => Ok((VERSIONS.first().copied().unwrap_or_default(), None)),
            (None, Some(text)) => read(&text).ok_or(Trouble::Stranger),
        };
        Box::new(Kubectl { asked })
    }
}

struct Kubectl {
    asked: Result<(&'static str, Option<Target>), Trouble>,
}

impl Conversation for Kubectl {
    fn advance(&mut self, event: Event<'_>) -> Step {
        match (event, &self.asked) {
            (_, Err(trouble)) => Step::Fail(String::new(), *trouble),
            (Event::Begin, Ok((_, target))) => Step::Ask(target.clone()),
            (Event::Token(granted), Ok((version, _))) => answer(version, granted),
            _ => stranger(),
        }
    }
}

/// The version to answer in, and the cluster's server where it is given.
fn read(text: &str) -> Option<(&'static str, Option<Target>)> {
    if text.len() > LARGEST {
        return None;
    }
    let info = super::object(Some(text.as_bytes()))?;
    let version = VERSIONS.iter().find(|version| info.get("apiVersion").and_then(|said| said.as_str()) == Some(version))?;
    if info.get("kind").and_then(|kind| kind.as_str()) != Some("ExecCredential") {
        return None;
    }
    let spec = match info.get("spec") {
        None | Some(Value::Null) => None,
        // Where the token will go stands in it; of another kind, it says nothing that can be believed.
        Some(spec) => Some(spec.as_object()?),
    };
    match spec.and_then(|spec| spec.get("cluster")).filter(|cluster| !cluster.is_null()) {
        None => Some((version, None)),
        Some(cluster) => Some((version, Some(Target::of_address(cluster.get("server")?.as_str()?)?))),
    }
}

fn answer(version: &str, granted: &Granted) -> Step {
    written(|text| {
        let token = quoted(granted.token());
        write!(text, "{{\"apiVersion\":\"{version}\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":{}", *token)?;
        if let Some(end) = granted.expires_rfc3339() {
            write!(text, ",\"expirationTimestamp\":\"{end}\"")?;
        }
        writeln!(text, "}}}}")
    })
}
