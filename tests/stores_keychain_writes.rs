//! What a refresh writes into a keychain, and what it does where the keychain has manners of its own.

use super::{
    stores::{intent, name, record},
    stores_keychain::ask,
};
use crate::support::{
    keyring::Session,
    other_keychain::{Manner, OtherKeychain},
    rig::pins,
};
use std::{
    env,
    time::{Duration, SystemTime},
};
use tokenstrap::{
    ports::{Intent, StoreError, TokenStore},
    profile::{Mark, Record, Registration},
    secret::Secret,
};

/// What a refresh does with its store, from generation to generation: the intent, the record, and all that is looked at.
pub fn refresh(store: &dyn TokenStore, generation: u64) -> Result<(), StoreError> {
    let before = store.load(&name("till"))?.unwrap();
    assert_eq!(before.generation, generation);
    assert_eq!(store.intent(&name("till"))?, None);
    store.begin(&name("till"), &intent(&before))?;
    assert_eq!(store.intent(&name("till"))?, Some(intent(&before)));
    assert_eq!(store.load(&name("till"))?.unwrap().generation, generation);
    store.save(&record("till", generation + 1))?;
    assert_eq!(store.intent(&name("till"))?, None);
    store.clear(&name("till"))
}

/// The first login of a profile, and the refresh that follows.
pub fn first(store: &dyn TokenStore) -> Result<(), StoreError> {
    assert!(store.load(&name("till"))?.is_none());
    store.save(&record("till", 1))?;
    refresh(store, 1)
}

/// A refresh whose end the record does not tell: only a mark is saved, and the intent is removed.
pub fn unfinished(store: &dyn TokenStore) -> Result<Option<Intent>, StoreError> {
    let mut record = store.load(&name("till"))?.unwrap();
    store.begin(&name("till"), &intent(&record))?;
    record.generation += 1;
    record.mark = Some(Mark { refresh_token: String::new(), at: SystemTime::UNIX_EPOCH });
    store.save(&record)?;
    assert!(store.intent(&name("till"))?.is_some());
    store.clear(&name("till"))?;
    store.intent(&name("till"))
}

/// What a login at a server would put in the place of this record: its label names the server.
pub fn labelled(stored: Option<Record>) -> Record {
    let mut record = stored.unwrap();
    record.generation += 1;
    record.registration = Some(Registration { pins: pins(), client_secret: None });
    record
}

fn asked(session: &Session, question: &str) -> String {
    let (said, took) = ask(session.command(env::current_exe().unwrap()), "stores_keychain::answer", question);
    assert!(took < Duration::from_secs(11), "{question} took {took:?}");
    said
}

/// A keychain with a record of generation 1, and the note of the refresh that led to it.
fn keychain(session: &Session, manner: Manner) -> OtherKeychain {
    let text = record("till", 1).encode();
    let note = serde_json::to_string(&Intent { generation: 0, ..intent(&record("till", 0)) }).unwrap();
    OtherKeychain::start(session.address(), manner, &[("tokenstrap", "till", text.expose()), ("tokenstrap-intent", "till", &note)])
}

fn kept(keychain: &OtherKeychain) -> u64 {
    let [text] = <[_; 1]>::try_from(keychain.secrets("tokenstrap")).unwrap();
    Record::decode(&name("till"), &Secret::new(text)).unwrap().generation
}

#[test]
fn a_refresh_writes_its_intent_once_and_its_record_once() {
    let Some(session) = Session::bare() else { return };
    let keychain = keychain(&session, Manner::Plain);

    assert_eq!(asked(&session, "refresh till 1"), "Ok(())");
    assert_eq!(asked(&session, "refresh till 2"), "Ok(())");

    let writes = ["SetSecret", "CreateItem", "Delete"].map(|write| keychain.asked(write));
    assert_eq!((writes, kept(&keychain)), ([4, 0, 0], 3));
}

#[test]
fn a_first_login_and_refresh_need_one_session_to_read_and_one_to_write() {
    let Some(session) = Session::bare() else { return };
    let keychain = OtherKeychain::start(session.address(), Manner::Shy, &[]);

    assert_eq!(asked(&session, "first"), "Ok(())");

    let asked = ["OpenSession", "CreateItem", "SetSecret"].map(|question| keychain.asked(question));
    assert_eq!((asked, keychain.ended(), kept(&keychain)), ([2, 2, 1], 0, 2));
}

