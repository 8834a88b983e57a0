//! `tokenstrap pos call`

mod replay;

use super::{
    Context, Exit, Failure, files,
    manner::{self, Manner},
};
use crate::{
    cli::terminal,
    oauth::endpoint::Endpoint,
    pos::{
        play::{AddressError, Answer, DEFAULTS, Encoding, PLACEHOLDER, request},
        register::{self, CALLS, RegisterCall},
        verify::{Rule, faults_of},
    },
    text::{printable, printable_bytes},
};
use clap::{Args, builder::PossibleValue};
use serde_json::{Value, json};
use std::path::PathBuf;
use url::Url;

/// Play the register: send one of its calls to a server, and show the answer
///
/// What a register would choke on in the answer is said, and is exit 6.
#[derive(Args)]
#[command(after_help = after_help())]
pub(super) struct Call {
    /// Which call
    #[arg(value_name = "CALL", required_unless_present = "replay", value_parser = names(), hide_possible_values = true)]
    call: Option<String>,
    /// Fields of the call, such as keyword=david; what is left out is made up where it can be
    #[arg(value_name = "FIELD=VALUE")]
    fields: Vec<String>,
    /// The address of the call as it stands in Back Office; with --replay, what the recorded paths are added to
    #[arg(long, value_name = "URL")]
    url: String,
    /// Send the calls of this recording again (of `pos serve --record`); CALL chooses among them
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fields", "json_body", "form"])]
    replay: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

fn names() -> Vec<PossibleValue> {
    CALLS.iter().map(|call| PossibleValue::new(call.name).aliases(call.aliases.iter().copied()).help(call.about)).collect()
}

fn after_help() -> String {
    let mut text = "Calls and their fields:\n".to_owned();
    for call in CALLS {
        let fields: Vec<_> = call.parameters.iter().map(|field| field.name).collect();
        text.push_str(&format!("  {:9} {}\n            {}\n", call.name, call.about, fields.join(" ")));
    }
    text.push_str(
        "\nExamples:\n  tokenstrap pos call customers --url https://pos.example.test/search keyword=david\n  \
         tokenstrap pos call checkout --url https://pos.example.test/checkout reference_id=GC-1001 amount=18.00\n  \
         tokenstrap pos call --replay calls.jsonl --url http://127.0.0.1:8080",
    );
    text
}

impl Call {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let address = Endpoint::typed(&self.url).map_err(AddressError::from)?.url().clone();
        let named = self.call.as_deref().and_then(register::by_name);
        if let Some(path) = &self.replay {
            return replay::run(context, &self, path, &address, named);
        }
        let call = named.ok_or_else(|| Failure::usage("there is no such call"))?;
        if call.method == "GET" && self.manner.encoding() == Encoding::Json {
            return Err(Failure::usage(format!("{} is a GET and has no body", call.name)).hint("leave --json-body out"));
        }
        let fields = fields(call, &self.fields)?;
        let register = self.manner.register(context)?;
        context.say(&format!("{} {}", call.method, printable(&shown(&address))));
        for (name, value) in &fields {
            context.say(&format!("  {:13} {}", printable(name), printable(value)));
        }
        let answer = register.player().send(call.name, call.about, request(call, &address, &fields, self.manner.encoding()));
        if let Some(trouble) = answer.trouble {
            return Err(trouble.into());
        }
        let faults = faults_of(&answer);
        tell(context, call, &fields, &answer, &faults)?;
        if answer.status == Some(404) {
            context.say("hint: --url is the whole address of the call, as `pos serve` prints it and Back Office holds it");
        }
        Ok(manner::exit_of(&answer, &faults))
    }
}

/// The address without its query, which may hold a key.
fn shown(address: &Url) -> String {
    format!("{}{}", address.origin().ascii_serialization(), address.path())
}

