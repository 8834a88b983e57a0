//! One attempt at an authorization: what was sent to the user agent, and what may come back (RFC 6749 section 4.1.2).
//!
//! The listener and the paste prompt feed the same [`Attempt`]. The first valid response wins, identical repeats change
//! nothing, a wrong `iss` ends the attempt (RFC 9207 section 2.4), and everything else is noise: whoever does not know
//! the state can neither end nor delay the wait.

use super::redirect_uri::RedirectUri;
use crate::secret::Secret;

/// Longest query that is read, in bytes. A code of 4 KiB and an ID token beside it fit; a flood does not.
pub const MAX_QUERY: usize = 16 * 1024;

/// An authorization response: the query of the redirect, each member at most once.
#[derive(Debug, Clone, Default)]
pub struct AuthorizationResponse {
    /// The authorization code.
    pub code: Option<Secret>,
    /// Binds the response to the request.
    pub state: Option<Secret>,
    /// The issuer, where the server says it (RFC 9207).
    pub iss: Option<String>,
    /// Error code instead of a code.
    pub error: Option<String>,
    /// The server's own words, raw.
    pub error_description: Option<String>,
    /// Everything else, such as a company or shop that some servers name here.
    pub others: Vec<(String, String)>,
}

/// Why a query is not an authorization response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MalformedResponse {
    /// More than [`MAX_QUERY`] bytes.
    #[error("the redirect is too long")]
    TooLong,
    /// A member that decides occurs twice, or in a look-alike spelling.
    #[error("a parameter occurs more than once")]
    Repeated,
    /// Percent signs or bytes that decode to nothing.
    #[error("the redirect is not encoded properly")]
    Encoding,
    /// RFC 6749 section 4.1.2 knows a code or an error, never both.
    #[error("the redirect carries both a code and an error")]
    CodeAndError,
}

impl AuthorizationResponse {
    /// Reads a query (`application/x-www-form-urlencoded`), without its `?`.
    ///
    /// # Errors
    /// One [`MalformedResponse`] for each rule of RFC 6749 sections 3.1 and 4.1.2; nothing of the query is quoted.
    pub fn read(query: &str) -> Result<Self, MalformedResponse> {
        if query.len() > MAX_QUERY {
            return Err(MalformedResponse::TooLong);
        }
        let mut response = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            response.take(decode(name)?, decode(value)?)?;
        }
        if response.code.is_some() && response.error.is_some() {
            return Err(MalformedResponse::CodeAndError);
        }
        Ok(response)
    }

    fn take(&mut self, name: String, value: String) -> Result<(), MalformedResponse> {
        let plain = name.trim_end_matches("[]").to_ascii_lowercase();
        if plain != name && matches!(plain.as_str(), "code" | "state" | "iss" | "error" | "error_description") {
            return Err(MalformedResponse::Repeated);
        }
        let taken = match name.as_str() {
            "code" => self.code.replace(Secret::new(value)).is_some(),
            "state" => self.state.replace(Secret::new(value)).is_some(),
            "iss" => self.iss.replace(value).is_some(),
            "error" => self.error.replace(value).is_some(),
            "error_description" => self.error_description.replace(value).is_some(),
            _ => {
                let taken = self.others.iter().any(|(known, _)| *known == name);
                self.others.push((name, value));
                taken
            }
        };
        if taken { Err(MalformedResponse::Repeated) } else { Ok(()) }
    }

    /// Recognizes a repeat of the same response without keeping it.
    fn fingerprint(&self) -> String {
        let text = |secret: &Option<Secret>| secret.as_ref().map(Secret::hash).unwrap_or_default();
        let members = [text(&self.code), text(&self.state), self.iss.clone().unwrap_or_default(), self.error.clone().unwrap_or_default()];
        Secret::new(members.join("\n")).hash()
    }
}

/// One form-encoded name or value: `+` is a space, `%` needs two hex digits, the result is UTF-8 without controls.
fn decode(raw: &str) -> Result<String, MalformedResponse> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
                let (high, low) = (digit(rest.next()), digit(rest.next()));
                let value = high.zip(low).map(|(high, low)| high * 16 + low).ok_or(MalformedResponse::Encoding)?;
                u8::try_from(value).map_err(|_| MalformedResponse::Encoding)?
            }
            byte if byte.is_ascii_graphic() => byte,
            _ => return Err(MalformedResponse::Encoding),
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| MalformedResponse::Encoding)?;
    if text.contains('\0') { Err(MalformedResponse::Encoding) } else { Ok(text) }
}

/// What is demanded of `iss` in the response (RFC 9207 section 2.4).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedIssuer {
    /// No issuer is known: the first value is shown and pinned.
    Unknown,
    /// If there is one, it is this one.
    IfPresent(String),
    /// The server announces `authorization_response_iss_parameter_supported`: there must be one, and it is this one.
    Required(String),
}

