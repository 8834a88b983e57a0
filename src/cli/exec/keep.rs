//! A file that holds a fresh access token as long as a command runs.
//!
//! The token is fetched anew before the least life that was asked for is reached. On trouble the old one stays, the first trouble
//! in a row is told, and it is tried again after a pause that grows.

use super::{GENEROUS, LEAST, unstartable};
use crate::{
    cli::{
        context::Context,
        failure::{Exit, Failure},
        render::span,
        token::{hand_out, need},
    },
    oauth::token::TokenSet,
    output::Handout,
    platform::{command::Inherited, last_use, relay::Relay},
    ports::StoreError,
    profile::{ProfileName, Settings},
    store::refresh_file::RefreshFile,
    text::printable,
};
use std::{
    io,
    path::Path,
    process::Command,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{Builder, Scope, scope},
    time::{Duration, Instant},
};

/// Longest wait without a look at the clock: a machine that slept does not count that time as waited.
const GLANCE: Duration = Duration::from_secs(30);
/// Shortest pause between two fetches, however short the tokens live.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest pause after trouble, unless the server asked for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Longest pause that a server may ask for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Whose token the file holds, and how long it has to live.
struct Subject<'a> {
    context: &'a Context,
    profile: ProfileName,
    settings: Settings,
    min_ttl: Option<Duration>,
}

/// What the waiting loop is told.
enum Event {
    Ended(u8),
    Fetched(Result<Fetched, Failure>),
}

/// Tokens, and what the flow says with them.
struct Fetched {
    tokens: TokenSet,
    warnings: Vec<String>,
}

impl Subject<'_> {
    /// The tokens with which a command starts.
    fn first(&self) -> Result<TokenSet, Failure> {
        let fetched = self.fetch(self.min_ttl.unwrap_or(LEAST))?;
        self.context.warn(&fetched.warnings);
        Ok(fetched.tokens)
    }

    fn fetch(&self, min_ttl: Duration) -> Result<Fetched, Failure> {
        last_use::note(&self.context.folders.state, self.profile.as_str());
        let mut need = need(self.context, min_ttl);
        // A grant that is newer than this process may be old by now.
        need.called_at = self.context.now();
        let handed = hand_out(self.context, &self.profile, &self.settings, &need)?;
        let tokens = handed.tokens().cloned().ok_or_else(|| Failure::new(Exit::Bug, "a record without tokens was handed out"))?;
        Ok(Fetched { tokens, warnings: handed.warnings })
    }
}

/// What is kept for a command that has not begun yet.
pub(super) struct Kept<'a> {
    subject: Subject<'a>,
    file: RefreshFile,
    tokens: TokenSet,
}

impl<'a> Kept<'a> {
    /// Looks at the file's place and fetches the first token; nothing is written yet.
    pub fn begin(
        context: &'a Context,
        profile: ProfileName,
        settings: Settings,
        min_ttl: Option<Duration>,
        path: &Path,
    ) -> Result<Self, Failure> {
        let file = RefreshFile::at(path).map_err(|error| unkept(&error))?;
        let subject = Subject { context, profile, settings, min_ttl };
        let tokens = subject.first()?;
        if !file.is_in_memory() {
            let shown = printable(&path.to_string_lossy());
            context.say(&format!("warning: `{shown}` is not on a memory file system, so a disk may keep the token"));
            context.say("hint: below $XDG_RUNTIME_DIR or in a folder of your own below /dev/shm it is in memory");
        }
        if context.globals.verbose > 0 {
            let life = tokens.remaining(context.now()).map_or_else(|| "an unknown time".to_owned(), span);
            context.say(&format!("the access token of {} is good for {life}; the one in the file is renewed in time", subject.profile));
        }
        Ok(Self { subject, file, tokens })
    }

    /// Runs the command beside the file; gives what it ended with.
    pub fn run(self, command: Command, inherited: &Inherited) -> Result<Exit, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        // From here on no signal leaves the file behind.
        let relay = Relay::begin().map_err(|error| Failure::new(Exit::Machine, "signals cannot be passed on").because(error))?;
        let Self { subject, file, tokens } = self;
        let mut keeper = Keeper { subject: &subject, file, tokens, not_before: Instant::now(), troubles: 0, warned: Vec::new() };
        keeper.write(&keeper.tokens.clone())?;
        let (sender, events) = channel();
        let end = sender.clone();
        // The listener stays until it has heard this.
        let on_end = move |code| drop(end.send(Event::Ended(code)));
        relay.start(command, inherited, on_end).map_err(|error| unstartable(&program, &error))?;
        Ok(Exit::Child(keeper.attend(&sender, &events)))
    }
}