/// The fields in the order of a register: what was typed, else what can be made up; then what a register does not know.
fn fields(call: &RegisterCall, typed: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::usage("a field is not of the form FIELD=VALUE").hint(format!("`{}` takes: {}", call.name, all(call)))),
    };
    let typed = typed.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
    let find = |name: &str| typed.iter().find(|(typed, _)| typed == name).map(|(_, value)| value.clone());
    let mut fields = Vec::new();
    for parameter in call.parameters {
        let value = find(parameter.name).or_else(|| if parameter.always { made_up(call, parameter.name, find) } else { None });
        match value {
            Some(value) => fields.push((parameter.name.to_owned(), value)),
            None if parameter.always => {
                return Err(Failure::usage(format!("the field {} is missing: {}", parameter.name, parameter.about)).hint(format!(
                    "add {}=VALUE; `{}` takes: {}",
                    parameter.name,
                    call.name,
                    all(call)
                )));
            }
            None => {}
        }
    }
    fields.extend(typed.into_iter().filter(|(name, _)| !call.parameters.iter().any(|parameter| parameter.name == name)));
    Ok(fields)
}

/// What a register would send where nothing was typed: the placeholder of a look-up, a made-up shop, the one id for the other.
fn made_up(call: &RegisterCall, name: &str, typed: impl Fn(&str) -> Option<String>) -> Option<String> {
    match name {
        "order_id" if matches!(call.name, "search" | "rewards") => Some(PLACEHOLDER.to_owned()),
        "keyword" | "customer_id" => typed("reference_id"),
        "reference_id" => typed("customer_id"),
        _ => DEFAULTS.iter().find(|(default, _)| *default == name).map(|(_, value)| (*value).to_owned()),
    }
}

fn all(call: &RegisterCall) -> String {
    call.parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>().join(", ")
}

fn tell(
    context: &Context,
    call: &RegisterCall,
    fields: &[(String, String)],
    answer: &Answer,
    faults: &[(&'static Rule, String)],
) -> Result<(), Failure> {
    if context.globals.json {
        let body = answer.json.clone().unwrap_or_else(|| Value::String(String::from_utf8_lossy(&answer.body).into_owned()));
        return terminal::document(&json!({
            "call": call.name, "method": call.method, "fields": fields, "status": answer.status, "content_type": answer.media_type,
            "ms": u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX), "is_json": answer.json.is_some(), "body": body,
            "faults": manner::faults_document(faults),
        }));
    }
    context.say(&format!("{} in {} ms", answer.summary(), answer.took.as_millis()));
    match &answer.json {
        Some(json) => terminal::answer(&terminal::pretty(json))?,
        None => terminal::answer(&format!("{}\n", printable_bytes(&answer.body)))?,
    }
    manner::tell_faults(faults, |line| context.say(line));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(call: &str, typed: &[&str]) -> Result<String, Failure> {
        let typed: Vec<String> = typed.iter().map(|field| (*field).to_owned()).collect();
        let fields = fields(register::by_name(call).expect("a call"), &typed)?;
        Ok(fields.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
    }

    #[test]
    fn what_is_not_typed_is_made_up_where_a_register_has_it_anyway() {
        assert_eq!(of("customers", &["keyword=a=b"]).ok().as_deref(), Some("keyword=a=b&company_id=5042&site_id=1&order_id=111"));
        assert_eq!(
            of("checkout", &["reference_id=GC-1", "amount=1", "tip=2"]).ok().as_deref(),
            Some("company_id=5042&site_id=1&register_id=1&order_id=880417&keyword=GC-1&amount=1&reference_id=GC-1&tip=2")
        );
        assert_eq!(of("redeem", &[]).ok().as_deref(), Some("order_id=880417"));
    }

    #[test]
    fn what_nobody_can_make_up_is_asked_for_and_not_quoted() {
        assert_eq!(of("search", &[]).expect_err("no keyword").fact, "the field keyword is missing: what was typed, swiped or scanned");
        assert!(of("topup", &["keyword=x"]).is_err());
        assert!(!format!("{:?}", of("balance", &["CANARY"]).expect_err("no field")).contains("CANARY"));
    }
}
