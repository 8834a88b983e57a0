//! A resource owner with a real browser: headless chromium that fills in forms, consents and reports what it saw.

use super::{
    real::{self, TOP, target},
    running::LIMIT,
};
use std::{
    io::Read,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// What the resource owner does.
pub struct Visit {
    /// Who they say they are.
    pub login: String,
    /// Whether they say no.
    pub refuse: bool,
    /// A regular expression for the path of the page where the visit ends.
    pub until: String,
    /// What they type where a user code is asked for.
    pub user_code: String,
    /// Name of the picture below `target/screenshots/`, without its ending.
    pub screenshot: Option<String>,
}

impl Default for Visit {
    fn default() -> Self {
        Self { login: "merchant".to_owned(), refuse: false, until: "^/done$".to_owned(), user_code: String::new(), screenshot: None }
    }
}

/// What the browser saw.
#[derive(Debug, serde::Deserialize)]
pub struct Report {
    /// The URL it was started with.
    pub start: String,
    /// Why it did not reach the page; none where it did.
    pub error: Option<String>,
    /// The buttons it pressed.
    pub pressed: Vec<String>,
    /// Every URL it asked for.
    pub requested: Vec<String>,
    /// Every document it was given.
    pub responses: Vec<Document>,
    /// What the console showed: source, URL, text.
    pub console: Vec<String>,
    /// `location.href` at the end.
    #[serde(default)]
    pub href: String,
    /// The title of the last page.
    #[serde(default)]
    pub title: String,
    /// The text of the last page.
    #[serde(default)]
    pub text: String,
    /// The source of the last page.
    #[serde(default)]
    pub html: String,
    /// `document.referrer` of the last page.
    #[serde(default)]
    pub referrer: String,
    /// The names of `performance.getEntries()` at the end.
    #[serde(default)]
    pub performance: Vec<String>,
}

/// A document that a server sent.
#[derive(Debug, serde::Deserialize)]
pub struct Document {
    /// Its URL.
    pub url: String,
    /// Its status.
    pub status: u16,
    /// Its headers, names as they came.
    pub headers: std::collections::BTreeMap<String, String>,
}

/// A browser that has not been opened yet.
pub struct Browser {
    words: Vec<String>,
    reports: Receiver<String>,
    picture: Option<PathBuf>,
    child: Option<Child>,
}

impl Browser {
    /// Makes everything ready, or says that the browser has to be left out.
    #[track_caller]
    pub fn ready(visit: &Visit) -> Option<Self> {
        if !real::programs("headless chromium", &["node", "chromium"]) {
            return None;
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, reports) = channel();
        thread::spawn(move || {
            let mut report = String::new();
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_to_string(&mut report).unwrap();
            // A test that failed elsewhere has stopped to wait.
            let _ = sender.send(report);
        });
        let picture = visit.screenshot.as_ref().map(|name| target(&format!("screenshots/{name}.png")));
        let mut words = vec!["node".to_owned(), format!("{TOP}/tests/browser/consent.mjs"), format!("--report={port}")];
        words.extend([format!("--login={}", visit.login), format!("--until={}", visit.until), format!("--code={}", visit.user_code)]);
        words.extend(visit.refuse.then(|| "--refuse".to_owned()));
        words.extend(picture.iter().map(|file| format!("--screenshot={}", file.display())));
        Some(Self { words, reports, picture, child: None })
    }

    /// The value for `$BROWSER`.
    ///
    /// # Panics
    /// Where a word cannot stand in it, since it is split at colons and blanks.
    pub fn command(&self) -> String {
        for word in &self.words {
            assert!(!word.contains([' ', ':']), "`{word}` cannot stand in $BROWSER");
        }
        self.words.join(" ")
    }

    /// Opens it, as a person would who was shown the URL.
    pub fn open(&mut self, url: &str) {
        let (program, args) = self.words.split_first().unwrap();
        self.child = Some(Command::new(program).args(args).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap());
    }

    /// Waits until the visit is over; fails where it did not end on its page, or left no picture.
    #[track_caller]
    pub fn report(self) -> Report {
        // The script ends by itself at the limit and reports why: leave it time to do so.
        let report = self.reports.recv_timeout(LIMIT + Duration::from_secs(15)).expect("the browser reports");
        let report: Report = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error} in {report}"));
        assert_eq!(report.error, None, "{report:#?}");
        assert!(self.picture.as_ref().is_none_or(|file| file.is_file()), "no picture was left");
        report
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; chromium ends with the script that holds its pipes.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
