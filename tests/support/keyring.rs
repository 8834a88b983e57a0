//! A session bus and a GNOME Keyring of one's own: nothing of the person who runs the tests is seen or touched.
//!
//! Whoever talks to them does so in a child process, since a process has one address of the session bus.

use super::real;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    cell::RefCell,
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Longest wait for a daemon, far above what a loaded machine needs.
const LIMIT: Duration = Duration::from_secs(20);

/// A session bus that starts nothing by itself, and perhaps a keyring on it. Both end with this value.
pub struct Session {
    home: TempDir,
    address: String,
    bus: Child,
    keyring: Option<Child>,
    successor: RefCell<Option<Child>>,
}

impl Session {
    /// A bus with an unlocked keyring; `None`, and a word about it, where a program is missing.
    pub fn with_keyring() -> Option<Self> {
        if !real::programs("the keychain", &["gnome-keyring-daemon"]) {
            return None;
        }
        let mut session = Self::bare()?;
        session.keyring = Some(session.start_keyring(&[]));
        session.wait_for_keyring();
        Some(session)
    }

    /// A bus on which no keychain is.
    pub fn bare() -> Option<Self> {
        if !real::programs("the session bus", &["dbus-daemon", "dbus-send"]) {
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("bus.conf");
        fs::create_dir(home.path().join("run")).unwrap();
        fs::write(&config, bus_config(home.path())).unwrap();
        let mut bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address=1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(address.starts_with("unix:"), "the bus gave no address");
        Some(Self { home, address, bus, keyring: None, successor: RefCell::new(None) })
    }

    /// A command that sees this session and nothing of the caller's.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let home = self.home.path();
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home);
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address);
        for (name, folder) in [
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_CACHE_HOME", "cache"),
        ] {
            command.env(name, home.join(folder));
        }
        command.stdin(Stdio::null());
        command
    }

    /// Its files: keyrings and whatever else was written.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The address of the bus.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Stops the keyring's process as a debugger would: it holds its name on the bus and answers nothing.
    pub fn stop_keyring(&self) {
        signal(self.keyring.as_ref().unwrap(), Signal::STOP);
    }

    /// Puts an unlocked keyring in the place of one that was locked: a second unlock of the same one is no such thing.
    pub fn unlock_anew(&self) {
        *self.successor.borrow_mut() = Some(self.start_keyring(&["--replace"]));
        self.wait_for_keyring();
    }

    /// Stops the bus itself.
    pub fn stop_bus(&self) {
        signal(&self.bus, Signal::STOP);
    }

    /// Ends the bus.
    pub fn kill_bus(&mut self) {
        end(&mut self.bus);
    }

    fn start_keyring(&self, more: &[&str]) -> Child {
        let mut keyring = self
            .command("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            // It has been seen to abort; what it complains of is shown with the test that fails.
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        // Without a line end, which would be a part of the password. Dropping the pipe ends it.
        keyring.stdin.take().unwrap().write_all(b"password of a test").unwrap();
        keyring
    }

    fn wait_for_keyring(&self) {
        let end = Instant::now() + LIMIT;
        while !self.is_unlocked() {
            assert!(Instant::now() < end, "the keyring did not come up");
        }
    }

    /// Each question takes a few milliseconds of its own, so that asking again is no busy loop.
    fn is_unlocked(&self) -> bool {
        let mut ask = self.command("dbus-send");
        ask.args(["--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets/aliases/default"]);
        ask.args(["org.freedesktop.DBus.Properties.Get", "string:org.freedesktop.Secret.Collection", "string:Locked"]);
        let answer: Output = ask.output().unwrap();
        String::from_utf8_lossy(&answer.stdout).contains("boolean false")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for keyring in [self.keyring.as_mut(), self.successor.get_mut().as_mut()].into_iter().flatten() {
            end(keyring);
        }
        end(&mut self.bus);
    }
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// Ends a process that may be stopped or gone already.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// As the usual session bus, but without service files: on it nothing starts that the test did not start.
fn bus_config(home: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={}/run/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#,
        home.display()
    )
}
