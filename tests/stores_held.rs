//! A profile that two stores hold, the file store and a real keychain: which grant is used, and what is said of it.

use crate::{
    scene::{KEY, Scene, begun},
    support::{
        binary::{Invocation, Outcome},
        keyring::Session,
    },
};
use std::{fs, path::PathBuf};
use tokenstrap::sandbox::approve;

/// Where both stores open.
struct Desk {
    scene: Scene,
    keychain: Session,
}

impl Desk {
    /// With a server that ends a grant whose refresh token comes back a second time.
    fn new() -> Option<Self> {
        let keychain = Session::with_keyring()?;
        let desk = Self { scene: Scene::with(|server| server.rotating()), keychain };
        desk.log_in("file");
        Some(desk)
    }

    /// Any command, with no store named by the environment.
    fn call<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        self.at(self.scene.call(args)).env_remove("TOKENSTRAP_STORE")
    }

    fn at(&self, call: Invocation) -> Invocation {
        call.env("TOKENSTRAP_KEY", KEY).env("DBUS_SESSION_BUS_ADDRESS", self.keychain.address())
    }

    fn log_in(&self, store: &str) -> Outcome {
        let login = self.at(self.scene.login()).env_remove("TOKENSTRAP_STORE").args(["--store", store]);
        let (login, page) = begun(login);
        approve(&page).unwrap();
        login.finish().expect_code(0)
    }

    fn refreshed(&self, more: &[&str]) -> Outcome {
        let outcome = self.call(["token", "till", "--force-refresh"]).args(more).run().expect_code(0);
        assert!(self.scene.server.is_live_access_token(outcome.stdout.trim_end()), "{outcome}");
        outcome
    }

    fn grant(&self) -> PathBuf {
        self.scene.home.path(".local/share/tokenstrap/grants/till.grant")
    }

    fn settings(&self) -> PathBuf {
        self.scene.home.path(".config/tokenstrap/profiles/till.toml")
    }

    /// Generation 4 in the file store, as a backup brings it back, and 5 in the keychain.
    fn brought_back() -> Option<(Self, Vec<u8>)> {
        let desk = Self::new()?;
        desk.refreshed(&[]);
        let older = fs::read(desk.grant()).unwrap();
        desk.call(["store", "migrate", "till", "--to", "keychain"]).run().expect_code(0);
        desk.refreshed(&[]);
        fs::write(desk.grant(), &older).unwrap();
        Some((desk, older))
    }
}

const TWICE: &str = "till is in two stores; the newer grant is used, from keychain, and not the one in file";

#[test]
fn s_13_of_two_copies_of_one_grant_the_newer_is_used_whichever_store_is_named() {
    let Some((desk, older)) = Desk::brought_back() else { return };

    for named in [&["--store", "file"][..], &["--store", "file", "--min-ttl", "2h"]] {
        desk.refreshed(named).expect_stderr(TWICE);
    }
    let variable = desk.call(["check", "till", "--verbose"]).env("TOKENSTRAP_STORE", "file").run();
    assert_eq!(variable.stderr.matches(TWICE).count(), 1, "{variable}");
    // Settings that somebody changed name the older one as well.
    let settings = fs::read_to_string(desk.settings()).unwrap();
    fs::write(desk.settings(), settings.replace("\"keychain\"", "\"file\"")).unwrap();
    desk.refreshed(&[]).expect_stderr(TWICE);
    let shown = desk.call(["show", "till"]).run().expect_code(0).expect_stderr(TWICE);
    assert!(shown.stdout.contains("(keychain), generation"), "{shown}");

    assert_eq!(desk.scene.server.reuse_events(), 0);
    assert_eq!(fs::read(desk.grant()).unwrap(), older);
}

#[test]
fn s_13_the_older_copy_goes_and_the_profile_stays() {
    let Some((desk, _)) = Desk::brought_back() else { return };
    let doctor = desk.call(["doctor", "--json"]).run();
    assert!(doctor.stdout.contains("the newer one is in keychain") && doctor.stdout.contains("tokenstrap logout till --store file"));

    desk.call(["logout", "till", "--store", "file"]).run().expect_code(0);

    assert!(!desk.grant().exists() && desk.settings().exists());
    let outcome = desk.refreshed(&[]);
    assert_eq!(outcome.stderr, "");
    let last = desk.call(["logout", "till"]).run().expect_code(0);
    assert!(!desk.settings().exists() && !last.stderr.contains("note:"), "{last}");
}

#[test]
fn s_13_a_grant_of_an_earlier_login_is_used_only_where_its_store_is_named_and_never_in_silence() {
    let Some(desk) = Desk::new() else { return };
    let first = desk.refreshed(&[]);
    let told = desk.log_in("keychain");
    assert!(told.stderr.contains("note: file holds a grant of till too; `tokenstrap logout till --store file` removes it"), "{told}");

    assert_eq!(desk.refreshed(&[]).stderr, "");
    let asked = desk.call(["token", "till", "--store", "file"]).run().expect_code(0);
    let asked = asked.expect_stderr("keychain holds a grant of till from a later login; the older one in file is used, as asked for");
    assert_eq!(asked.stdout, first.stdout);
    let settings = fs::read_to_string(desk.settings()).unwrap();
    fs::write(desk.settings(), settings.replace("\"keychain\"", "\"file\"")).unwrap();
    let changed = desk.call(["token", "till"]).run().expect_code(0).expect_stderr(TWICE);
    assert_ne!(changed.stdout, first.stdout);
}

#[test]
fn s_13_a_store_that_cannot_be_asked_for_a_newer_grant_is_named() {
    let Some((desk, _)) = Desk::brought_back() else { return };
    desk.keychain.stop_keyring();

    let outcome = desk.call(["show", "till", "--store", "file"]).run();

    outcome.expect_code(0).expect_stderr("whether keychain holds a newer grant of till could not be seen");
}
