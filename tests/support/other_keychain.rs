//! A Secret Service of another make: it keeps its items in memory, tells what it was asked, and has manners of its own.

use aes::Aes128;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
use dbus::{
    Message, MessageType, Path,
    arg::{ArgType, PropMap, RefArg, Variant},
    channel::Channel,
};
use ring::hkdf;
use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// What it does otherwise than most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Nothing.
    Plain,
    /// It says yes to `SetSecret` and `CreateItem`, and keeps what it had.
    Forgetful,
    /// It does not know `SetSecret`.
    WithoutSetSecret,
    /// It wants to ask somebody before it creates an item.
    Asking,
    /// It knows a caller only after it has served what came first, and ends where that is an `OpenSession`.
    Shy,
}

/// An item: attributes and secret.
type Item = (HashMap<String, String>, Vec<u8>);
type Transferred = (Path<'static>, Vec<u8>, Vec<u8>, String);

#[derive(Default)]
struct State {
    items: Vec<Item>,
    keys: Vec<Option<[u8; 16]>>,
    asked: Vec<String>,
    ended: usize,
}

/// The service, on a thread of its own until it is dropped.
pub struct OtherKeychain {
    over: Arc<AtomicBool>,
    state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

impl OtherKeychain {
    /// Takes the service's name on the bus at this address, with items of these services and usernames.
    pub fn start(address: &str, manner: Manner, items: &[(&str, &str, &str)]) -> Self {
        let mut channel = Channel::open_private(address).unwrap();
        channel.register().unwrap();
        let request = Message::new_method_call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName").unwrap();
        let request = request.append2("org.freedesktop.secrets", 0_u32);
        channel.send_with_reply_and_block(request, Duration::from_secs(5)).unwrap();
        let item = |(service, username, text): &(&str, &str, &str)| {
            let attributes = [("service", service), ("username", username)].map(|(key, value)| (key.to_owned(), (*value).to_owned()));
            (HashMap::from(attributes), text.as_bytes().to_vec())
        };
        let state = Arc::new(Mutex::new(State { items: items.iter().map(item).collect(), ..State::default() }));
        let over = Arc::new(AtomicBool::new(false));
        let (until, shared) = (Arc::clone(&over), Arc::clone(&state));
        let thread = thread::spawn(move || serve(&channel, manner, &until, &shared));
        Self { over, state, thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// How often it was asked this so far.
    pub fn asked(&self, member: &str) -> usize {
        self.state().asked.iter().filter(|asked| *asked == member).count()
    }

    /// How often a caller would have ended it.
    pub fn ended(&self) -> usize {
        self.state().ended
    }

    /// The secrets of this service's items.
    pub fn secrets(&self, service: &str) -> Vec<String> {
        let of_service = |(attributes, secret): &Item| (attributes.get("service")? == service).then(|| secret.clone());
        self.state().items.iter().filter_map(of_service).map(|secret| String::from_utf8(secret).unwrap()).collect()
    }
}

impl Drop for OtherKeychain {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn serve(channel: &Channel, manner: Manner, over: &AtomicBool, state: &Mutex<State>) {
    let mut known = HashSet::new();
    while !over.load(Ordering::Relaxed) {
        if channel.read_write(Some(Duration::from_millis(50))).is_err() {
            return;
        }
        // All that a caller sends without waiting for an answer is there now, or will be in a moment.
        let _ = channel.read_write(Some(Duration::from_millis(20)));
        let calls: Vec<Message> = std::iter::from_fn(|| channel.pop_message()).filter(is_call).collect();
        for call in &calls {
            let sender = call.sender().unwrap().to_string();
            let mut state = state.lock().unwrap();
            state.asked.push(call.member().unwrap().to_string());
            let too_early = manner == Manner::Shy && !known.contains(&sender);
            state.ended += usize::from(too_early && call.member().as_deref() == Some("OpenSession"));
            let reply = if too_early { None } else { state.answer(call, manner) };
            let _ = channel.send(reply.unwrap_or_else(|| call.error(&"org.freedesktop.DBus.Error.UnknownMethod".into(), c"it is unknown")));
        }
        known.extend(calls.iter().map(|call| call.sender().unwrap().to_string()));
    }
}

fn is_call(message: &Message) -> bool {
    message.msg_type() == MessageType::MethodCall
}

impl State {
    fn answer(&mut self, call: &Message, manner: Manner) -> Option<Message> {
        let reply = call.method_return();
        Some(match call.member()?.as_ref() {
            "OpenSession" => self.open_session(call),
            "SearchItems" => {
                let wanted: HashMap<String, String> = call.get1()?;
                let fits = |(attributes, _): &Item| wanted.iter().all(|(key, value)| attributes.get(key) == Some(value));
                let found: Vec<Path<'_>> = (0..).zip(&self.items).filter(|(_, item)| fits(item)).map(|(at, _)| item_path(at)).collect();
                reply.append2(found, Vec::<Path<'_>>::new())
            }
            "ReadAlias" => reply.append1(path("/collection")),
            "Get" => reply.append1(Variant(false)),
            "GetSecrets" => {
                let (items, session): (Vec<Path<'static>>, Path<'static>) = call.read2().ok()?;
                reply.append1(
                    items.into_iter().filter_map(|item| Some((item.clone(), self.secret(&item, &session)?))).collect::<HashMap<_, _>>(),
                )
            }
            "GetSecret" => reply.append1(self.secret(&call.path()?.into_static(), &call.get1()?)?),
            "SetSecret" if manner == Manner::WithoutSetSecret => return None,
            "SetSecret" => {
                let secret = self.opened(call.get1()?);
                if manner != Manner::Forgetful {
                    self.items[number(&call.path()?)].1 = secret;
                }
                reply
            }
            "CreateItem" if manner == Manner::Asking => reply.append2(path("/"), path("/prompt/1")),
            "CreateItem" => {
                let (properties, secret, _): (PropMap, Transferred, bool) = call.read3().ok()?;
                reply.append2(self.create(&properties, secret, manner), path("/"))
            }
            "Delete" => {
                self.items[number(&call.path()?)].0.clear();
                reply.append1(path("/"))
            }
            _ => return None,
        })
    }

    /// Our half of a key agreement is the generator itself, so that the secret is the caller's half.
    fn open_session(&mut self, call: &Message) -> Message {
        let mut members = call.iter_init();
        let algorithm: String = members.read().unwrap();
        let is_plain = algorithm == "plain";
        let half: Option<Variant<Vec<u8>>> = if is_plain { None } else { members.get() };
        self.keys.push(half.map(|Variant(half)| key(&half)));
        let session = path(&format!("/session/{}", self.keys.len() - 1));
        let reply = call.method_return();
        debug_assert!(members.arg_type() == ArgType::Variant);
        if is_plain { reply.append2(Variant(""), session) } else { reply.append2(Variant(vec![2_u8]), session) }
    }

    fn secret(&self, item: &Path<'_>, session: &Path<'static>) -> Option<Transferred> {
        let (_, secret) = self.items.get(number(item))?;
        let (parameter, value) = match &self.keys[number(session)] {
            None => (Vec::new(), secret.clone()),
            Some(key) => (vec![7; 16], cbc::Encryptor::<Aes128>::new(key.into(), &[7; 16].into()).encrypt_padded_vec_mut::<Pkcs7>(secret)),
        };
        Some((session.clone(), parameter, value, "text/plain".to_owned()))
    }

    fn opened(&self, (session, parameter, value, _): Transferred) -> Vec<u8> {
        let Some(key) = &self.keys[number(&session)] else { return value };
        cbc::Decryptor::<Aes128>::new_from_slices(key, &parameter).unwrap().decrypt_padded_vec_mut::<Pkcs7>(&value).unwrap()
    }

    fn create(&mut self, properties: &PropMap, secret: Transferred, manner: Manner) -> Path<'static> {
        let words = |argument: &dyn RefArg| argument.as_iter().unwrap().map(|word| word.as_str().unwrap().to_owned()).collect::<Vec<_>>();
        let words = words(&*properties["org.freedesktop.Secret.Item.Attributes"].0);
        let attributes: HashMap<_, _> = words.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
        let at = self.items.iter().position(|(there, _)| *there == attributes).unwrap_or(self.items.len());
        if manner != Manner::Forgetful {
            let secret = self.opened(secret);
            if at == self.items.len() {
                self.items.push((attributes, secret));
            } else {
                self.items[at].1 = secret;
            }
        }
        item_path(at)
    }
}

fn path(text: &str) -> Path<'static> {
    Path::new(text.to_owned()).unwrap()
}

fn item_path(at: usize) -> Path<'static> {
    path(&format!("/item/{at}"))
}

fn number(path: &Path<'_>) -> usize {
    path.rsplit_once('/').unwrap().1.parse().unwrap()
}

fn key(half: &[u8]) -> [u8; 16] {
    struct Length;
    impl hkdf::KeyType for Length {
        fn len(&self) -> usize {
            16
        }
    }
    let padded = [vec![0; 128 - half.len()], half.to_vec()].concat();
    let mut key = [0; 16];
    let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&padded);
    extracted.expand(&[], Length).unwrap().fill(&mut key).unwrap();
    key
}
