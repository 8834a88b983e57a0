//! `token` and `refresh` of the built program: what is printed, saved and sent for every answer of a token endpoint.

use crate::{
    scene::{SECRET, Scene, begun, member},
    support::binary::Outcome,
};
use serde_json::Value;
use std::fs;
use tokenstrap::sandbox::{Builder, Odd, Robot, Sandbox, approve};

fn logged_in() -> Scene {
    let scene = Scene::new();
    scene.log_in();
    scene
}

/// What `token` prints without asking the server.
fn stored(scene: &Scene) -> String {
    scene.call(["token", "till", "--min-ttl", "0s"]).run().expect_code(0).stdout
}

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
}

#[test]
fn every_answer_of_a_token_endpoint_has_its_exit_code() {
    for (odd, code) in [
        ("string-expires-in", 0),
        ("no-expires-in", 0),
        ("null-expires-in", 0),
        ("negative-expires-in", 0),
        ("huge-expires-in", 0),
        ("no-token-type", 0),
        ("lower-case-token-type", 0),
        ("mac-token", 6),
        ("no-access-token", 6),
        ("empty-access-token", 6),
        ("empty-refresh-token", 0),
        ("control-bytes-token", 6),
        ("number-token", 6),
        ("duplicate-member", 6),
        ("unknown-members", 0),
        ("bom", 0),
        ("wrong-content-type", 0),
        ("no-content-type", 0),
        ("form-encoded", 6),
        ("huge-body", 4),
        ("deep-json", 6),
        ("error-200", 3),
        ("control-bytes-error", 3),
        ("empty-400", 3),
        ("empty-401", 3),
        ("empty-200", 4),
        ("empty-json", 6),
        ("gateway-code", 6),
        ("html-200", 6),
        ("html-400", 4),
        ("html-502", 4),
        ("plain-429", 4),
        ("redirect-307", 6),
        ("redirect-302", 6),
    ] {
        let scene = logged_in();
        scene.server.faults(|faults| faults.odd = Odd::by_name(odd).map(|odd| (odd, 9)));

        let outcome = scene.refreshed();

        assert_eq!(outcome.code, Some(code), "{odd}\n{outcome}");
        assert_eq!(outcome.stdout.lines().count(), usize::from(code == 0), "{odd}\n{outcome}");
        assert!(outcome.stderr.len() < 4_000 && !outcome.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{odd}\n{outcome}");
        assert_eq!(scene.server.requests_to("/elsewhere"), 0, "{odd}");
    }
}

#[test]
fn failing_statuses_are_temporary_whatever_they_carry_and_change_nothing() {
    for status in [403, 404, 429, 500, 502, 503, 504] {
        let scene = logged_in();
        let before = stored(&scene);
        scene.server.faults(|faults| {
            faults.fail_next(9, status);
            faults.fail.as_mut().unwrap().retry_after = Some("3600".to_owned());
        });

        let outcome = scene.refreshed().expect_code(4).expect_stdout("");

        assert!(!outcome.stderr.contains("login till"), "{status}\n{outcome}");
        assert_eq!(stored(&scene), before, "{status}");
        scene.server.faults(|faults| faults.fail = None);
        scene.refreshed().expect_code(0);
    }
}

#[test]
fn a_live_token_is_served_while_the_server_is_down() {
    let scene = Scene::with(|builder| builder.expires_in(50));
    scene.log_in();
    let before = stored(&scene);
    scene.server.faults(|faults| faults.fail_next(9, 404));

    let outcome = scene.call(["token", "till"]).run().expect_code(0).expect_stdout(&before);

    assert!(outcome.stderr.contains("still lives"), "{outcome}");
    scene.call(["token", "till", "--strict-ttl"]).run().expect_code(4).expect_stdout("");
}

#[test]
fn t_17_and_t_30_invalid_grant_marks_the_record_keeps_it_and_an_explicit_refresh_heals_it() {
    let scene = logged_in();
    let before = stored(&scene);
    scene.server.faults(|faults| faults.refuse_next("invalid_grant", 400));

    let outcome = scene.refreshed().expect_code(3).expect_stdout("").expect_stderr("tokenstrap login till");
    assert!(outcome.stderr.contains("sign in again") || outcome.stderr.contains("log in again"), "{outcome}");
    let asked = scene.server.token_requests();
    for _ in 0..3 {
        scene.refreshed().expect_code(3).expect_stdout("");
    }
    assert_eq!(scene.server.token_requests(), asked, "a marked token is left alone");
    assert_eq!(stored(&scene), before);

    scene.call(["refresh", "till"]).run().expect_code(0);
    scene.refreshed().expect_code(0);
}

#[test]
fn t_16_an_empty_400_or_401_says_sign_in_again_and_marks_nothing() {
    for odd in ["empty-400", "empty-401"] {
        let scene = logged_in();
        assert!(scene.server.faults(|faults| faults.answer_oddly(odd)));

        scene.refreshed().expect_code(3).expect_stdout("").expect_stderr("sign in again");

        scene.refreshed().expect_code(0);
    }
}

#[test]
fn t_08_and_t_29_a_token_of_another_type_is_kept_aside_and_the_next_call_says_so() {
    let scene = Scene::with(Builder::rotating);
    scene.log_in();
    assert!(scene.server.faults(|faults| faults.answer_oddly("mac-token")));

    scene.refreshed().expect_code(6).expect_stdout("").expect_stderr("mac");
    let asked = scene.server.token_requests();
    scene.refreshed().expect_code(6).expect_stdout("").expect_stderr("--accept-suspect");
    assert_eq!(scene.server.token_requests(), asked);

    scene.call(["refresh", "till", "--accept-suspect"]).run().expect_code(0);
    let token = scene.refreshed().expect_code(0).stdout;
    assert!(scene.server.is_live_access_token(token.trim_end()));
    assert_eq!(scene.server.reuse_events(), 0);
}

#[test]
fn t_03_a_redirect_of_the_token_endpoint_is_not_followed_during_a_login_either() {
    for odd in ["redirect-307", "redirect-302"] {
        let scene = Scene::new();
        scene.server.faults(|faults| faults.odd = Odd::by_name(odd).map(|odd| (odd, 9)));
        let (login, page) = begun(scene.login());

        approve(&page).unwrap();

        login.finish().expect_code(6);
        assert_eq!((scene.server.requests_to("/elsewhere"), scene.server.token_requests()), (0, 1));
    }
}

#[test]
fn an_old_refresh_token_stays_where_none_comes_and_a_rotated_one_takes_its_place() {
    let scene = logged_in();
    for _ in 0..3 {
        scene.refreshed().expect_code(0);
    }
    assert_eq!(scene.server.live_refresh_tokens(), 1);

    let scene = Scene::with(Builder::rotating);
    scene.log_in();
    for _ in 0..3 {
        scene.refreshed().expect_code(0);
    }
    assert_eq!((scene.server.reuse_events(), scene.server.live_refresh_tokens()), (0, 1));
}

#[test]
fn x_06_a_full_disk_on_stdout_is_4_and_the_rotated_grant_is_saved() {
    let scene = Scene::with(Builder::rotating);
    scene.log_in();
    let script = format!("exec '{}' token till --force-refresh >/dev/full", env!("CARGO_BIN_EXE_tokenstrap"));

    let call = scene.home.program("sh").args(["-c", &script]);
    let outcome = call.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", crate::scene::KEY).run().expect_code(4);

    assert!(outcome.stderr.contains("could not be written"), "{outcome}");
    assert!(scene.server.is_live_access_token(stored(&scene).trim_end()));
    scene.refreshed().expect_code(0);
    assert_eq!(scene.server.reuse_events(), 0);
}

#[test]
fn d_09_and_t_22_an_edited_address_sends_nothing_elsewhere() {
    for key in ["token_url", "auth_url"] {
        let (scene, thief) = (logged_in(), Sandbox::builder().client("till", SECRET).start().unwrap());
        let file = scene.home.path(".config/tokenstrap/profiles/till.toml");
        let edited =
            fs::read_to_string(&file).unwrap().replace(&format!("{key} = \"{}", scene.server.url()), &format!("{key} = \"{}", thief.url()));
        assert!(edited.contains(thief.url()));
        fs::write(&file, edited).unwrap();

        for args in [&["token", "till", "--force-refresh"][..], &["refresh", "till"], &["refresh", "--all"]] {
            let outcome = scene.call(args.iter().copied()).run();
            assert_eq!((outcome.code, outcome.stdout.as_str()), (Some(6), ""), "{outcome}");
        }
        assert_eq!((thief.requests(), scene.server.token_requests()), (0, 1), "{key}");
    }
}

#[test]
fn a_stored_client_secret_is_not_sent_to_another_server_by_a_login() {
    let (scene, thief) = (logged_in(), Sandbox::builder().client("till", "another secret").start().unwrap());
    let file = scene.home.path(".config/tokenstrap/profiles/till.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(scene.server.url(), thief.url())).unwrap();

    let (login, page) = begun(scene.call(["login", "till"]));
    approve(&page).unwrap();
    let outcome = login.finish();

    assert_ne!(outcome.code, Some(0), "{outcome}");
    assert!(outcome.stderr.contains("is not sent to"), "{outcome}");
    assert!(thief.log().iter().all(|entry| !format!("{entry:?}").contains("secret")));
    // The old grant is as good as before.
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(thief.url(), scene.server.url())).unwrap();
    scene.call(["token", "till"]).run().expect_code(0);
}

#[test]
fn x_05_standard_output_stays_empty_wherever_token_fails() {
    let scene = logged_in();
    for args in [
        &["token"][..],
        &["token", "nobody"],
        &["token", "../till"],
        &["token", "till", "--min-ttl", "5"],
        &["token", "till", "--format", "xml"],
        &["token", "till", "--format", "env", "--env", "a=b"],
        &["token", "till", "--env", "lower"],
        &["token", "till", "--strict-ttl", "--min-ttl", "10h"],
        &["token", "till", "--nonsense"],
        &["token", "till", "more"],
        &["token", "--", "--all"],
        &["token", "till", "--config", "/nowhere/else/../x\u{7f}"],
    ] {
        let outcome = scene.call(args.iter().copied()).run();
        if outcome.code != Some(0) {
            assert!(outcome.stdout.is_empty() && outcome.stderr.starts_with("error: "), "{outcome}");
        }
        assert!(matches!(outcome.code, Some(0 | 2 | 3)), "{outcome}");
    }
    scene.call(["token", "till"]).env("TOKENSTRAP_KEY", "0".repeat(64)).run().expect_code(5).expect_stdout("");
    scene.call(["token", "till"]).env("TOKENSTRAP_STORE", "nowhere").run().expect_code(2).expect_stdout("");
    scene.call(["token", "till"]).env_remove("HOME").env_remove("XDG_CONFIG_HOME").run().expect_stdout("");
}

#[test]
fn a_flag_that_would_change_nothing_is_refused() {
    let scene = logged_in();
    for args in [
        &["token", "till", "--env", "NAMED"][..],
        &["token", "till", "--env", "NAMED", "--format", "header"],
        &["token", "till", "--env", "NAMED", "--format", "env", "--json"],
        &["refresh", "till", "--older-than", "7d"],
    ] {
        let outcome = scene.call(args.iter().copied()).run().expect_code(2);
        assert!(args.contains(&"--json") || outcome.stdout.is_empty(), "{outcome}");
    }
    scene.call(["token", "till", "--env", "NAMED", "--format", "env"]).run().expect_code(0);
}

#[test]
fn x_09_json_is_one_document_on_every_error() {
    let scene = logged_in();
    for (args, code) in [
        (&["token", "nobody", "--json"][..], 3),
        (&["--json", "token", "../x"], 2),
        (&["--json"], 2),
        (&["--json", "nonsense"], 2),
        (&["token", "till", "--json", "--nonsense"], 2),
        (&["show", "nobody", "--json"], 3),
        (&["check", "nobody", "--json"], 3),
        (&["refresh", "nobody", "--json"], 3),
        (&["refresh", "--json"], 2),
        (&["login", "till", "--json"], 3),
        (&["login", "--json", "--no-browser"], 2),
        (&["login", "other", "--no-browser", "--json"], 2),
        (&["providers", "nonsense", "--json"], 2),
        (&["logout", "till", "--revoke", "--json"], 2),
        (&["store", "--json"], 2),
    ] {
        let outcome = scene.call(args.iter().copied()).run();
        assert_eq!(outcome.code, Some(code), "{outcome}");
        let error = &document(&outcome)["error"];
        assert_eq!(error["code"], code, "{outcome}");
        assert!(error["message"].is_string() && error["kind"].is_string(), "{outcome}");
    }
    for args in [&["show", "till", "--json"][..], &["list", "--json"], &["providers", "--json"], &["store", "status", "--json"]] {
        let outcome = scene.call(args.iter().copied()).run().expect_code(0);
        document(&outcome);
        assert!(!outcome.stdout.contains("mock-"), "{outcome}");
    }
    assert_eq!(document(&scene.call(["token", "till", "--json"]).run().expect_code(0))["access_token"], stored(&scene).trim_end());
}

#[test]
fn a_login_answered_oddly_stores_no_grant_and_keeps_the_client() {
    for odd in ["html-200", "mac-token", "no-access-token", "error-200", "empty-200"] {
        let scene = Scene::new();
        assert!(scene.server.faults(|faults| faults.answer_oddly(odd)));
        let (login, page) = begun(scene.login());
        approve(&page).unwrap();

        let outcome = login.finish();
        assert!(matches!(outcome.code, Some(3 | 4 | 6)), "{odd}\n{outcome}");
        scene.call(["token", "till"]).run().expect_code(3).expect_stdout("");

        let (again, page) = begun(scene.call(["login", "till"]));
        Robot::default().visit(&page).unwrap();
        again.finish().expect_code(0);
        assert_eq!(member(&page, "client_id").as_deref(), Some("till"));
    }
}

#[test]
fn d_09_a_linked_login_is_finished_at_the_server_that_the_link_led_to() {
    let (scene, thief) = (Scene::new(), Sandbox::builder().client("till", SECRET).start().unwrap());
    let link = scene.login().arg("--link").run().expect_code(0).stdout;
    let redirect = Robot::default().redirect_of(link.trim()).unwrap();
    let file = scene.home.path(".config/tokenstrap/profiles/till.toml");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace(scene.server.url(), thief.url())).unwrap();

    scene.call(["login", "till", "--finish"]).stdin(redirect).run().expect_code(0);

    assert_eq!((thief.requests(), scene.server.token_requests()), (0, 1));
}

