//! Every call as it arrived, with its answer: for the terminal, the page and the recording.
//!
//! The last calls are kept; whoever watches hears each one once, when it has been answered. A watcher that does not
//! keep up misses calls rather than holding the register up.

use super::{answers::Answers, call::Call};
use http::{HeaderMap, Method, Uri};
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{SyncSender, TrySendError},
    },
    time::{Duration, SystemTime},
};
use tokio::sync::broadcast;

/// Calls that are kept for the page and for sending one again.
const MOST: usize = 500;

/// Bytes of calls that are kept in all; a page of 500 calls with the largest bodies would be 250 MB.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Calls that a slow page may lag behind.
const LAG: usize = 64;

/// Bytes of calls that wait for an owner who has not read them yet, as at a terminal that is held up.
const MOST_WAITING: usize = 8 * 1024 * 1024;

/// What is known of a call's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// It is what the key makes of the body.
    Good,
    /// It is something else.
    Bad,
    /// The call carries none.
    Missing,
}

impl Signature {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Missing => "missing",
        }
    }
}

/// One call with its answer. Texts are as they came; whoever shows them makes them printable.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Counted from 1.
    pub number: u64,
    /// When it came.
    pub at: SystemTime,
    /// Which of the register's calls it is, or `webhook`; none where the path is not one.
    pub name: Option<&'static str>,
    /// Its method.
    pub method: String,
    /// Its path, below the prefix where it was asked there.
    pub path: String,
    /// Its query as it came, without the question mark.
    pub query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// What was asked, in a few words.
    pub asked: String,
    /// The example that answered.
    pub example: Option<String>,
    /// Why that one.
    pub why: Why,
    /// What a register or an integrator should know about it.
    pub remarks: Vec<String>,
    /// Where a key is there to check it with.
    pub signature: Option<Signature>,
    /// Status of the answer.
    pub status: u16,
    /// Content type of the answer.
    pub content_type: String,
    /// Body of the answer.
    pub answer: Bytes,
    /// What was answered, in a few words.
    pub answered: String,
    /// From the whole request to the answer.
    pub took: Duration,
    /// Bytes of all that it holds, about; counted when it is entered.
    pub bytes: usize,
}

/// Why an example answered.
#[derive(Debug, Clone)]
pub enum Why {
    /// Step by step.
    Told(Vec<String>),
    /// These weighed it against others; they do it again, score by score, when somebody wants to read it.
    Weighed(Arc<Answers>),
}

impl Why {
    /// One step more, where steps are told.
    pub fn also(&mut self, step: String) {
        if let Self::Told(steps) = self {
            steps.push(step);
        }
    }
}