struct Keeper<'a> {
    subject: &'a Subject<'a>,
    file: RefreshFile,
    tokens: TokenSet,
    /// Nothing is fetched before.
    not_before: Instant,
    /// How often in a row a fetch brought nothing.
    troubles: u32,
    /// What deviated at the last fetch that brought something.
    warned: Vec<String>,
}

impl Keeper<'_> {
    fn attend(&mut self, sender: &Sender<Event>, events: &Receiver<Event>) -> u8 {
        scope(|scope| {
            let mut is_fetching = false;
            loop {
                if !is_fetching && self.wait().is_zero() {
                    let begun = fetch_beside(scope, self.subject, self.lead(), sender.clone());
                    is_fetching = begun.is_ok();
                    if let Err(error) = begun {
                        self.take(Err(Failure::new(Exit::Machine, "there is no thread for a refresh").because(error)));
                    }
                }
                match events.recv_timeout(if is_fetching { GLANCE } else { self.wait() }) {
                    Ok(Event::Fetched(outcome)) => {
                        is_fetching = false;
                        self.take(outcome);
                    }
                    Ok(Event::Ended(code)) => {
                        self.end(is_fetching);
                        return code;
                    }
                    // It is never disconnected: we hold a sender ourselves.
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
                }
            }
        })
    }

    /// How much of its life a token has left when the next one is fetched: more than was asked for, but never nearly all.
    fn lead(&self) -> Duration {
        lead(&self.tokens, self.subject.min_ttl)
    }

    /// Time until there is something to do, or to look at the clock again.
    fn wait(&self) -> Duration {
        let now = self.subject.context.now();
        // A token without an end is never fetched again.
        let Some(left) = self.tokens.remaining(now).map(|left| left.saturating_sub(self.lead())) else { return GLANCE };
        left.max(self.not_before.saturating_duration_since(Instant::now())).min(GLANCE)
    }

    fn take(&mut self, outcome: Result<Fetched, Failure>) {
        match outcome {
            Ok(fetched) if !self.is_news(&fetched.tokens) => {
                let why =
                    if fetched.warnings.is_empty() { "the server gave the same token".to_owned() } else { fetched.warnings.join("; ") };
                self.complain(&why, None);
            }
            Ok(fetched) => match self.write(&fetched.tokens) {
                Ok(()) => {
                    self.tokens = fetched.tokens;
                    self.be_content(&fetched.warnings);
                }
                Err(failure) => self.complain(&in_one_line(&failure), None),
            },
            Err(failure) => self.complain(&in_one_line(&failure), failure.retry_after),
        }
    }

    /// Whether it is another token than the one in the file, or the same with a longer life.
    fn is_news(&self, tokens: &TokenSet) -> bool {
        tokens.access_token.hash() != self.tokens.access_token.hash() || tokens.expires_at > self.tokens.expires_at
    }

    /// Tells the first trouble in a row, and has a longer pause after each.
    fn complain(&mut self, trouble: &str, retry_after: Option<u64>) {
        if self.troubles == 0 {
            let left = self.tokens.remaining(self.subject.context.now()).unwrap_or_default();
            let old = if left.is_zero() { "has ended".to_owned() } else { format!("is good for {}", span(left.max(PAUSE))) };
            let (file, why) = (self.shown(), printable(trouble));
            self.say(&format!("warning: the token in `{file}` {old} and could not be renewed; it is tried again (cause: {why})"));
        }
        self.troubles = self.troubles.saturating_add(1);
        let asked = Duration::from_secs(retry_after.unwrap_or(0)).min(PATIENCE);
        self.not_before = Instant::now() + pause(self.troubles, &self.tokens).max(asked);
    }

    fn be_content(&mut self, warnings: &[String]) {
        if self.troubles > 0 {
            self.say(&format!("the token in `{}` is fresh again", self.shown()));
        }
        // What was true at the last refresh too is not worth another line.
        if self.warned != warnings {
            self.subject.context.warn(warnings);
            self.warned = warnings.to_vec();
        }
        self.troubles = 0;
        self.not_before = Instant::now() + PAUSE;
    }

    fn write(&mut self, tokens: &TokenSet) -> Result<(), Failure> {
        let token = Handout::new(tokens, self.subject.context.now(), "ACCESS_TOKEN");
        let token = token.map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
        self.file.write(&token).map_err(|error| unkept(&error))
    }

    fn end(&mut self, is_fetching: bool) {
        self.remove();
        if is_fetching {
            // The answer may bring the only live refresh token.
            self.say("the command has ended; finishing a refresh, at most 35 s");
        }
    }

    fn remove(&mut self) {
        if let Err(error) = self.file.remove() {
            self.say(&format!("warning: `{}` could not be removed: {}", self.shown(), printable(&error.to_string())));
        }
    }

    fn say(&self, text: &str) {
        self.subject.context.say(text);
    }

    fn shown(&self) -> String {
        printable(&self.file.path().to_string_lossy())
    }
}

