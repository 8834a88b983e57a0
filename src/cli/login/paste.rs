//! The redirect URL, pasted into the terminal or piped in.
//!
//! At a terminal it is read with echo off and without the line limit of the kernel (4 KiB, shorter than some codes);
//! Enter alone asks to open the page again. The terminal is put back as it was when the wait ends.

use super::agent::News;
use crate::{
    cli::terminal,
    oauth::attempt::{Attempt, MAX_QUERY},
};
use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::Sender,
    },
};

/// A prompt that is open until this is dropped.
pub(super) struct Paste {
    over: Arc<AtomicBool>,
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
    #[cfg(unix)]
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Paste {
    /// Opens the prompt where somebody can paste: at a terminal, or where a pipe is the only way.
    pub fn begin(person: bool, only_way: bool, attempt: &Arc<Mutex<Attempt>>, news: &Sender<News>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let reader = Reader { attempt: Arc::clone(attempt), news: news.clone(), over: Arc::clone(&over) };
        #[cfg(unix)]
        {
            let before = if person { hide() } else { None };
            let thread = match (person, only_way) {
                (true, _) => Some(std::thread::spawn(move || reader.terminal())),
                (false, true) => {
                    // A pipe may stay silent for ever, so nobody waits for this thread.
                    std::thread::spawn(move || reader.pipe());
                    None
                }
                (false, false) => None,
            };
            Self { over, before, thread }
        }
        #[cfg(not(unix))]
        {
            if person || only_way {
                std::thread::spawn(move || reader.pipe());
            }
            Self { over }
        }
    }
}

impl Drop for Paste {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        #[cfg(unix)]
        {
            if let Some(thread) = self.thread.take() {
                let _ = thread.join();
            }
            if let Some(before) = &self.before {
                let _ = rustix::termios::tcsetattr(io::stdin(), rustix::termios::OptionalActions::Flush, before);
            }
        }
    }
}

/// Echo off, and every byte at once; Ctrl-C keeps its meaning.
#[cfg(unix)]
fn hide() -> Option<rustix::termios::Termios> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let before = tcgetattr(io::stdin()).ok()?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
    tcsetattr(io::stdin(), OptionalActions::Now, &hidden).ok()?;
    Some(before)
}

struct Reader {
    attempt: Arc<Mutex<Attempt>>,
    news: Sender<News>,
    over: Arc<AtomicBool>,
}

impl Reader {
    #[cfg(unix)]
    fn terminal(&self) {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdin = io::stdin();
        let mut line = zeroize::Zeroizing::new(Vec::with_capacity(MAX_QUERY));
        let mut buffer = zeroize::Zeroizing::new([0; 1024]);
        // Short enough that the terminal is back before a person notices.
        let tick = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
        while !self.over.load(Ordering::Relaxed) {
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&tick)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                Ok(_) => {}
                Err(_) => return,
            }
            let Ok(count) = rustix::io::read(&stdin, buffer.as_mut_slice()) else { return };
            if count == 0 {
                let _ = self.news.send(News::NoMoreInput);
                return;
            }
            for byte in buffer.iter().take(count) {
                match byte {
                    b'\n' | b'\r' => {
                        self.take(&line);
                        line.clear();
                    }
                    // What is too long is kept just long enough to be refused.
                    _ if line.len() <= MAX_QUERY => line.push(*byte),
                    _ => {}
                }
            }
        }
    }

    fn pipe(&self) {
        let stdin = io::stdin();
        // The longest that an attempt reads, and a little for the address in front of the query.
        match terminal::one_line(&mut stdin.lock(), MAX_QUERY as u64 + 1024) {
            Ok(text) if !text.is_empty() => self.take(text.expose().as_bytes()),
            _ => {}
        }
        let _ = self.news.send(News::NoMoreInput);
    }

    fn take(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        // Terminals wrap what is pasted in these marks when a program asks for it, and some without being asked.
        let text = text.replace("\u{1b}[200~", "").replace("\u{1b}[201~", "");
        if text.trim().is_empty() {
            let _ = self.news.send(News::Again);
            return;
        }
        let reception = self.attempt.lock().unwrap_or_else(PoisonError::into_inner).receive_pasted(&text);
        let _ = self.news.send(News::Pasted(reception));
    }
}