impl Entry {
    /// As the page and `--json` show it; headers and bodies are left to the recording.
    pub fn document(&self) -> Value {
        let call = self.call();
        let fields: Vec<Value> = call.fields.iter().map(|field| json!([field.name, field.value])).collect();
        let why = match &self.why {
            Why::Told(steps) => steps.clone(),
            Why::Weighed(answers) => answers.reasons(&call),
        };
        json!({
            "number": self.number,
            "at": self.at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            "call": self.name,
            "method": self.method,
            "path": self.path,
            "fields": fields,
            "asked": self.asked,
            "example": self.example,
            "why": why,
            "remarks": self.remarks,
            "signature": self.signature.map(Signature::word),
            "status": self.status,
            "answer": serde_json::from_slice::<Value>(&self.answer).unwrap_or_else(|_| String::from_utf8_lossy(&self.answer).into()),
            "answered": self.answered,
            "ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// The call as it came, taken apart again.
    pub fn call(&self) -> Call {
        let method = Method::from_bytes(self.method.as_bytes()).unwrap_or_default();
        let uri = Uri::builder().path_and_query(format!("/?{}", self.query)).build().unwrap_or_default();
        Call::of(method, &uri, self.headers.clone(), self.body.clone()).at(&self.path)
    }

    /// Bytes of all that it holds, about.
    fn size(&self) -> usize {
        let texts = [&self.method, &self.path, &self.query, &self.asked, &self.content_type, &self.answered];
        let steps = if let Why::Told(steps) = &self.why { steps.as_slice() } else { &[] };
        let lists = self.example.iter().chain(steps).chain(&self.remarks);
        let texts = texts.into_iter().chain(lists).map(String::len).sum::<usize>();
        let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        size_of::<Self>() + self.body.len() + self.answer.len() + texts + headers
    }
}

/// What the owner of the server hears.
#[derive(Debug, Clone)]
pub enum News {
    /// A call was answered.
    Call(Arc<Entry>),
    /// Something else happened that a person wants to know.
    Note(String),
}

/// The last calls, and who is told of new ones.
#[derive(Debug)]
pub struct Journal {
    kept: Mutex<Kept>,
    page: broadcast::Sender<Arc<Entry>>,
    watcher: Option<SyncSender<News>>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: VecDeque<Arc<Entry>>,
    bytes: usize,
    total: u64,
    missed: u64,
    /// Bytes of calls that the owner was told and has not read.
    waiting: usize,
}

impl Journal {
    /// A journal that tells each call to `watcher`.
    pub fn new(watcher: Option<SyncSender<News>>) -> Self {
        Self { kept: Mutex::default(), page: broadcast::Sender::new(LAG), watcher }
    }

    /// Takes a call in; its number is given here.
    pub fn enter(&self, mut entry: Entry) -> Arc<Entry> {
        let mut kept = self.kept();
        kept.total += 1;
        entry.number = kept.total;
        entry.bytes = entry.size();
        let entry = Arc::new(entry);
        kept.bytes += entry.bytes;
        kept.entries.push_back(Arc::clone(&entry));
        while kept.entries.len() > MOST || kept.bytes > MOST_BYTES {
            let Some(oldest) = kept.entries.pop_front() else { break };
            kept.bytes = kept.bytes.saturating_sub(oldest.bytes);
        }
        // Nobody may be looking.
        let _ = self.page.send(Arc::clone(&entry));
        let Some(watcher) = &self.watcher else { return entry };
        let waiting = kept.waiting + entry.bytes;
        let told = waiting <= MOST_WAITING && !matches!(watcher.try_send(News::Call(Arc::clone(&entry))), Err(TrySendError::Full(_)));
        if told {
            kept.waiting = waiting;
        } else {
            kept.missed += 1;
        }
        entry
    }

    /// The owner has read calls of so many [`Entry::bytes`].
    pub fn were_read(&self, bytes: usize) {
        let mut kept = self.kept();
        kept.waiting = kept.waiting.saturating_sub(bytes);
    }

    /// Tells the owner something in a sentence.
    pub fn note(&self, text: impl Into<String>) {
        if let Some(watcher) = &self.watcher {
            // A note that an owner who is buried in calls does not get would not be read either.
            let _ = watcher.try_send(News::Note(text.into()));
        }
    }

    /// The last calls, oldest first.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        self.kept().entries.iter().cloned().collect()
    }

    /// One of the last calls.
    pub fn entry(&self, number: u64) -> Option<Arc<Entry>> {
        self.kept().entries.iter().find(|entry| entry.number == number).cloned()
    }

    /// How many calls came, and how many of them the owner was too slow for.
    pub fn counts(&self) -> (u64, u64) {
        let kept = self.kept();
        (kept.total, kept.missed)
    }

    /// Calls from now on.
    pub fn follow(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.page.subscribe()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: usize) -> Entry {
        Entry {
            number: 0,
            at: SystemTime::UNIX_EPOCH,
            name: Some("search"),
            method: "GET".into(),
            path: "/search".into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'x'; body]),
            asked: String::new(),
            example: None,
            why: Why::Told(Vec::new()),
            remarks: Vec::new(),
            signature: None,
            status: 200,
            content_type: "application/json".into(),
            answer: Bytes::from_static(b"{}"),
            answered: String::new(),
            took: Duration::ZERO,
            bytes: 0,
        }
    }

    #[test]
    fn a_flood_of_calls_does_not_fill_the_memory() {
        let journal = Journal::new(None);
        for _ in 0..MOST + 1 {
            journal.enter(entry(0));
        }
        assert_eq!((journal.entries().len(), journal.counts()), (MOST, (501, 0)));

        for _ in 0..40 {
            journal.enter(entry(1024 * 1024));
        }
        assert!(journal.entries().len() < 9);
    }

    #[test]
    fn k_06_what_is_said_about_a_call_counts_like_the_call() {
        let long = || "x".repeat(1024 * 1024);
        for told in [
            Entry { path: long(), ..entry(0) },
            Entry { example: Some(long()), ..entry(0) },
            Entry { why: Why::Told(vec![long()]), ..entry(0) },
            Entry { remarks: vec![long()], ..entry(0) },
        ] {
            let (watcher, _news) = std::sync::mpsc::sync_channel(1000);
            let journal = Journal::new(Some(watcher));
            for _ in 0..20 {
                journal.enter(told.clone());
            }
            assert_eq!((journal.entries().len(), journal.counts()), (7, (20, 13)));
        }
    }

    #[test]
    fn a_watcher_that_does_not_keep_up_misses_calls_and_holds_nobody_up() {
        let (watcher, news) = std::sync::mpsc::sync_channel(1);
        let journal = Journal::new(Some(watcher));

        journal.enter(entry(0));
        journal.enter(entry(0));

        assert_eq!(journal.counts(), (2, 1));
        assert!(matches!(news.try_recv(), Ok(News::Call(entry)) if entry.number == 1));
        assert_eq!(journal.entry(2).map(|entry| entry.number), Some(2));
    }

    #[test]
    fn k_06_calls_that_nobody_reads_do_not_fill_the_memory_and_come_again_when_they_are_read() {
        let (watcher, news) = std::sync::mpsc::sync_channel(1000);
        let journal = Journal::new(Some(watcher));
        for _ in 0..100 {
            journal.enter(entry(1024 * 1024));
        }
        assert_eq!(journal.counts(), (100, 93));

        while let Ok(News::Call(entry)) = news.try_recv() {
            journal.were_read(entry.bytes);
        }
        journal.enter(entry(1024 * 1024));

        assert_eq!(journal.counts(), (101, 93));
    }
}