fn fetch_beside<'s>(scope: &'s Scope<'s, '_>, subject: &'s Subject<'s>, min_ttl: Duration, sender: Sender<Event>) -> io::Result<()> {
    // Nobody listens any more where the command has ended.
    let fetch = move || drop(sender.send(Event::Fetched(subject.fetch(min_ttl))));
    Builder::new().name("refresh".to_owned()).spawn_scoped(scope, fetch).map(drop)
}

/// A part of the life is always left to live, so that one fetch does not follow the other.
fn lead(tokens: &TokenSet, min_ttl: Option<Duration>) -> Duration {
    let life = life(tokens);
    let part = life / 8;
    min_ttl.map_or(GENEROUS.min(life / 2), |least| least.saturating_add(part.min(LEAST)).min(life - part))
}

/// 5 s, 10 s, 20 s, up to a minute; less where the token lives for minutes only.
fn pause(troubles: u32, tokens: &TokenSet) -> Duration {
    let doubled = Duration::from_secs(5 << (troubles - 1).min(4));
    doubled.min(LONGEST_PAUSE).min(life(tokens) / 8).max(PAUSE)
}

/// A token that never ends lives for ever.
fn life(tokens: &TokenSet) -> Duration {
    tokens.expires_at.map_or(Duration::MAX, |end| end.duration_since(tokens.requested_at).unwrap_or_default())
}

fn unkept(error: &StoreError) -> Failure {
    let exit = if matches!(error, StoreError::Unsafe(_)) { Exit::Refused } else { Exit::Machine };
    Failure::new(exit, "the token cannot be kept in that file")
        .because(printable(&error.to_string()))
        .hint("name a file that is not there, in a folder of your own: below $XDG_RUNTIME_DIR, or after `mkdir -m 700 /dev/shm/till`")
}

fn in_one_line(failure: &Failure) -> String {
    [&failure.fact].into_iter().chain(&failure.causes).map(String::as_str).collect::<Vec<_>>().join(", because ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{oauth::token::TokenType, secret::Secret};
    use std::time::SystemTime;

    fn living(seconds: u64) -> TokenSet {
        TokenSet {
            access_token: Secret::new("mock-token"),
            token_type: TokenType::Bearer,
            refresh_token: None,
            id_token: None,
            requested_at: SystemTime::UNIX_EPOCH,
            expires_at: Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
            scope: None,
        }
    }

    #[test]
    fn e_06_a_token_is_fetched_before_the_least_life_and_never_right_after_the_last() {
        for (life, least, lead_seconds) in
            [(3600, None, 600), (300, None, 150), (0, None, 0), (3600, Some(60), 120), (3600, Some(7200), 3150), (80, Some(20), 30)]
        {
            let found = lead(&living(life), least.map(Duration::from_secs));
            assert_eq!(found, Duration::from_secs(lead_seconds), "{life} {least:?}");
        }
    }

    #[test]
    fn pauses_after_trouble_grow_to_a_minute_and_leave_short_tokens_their_chance() {
        let pauses = |life| [1, 2, 3, 4, 5, 99, u32::MAX].map(|troubles| pause(troubles, &living(life)).as_secs());

        assert_eq!(pauses(3600), [5, 10, 20, 40, 60, 60, 60]);
        assert_eq!(pauses(80), [5, 10, 10, 10, 10, 10, 10]);
        assert_eq!(pauses(2), [1; 7]);
        assert_eq!(pause(1, &TokenSet { expires_at: None, ..living(0) }).as_secs(), 5);
    }
}
