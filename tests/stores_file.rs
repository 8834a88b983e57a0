//! What the sealed file store promises beyond the contract, and the spool with it.

use super::stores::{CANARY, contract, loaded, name, record, some_key, text, world};
use std::{collections::BTreeSet, fs, path::Path, time::SystemTime};
use tokenstrap::{
    ports::{Intent, Spool, StoreError},
    secret::Secret,
    store::{self, KeySource, World, spool::FileSpool},
};

#[test]
fn the_file_store_keeps_the_contract_and_leaves_nothing_behind() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());

    contract(&*store::by_name("file").unwrap().open(&world).unwrap());

    assert_eq!(files_below(top.path()), BTreeSet::new());
}

fn files_below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
        let path = entry.path();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files_below(&path)),
            false => drop(found.insert(path.to_string_lossy().into_owned())),
        }
    }
    found
}

/// A file store with one record of generation 1, and the path of its file.
fn with_record(world: &World<'_>) -> std::path::PathBuf {
    let store = store::by_name("file").unwrap();
    let world_again = World {
        key: some_key(),
        data: world.data.clone(),
        state: world.state.clone(),
        config: world.config.clone(),
        vault: world.vault.clone(),
        ..*world
    };
    store.open(&world_again).unwrap().save(&record("till", 1)).unwrap();
    world.data.join("grants/till.grant")
}

#[test]
fn f_22_no_truncation_and_no_flipped_bit_of_a_record_is_read_or_overwritten() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    let path = with_record(&world);
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 2048);
    let is_corrupt = |bytes: &[u8], what: String| {
        fs::write(&path, bytes).unwrap();
        let outcome = store.load(&name("till")).map(|_| ());
        assert!(matches!(&outcome, Err(StoreError::Corrupt { profile, .. }) if profile.as_str() == "till"), "{what}: {outcome:?}");
    };

    for length in 0..whole.len() {
        is_corrupt(&whole[..length], format!("cut at {length}"));
    }
    for bit in 0..whole.len() * 8 {
        let mut flipped = whole.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        is_corrupt(&flipped, format!("bit {bit}"));
    }
    is_corrupt(&[whole.clone(), vec![0]].concat(), "a byte more".to_owned());

    // A save over a record that cannot be read refuses, and both it and its neighbours stay as they were.
    fs::write(&path, &whole[..100]).unwrap();
    assert!(matches!(store.save(&record("till", 2)), Err(StoreError::Corrupt { .. })));
    assert_eq!(fs::read(&path).unwrap(), &whole[..100]);
    store.save(&record("other", 1)).unwrap();
    assert_eq!(store.list().unwrap(), [name("other"), name("till")]);
    // Forgetting is still possible: it needs no reading.
    store.delete(&name("till")).unwrap();
    assert!(!path.exists());
}

#[test]
fn s_08_the_file_of_one_profile_is_refused_as_that_of_another_and_an_intent_as_a_record() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    let path = with_record(&world);
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    store.begin(&name("till"), &Intent { generation: 1, refresh_token: String::new(), at: SystemTime::UNIX_EPOCH }).unwrap();

    fs::copy(&path, path.with_file_name("other.grant")).unwrap();
    assert!(matches!(store.load(&name("other")), Err(StoreError::Corrupt { .. })));
    fs::copy(path.with_file_name("till.intent"), &path).unwrap();
    assert!(matches!(store.load(&name("till")), Err(StoreError::Corrupt { .. })));
}

#[test]
fn s_01_no_canary_and_no_hash_of_a_token_lies_in_the_files() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    with_record(&world);
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    store.begin(&name("till"), &Intent { generation: 1, refresh_token: CANARY.to_owned(), at: SystemTime::UNIX_EPOCH }).unwrap();
    FileSpool::new(&world).keep(&store.identity(), &record("till", 2), &record("till", 1).spool_key).unwrap();

    let files = files_below(top.path());
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()), "{file}");
    }
}

#[test]
fn without_a_key_nothing_is_read_or_written_and_the_ways_to_one_are_named() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), KeySource::Unsaid);
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    assert!(store.load(&name("till")).unwrap().is_none());

    for outcome in [store.probe(), store.save(&record("till", 1))] {
        let Err(StoreError::NoKey(fact)) = outcome else { panic!("{outcome:?}") };
        for way in ["TOKENSTRAP_KEY ", "--key-file", "TOKENSTRAP_KEY_FILE", "passphrase", "store init file"] {
            assert!(fact.contains(way), "{way} is not in: {fact}");
        }
    }
    assert_eq!(files_below(top.path()), BTreeSet::new());
}

#[test]
fn a_key_file_that_was_made_once_opens_the_store_and_is_never_replaced() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), KeySource::Unsaid);

    let path = store::file::init(&world, None).unwrap();
    assert!(path.starts_with(&world.config));
    let before = fs::read(&path).unwrap();
    assert_eq!(store::file::init(&world, None), Err(StoreError::Conflict));
    assert_eq!(fs::read(&path).unwrap(), before);

    let store = store::by_name("file").unwrap().open(&world).unwrap();
    store.save(&record("till", 1)).unwrap();
    assert_eq!(loaded(&*store, "till"), text(&record("till", 1)));
}