#[test]
fn a_second_login_that_fails_leaves_the_first_grant_as_good_as_before() {
    let scene = logged_in();
    let before = stored(&scene);
    let (login, page) = begun(scene.login());
    Robot::default().denying().visit(&page).unwrap();
    login.finish().expect_code(3);
    assert!(scene.server.faults(|faults| faults.answer_oddly("html-200")));
    let (login, page) = begun(scene.login());
    approve(&page).unwrap();
    login.finish().expect_code(6);

    assert_eq!(stored(&scene), before);
    scene.refreshed().expect_code(0);
}

#[test]
fn o_06_the_mask_comes_before_the_token_and_only_where_it_was_asked_for() {
    let scene = logged_in();
    let token = |args: &[&str]| scene.call(["token", "till"]).args(args).env("GITHUB_ACTIONS", "true").run().expect_code(0);

    let plain = token(&[]);
    let masked = token(&["--github-mask", "--force-refresh", "--quiet"]);

    assert!(!plain.stderr.contains(plain.stdout.trim()), "{plain}");
    assert_eq!(masked.stderr, format!("::add-mask::{}", masked.stdout), "{masked}");
    // Where the line cannot be written the token does not follow.
    let full = "exec \"$0\" token till --github-mask 2>/dev/full";
    let program = env!("CARGO_BIN_EXE_tokenstrap");
    let dressed = scene.home.program("sh").args(["-c", full, program]);
    let dressed = dressed.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", crate::scene::KEY);
    dressed.run().expect_code(4).expect_stdout("");
}

#[test]
fn a_name_that_nobody_logged_in_under_leaves_nothing_behind() {
    let scene = Scene::new();

    for args in [&["token", "nobody"][..], &["exec", "nobody", "--", "true"], &["helper", "netrc", "nobody"], &["show", "nobody"]] {
        let outcome = scene.call(args.iter().copied()).run();
        assert_ne!(outcome.code, Some(0), "{outcome}");
    }

    assert!(!scene.home.path(".local/state/tokenstrap/used").exists());
}
