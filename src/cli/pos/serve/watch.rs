//! The time that the server is open: rows as calls come, the recording, files that change, and silence.

use super::{BEHIND, Context, Exit, Failure, setup::Files, table::Rows, tunnel::Tunnel};
use crate::{
    cli::{render::rfc3339, terminal},
    pos::{
        journal::{Entry, News},
        recording::{Answered, Asked, Content, Recorded},
        running::Running,
    },
    text::printable,
};
use std::{
    fmt::Write as _,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// How long the owner of the terminal waits for a sign that Ctrl-C was heard, and files for being read again.
const TICK: Duration = Duration::from_millis(100);

/// How long calls gather before they are shown together: too short to be noticed, and a server that is busy is not held up by waking
/// its owner for each one.
const PAUSE: Duration = Duration::from_millis(20);

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// How long nothing may come before it is said what to look at.
const IDLE: Duration = Duration::from_secs(120);

/// Everything that is watched.
pub(super) struct Watch<'a> {
    pub server: &'a Running,
    pub news: &'a Receiver<News>,
    pub stopped: &'a AtomicBool,
    pub recording: Option<Recording>,
    pub watched: Files,
    pub tunnel: Option<Tunnel>,
}

/// Serves until somebody stops the program.
pub(super) fn until_stopped(context: &Context, mut watch: Watch<'_>) -> Result<(), Failure> {
    let mut rows = Rows::new();
    let mut silence = Silence::since(Instant::now());
    let mut looked = Instant::now();
    let mut missed = 0;
    loop {
        if watch.stopped.load(Ordering::Relaxed) {
            // Whoever has an answer is in the recording, however late they came.
            hear(context, &mut rows, &mut watch, None)?;
            return Ok(());
        }
        match watch.news.recv_timeout(TICK) {
            Ok(first) => {
                if hear(context, &mut rows, &mut watch, Some(first))? {
                    silence.is_broken(Instant::now());
                }
                std::thread::sleep(PAUSE);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        if silence.is_long(Instant::now()) {
            context.say(&hint(watch.server));
        }
        if looked.elapsed() >= LOOK {
            looked = Instant::now();
            if let Some(text) = watch.watched.look_again(|change| change(&mut watch.server.till().desk())) {
                context.say(&format!("{:10}{text}", ""));
            }
            if let Some(text) = watch.tunnel.as_mut().and_then(Tunnel::has_ended) {
                context.say(&format!("{:10}! {text}", ""));
            }
            let now = watch.server.till().journal.counts().1;
            if now > missed {
                context.say(&format!("{:10}! {} calls came faster than they could be shown", "", now - missed));
                missed = now;
            }
        }
    }
}

/// Shows this and what waits behind it, in one piece; says whether there was a call.
fn hear(context: &Context, rows: &mut Rows, watch: &mut Watch<'_>, first: Option<News>) -> Result<bool, Failure> {
    let (mut lines, mut documents, mut called, mut read) = (String::new(), String::new(), false, 0);
    for news in first.into_iter().chain(watch.news.try_iter().take(BEHIND)) {
        let entry = match news {
            News::Call(entry) => entry,
            News::Note(text) => {
                let _ = writeln!(lines, "{:10}{}", "", printable(&text));
                continue;
            }
        };
        called = true;
        read += entry.bytes;
        if context.globals.json {
            documents.push_str(&terminal::json(&entry.document()));
        } else {
            rows.write(&entry, &mut lines);
        }
        if let Some(recording) = &mut watch.recording {
            recording.keep(&entry)?;
        }
    }
    watch.server.till().journal.were_read(read);
    if !lines.is_empty() {
        context.say(lines.trim_end_matches('\n'));
    }
    if !documents.is_empty() {
        terminal::answer(&documents)?;
    }
    Ok(called)
}

/// How long nothing has come.
struct Silence {
    since: Instant,
    told: bool,
}

impl Silence {
    fn since(now: Instant) -> Self {
        Self { since: now, told: false }
    }

    fn is_broken(&mut self, now: Instant) {
        *self = Self::since(now);
    }

    /// Whether it is time to say what to look at; true once for each silence.
    fn is_long(&mut self, now: Instant) -> bool {
        let long = !self.told && now.duration_since(self.since) >= IDLE;
        self.told |= long;
        long
    }
}

fn hint(server: &Running) -> String {
    let reached = match &server.till().gate.public {
        Some(place) => format!("{} leads here (is the tunnel up, is this machine awake)", printable(place.shown())),
        None => "there is no public address, so only this machine reaches it: --public-url, --tunnel".to_owned(),
    };
    format!(
        "Nothing has come for two minutes. What to look at:\n  saved     both tabs in Back Office, Enable Integrated Customers on\n  \
         synced    the register, after saving\n  visible   the payment type, on the register\n  reached   {reached}"
    )
}

/// The file of `--record`.
pub(super) struct Recording {
    file: File,
    raw: bool,
    shown: String,
}

impl Recording {
    /// Opens the file to add to it; readable by its owner alone where it is new.
    pub fn create(path: &Path, raw: bool) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let shown = printable(&path.to_string_lossy());
        let file = options.open(path);
        let file = file.map_err(|error| Failure::new(Exit::Machine, format!("`{shown}` cannot be written")).because(error))?;
        Ok(Self { file, raw, shown })
    }

    fn keep(&mut self, entry: &Entry) -> Result<(), Failure> {
        let recorded = recorded(entry);
        let recorded = if self.raw { recorded } else { recorded.redacted() };
        let written = self.file.write_all(recorded.line().as_bytes());
        written.map_err(|error| Failure::new(Exit::Later, format!("`{}` could not be written", self.shown)).because(error))
    }
}

fn recorded(entry: &Entry) -> Recorded {
    let target = if entry.query.is_empty() { entry.path.clone() } else { format!("{}?{}", entry.path, entry.query) };
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let request = Asked {
        method: entry.method.clone(),
        target,
        headers: entry.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: Content::of(&entry.body),
    };
    let answer = Answered {
        status: entry.status,
        headers: vec![("content-type".to_owned(), entry.content_type.clone())],
        body: Content::of(&entry.answer),
    };
    let ms = u64::try_from(entry.took.as_millis()).unwrap_or(u64::MAX);
    Recorded::new(rfc3339(entry.at).unwrap_or_default(), entry.name.map(str::to_owned), request, Some(answer), ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_silence_is_told_once() {
        let start = Instant::now();
        let mut silence = Silence::since(start);

        assert!(!silence.is_long(start + Duration::from_secs(119)));
        assert!(silence.is_long(start + Duration::from_secs(120)));
        assert!(!silence.is_long(start + Duration::from_secs(999)));
        silence.is_broken(start + Duration::from_secs(1000));
        assert!(!silence.is_long(start + Duration::from_secs(1119)));
        assert!(silence.is_long(start + Duration::from_secs(1120)));
    }
}
