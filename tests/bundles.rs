//! `export` and `import` of the built program: a grant travels sealed, and never has two homes or none.

use crate::{
    scene::{KEY, SECRET, Scene},
    support::binary::{Home, Invocation, Outcome},
};
use std::{fs, os::unix::fs::PermissionsExt};

/// Long enough for a bundle.
const PASSPHRASE: &str = "canary correct horse";

fn logged_in(scene: Scene) -> Scene {
    scene.log_in();
    scene
}

/// Another machine: a home of its own, and a key of its own for its file store.
struct Elsewhere(Home);

impl Elsewhere {
    fn new() -> Self {
        let home = Home::new();
        home.tokenstrap().args(["store", "init", "file"]).run().expect_code(0);
        Self(home)
    }

    fn call<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        self.0.tokenstrap().env("TOKENSTRAP_STORE", "file").env("PHRASE", PASSPHRASE).env("TILL_SECRET", SECRET).args(args)
    }
}

fn exported(scene: &Scene, more: &[&str]) -> Outcome {
    scene.call(["export", "till"]).args(more).env("PHRASE", PASSPHRASE).run()
}

/// The access and refresh token that a home holds.
fn tokens(call: Invocation) -> (String, String) {
    let shown: serde_json::Value = serde_json::from_str(&call.run().expect_code(0).stdout).unwrap();
    let text = |name: &str| shown[name].as_str().unwrap_or_default().to_owned();
    (text("access_token"), text("refresh_token"))
}

#[test]
fn s_01_a_bundle_takes_a_grant_to_another_machine_and_shows_nothing_of_it() {
    let (scene, there) = (logged_in(Scene::new()), Elsewhere::new());
    let (access, refresh) = tokens(scene.call(["show", "till", "--reveal", "--json"]));

    let bundle = exported(&scene, &["--passphrase-env", "PHRASE"]).expect_code(0);
    assert_eq!(bundle.stdout.lines().count(), 1, "{bundle}");
    for secret in [access.as_str(), &refresh, SECRET, PASSPHRASE] {
        assert!(!bundle.stdout.contains(secret) && !bundle.stderr.contains(secret), "{bundle}");
    }
    there.call(["import", "till", "--passphrase-env", "PHRASE"]).stdin(bundle.stdout).run().expect_code(0);

    assert_eq!(tokens(there.call(["show", "till", "--reveal", "--json"])), (access, refresh));
    there.call(["token", "till", "--force-refresh"]).run().expect_code(0);
    assert_eq!(scene.server.token_requests(), 2);
}

#[test]
fn a_bundle_opens_with_its_key_alone_and_the_refusals_say_why() {
    let (scene, there) = (logged_in(Scene::new()), Elsewhere::new());
    let by_key = exported(&scene, &[]).expect_code(0).stdout;
    let by_phrase = exported(&scene, &["--passphrase-env", "PHRASE"]).expect_code(0).stdout;
    let import = |text: &str, more: &[&str]| there.call(["import", "till"]).args(more).stdin(text);

    import(&by_key, &[]).run().expect_code(2).expect_stderr("TOKENSTRAP_KEY");
    import(&by_key, &[]).env("TOKENSTRAP_KEY", KEY.replace('4', "5")).run().expect_code(5).expect_stderr("another key");
    import(&by_phrase, &[]).run().expect_code(2).expect_stderr("--passphrase-env VAR");
    let other = import(&by_phrase, &["--passphrase-env", "PHRASE"]).env("PHRASE", "another passphrase").run();
    other.expect_code(5).expect_stderr("another passphrase");
    import(&by_phrase, &["--passphrase-env", PASSPHRASE]).run().expect_code(2);
    import(&by_key[..by_key.len() - 9], &[]).env("TOKENSTRAP_KEY", KEY).run().expect_code(2).expect_stderr("damaged");
    import("tokenstrap-bundle:9:till:key:AAAA", &[]).env("TOKENSTRAP_KEY", KEY).run().expect_code(2).expect_stderr("newer");
    import(&by_key, &["--client-id", "till"]).env("TOKENSTRAP_KEY", KEY).run().expect_code(2);
    import("", &[]).run().expect_code(2);
    import(&"x".repeat(1_000_000), &[]).run().expect_code(2);

    there.call(["token", "till"]).run().expect_code(3);
    import(&by_key, &[]).env("TOKENSTRAP_KEY", KEY).run().expect_code(0);
}

#[test]
fn a_short_passphrase_or_none_at_all_seals_nothing() {
    let scene = logged_in(Scene::new());

    let short = exported(&scene, &["--passphrase-env", "PHRASE"]);
    short.expect_code(0);
    let call = || scene.call(["export", "till", "--passphrase-env", "SHORT"]).env("SHORT", "hunter2");
    call().run().expect_code(2).expect_stdout("").expect_stderr("12 characters");
    let none = scene.home.tokenstrap().env("TOKENSTRAP_STORE", "file").args(["export", "till"]).run();
    none.expect_code(2).expect_stdout("").expect_stderr("--bundle-key-file");
    scene.call(["export", "nobody"]).run().expect_code(3).expect_stdout("");
}

