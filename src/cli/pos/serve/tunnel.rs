//! A tunnel program of the user's own, started without a shell and ended with us.
//!
//! It is looked for in `PATH`, in absolute folders alone. It gets the user's environment but nothing of this program's own. What it
//! says is read within bounds and thrown away, but for its public address.

use super::{Exit, Failure, printable};
use clap::builder::PossibleValuesParser;
use std::{
    io::Read,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

/// One program: how it is called, and where its address stands.
struct Program {
    name: &'static str,
    arguments: fn(&str) -> Vec<String>,
    /// What stands directly in front of the address.
    before: &'static str,
    /// Ends of host names under which it gives addresses away.
    hosts: &'static [&'static str],
}

static PROGRAMS: [Program; 2] = [
    Program {
        name: "cloudflared",
        arguments: |origin| ["tunnel", "--no-autoupdate", "--url", origin].map(str::to_owned).to_vec(),
        before: "",
        hosts: &[".trycloudflare.com"],
    },
    Program {
        name: "ngrok",
        arguments: |origin| ["http", origin, "--log", "stdout", "--log-format", "logfmt"].map(str::to_owned).to_vec(),
        before: "url=",
        hosts: &[".ngrok-free.app", ".ngrok-free.dev", ".ngrok.app", ".ngrok.dev", ".ngrok.io"],
    },
];

/// How long it may take to say its address.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it is given to end by itself.
const FAREWELL: Duration = Duration::from_millis(400);

/// The longest line that is looked at, in bytes.
const LONGEST: usize = 4096;

pub(super) fn names() -> PossibleValuesParser {
    PROGRAMS.iter().map(|program| program.name).collect::<Vec<_>>().into()
}

/// A tunnel that runs. Dropping it ends the program.
pub(super) struct Tunnel {
    name: &'static str,
    child: Child,
    address: Option<String>,
    told: bool,
}

impl Tunnel {
    /// Starts the program and waits for its address; none where somebody stopped us meanwhile.
    pub fn start(name: &str, origin: &str, stopped: &AtomicBool) -> Result<Self, Failure> {
        let program = PROGRAMS.iter().find(|program| program.name == name).ok_or_else(|| Failure::usage("there is no such tunnel"))?;
        let path = find(program.name).ok_or_else(|| {
            Failure::new(Exit::Machine, format!("`{name}` is not installed"))
                .because("no absolute folder of PATH holds it")
                .hint("install it, or start a tunnel yourself and say --public-url")
        })?;
        let mut command = Command::new(path);
        command.args((program.arguments)(origin)).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).current_dir("/");
        for (variable, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("TOKENSTRAP_")) {
            command.env_remove(variable);
        }
        let child =
            command.spawn().map_err(|error| Failure::new(Exit::Machine, format!("`{name}` could not be started")).because(error))?;
        let mut tunnel = Self { name: program.name, child, address: None, told: false };
        let (sender, found) = mpsc::channel();
        listen(program, tunnel.child.stdout.take(), sender.clone());
        listen(program, tunnel.child.stderr.take(), sender);
        tunnel.wait(&found, stopped)?;
        Ok(tunnel)
    }

    fn wait(&mut self, found: &Receiver<String>, stopped: &AtomicBool) -> Result<(), Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            match found.recv_timeout(Duration::from_millis(50)) {
                Ok(address) => {
                    self.address = Some(address);
                    return Ok(());
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.silent("it ended, or closed its output")),
                Err(RecvTimeoutError::Timeout) if stopped.load(Ordering::Relaxed) => return Ok(()),
                Err(RecvTimeoutError::Timeout) if Instant::now() > end => return Err(self.silent("it said none in 30 s")),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn silent(&self, why: &str) -> Failure {
        let fact = format!("`{}` gave no public address", self.name);
        Failure::new(Exit::Later, fact)
            .because(why)
            .hint(format!("run `{}` by itself to see what it says, then use --public-url", self.name))
    }

    /// Its public address.
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Says once that the program has ended by itself.
    pub fn has_ended(&mut self) -> Option<String> {
        let ended = !self.told && matches!(self.child.try_wait(), Ok(Some(_)));
        self.told |= ended;
        ended.then(|| format!("`{}` has ended; the public address leads nowhere now", self.name))
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let (Ok(None), Some(pid)) = (self.child.try_wait(), i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw))
        {
            // It may end this moment, of the same Ctrl-C.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let end = Instant::now() + FAREWELL;
            while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program in the first absolute folder of `PATH` that has it.
fn find(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).filter(|folder| folder.is_absolute()).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

/// Reads one stream to its end and hands on the first address.
fn listen(program: &'static Program, stream: Option<impl Read + Send + 'static>, sender: Sender<String>) {
    let Some(mut stream) = stream else { return };
    let read = move || {
        let mut sender = Some(sender);
        let mut line = Vec::new();
        let mut chunk = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            for byte in chunk.get(..count).unwrap_or_default() {
                if *byte != b'\n' {
                    // The rest of an endless line holds no address.
                    if line.len() < LONGEST {
                        line.push(*byte);
                    }
                    continue;
                }
                if let Some(address) = address(program, &String::from_utf8_lossy(&line))
                    && let Some(sender) = sender.take()
                {
                    // Nobody waits any more where the other stream was faster.
                    let _ = sender.send(address);
                }
                line.clear();
            }
        }
    };
    // Without a thread nothing is read, which the wait for an address tells.
    let _ = std::thread::Builder::new().name("tunnel".to_owned()).spawn(read);
}

/// The public address in a line.
fn address(program: &Program, line: &str) -> Option<String> {
    let begin = format!("{}https://", program.before);
    line.match_indices(&begin).find_map(|(at, _)| {
        let rest = line.get(at + program.before.len()..)?;
        let end = rest.find(|character: char| !character.is_ascii_alphanumeric() && !"-._:/".contains(character)).unwrap_or(rest.len());
        let url = url::Url::parse(rest.get(..end)?).ok()?;
        let host = url.host_str()?;
        let is_public = program.hosts.iter().any(|suffix| host.len() > suffix.len() && host.ends_with(suffix));
        (is_public && !host.starts_with("api.")).then(|| printable(&url.origin().ascii_serialization()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, line: &str) -> Option<String> {
        address(PROGRAMS.iter().find(|program| program.name == name)?, line)
    }

    #[test]
    fn the_public_address_is_told_from_others_in_what_a_tunnel_says() {
        let cloudflared = "2026-01-02T03:04:05Z INF |  https://some-words-here.trycloudflare.com                |";
        assert_eq!(found("cloudflared", cloudflared).as_deref(), Some("https://some-words-here.trycloudflare.com"));
        for other in [
            "INF Thank you for trying Cloudflare Tunnel: https://www.cloudflare.com/website-terms/ and https://developers.cloudflare.com",
            "ERR https://api.trycloudflare.com/tunnel cannot be reached",
            "INF https://evil.test/x.trycloudflare.com",
            "INF http://some.trycloudflare.com",
            "INF https://.trycloudflare.com",
        ] {
            assert_eq!(found("cloudflared", other), None, "{other}");
        }
        let ngrok = "t=2026 lvl=info msg=\"started tunnel\" obj=tunnels name=x addr=http://127.0.0.1:18977 url=https://a1b2.ngrok-free.app";
        assert_eq!(found("ngrok", ngrok).as_deref(), Some("https://a1b2.ngrok-free.app"));
        assert_eq!(found("ngrok", "see https://a1b2.ngrok-free.app"), None);
    }
}
