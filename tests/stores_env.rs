//! A grant in the environment: read, refreshed where that is safe, and never written.

use crate::{
    scene::{KEY, Scene},
    support::binary::{Home, Invocation},
};

/// A job that has a bundle and its key, and nothing else.
struct Job {
    scene: Scene,
    home: Home,
    bundle: String,
}

impl Job {
    /// `teach` brings the grant that is exported to where its rotation is known.
    fn new(scene: Scene, teach: bool) -> Self {
        scene.log_in();
        if teach {
            scene.refreshed().expect_code(0);
        }
        let bundle = scene.call(["export", "till"]).run().expect_code(0).stdout.trim_end().to_owned();
        Self { scene, home: Home::new(), bundle }
    }

    fn call<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Invocation {
        let call = self.home.tokenstrap().env("TOKENSTRAP_STORE", "env").env("TOKENSTRAP_KEY", KEY);
        call.env("TOKENSTRAP_GRANT", &self.bundle).args(args)
    }
}

#[test]
fn a_fresh_token_of_the_environment_is_printed_without_a_request() {
    let job = Job::new(Scene::new(), false);
    let asked = job.scene.server.requests();

    let token = job.call(["token", "till"]).run().expect_code(0);

    assert!(token.stdout.starts_with("mock-"), "{token}");
    assert_eq!((token.stderr.as_str(), job.scene.server.requests()), ("", asked));
    let list = job.call(["list"]).run().expect_code(0);
    assert!(list.stdout.contains("till") && list.stdout.trim_end().ends_with("env"), "{list}");
}

#[test]
fn a_grant_that_may_rotate_is_never_refreshed_from_the_environment() {
    for (scene, teach) in [(Scene::with(|server| server.rotating()), true), (Scene::new(), false)] {
        let job = Job::new(scene, teach);
        let asked = job.scene.server.token_requests();

        // Still alive, though shorter than wanted: better than none.
        let alive = job.call(["token", "till", "--min-ttl", "2h"]).run().expect_code(0);
        assert!(alive.stderr.contains("still lives") && alive.stdout.starts_with("mock-"), "{alive}");
        let forced = job.call(["token", "till", "--force-refresh"]).run().expect_code(5).expect_stdout("");

        assert!(forced.stderr.contains("may replace") && forced.stderr.contains("tokenstrap import"), "{forced}");
        assert_eq!(job.scene.server.token_requests(), asked);
    }
}

#[test]
fn a_grant_that_is_known_to_stay_is_refreshed_and_nothing_is_left_behind() {
    let job = Job::new(Scene::new(), true);
    let asked = job.scene.server.token_requests();

    job.call(["token", "till", "--force-refresh"]).run().expect_code(0);

    assert_eq!(job.scene.server.token_requests(), asked + 1);
    assert!(!job.home.path(".local/state/tokenstrap/spool").exists());
    assert!(!job.home.path(".local/share/tokenstrap").exists());
}

#[test]
fn nothing_is_ever_written_to_the_environment() {
    let job = Job::new(Scene::new(), true);
    let (authorize, token) = (job.scene.server.authorization_endpoint(), job.scene.server.token_endpoint());

    let login = job.call(["login", "till", "--client-id", "till", "--no-browser"]);
    login.args([format!("--auth-url={authorize}"), format!("--token-url={token}")]).run().expect_code(5).expect_stderr("cannot be written");
    job.call(["logout", "till"]).run().expect_code(5).expect_stderr("taken away where it is set");
    job.call(["import", "till", "--replace"]).stdin(job.bundle.as_str()).run().expect_code(5);
    job.call(["bind", "till", "api.example"]).run().expect_code(5).expect_stdout("").expect_stderr("cannot be written back");
    job.call(["token", "till"]).run().expect_code(0);
}

#[test]
fn the_variable_of_the_profile_wins_and_each_refusal_names_its_variable() {
    let job = Job::new(Scene::new(), false);

    job.call(["token", "shop"]).run().expect_code(3);
    job.call(["token", "till"]).env("TOKENSTRAP_GRANT", "").run().expect_code(5).expect_stderr("TOKENSTRAP_GRANT_TILL");
    let own = job.call(["token", "till"]).env("TOKENSTRAP_GRANT", "1//refresh").env("TOKENSTRAP_GRANT_TILL", &job.bundle);
    own.run().expect_code(0);
    let bare =
        job.call(["token", "till"]).env("TOKENSTRAP_GRANT", "1//refresh").run().expect_code(5).expect_stderr("tokenstrap import till");
    assert!(!bare.stderr.contains("1//refresh"), "{bare}");
    let swapped = job.call(["token", "shop"]).env("TOKENSTRAP_GRANT_SHOP", &job.bundle).run();
    swapped.expect_code(5).expect_stderr("another profile");
    job.call(["token", "till"]).env("TOKENSTRAP_KEY", "").run().expect_code(5).expect_stderr("TOKENSTRAP_KEY");
    job.call(["token", "till"]).env("TOKENSTRAP_KEY", KEY.replace('4', "5")).run().expect_code(5).expect_stderr("another key");
}