#[test]
fn a_key_file_beside_the_records_is_refused() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), KeySource::Unsaid);

    for place in [world.data.join("key"), world.data.join("grants/sub/key"), world.config.join("../../data/tokenstrap/key")] {
        assert!(matches!(store::file::init(&world, Some(&place)), Err(StoreError::Unsafe(_))), "{place:?}");
        assert!(!place.exists());
    }
}

#[cfg(unix)]
#[test]
fn s_04_a_key_file_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let top = tempfile::tempdir().unwrap();
    let made = store::file::init(&world(top.path(), KeySource::Unsaid), None).unwrap();
    fs::set_permissions(&made, fs::Permissions::from_mode(0o640)).unwrap();

    let world = world(top.path(), KeySource::File(made));
    let outcome = store::by_name("file").unwrap().open(&world).unwrap().probe();

    assert!(matches!(&outcome, Err(StoreError::Unsafe(fact)) if fact.contains("chmod 600")), "{outcome:?}");
}

#[test]
fn another_key_is_told_from_a_damaged_record() {
    let top = tempfile::tempdir().unwrap();
    with_record(&world(top.path(), some_key()));

    let other = KeySource::Text(Secret::new("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0"));
    let world = world(top.path(), other);
    let store = store::by_name("file").unwrap().open(&world).unwrap();

    assert!(matches!(store.load(&name("till")), Err(StoreError::NoKey(_))));
    assert!(matches!(store.save(&record("till", 2)), Err(StoreError::NoKey(_))));
}

#[test]
fn a_mistyped_passphrase_seals_nothing() {
    let top = tempfile::tempdir().unwrap();
    let (right, wrong) = (|| Some(Secret::new("correct horse")), || Some(Secret::new("correct house")));
    let first = world(top.path(), KeySource::Passphrase(&right));
    let store = store::by_name("file").unwrap().open(&first).unwrap();
    store.save(&record("till", 1)).unwrap();
    assert_eq!(loaded(&*store, "till"), text(&record("till", 1)));

    let second = world(top.path(), KeySource::Passphrase(&wrong));
    let store = store::by_name("file").unwrap().open(&second).unwrap();
    for outcome in [store.save(&record("other", 1)), store.load(&name("till")).map(drop)] {
        assert_eq!(outcome, Err(StoreError::NoKey("the passphrase does not open this store".to_owned())));
    }

    let third = world(top.path(), KeySource::Passphrase(&right));
    let store = store::by_name("file").unwrap().open(&third).unwrap();
    assert_eq!(loaded(&*store, "till"), text(&record("till", 1)));
    assert_eq!(store.list().unwrap(), [name("till")]);
}

#[test]
fn s_09_yesterdays_copy_of_a_record_is_noticed() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    let path = with_record(&world);
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    let yesterday = fs::read(&path).unwrap();
    store.save(&record("till", 2)).unwrap();
    assert_eq!(store.rolled_back(&store.load(&name("till")).unwrap().unwrap()), None);

    fs::write(&path, yesterday).unwrap();

    assert_eq!(store.rolled_back(&store.load(&name("till")).unwrap().unwrap()), Some(2));
}

#[test]
fn f_09_a_record_waits_in_the_spool_for_its_own_store_profile_and_key() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    let spool = FileSpool::new(&world);
    let (kept, key, other_key) = (record("till", 7), Secret::new("0f".repeat(32)), Secret::new("f0".repeat(32)));
    assert!(spool.waiting(&name("till"), "keychain", &key).is_none());
    spool.keep("keychain", &kept, &key).unwrap();

    let waiting = |profile: &str, identity: &str, key| spool.waiting(&name(profile), identity, key).map(|record| record.generation);
    assert_eq!(waiting("till", "keychain", &key), Some(7));
    assert_eq!(waiting("till", "file:/x", &key), None);
    assert_eq!(waiting("other", "keychain", &key), None);
    assert_eq!(waiting("till", "keychain", &other_key), None);

    spool.discard(&name("till"), "keychain").unwrap();
    spool.discard(&name("till"), "keychain").unwrap();
    assert_eq!(waiting("till", "keychain", &key), None);
    assert_eq!(files_below(top.path()), BTreeSet::new());
}

#[cfg(unix)]
#[test]
fn s_19_a_state_folder_that_others_may_write_takes_no_spool() {
    use std::os::unix::fs::PermissionsExt;
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    fs::create_dir_all(&world.state).unwrap();
    fs::set_permissions(&world.state, fs::Permissions::from_mode(0o777)).unwrap();

    let outcome = FileSpool::new(&world).keep("keychain", &record("till", 1), &Secret::new("0f".repeat(32)));

    assert!(matches!(outcome, Err(StoreError::Unsafe(_))), "{outcome:?}");
    assert!(!world.state.join("spool").exists(), "something was made before the look");
}

#[test]
fn s_11_a_record_that_does_not_fit_is_refused_with_the_numbers() {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    let mut big = record("till", 1);
    let tokens = &mut big.current.as_mut().unwrap().tokens;
    tokens.access_token = Secret::new("x".repeat(65_536));
    store.save(&big).unwrap();
    assert_eq!(loaded(&*store, "till"), text(&big));

    big.generation = 2;
    big.current.as_mut().unwrap().tokens.access_token = Secret::new("x".repeat(600_000));
    assert!(matches!(store.save(&big), Err(StoreError::TooBig { size: 600_000.., .. })));
    assert_eq!(store.load(&name("till")).unwrap().unwrap().generation, 1);
}