/// What one response does to the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reception {
    /// The first valid one: the exchange may begin.
    Accepted,
    /// The same again, as browsers do: answered alike, nothing happens.
    Repeat,
    /// The attempt is over and this is not the response that ended it.
    Gone,
    /// Not for us; nothing changes.
    Noise(Noise),
}

/// Why a response was not for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Noise {
    /// No `state`, or a foreign one: perhaps an attack, perhaps an old tab.
    #[error("it belongs to another login (its state does not match)")]
    State,
    /// Neither a code nor an error.
    #[error("it carries no code")]
    Empty,
    /// A pasted address that is not the redirect URI of this login.
    #[error("it is not the address that this login ends on")]
    Elsewhere,
    /// Not an authorization response at all.
    #[error("{0}")]
    Malformed(#[from] MalformedResponse),
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// The resource owner consented.
    Code {
        /// To be exchanged once.
        code: Secret,
        /// What the server called itself; to be pinned where no issuer was known.
        issuer: Option<String>,
        /// Further members of the redirect.
        others: Vec<(String, String)>,
    },
    /// The server answered with an error (RFC 6749 section 4.1.2.1), raw.
    Refused {
        /// Error code.
        error: String,
        /// The server's own words.
        description: Option<String>,
    },
    /// Right state, wrong issuer: somebody mixes two servers up.
    WrongIssuer {
        /// What came, raw; `None` where one was demanded.
        got: Option<String>,
    },
}

/// One attempt; fresh `state` and verifier for each.
#[derive(Debug)]
pub struct Attempt {
    /// At least 128 bits, unrelated to the verifier (RFC 6749 section 10.10).
    state: Secret,
    /// Byte-identical in both requests (RFC 6749 section 4.1.3).
    redirect_uri: RedirectUri,
    expected_issuer: ExpectedIssuer,
    ended: Option<(String, Ending)>,
}

impl Attempt {
    /// An attempt that waits for its response.
    pub fn new(state: Secret, redirect_uri: RedirectUri, expected_issuer: ExpectedIssuer) -> Self {
        Self { state, redirect_uri, expected_issuer, ended: None }
    }

    /// Where the response has to arrive.
    pub fn redirect_uri(&self) -> &RedirectUri {
        &self.redirect_uri
    }

    /// Judges one response that arrived at the redirect URI. State comes first (SECURITY L-11).
    pub fn receive(&mut self, response: &AuthorizationResponse) -> Reception {
        let known = response.state.as_ref().is_some_and(|state| self.state.matches(state.expose()));
        if !known {
            return Reception::Noise(Noise::State);
        }
        let fingerprint = response.fingerprint();
        if let Some((first, _)) = &self.ended {
            return if *first == fingerprint { Reception::Repeat } else { Reception::Gone };
        }
        let Some(ending) = self.ending_of(response) else { return Reception::Noise(Noise::Empty) };
        self.ended = Some((fingerprint, ending));
        Reception::Accepted
    }

    /// Judges a query as it stands in the redirect.
    pub fn receive_query(&mut self, query: &str) -> Reception {
        match AuthorizationResponse::read(query) {
            Ok(response) => self.receive(&response),
            Err(malformed) => Reception::Noise(Noise::Malformed(malformed)),
        }
    }

