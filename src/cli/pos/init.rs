//! `tokenstrap pos init`

use super::{Context, Exit, Failure};
use crate::{
    pos::{answers, shop},
    text::printable,
};
use clap::Args;
use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
};

/// Write the built-in examples and data out, to edit them
///
/// The collection can be imported into Postman and other tools too. Files that are there are left alone.
#[derive(Args)]
#[command(after_help = "Then:\n  tokenstrap pos serve --collection DIR/collection.json --data DIR/data.json")]
pub(super) struct Init {
    /// The folder; it is made where it is absent
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// What is written.
const FILES: [(&str, &str); 2] = [("collection.json", answers::SAMPLE), ("data.json", shop::SAMPLE)];

impl Init {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let shown = printable(&self.folder.to_string_lossy());
        let trouble = |error: std::io::Error| Failure::new(Exit::Machine, format!("`{shown}` cannot be written")).because(error);
        for (name, _) in FILES {
            if fs::symlink_metadata(self.folder.join(name)).is_ok() {
                return Err(Failure::usage(format!("`{shown}` holds a `{name}` already")).hint("name another folder; nothing was written"));
            }
        }
        fs::create_dir_all(&self.folder).map_err(trouble)?;
        for (name, text) in FILES {
            let mut file = OpenOptions::new().write(true).create_new(true).open(self.folder.join(name)).map_err(trouble)?;
            file.write_all(text.as_bytes()).map_err(trouble)?;
        }
        context.say(&format!("✓ {shown}: collection.json, the examples of each outcome; data.json, customers, cards and rewards"));
        context.say("Both are read again whenever they change while this runs:");
        context.say(&format!("  tokenstrap pos serve --collection {shown}/collection.json --data {shown}/data.json"));
        Ok(Exit::Done)
    }
}
