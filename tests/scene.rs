//! A till, its authorization server and a person: what the tests of whole commands share.

use crate::support::{
    binary::{Home, Invocation, Outcome},
    running::{LIMIT, Running, Stream},
};
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use tokenstrap::{
    http::client::{Client, Options},
    platform::{clock::SystemClock, entropy::SystemEntropy},
    profile::Record,
    sandbox::{self, Builder, Sandbox, approve},
    secret::Secret,
    store::{self, KeySource},
};

/// The file store's key, in hex.
pub(crate) const KEY: &str = "481c75b0ef34e83ef83c4a83f43e26a51adc00f34574ea3d72bcce0c7a20b728";

/// The client's secret, with everything that an encoding may trip over.
pub(crate) const SECRET: &str = "canary secret+%4711/=\u{fc}";

/// A home, and a server that knows the client `till`.
pub(crate) struct Scene {
    pub(crate) home: Home,
    pub(crate) server: sandbox::Running,
}

impl Scene {
    /// Against a server like O-Series.
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    /// Against a server of one's own making.
    pub(crate) fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        Self { home: Home::new(), server: change(Sandbox::builder().client("till", SECRET)).start().unwrap() }
    }

    /// Any command, with the file store and its key.
    pub(crate) fn call<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        let call = self.home.tokenstrap().env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY);
        call.env("TILL_SECRET", SECRET).args(args)
    }

    /// A login of the profile `till` with everything it needs but a way to the person.
    pub(crate) fn login(&self) -> Invocation {
        let (authorize, token) = (self.server.authorization_endpoint(), self.server.token_endpoint());
        self.login_at(&authorize, &token)
    }

    /// The same at endpoints of one's own choice.
    pub(crate) fn login_at(&self, authorize: &str, token: &str) -> Invocation {
        self.call(["login", "till", "--client-id", "till", "--client-secret-env", "TILL_SECRET"])
            .args([format!("--auth-url={authorize}"), format!("--token-url={token}")])
    }

    /// A login at a modern server, found by its issuer, that learns whose tokens they are.
    pub(crate) fn login_with_openid(&self) -> Invocation {
        self.call(["login", "till", "--client-id", "till", "--client-secret-env", "TILL_SECRET", "--scope", "openid"])
            .args(["--issuer", self.server.issuer()])
    }

    /// A whole login.
    #[track_caller]
    pub(crate) fn log_in(&self) -> Outcome {
        let (login, page) = begun(self.login());
        approve(&page).unwrap();
        login.finish().expect_code(0)
    }

    /// `tokenstrap token till`, forced to ask the server.
    pub(crate) fn refreshed(&self) -> Outcome {
        self.call(["token", "till", "--force-refresh"]).run()
    }

    /// A search path with the program under test and these scripts before all others.
    pub(crate) fn path_with(&self, scripts: &[(&str, &str)]) -> String {
        let bin = self.home.root().join("bin");
        fs::create_dir(&bin).unwrap();
        symlink(env!("CARGO_BIN_EXE_tokenstrap"), bin.join("tokenstrap")).unwrap();
        for (name, text) in scripts {
            fs::write(bin.join(name), text).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
    }

    /// A `$BROWSER` that writes down how it was started; gives the variable's value and the file that it fills.
    pub(crate) fn dumping_browser(&self) -> (String, PathBuf) {
        let (script, out) = (self.home.root().join("browser"), self.home.root().join("browser.out"));
        let dump = "echo \"$#\"; printf '%s\\n' \"$@\"; echo ENV; tr '\\0' '\\n' </proc/$$/environ; echo FD; ls -l /proc/$$/fd";
        let text = format!("{{ {dump}; }} >'{0}.part' 2>&1\nmv '{0}.part' '{0}'\n", out.display());
        fs::write(&script, text).unwrap();
        (format!("/bin/sh {}", script.display()), out)
    }
}

/// Starts a login that opens nothing, and gives the address of the page.
#[track_caller]
pub(crate) fn begun(login: Invocation) -> (Running, String) {
    let mut login = login.arg("--no-browser").spawn();
    let page = login.wait_for_line(Stream::Err, "/authorize?");
    (login, page)
}

/// A member of the address's query.
pub(crate) fn member(address: &str, name: &str) -> Option<String> {
    crate::rehearsal::parameter(address, name)
}

/// The port of the listener behind a page's address.
pub(crate) fn listening_port(page: &str) -> u16 {
    url::Url::parse(&member(page, "redirect_uri").unwrap()).unwrap().port().unwrap()
}

/// Waits for a file that appears whole.
#[track_caller]
pub(crate) fn appeared(path: &Path) -> String {
    let end = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < end, "{} never came", path.display());
        thread::park_timeout(Duration::from_millis(2));
    }
    fs::read_to_string(path).unwrap()
}

/// Waits for another text of the same length in a file, which is there and whole whenever it is looked at.
#[track_caller]
pub(crate) fn changed(path: &Path, before: &str) -> String {
    let end = Instant::now() + LIMIT;
    loop {
        let found = fs::read_to_string(path).unwrap();
        assert_eq!(found.len(), before.len(), "`{found}` is half of it");
        if found != before {
            return found;
        }
        assert!(Instant::now() < end, "{} never changed", path.display());
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// Changes what the file store of this home holds of a profile.
pub(crate) fn change_record(home: &Home, profile: &str, change: impl FnOnce(&mut Record)) {
    let world = store::World {
        data: home.path(".local/share/tokenstrap"),
        state: home.path(".local/state/tokenstrap"),
        config: home.path(".config/tokenstrap"),
        key: KeySource::Text(Secret::new(KEY)),
        vault: Default::default(),
        env: &|_| None,
        transport: &Client::new(Options::default()),
        command: &[],
        prompt: false,
        entropy: &SystemEntropy,
        clock: &SystemClock,
    };
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    let mut record = store.load(&profile.parse().unwrap()).unwrap().unwrap();
    change(&mut record);
    record.generation += 1;
    store.save(&record).unwrap();
}