    /// Judges a whole redirect URL that somebody pasted. A bare code is never taken (SECURITY P-01).
    pub fn receive_pasted(&mut self, text: &str) -> Reception {
        let text = text.trim();
        if text.len() > MAX_QUERY {
            return Reception::Noise(MalformedResponse::TooLong.into());
        }
        // What a parser would repair, a person did not copy from an address bar.
        let clean = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['\\', '@']);
        let own = self.redirect_uri.url();
        let place = |url: &url::Url| {
            (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port_or_known_default(), url.path().to_owned())
        };
        match url::Url::parse(text) {
            Ok(url) if clean && place(&url) == place(own) => self.receive_query(url.query().unwrap_or_default()),
            _ => Reception::Noise(Noise::Elsewhere),
        }
    }

    /// How it ended, once it has.
    pub fn ending(&self) -> Option<&Ending> {
        self.ended.as_ref().map(|(_, ending)| ending)
    }

    fn ending_of(&self, response: &AuthorizationResponse) -> Option<Ending> {
        if !self.issuer_fits(response.iss.as_deref()) {
            return Some(Ending::WrongIssuer { got: response.iss.clone() });
        }
        match (&response.code, &response.error) {
            (Some(code), None) if !code.is_empty() => {
                Some(Ending::Code { code: code.clone(), issuer: response.iss.clone(), others: response.others.clone() })
            }
            (None, Some(error)) if !error.is_empty() => {
                Some(Ending::Refused { error: error.clone(), description: response.error_description.clone() })
            }
            _ => None,
        }
    }

    fn issuer_fits(&self, got: Option<&str>) -> bool {
        match (&self.expected_issuer, got) {
            (ExpectedIssuer::Unknown, _) | (ExpectedIssuer::IfPresent(_), None) => true,
            (ExpectedIssuer::IfPresent(expected) | ExpectedIssuer::Required(expected), Some(got)) => expected == got,
            (ExpectedIssuer::Required(_), None) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attempt(issuer: ExpectedIssuer) -> Attempt {
        Attempt::new(Secret::new("right"), RedirectUri::parse("http://127.0.0.1:1/callback").expect("a redirect URI"), issuer)
    }

    #[test]
    fn l_09_a_foreign_missing_or_empty_state_is_noise_and_the_right_one_still_wins() {
        let mut attempt = attempt(ExpectedIssuer::Unknown);

        for query in ["code=EVIL&state=wrong", "code=EVIL", "code=EVIL&state=", "error=access_denied", ""] {
            assert_eq!(attempt.receive_query(query), Reception::Noise(Noise::State), "{query}");
        }
        assert_eq!(attempt.receive_query("code=GOOD&state=right"), Reception::Accepted);
    }

    #[test]
    fn l_13_a_repeated_parameter_is_noise() {
        let mut attempt = attempt(ExpectedIssuer::Unknown);

        for query in [
            "code=EVIL&code=GOOD&state=right",
            "state=x&state=right&code=G",
            "code[]=G&state=right",
            "Code=G&state=right",
            "code=G&state=right&iss=a&iss=a",
        ] {
            assert_eq!(attempt.receive_query(query), Reception::Noise(Noise::Malformed(MalformedResponse::Repeated)), "{query}");
        }
        assert!(attempt.ending().is_none());
    }

    #[test]
    fn l_14_both_code_and_error_are_noise() {
        let reception = attempt(ExpectedIssuer::Unknown).receive_query("code=G&error=x&state=right");

        assert_eq!(reception, Reception::Noise(Noise::Malformed(MalformedResponse::CodeAndError)));
    }

    #[test]
    fn l_15_a_wrong_issuer_ends_the_attempt() {
        let expected = "https://as.example";
        for (issuer, query) in [
            (ExpectedIssuer::Required(expected.into()), "code=G&state=right"),
            (ExpectedIssuer::Required(expected.into()), "code=G&state=right&iss=https%3A%2F%2Fas.example%2F"),
            (ExpectedIssuer::IfPresent(expected.into()), "code=G&state=right&iss=https%3A%2F%2FAS.example"),
            (ExpectedIssuer::IfPresent(expected.into()), "error=access_denied&state=right&iss=https%3A%2F%2Fevil.example"),
        ] {
            let mut attempt = attempt(issuer);
            assert_eq!(attempt.receive_query(query), Reception::Accepted, "{query}");
            assert!(matches!(attempt.ending(), Some(Ending::WrongIssuer { .. })), "{query}");
        }
    }

    #[test]
    fn l_26_a_repeat_changes_nothing_and_anything_else_is_too_late() {
        let mut attempt = attempt(ExpectedIssuer::Unknown);

        assert_eq!(attempt.receive_query("code=G&state=right"), Reception::Accepted);
        assert_eq!(attempt.receive_query("state=right&code=G"), Reception::Repeat);
        assert_eq!(attempt.receive_query("code=H&state=right"), Reception::Gone);
        assert!(matches!(attempt.ending(), Some(Ending::Code { code, .. }) if code.matches("G")));
    }

    #[test]
    fn p_01_only_a_whole_redirect_url_of_this_login_is_taken() {
        let mut attempt = attempt(ExpectedIssuer::Unknown);

        for text in [
            "EVIL_CODE",
            "http://127.0.0.1:2/callback?code=EVIL&state=right",
            "http://127.0.0.1:1/other?code=EVIL&state=right",
            "https://127.0.0.1:1/callback?code=EVIL&state=right",
            "http://evil@127.0.0.1:1/callback?code=EVIL&state=right",
            "http://127.0.0.1:1\\callback?code=EVIL&state=right",
        ] {
            assert_eq!(attempt.receive_pasted(text), Reception::Noise(Noise::Elsewhere), "{text}");
        }
        assert_eq!(attempt.receive_pasted("http://127.0.0.1:1/callback?code=EVIL"), Reception::Noise(Noise::State));
        assert_eq!(attempt.receive_pasted(" http://127.0.0.1:1/callback?code=G&state=right\n"), Reception::Accepted);
    }

    #[test]
    fn encoding_is_strict() {
        for query in ["code=%zz", "code=%4", "code=%00", "code=%ff", "code=%c0%af", "code=a b", "code=ü"] {
            assert_eq!(AuthorizationResponse::read(query).err(), Some(MalformedResponse::Encoding), "{query}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read_back(code in "[ -~]{1,60}", state in "\\PC{1,40}") {
            let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("code", &code).append_pair("state", &state).finish();
            let response = AuthorizationResponse::read(&query).expect("an encoded query");
            prop_assert!(response.code.expect("a code").matches(&code));
            prop_assert!(response.state.expect("a state").matches(&state));
        }

        #[test]
        fn any_query_is_read_or_refused(query in ".{0,200}") {
            let _ = AuthorizationResponse::read(&query);
        }
    }
}
