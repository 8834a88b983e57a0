//! `tokenstrap providers`

use super::{
    Run,
    context::Context,
    failure::{Exit, Failure},
    terminal,
};
use crate::{
    provider::{self, Provider},
    text::printable,
};
use clap::Args;
use comfy_table::{Table, presets::NOTHING};
use serde_json::json;

/// List the known servers, or what is known of one
///
/// Each fact says how sure it is and where it comes from. Entries of your own lie as TOML files in the folder
/// `providers` beside the settings.
#[derive(Args)]
pub(super) struct Providers {
    /// Show everything about this entry
    name: Option<String>,
}

impl Run for Providers {
    const NAME: &'static str = "providers";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        match &self.name {
            Some(name) => one(context, name),
            None => every(context),
        }
    }
}

fn every(context: &Context) -> Result<Exit, Failure> {
    let mut entries = provider::all();
    for name in context.config.own_providers()? {
        entries.extend(context.config.provider(&name)?);
    }
    if context.globals.json {
        let list: Vec<_> =
            entries.iter().map(|entry| json!({"name": entry.name, "aliases": entry.aliases, "title": entry.title})).collect();
        terminal::document(&json!({"providers": list}))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["name", "also", "server"]);
    for entry in &entries {
        table.add_row([entry.name.clone(), entry.aliases.join(", "), entry.title.clone()].map(|cell| printable(&cell)));
    }
    terminal::answer(&format!("{}\n", table.trim_fmt()))?;
    Ok(Exit::Done)
}

fn one(context: &Context, name: &str) -> Result<Exit, Failure> {
    let entry = context.config.provider(name)?.ok_or_else(|| {
        Failure::usage(format!("there is no catalogue entry `{}`", printable(name))).hint("`tokenstrap providers` lists them")
    })?;
    let text = if context.globals.json { terminal::json(&json!(entry)) } else { sheet(&entry) };
    terminal::answer(&text)?;
    Ok(Exit::Done)
}

fn sheet(entry: &Provider) -> String {
    let mut text = format!("{}  {}\n\n", entry.name, entry.title);
    for (name, template) in entry.addresses() {
        text.push_str(&format!("  {name:20} {}\n", template.as_str()));
    }
    text.push_str(&format!("  {:20} {}\n", "client_auth", entry.client_auth.name()));
    let port = if entry.redirect.port == 0 { "any free port".to_owned() } else { format!("port {}", entry.redirect.port) };
    let path = entry.redirect.path.as_deref().unwrap_or("path by rule");
    text.push_str(&format!("  {:20} http://{}, {port}, {path}\n", "redirect URI", entry.redirect.host));
    for (name, variable) in &entry.variables {
        text.push_str(&format!("  {:20} {}\n", format!("variable {name}"), variable.about));
    }
    text.push_str("\nwhere each fact comes from, and how sure it is\n");
    for (name, fact) in &entry.facts {
        let says = fact.says.as_deref().map(|says| format!("{says}; ")).unwrap_or_default();
        text.push_str(&format!("  {name:20} {says}{}: {}\n", fact.sure.says(), fact.source));
    }
    text
}
