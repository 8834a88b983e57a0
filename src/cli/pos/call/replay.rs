//! A recording, sent again.

use super::{
    Call, Context, Exit, Failure, files,
    manner::{self, exit_of},
};
use crate::{
    cli::terminal,
    pos::{
        play::{Answer, Player, again},
        recording::{self, Answered, Content, Recorded},
        register::{self, RegisterCall},
        verify::{Rule, faults_of},
    },
    text::printable,
};
use serde_json::{Value, json};
use std::path::Path;
use url::Url;

/// Largest recording that is read, in bytes.
const MOST: usize = 64 * 1024 * 1024;

/// What became of one recorded call.
struct Sent<'a> {
    recorded: &'a Recorded,
    /// None where it cannot be sent as it was.
    answer: Option<Answer>,
    faults: Vec<(&'static Rule, String)>,
}

pub(super) fn run(context: &Context, flags: &Call, path: &Path, base: &Url, only: Option<&RegisterCall>) -> Result<Exit, Failure> {
    let bytes = files::read(path, MOST)?;
    let shown = printable(&path.to_string_lossy());
    let calls = recording::read(bytes.as_slice()).map_err(|error| {
        Failure::usage(format!("`{shown}` is not a recording")).because(error).hint("`tokenstrap pos serve --record FILE` writes one")
    })?;
    let wanted = |recorded: &&Recorded| only.is_none_or(|call| recorded.call.as_deref() == Some(call.name));
    let calls: Vec<_> = calls.iter().filter(wanted).collect();
    if calls.is_empty() {
        return Err(Failure::usage(format!("`{shown}` holds no such call")));
    }
    if calls.iter().any(|recorded| recorded.redacted) {
        context.say("warning: names and cards of this recording are redacted; its calls ask for what is not there");
    }
    let register = flags.manner.register(context)?;
    let (mut exit, mut documents) = (Exit::Done, Vec::new());
    for recorded in calls {
        let sent = send(&register.player(), base, recorded);
        match &sent.answer {
            Some(Answer { trouble: Some(trouble), .. }) if trouble.is_unsent() => return Err(trouble.clone().into()),
            Some(answer) if exit == Exit::Done && sent.call().is_some() => exit = sent.exit(answer),
            _ => {}
        }
        if context.globals.json {
            documents.push(sent.document());
        } else {
            terminal::answer(&format!("{}\n", sent.line()))?;
            manner::tell_faults(&sent.faults, |line| context.say(&format!("  {line}")));
        }
    }
    if context.globals.json {
        terminal::document(&json!({ "calls": documents }))?;
    }
    Ok(exit)
}

fn send<'a>(player: &Player<'_>, base: &Url, recorded: &'a Recorded) -> Sent<'a> {
    let call = recorded.call.as_deref().and_then(register::by_name);
    let name = call.map_or("other", |call| call.name);
    let answer = again(base, &recorded.request).map(|request| player.send(name, "", request));
    // What is no call of the register was answered as it was; nobody says how it has to be.
    let faults = if call.is_some() { answer.as_ref().map(faults_of).unwrap_or_default() } else { Vec::new() };
    Sent { recorded, answer, faults }
}

impl Sent<'_> {
    fn call(&self) -> Option<&'static RegisterCall> {
        self.recorded.call.as_deref().and_then(register::by_name)
    }

    /// A status that is the recorded one is what was asked for.
    fn exit(&self, answer: &Answer) -> Exit {
        let as_before = answer.status.is_some() && answer.status == self.recorded.answer.as_ref().map(|answered| answered.status);
        match exit_of(answer, &self.faults) {
            Exit::Later if as_before && self.faults.is_empty() => Exit::Done,
            exit => exit,
        }
    }

    /// Whether the answer is the recorded one, redacted like it; none where one of them is missing.
    fn is_same(&self) -> Option<bool> {
        let (before, now) = (self.recorded.answer.as_ref()?, self.answer.as_ref()?);
        let answered = Answered { status: now.status?, headers: Vec::new(), body: Content::of(&now.body) };
        let again = Recorded::new(String::new(), None, self.recorded.request.clone(), Some(answered), 0);
        let again = if self.recorded.redacted { again.redacted() } else { again };
        Some(again.answer.is_some_and(|again| again.status == before.status && again.body == before.body))
    }

    fn line(&self) -> String {
        let Recorded { call, request, answer: before, .. } = self.recorded;
        let what = printable(&format!("{:9} {} {}", call.as_deref().unwrap_or(""), request.method, request.target));
        let Some(answer) = &self.answer else { return format!("{what}  cannot be sent as it was") };
        let before = before.as_ref().map_or_else(String::new, |before| format!("{} before, ", before.status));
        let same = match self.is_same() {
            Some(true) => ", the same answer",
            Some(false) => ", another answer",
            None => "",
        };
        format!("{what}  {before}{} now{same}, {} ms", answer.summary(), answer.took.as_millis())
    }

    fn document(&self) -> Value {
        let answer = self.answer.as_ref();
        json!({
            "call": self.recorded.call, "method": self.recorded.request.method, "target": self.recorded.request.target,
            "recorded_status": self.recorded.answer.as_ref().map(|before| before.status),
            "sent": answer.is_some(), "status": answer.and_then(|answer| answer.status), "same": self.is_same(),
            "ms": answer.map(|answer| u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX)),
            "trouble": answer.and_then(|answer| answer.trouble.as_ref()).map(ToString::to_string),
            "faults": manner::faults_document(&self.faults),
        })
    }
}
