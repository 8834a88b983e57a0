//! Looks for secrets where none may be: in the arguments of processes and in files.

use super::{binary::Home, running::Stream};
use data_encoding::{BASE64, HEXLOWER};
use rustix::process::Pid;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Time between two looks. A process that lives shorter than this can be missed: `strace -e execve` misses none.
const PACE: Duration = Duration::from_millis(1);

/// Watches the arguments of a process and of all that descend from it.
pub struct Sampler {
    stop: Sender<()>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Sampler {
    /// Starts to watch; what has ended before is not seen.
    pub fn over(root: Pid) -> Self {
        let (stop, stopped) = channel();
        let mut seen = BTreeSet::new();
        let mut family = BTreeSet::from([root.as_raw_nonzero().get()]);
        look(&mut family, &mut seen);
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(PACE) == Err(RecvTimeoutError::Timeout) {
                look(&mut family, &mut seen);
            }
            seen
        });
        Self { stop, thread }
    }

    /// Stops; gives every distinct command line, arguments parted by blanks.
    pub fn finish(self) -> BTreeSet<String> {
        drop(self.stop);
        self.thread.join().unwrap()
    }
}

/// Adds new descendants to the family, and the command lines of all of it to what was seen.
fn look(family: &mut BTreeSet<i32>, seen: &mut BTreeSet<String>) {
    let parents: BTreeMap<i32, i32> = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| parent(&entry.path())).collect();
    while let Some(child) = parents.iter().find(|(pid, parent)| family.contains(parent) && !family.contains(pid)) {
        family.insert(*child.0);
    }
    for pid in family.iter() {
        // It may have ended in between.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        seen.insert(words.join(" ").trim_end().to_owned());
    }
}

/// The process of a folder of `/proc`, and its parent.
fn parent(folder: &Path) -> Option<(i32, i32)> {
    let pid = folder.file_name()?.to_str()?.parse().ok()?;
    let stat = fs::read_to_string(folder.join("stat")).ok()?;
    // The name in parentheses may hold blanks and parentheses of its own.
    let (_, rest) = stat.rsplit_once(')')?;
    Some((pid, rest.split_whitespace().nth(1)?.parse().ok()?))
}

/// Where one of the secrets, or a plain encoding of it, stands in a text.
pub fn found_in(text: &[u8], secrets: &[&str]) -> Vec<String> {
    let holds = |needle: &str| text.windows(needle.len()).any(|window| window == needle.as_bytes());
    secrets.iter().filter(|secret| spellings(secret).iter().any(|spelling| holds(spelling))).map(|secret| (*secret).to_owned()).collect()
}

/// Where a secret stands below a folder, in a file's name or content; each finding is `path: secret`.
///
/// # Panics
/// Where something cannot be read: an unread file proves nothing.
pub fn found_below(folder: &Path, secrets: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        let mut hits = found_in(path.file_name().unwrap().as_encoded_bytes(), secrets);
        if kind.is_file() {
            hits.extend(found_in(&fs::read(&path).unwrap(), secrets));
        }
        findings.extend(hits.iter().map(|secret| format!("{}: {secret}", path.display())));
        if kind.is_dir() {
            findings.extend(found_below(&path, secrets));
        }
    }
    findings
}

/// A secret as it is, percent-encoded, in Base64 and in hex.
fn spellings(secret: &str) -> [String; 4] {
    assert!(secret.len() >= 8, "a secret this short is found anywhere");
    let percent = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    // Without its last, padded group Base64 of a longer text begins the same.
    let base64 = BASE64.encode(secret.as_bytes().get(..secret.len() / 3 * 3).unwrap_or_default());
    [secret.to_owned(), percent, base64, HEXLOWER.encode(secret.as_bytes())]
}

const SECRET: &str = "canary/4711?";

#[test]
fn a_secret_in_a_file_is_found_in_every_spelling() {
    let home = Home::new();
    for (name, text) in [
        ("plain", "x canary/4711? y"),
        ("query", "a=canary%2F4711%3F"),
        ("base64", "Y2FuYXJ5LzQ3MTE/"),
        ("hex", "63616e6172792f343731313f"),
    ] {
        let file = home.path(name);
        fs::write(&file, text).unwrap();

        let findings = found_below(home.root(), &[SECRET]);

        assert_eq!(findings, [format!("{}: {SECRET}", file.display())]);
        fs::remove_file(&file).unwrap();
    }
}

#[test]
fn a_secret_in_the_name_of_a_file_is_found() {
    let home = Home::new();
    fs::write(home.path("grant-canary-4711"), "").unwrap();

    assert_eq!(found_below(home.root(), &["canary-4711"]).len(), 1);
    assert!(found_below(home.root(), &["canary-4712"]).is_empty());
}

#[test]
fn the_arguments_of_a_grandchild_are_seen() {
    let home = Home::new();
    let script = "cat canary-4711 - & read -r go; exit 0";
    let mut shell = home.program("sh").args(["-c", &format!("sh -c '{script}' inner; exit")]).stdin_open().spawn();
    shell.expect(Stream::Err, "canary-4711");

    let sampler = Sampler::over(shell.pid());
    shell.send("\n");
    shell.finish().expect_code(0);

    assert!(sampler.finish().iter().any(|line| line.contains("inner")));
}
