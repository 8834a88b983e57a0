//! Two machines in one: they share a home, as over a network, and each has a state folder that the other does not see, so
//! that no lock of one holds in the other.

use super::{
    binary::{Home, Invocation},
    real,
    running::{Running, Stream},
};
use std::fs;

/// One of the two.
pub struct Host {
    home: Home,
    /// Lives in the mount namespace of this machine as long as the test.
    namespace: Option<Running>,
}

impl Host {
    /// Both of them. Where the system gives no mount namespaces, each has a home of its own, and that is said.
    pub fn pair() -> [Self; 2] {
        let home = Home::new();
        if enter(&home, "true").is_some_and(|call| call.run().code == Some(0)) {
            return [Self::within(&home), Self::within(&home)];
        }
        real::left_out_anywhere("two mount namespaces with one home", "the system gives none; two homes stand in");
        [home, Home::new()].map(|home| Self { home, namespace: None })
    }

    fn within(home: &Home) -> Self {
        let mount = "mount -t tmpfs -o mode=0700 state \"$XDG_STATE_HOME\" && echo mounted && exec cat";
        let call = enter(home, mount).expect("tried above");
        let mut namespace = call.stdin_open().spawn();
        namespace.wait_for_line(Stream::Out, "mounted");
        Self { home: home.clone(), namespace: Some(namespace) }
    }

    /// Writes `config.toml`; one that both see where they share a home.
    pub fn settings(&self, text: &str) {
        let folder = self.home.path(".config/tokenstrap");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.toml"), text).unwrap();
    }

    /// The program under test on this machine.
    pub fn tokenstrap(&self) -> Invocation {
        let Some(namespace) = &self.namespace else { return self.home.tokenstrap() };
        let call = self.home.program("nsenter").args(["--target", &namespace.pid().to_string(), "--mount"]);
        let call = if is_root() { call } else { call.args(["--user", "--preserve-credentials"]) };
        call.arg(env!("CARGO_BIN_EXE_tokenstrap"))
    }

    /// Whether the other one sees its home.
    pub fn shares_a_home(&self) -> bool {
        self.namespace.is_some()
    }

    /// Whether nothing of its state, locks included, has come to where the other one would see it.
    pub fn keeps_its_state(&self) -> bool {
        self.namespace.is_none() || fs::read_dir(self.home.path(".local/state")).unwrap().next().is_none()
    }
}

/// A script in a mount namespace of its own, where there are programs for it.
fn enter(home: &Home, script: &str) -> Option<Invocation> {
    if ["unshare", "nsenter", "mount"].iter().any(|name| real::program(name).is_none()) {
        return None;
    }
    let call = home.program("unshare").arg("--mount");
    let call = if is_root() { call } else { call.arg("--map-root-user") };
    Some(call.args(["sh", "-euc", script]))
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
