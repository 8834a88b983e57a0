//! The loop between a tool, its protocol and the grant.
//!
//! Standard output carries the protocol and nothing else, whole answers only. What went wrong is said on standard error.

use crate::{
    cli::{
        bound,
        context::Context,
        failure::{Exit, Failure},
        terminal,
    },
    helper::{Conversation, Event, Extent, LONGEST, Step, Trouble},
    profile::ProfileName,
};
use std::io::{BufRead, Read, stdin};
use zeroize::Zeroizing;

/// Speaks until the protocol has nothing more to say.
pub(super) fn converse(context: &Context, profile: &ProfileName, conversation: &mut dyn Conversation) -> Result<Exit, Failure> {
    let mut input = stdin().lock();
    let mut exit = Exit::Done;
    let mut step = conversation.advance(Event::Begin);
    loop {
        step = match step {
            Step::Read(extent) => {
                let read = read(&mut input, extent);
                conversation.advance(Event::Input(read.as_ref().map(|bytes| bytes.as_slice())))
            }
            Step::Say(text) => {
                terminal::answer(text.expose())?;
                conversation.advance(Event::Said)
            }
            Step::Ask(target) => match told(bound::granted(context, profile, target.as_ref()), &mut exit).flatten() {
                Some(granted) => conversation.advance(Event::Token(&granted)),
                None => {
                    tell_a_person(context, profile);
                    conversation.advance(Event::NoToken)
                }
            },
            Step::List => {
                let record = told(bound::record(context, profile), &mut exit);
                let hosts = record.as_ref().map(bound::hosts).unwrap_or_default();
                conversation.advance(Event::Hosts(&hosts))
            }
            Step::Refused(target, token) => {
                told(bound::refused(context, profile, &target, token.as_ref()), &mut exit);
                conversation.advance(Event::Noted)
            }
            Step::Done(text) => {
                terminal::answer(text.expose())?;
                return Ok(exit);
            }
            Step::Fail(text, trouble) => return fail(context, profile, &text, trouble, exit),
        }
    }
}

/// The value, or its failure said on standard error and kept as what the process ends with.
fn told<T>(outcome: Result<T, Failure>, exit: &mut Exit) -> Option<T> {
    outcome.map_err(|failure| *exit = failure.tell(false)).ok()
}

fn tell_a_person(context: &Context, profile: &ProfileName) {
    if context.globals.verbose > 0 {
        context.say(&format!("no answer for what was asked; `tokenstrap bind {profile}` lists what is served"));
    }
}

/// A protocol that can say no has said it; the others get it in our words.
fn fail(context: &Context, profile: &ProfileName, text: &str, trouble: Trouble, exit: Exit) -> Result<Exit, Failure> {
    terminal::answer(text)?;
    if exit != Exit::Done {
        return Ok(exit);
    }
    let code = if trouble == Trouble::Unknown { Exit::Usage } else { Exit::Refused };
    if text.is_empty() || context.globals.verbose > 0 {
        let failure = Failure::new(code, trouble.to_string());
        let failure = match trouble {
            Trouble::Stranger => failure
                .hint(format!("`tokenstrap bind {profile}` lists the hosts that are served, `tokenstrap bind {profile} HOST` adds one")),
            Trouble::Unknown => failure.hint("`tokenstrap helper KIND --help` shows how it is called"),
            Trouble::Placeless | Trouble::Unwritable => failure,
        };
        failure.tell(false);
    }
    Ok(code)
}

/// Reads so far; `None` at the end, at what is too long, and where nothing can be read.
fn read(input: &mut dyn BufRead, extent: Extent) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8192));
    let mut bounded = Read::take(input, LONGEST as u64 + 1);
    match extent {
        Extent::All => {
            bounded.read_to_end(&mut bytes).ok()?;
        }
        Extent::Line => {
            bounded.read_until(b'\n', &mut bytes).ok().filter(|count| *count > 0)?;
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
        }
        Extent::Paragraph => while bounded.read_until(b'\n', &mut bytes).ok()? > 1 {},
    }
    (bytes.len() <= LONGEST).then_some(bytes)
}
