//! The desk over HTTP: for the page and for `pos set`. The gate has seen peer, host and headers; the tokens are looked at here.
//!
//! Whoever lacks a good token learns nothing, not even that there is a desk (SECURITY K-09).

use super::{Arc, Bytes, Request, Till, answer, server};
use crate::{
    http::server::Unending,
    platform::entropy::SystemEntropy,
    pos::{
        faults::FAULTS,
        gate::{DESK, Shown},
        page::{Events, FILES, File, POLICY},
        register::CALLS,
    },
};
use http::{HeaderValue, Method, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};

/// Most words of one request.
const MOST: usize = 100;

/// What `POST /_/set` takes.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// Points and balances as at the start, nothing set; done first.
    #[serde(default)]
    reset: bool,
    /// Words and values, in order.
    #[serde(default)]
    set: Vec<(String, String)>,
}

impl Till {
    /// Answers a request to the desk, by the path below it.
    pub(super) async fn steer(self: Arc<Self>, request: &Request<Bytes>, path: &str) -> server::Answer {
        let cookie = self.cookie();
        let shown = self.keys().judge(request.headers(), request.uri().query().unwrap_or_default(), &cookie);
        match shown {
            Shown::Good => {}
            Shown::Once if request.method() == Method::GET && path == "/" => return self.admitted(&cookie),
            Shown::Spent => {
                self.offer_another();
                return self.turn_away(request, 404, "There is nothing at this path", "404 in JSON");
            }
            Shown::Once | Shown::Nothing => return self.turn_away(request, 404, "There is nothing at this path", "404 in JSON"),
        }
        if !self.is_of_the_page(request) {
            return self.turn_away(request, 404, "There is nothing at this path", "404 in JSON");
        }
        if let Some(file) = FILES.iter().find(|file| file.path == path && request.method() == Method::GET) {
            return page(file);
        }
        match (request.method(), path) {
            (&Method::GET, "/events") => self.events(),
            (&Method::GET, "/state") => answer::json(200, &self.state()),
            (&Method::GET, "/calls") => {
                // Why each was answered is weighed again, which may take its time.
                let calls = move || self.journal.entries().iter().map(|entry| entry.document()).collect::<Vec<Value>>();
                let calls = tokio::task::spawn_blocking(calls).await.unwrap_or_default();
                answer::json(200, &json!({ "calls": calls }))
            }
            (&Method::POST, "/set") => self.change(request.body()),
            (&Method::POST, "/resend") => self.send_again(request.body()).await,
            (_, "/" | "/page.css" | "/page.js" | "/events" | "/state" | "/calls" | "/set" | "/resend") => {
                answer::error(405, "This path is not asked with this method")
            }
            _ => answer::error(404, "There is nothing at this path"),
        }
    }

    /// A cookie knows no ports: what a page of another server on this machine asks for comes with it, and names its own origin.
    fn is_of_the_page(&self, request: &Request<Bytes>) -> bool {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let own = format!("http://{host}");
        request.headers().get_all(header::ORIGIN).iter().all(|origin| origin.as_bytes() == own.as_bytes())
    }

    /// Calls from now on, without an end.
    fn events(&self) -> server::Answer {
        let mut answer = answer::sent(200, "text/event-stream", Bytes::new());
        *answer.body_mut() = Events::of(self.journal.follow()).boxed_unsync();
        answer.extensions_mut().insert(Unending);
        answer
    }

    /// Takes the token out of the address bar: the browser gets a cookie that no page of another site can make it send.
    fn admitted(&self, cookie: &str) -> server::Answer {
        let mut answer = answer::json(303, &json!({}));
        let value = format!("{cookie}={}; HttpOnly; SameSite=Strict; Path={DESK}", self.keys().browser.expose());
        if let Ok(mut value) = HeaderValue::from_str(&value) {
            value.set_sensitive(true);
            answer.headers_mut().insert(header::SET_COOKIE, value);
        }
        answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static(DESK));
        answer
    }

    /// A person who opens the printed address in a second browser finds a fresh one in the terminal; whoever guesses learns nothing.
    fn offer_another(&self) {
        let mut keys = self.keys();
        if keys.once.is_none()
            && let Ok(token) = super::super::standing::token(&SystemEntropy)
        {
            let address = format!("{}{DESK}?t={}", self.origin, token.expose());
            keys.once = Some(token);
            drop(keys);
            self.journal.note(format!("the address of the desk was used before; a fresh one: {address}"));
        }
    }

    /// Named after the port: cookies do not know ports, and two servers on one machine must not take each other's.
    fn cookie(&self) -> String {
        format!("tokenstrap-{}", self.origin.rsplit(':').next().unwrap_or_default())
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, crate::pos::gate::Keys> {
        self.keys.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Everything that can be seen and set.
    fn state(&self) -> Value {
        let mut state = self.desk().document();
        let urls: serde_json::Map<_, _> =
            CALLS.iter().map(|call| (call.name.to_owned(), Value::from(self.place.url(call.name).as_str()))).collect();
        if let Some(members) = state.as_object_mut() {
            members.insert("faults".to_owned(), FAULTS.iter().map(|(name, ..)| Value::from(*name)).collect());
            members.insert("order".to_owned(), CALLS.iter().map(|call| Value::from(call.name)).collect());
            members.insert("urls".to_owned(), Value::from(urls));
            members.insert("strict".to_owned(), Value::from(self.strict));
            members.insert("counted".to_owned(), Value::from(self.journal.counts().0));
        }
        state
    }

    /// All words or none: the desk is put back as it was where one of them is wrong.
    fn change(&self, body: &[u8]) -> server::Answer {
        let Ok(Change { reset, set }) = serde_json::from_slice(body) else { return answer::error(400, "This is not a change of the desk") };
        if set.len() > MOST {
            return answer::error(400, "These are too many words at once");
        }
        let mut desk = self.desk();
        let before = desk.clone();
        let mut done = Vec::new();
        if reset {
            desk.reset();
            done.push("everything is as it was at the start".to_owned());
        }
        for (word, value) in &set {
            match desk.set(word, value) {
                Ok(words) => done.push(words),
                Err(error) => {
                    *desk = before;
                    return answer::error(422, &error.to_string());
                }
            }
        }
        drop(desk);
        done.iter().for_each(|words| self.journal.note(words));
        answer::json(200, &json!({ "done": done }))
    }

    /// Sends a call of the journal again, as it came.
    async fn send_again(self: Arc<Self>, body: &[u8]) -> server::Answer {
        let number = serde_json::from_slice::<Value>(body).ok().and_then(|body| body.get("number")?.as_u64());
        let Some(entry) = number.and_then(|number| self.journal.entry(number)) else { return answer::error(404, "There is no such call") };
        // What was turned away at the door does not come in by being sent again.
        if super::name_of(&entry.path) != entry.name {
            return answer::error(422, "This call was turned away; it cannot be sent again");
        }
        let target = if entry.query.is_empty() { entry.path.clone() } else { format!("{}?{}", entry.path, entry.query) };
        let request = Request::builder().method(entry.method.as_str()).uri(target).body(entry.body.clone());
        let Ok(mut request) = request else { return answer::error(422, "This call cannot be sent again") };
        *request.headers_mut() = entry.headers.clone();
        let status = self.call(request, entry.path.clone()).get().await.status().as_u16();
        answer::json(200, &json!({ "status": status }))
    }
}

fn page(file: &File) -> server::Answer {
    let mut answer = answer::sent(200, file.media_type, file.text);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}