#[test]
fn move_forgets_once_the_file_is_there_and_not_before() {
    let scene = logged_in(Scene::with(|server| server.rotating()));
    let file = scene.home.root().join("till.bundle");
    let path = file.to_str().unwrap();

    scene.call(["export", "till", "--move"]).run().expect_code(2).expect_stderr("--out");
    fs::write(&file, "precious").unwrap();
    scene.call(["export", "till", "--move", "--out", path]).run().expect_code(2).expect_stderr("already");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    fs::remove_file(&file).unwrap();
    scene.call(["export", "till", "--move", "--out", "/proc/till.bundle"]).run().expect_code(5);
    scene.call(["token", "till"]).run().expect_code(0);

    let moved = scene.call(["export", "till", "--move", "--out", path]).run().expect_code(0).expect_stdout("");

    assert!(moved.stderr.contains("forgotten here"), "{moved}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    scene.call(["token", "till"]).run().expect_code(3);
    scene.call(["list"]).run().expect_code(0).expect_stdout("");
    let there = Elsewhere::new();
    let text = fs::read_to_string(&file).unwrap();
    let key = there.0.root().join("bundle.key");
    fs::write(&key, KEY).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    there.call(["import", "shop", "--bundle-key-file"]).arg(&key).stdin(text).run().expect_code(0);
    there.call(["token", "shop", "--force-refresh"]).run().expect_code(0);
    there.call(["token", "shop", "--force-refresh"]).run().expect_code(0);
    assert_eq!(scene.server.reuse_events(), 0);
}

#[test]
fn a_refresh_token_that_may_be_good_once_is_exported_with_a_warning() {
    let scene = logged_in(Scene::with(|server| server.rotating()));
    scene.refreshed().expect_code(0);
    exported(&scene, &[]).expect_code(0).expect_stderr("one use");

    let scene = logged_in(Scene::new());
    scene.refreshed().expect_code(0);
    let outcome = exported(&scene, &[]).expect_code(0);
    assert_eq!(outcome.stderr, "", "{outcome}");
}

#[test]
fn an_import_takes_no_grants_place_unless_it_is_told_to() {
    let scene = logged_in(Scene::new());
    let bundle = exported(&scene, &[]).expect_code(0).stdout;
    let before = tokens(scene.call(["show", "till", "--reveal", "--json"]));
    scene.refreshed().expect_code(0);

    scene.call(["import", "till"]).stdin(bundle.as_str()).run().expect_code(6).expect_stderr("--replace");
    scene.call(["import", "TILL"]).stdin(bundle.as_str()).run().expect_code(2).expect_stderr("ignore case");
    assert_ne!(tokens(scene.call(["show", "till", "--reveal", "--json"])), before);
    scene.call(["import", "till", "--replace"]).stdin(bundle.as_str()).run().expect_code(0);
    assert_eq!(tokens(scene.call(["show", "till", "--reveal", "--json"])), before);
}

/// Flags for the client `till` of a scene's server.
fn client(scene: &Scene) -> [String; 4] {
    let (authorize, token) = (scene.server.authorization_endpoint(), scene.server.token_endpoint());
    [
        "--client-id=till".into(),
        "--client-auth=client_secret_post".into(),
        format!("--auth-url={authorize}"),
        format!("--token-url={token}"),
    ]
}

#[test]
fn a_bare_refresh_token_is_spent_at_once_and_what_it_buys_is_stored() {
    let (scene, there) = (logged_in(Scene::with(|server| server.rotating())), Elsewhere::new());
    let (_, refresh) = tokens(scene.call(["show", "till", "--reveal", "--json"]));

    let import = || there.call(["import", "till"]).args(client(&scene));
    import().stdin(refresh.as_str()).run().expect_code(2).expect_stderr("client secret");
    import().arg("--client-secret-stdin").stdin(refresh.as_str()).run().expect_code(2).expect_stderr("second line");
    import().stdin(format!("{refresh}\n{SECRET}\n")).run().expect_code(2).expect_stderr("--client-secret-stdin takes it");
    let three = format!("{refresh}\n{SECRET}\n{SECRET}\n");
    import().arg("--client-secret-stdin").stdin(three).run().expect_code(2).expect_stderr("more than two lines");
    assert_eq!(scene.server.token_requests(), 1);
    let taken = import().arg("--client-secret-stdin").stdin(format!("{refresh}\n{SECRET}\n")).run().expect_code(0);

    assert!(!taken.stderr.contains(&refresh) && taken.stdout.is_empty(), "{taken}");
    there.call(["token", "till"]).run().expect_code(0);
    assert_eq!(scene.server.token_requests(), 2);
    assert_ne!(tokens(there.call(["show", "till", "--reveal", "--json"])).1, refresh);
    there.call(["token", "till", "--force-refresh"]).run().expect_code(0);
}

#[test]
fn a_dead_refresh_token_takes_no_living_grants_place() {
    let scene = logged_in(Scene::new());
    let before = tokens(scene.call(["show", "till", "--reveal", "--json"]));

    let import = |more: &[&str]| scene.call(["import", "till"]).args(more).stdin("mock-dead-refresh-token").run();
    import(&[]).expect_code(6).expect_stderr("--replace");
    assert_eq!(scene.server.token_requests(), 1);
    let refused = import(&["--replace"]).expect_code(3).expect_stderr("was not taken");

    assert!(!refused.stderr.contains("mock-dead"), "{refused}");
    assert_eq!(tokens(scene.call(["show", "till", "--reveal", "--json"])), before);
}

#[test]
fn s_02_an_import_into_a_store_that_cannot_be_written_sends_nothing() {
    let (scene, there) = (logged_in(Scene::new()), Elsewhere::new());
    let (_, refresh) = tokens(scene.call(["show", "till", "--reveal", "--json"]));
    let grants = there.0.path(".local/share/tokenstrap/grants");
    fs::create_dir_all(&grants).unwrap();
    fs::set_permissions(&grants, fs::Permissions::from_mode(0o777)).unwrap();

    let import = there.call(["import", "till", "--client-secret-env", "TILL_SECRET"]).args(client(&scene)).stdin(refresh);

    import.run().expect_code(6).expect_stderr("chmod");
    assert_eq!(scene.server.token_requests(), 1);
}
