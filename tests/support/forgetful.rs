//! A Secret Service that says yes to every write and keeps nothing (RELIABILITY F-11).

use dbus::{Message, MessageType, Path, arg::Variant, channel::Channel};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// The service, on a thread of its own until it is dropped.
pub struct Forgetful {
    ended: Arc<AtomicBool>,
    writes: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Forgetful {
    /// Takes the service's name on the bus at this address.
    pub fn start(address: &str) -> Self {
        let mut channel = Channel::open_private(address).unwrap();
        channel.register().unwrap();
        let request = Message::new_method_call("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName").unwrap();
        let request = request.append2("org.freedesktop.secrets", 0_u32);
        channel.send_with_reply_and_block(request, Duration::from_secs(5)).unwrap();
        let (ended, writes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (until, count) = (Arc::clone(&ended), Arc::clone(&writes));
        let thread = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                if let Ok(Some(call)) = channel.blocking_pop_message(Duration::from_millis(50)) {
                    answer(&channel, &call, &count);
                }
            }
        });
        Self { ended, writes, thread: Some(thread) }
    }

    /// How many writes it has taken.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }
}

impl Drop for Forgetful {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn answer(channel: &Channel, call: &Message, writes: &AtomicUsize) {
    if call.msg_type() != MessageType::MethodCall {
        return;
    }
    let path = |text: &str| Path::new(text.to_owned()).unwrap();
    let reply = call.method_return();
    let reply = match call.member().as_deref() {
        // Any number serves as a public key for one who never decrypts.
        Some("OpenSession") => reply.append2(Variant(vec![2_u8]), path("/session")),
        Some("SearchItems") => reply.append2(Vec::<Path>::new(), Vec::<Path>::new()),
        Some("ReadAlias") => reply.append1(path("/collection")),
        Some("Get") => reply.append1(Variant(false)),
        Some("CreateItem") => {
            writes.fetch_add(1, Ordering::Relaxed);
            reply.append2(path("/collection/1"), path("/"))
        }
        _ => return,
    };
    let _ = channel.send(reply);
}
