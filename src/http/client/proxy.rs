//! The proxy variables, read before they are obeyed.
//!
//! reqwest takes `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` as curl does, but drops a value that it does not understand
//! and then goes without a proxy. Who asked for a proxy did not ask for that, so such a value is an error here.

use http::Uri;

/// Ways to a proxy through which TLS goes end to end: CONNECT (RFC 9110 section 9.3.6) and SOCKS.
const SCHEMES: [&str; 6] = ["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// Whether the proxy that `https` would take can be taken.
///
/// # Errors
/// The name of the variable; never its value, which may hold a password.
pub fn check(variable: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    for names in [["HTTPS_PROXY", "https_proxy"], ["ALL_PROXY", "all_proxy"]] {
        // The first that is set counts, even where it is empty.
        let Some((name, value)) = names.iter().find_map(|name| variable(name).map(|value| (name, value))) else { continue };
        if !value.is_empty() {
            return if is_usable(&value) { Ok(()) } else { Err(format!("the value of `{name}` is not the address of a proxy")) };
        }
    }
    Ok(())
}

fn is_usable(value: &str) -> bool {
    value.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some() && uri.scheme_str().is_none_or(|scheme| SCHEMES.contains(&scheme)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(variables: &[(&str, &str)]) -> Result<(), String> {
        check(&|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn n_01_a_proxy_that_cannot_be_taken_is_not_passed_by() {
        for value in ["ftp://proxy:21", "http://us er:CANARY@proxy:3128", "/proxy", "file:///proxy"] {
            let refusal = outcome(&[("https_proxy", value)]).expect_err(value);
            assert!(refusal.contains("https_proxy") && !refusal.contains("CANARY"));
        }
    }

    #[test]
    fn n_01_usual_values_are_taken_and_the_first_that_is_set_counts() {
        for value in ["http://proxy:3128", "https://user:password@proxy", "proxy:3128", "proxy", "socks5h://[::1]:1080", ""] {
            assert_eq!(outcome(&[("HTTPS_PROXY", value)]), Ok(()), "{value}");
        }
        assert_eq!(outcome(&[("HTTPS_PROXY", "http://proxy"), ("ALL_PROXY", "ftp://x")]), Ok(()));
        assert!(outcome(&[("HTTPS_PROXY", ""), ("ALL_PROXY", "ftp://x")]).is_err());
        assert_eq!(outcome(&[]), Ok(()));
    }
}
