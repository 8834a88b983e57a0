//! The path of the redirect URI: another one for each authorization server.
//!
//! A hostile server that sends the browser on to an honest one gets no code from it, because the honest server's codes
//! arrive at another path (RFC 8252 section 8.10, RFC 9700 section 4.4). A server that says who it is in the redirect
//! (RFC 9207) needs no path of its own.

use ring::digest::{SHA256, digest};
use url::Url;

/// The path for a server: `/callback` where it sends `iss`, `/callback/NAME` for a catalogue entry, else `/callback/` and
/// the first eight hex digits of a hash over the origin of its authorization endpoint.
///
/// Profiles of one server share it, so that one registered redirect URI serves them all.
pub fn redirect_path(iss_supported: bool, entry_name: Option<&str>, authorization_endpoint: &Url) -> String {
    if iss_supported {
        return "/callback".to_owned();
    }
    let hashed = || {
        let origin = authorization_endpoint.origin().ascii_serialization();
        let hash = data_encoding::HEXLOWER.encode(digest(&SHA256, origin.as_bytes()).as_ref());
        hash.chars().take(8).collect()
    };
    format!("/callback/{}", entry_name.map_or_else(hashed, str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(iss_supported: bool, name: Option<&str>, endpoint: &str) -> String {
        redirect_path(iss_supported, name, &Url::parse(endpoint).expect("a URL"))
    }

    #[test]
    fn d_11_two_servers_without_iss_have_two_paths() {
        let one = path(false, None, "https://one.example/authorize");

        assert_ne!(one, path(false, None, "https://two.example/authorize"));
        assert_ne!(one, path(false, None, "https://one.example:8443/authorize"));
        assert!(one.strip_prefix("/callback/").is_some_and(|hash| hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())));
    }

    #[test]
    fn d_11_two_profiles_of_one_server_share_a_path() {
        assert_eq!(path(false, None, "https://one.example/a"), path(false, None, "https://one.example:443/b?x=y"));
    }

    #[test]
    fn d_11_a_server_that_says_who_it_is_needs_no_path_of_its_own() {
        assert_eq!(path(true, None, "https://one.example/a"), "/callback");
        assert_eq!(path(false, Some("lightspeed-o"), "https://one.example/a"), "/callback/lightspeed-o");
    }
}
