//! A secret that a person types or pastes: nothing of it is ever shown, and nothing of it is lost.
//!
//! The echo is off before the question stands there, since whoever pastes at once would see the secret otherwise; what was typed
//! ahead is read, not thrown away. Read byte by byte, as the kernel's own lines end after 4 KiB. The terminal is put back however
//! it ends.

use rustix::{
    fd::AsFd,
    termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr},
};
use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal, Write},
};
use zeroize::Zeroizing;

/// Asks at the terminal, which may be another than standard input, and reads one line of at most `longest` bytes. What the caller says then stands
/// behind the question.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] where the person gave up, after the signal for it has had no effect; whatever the system says.
pub(super) fn ask(question: &str, longest: usize) -> io::Result<Zeroizing<String>> {
    let terminal = terminal()?;
    let quiet = Quiet::begin(&terminal)?;
    io::stderr().lock().write_all(format!("{question}: ").as_bytes())?;
    let typed = read(&terminal, longest).and_then(|typed| {
        let text = String::from_utf8(typed.to_vec()).map(Zeroizing::new);
        text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "what was typed is not UTF-8"))
    });
    drop(quiet);
    if typed.is_err() {
        let _ = io::stderr().lock().write_all(b"\r\n");
    }
    if typed.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::Interrupted) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT);
    }
    typed
}

fn terminal() -> io::Result<File> {
    if io::stdin().is_terminal() {
        return Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    }
    OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// No echo, every byte at once, Ctrl-C as a byte; until it is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal, OptionalActions::Now, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

fn read(terminal: &File, longest: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Line::new(longest);
    // One byte a time: what follows the line is the next question's.
    let mut byte = [0];
    loop {
        match rustix::io::read(terminal, &mut byte) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match line.take(u8::from_ne_bytes(byte)) {
            Key::Next => {}
            Key::Enter => return Ok(line.text),
            Key::Nothing => return Err(io::ErrorKind::UnexpectedEof.into()),
            Key::Interrupt => return Err(io::ErrorKind::Interrupted.into()),
            Key::TooLong => return Err(io::Error::new(io::ErrorKind::InvalidData, format!("more than {longest} bytes were typed"))),
        }
    }
}

/// What a key means for the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Next,
    Enter,
    Nothing,
    Interrupt,
    TooLong,
}

/// Where in an order of the terminal, such as an arrow key or the marks around what is pasted, the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    None,
    Begun,
    Inside,
}

/// A line that is typed.
struct Line {
    text: Zeroizing<Vec<u8>>,
    longest: usize,
    order: Order,
}

impl Line {
    fn new(longest: usize) -> Self {
        // Room from the start, so that growing leaves no copies behind.
        Self { text: Zeroizing::new(Vec::with_capacity(longest + 1)), longest, order: Order::None }
    }

    fn take(&mut self, byte: u8) -> Key {
        self.order = match (self.order, byte) {
            (Order::Begun, b'[' | b'O') => Order::Inside,
            (Order::Inside, 0x20..=0x3f) => return Key::Next,
            (Order::Begun | Order::Inside, 0x20..=0x7e) => {
                self.order = Order::None;
                return Key::Next;
            }
            (_, 0x1b) => Order::Begun,
            _ => Order::None,
        };
        match byte {
            _ if self.order != Order::None => {}
            b'\r' | b'\n' => return Key::Enter,
            0x03 => return Key::Interrupt,
            0x04 if self.text.is_empty() => return Key::Nothing,
            // Ctrl-U.
            0x15 => self.text.clear(),
            0x08 | 0x7f => while self.text.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Other controls are in no secret that can be typed.
            byte if byte < 0x20 => {}
            byte => self.text.push(byte),
        }
        if self.text.len() > self.longest { Key::TooLong } else { Key::Next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (Key, String) {
        let mut line = Line::new(8);
        let last = keys.iter().map(|byte| line.take(*byte)).find(|key| *key != Key::Next);
        (last.unwrap_or(Key::Next), String::from_utf8_lossy(&line.text).into_owned())
    }

    #[test]
    fn a_line_is_corrected_as_people_are_used_to() {
        for (keys, text) in [
            (&b"abc\r"[..], "abc"),
            (b"abx\x7fc\n", "abc"),
            (b"wrong\x15right\r", "right"),
            ("aü\u{7f}b\r".as_bytes(), "ab"),
            (b"\x7f\x7fa\r", "a"),
            (b"a\tb\x00c\x04\r", "abc"),
        ] {
            assert_eq!(typed(keys), (Key::Enter, text.to_owned()), "{keys:?}");
        }
    }

    #[test]
    fn orders_of_the_terminal_are_no_part_of_a_secret() {
        for keys in [&b"\x1b[200~abc\x1b[201~\r"[..], b"ab\x1b[D\x1b[1;5Cc\r", b"a\x1bOPbc\r", b"abc\x1b\r"] {
            assert_eq!(typed(keys), (Key::Enter, "abc".to_owned()), "{keys:?}");
        }
    }

    #[test]
    fn who_gives_up_or_pastes_a_book_is_told_apart() {
        assert_eq!(typed(b"ab\x03").0, Key::Interrupt);
        assert_eq!(typed(b"\x04").0, Key::Nothing);
        assert_eq!(typed(b"123456789").0, Key::TooLong);
        assert_eq!(typed(b"12345678\r").0, Key::Enter);
    }
}