#[test]
fn a_keychain_that_asks_somebody_before_it_creates_an_item_counts_as_locked() {
    let Some(session) = Session::bare() else { return };
    let keychain = OtherKeychain::start(session.address(), Manner::Asking, &[]);

    assert_eq!(asked(&session, "after-load save till 1"), r#"Err(Locked("the keychain is locked"))"#);

    assert!(keychain.secrets("tokenstrap").is_empty());
}

#[test]
fn f_11_a_write_over_an_item_that_is_not_kept_is_noticed() {
    let Some(session) = Session::bare() else { return };
    let keychain = keychain(&session, Manner::Forgetful);

    for question in ["save till 2", "begin till"] {
        assert_eq!(asked(&session, &format!("after-load {question}")), r#"Err(Forgetful("the Secret Service keychain"))"#, "{question}");
    }

    // Once over the item, and then as if there were none.
    assert_eq!((keychain.asked("SetSecret"), keychain.asked("CreateItem"), kept(&keychain)), (2, 6, 1));
}

#[test]
fn an_item_that_cannot_be_written_over_is_created_in_its_place() {
    let Some(session) = Session::bare() else { return };
    let keychain = keychain(&session, Manner::WithoutSetSecret);

    assert_eq!(asked(&session, "refresh till 1"), "Ok(())");

    assert_eq!((keychain.asked("CreateItem"), kept(&keychain)), (2, 2));
}

#[test]
fn an_item_with_another_label_is_created_anew() {
    let Some(session) = Session::bare() else { return };
    let keychain = keychain(&session, Manner::Plain);

    assert_eq!(asked(&session, "relabel"), "Ok(())");

    assert_eq!((keychain.asked("SetSecret"), keychain.asked("CreateItem"), kept(&keychain)), (0, 1, 2));
}

#[test]
fn an_intent_that_the_record_does_not_end_is_removed() {
    let Some(session) = Session::bare() else { return };
    let keychain = keychain(&session, Manner::Plain);

    assert_eq!(asked(&session, "unfinished"), "Ok(None)");

    assert_eq!((keychain.asked("Delete"), keychain.secrets("tokenstrap-intent").len(), kept(&keychain)), (1, 0, 2));
}

/// As GNOME Keyring 42.1 and 50.0 end now and then.
#[test]
fn no_session_is_opened_before_the_keychain_has_answered_something() {
    let Some(session) = Session::bare() else { return };
    let keychain = keychain(&session, Manner::Shy);

    assert_eq!(asked(&session, "load till"), "Ok(Some(1))");
    assert_eq!(asked(&session, "refresh till 1"), "Ok(())");

    assert_eq!((keychain.ended(), kept(&keychain)), (0, 2));
}

#[test]
fn a_record_of_another_generation_is_not_written_over() {
    let Some(session) = Session::bare() else { return };
    let keychain = keychain(&session, Manner::Plain);

    for generation in [1, 3] {
        assert_eq!(asked(&session, &format!("after-load save till {generation}")), "Err(Conflict)");
    }

    assert_eq!((keychain.asked("SetSecret"), keychain.asked("CreateItem"), kept(&keychain)), (0, 0, 1));
}

#[test]
fn an_intent_counts_until_the_record_has_gone_on() {
    let Some(session) = Session::with_keyring() else { return };
    assert_eq!(asked(&session, "save till 1"), "Ok(())");

    for generation in 1..4 {
        assert_eq!(asked(&session, &format!("refresh till {generation}")), "Ok(())");
        assert_eq!(asked(&session, "intent till"), "Ok(None)", "after the refresh of {generation}");
    }

    // What another login or another store brings is not spent by a refresh of before.
    assert_eq!(asked(&session, "begin till"), "Ok(())");
    assert_eq!(asked(&session, "intent till"), "Ok(Some(4))");
    assert_eq!(asked(&session, "take-in till 9"), "Ok(())");
    assert_eq!(asked(&session, "intent till"), "Ok(None)");
    assert_eq!(asked(&session, "begin till"), "Ok(())");
    assert_eq!(asked(&session, "delete till"), "Ok(())");
    assert_eq!(asked(&session, "save till 1"), "Ok(())");
    assert_eq!(asked(&session, "intent till"), "Ok(None)");
}
