//! What the environment of a program that we start must not hold.

/// Variables that hold secrets of our own. What else is one is known only to the caller who named it.
const SECRETS: [&str; 3] = ["TOKENSTRAP_KEY", "TOKENSTRAP_GRANT", "VAULT_TOKEN"];

/// Begins the names of variables with the bundle of one profile each.
const GRANTS: &str = "TOKENSTRAP_GRANT_";

/// The names of these variables in this process's environment.
pub fn secrets() -> Vec<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).filter(|name| is_secret(name)).collect()
}

fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name) || name.starts_with(GRANTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e_02_grants_of_single_profiles_are_secrets_too_and_paths_are_none() {
        for name in ["TOKENSTRAP_KEY", "TOKENSTRAP_GRANT", "TOKENSTRAP_GRANT_TILL", "VAULT_TOKEN"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["TOKENSTRAP_KEY_FILE", "TOKENSTRAP_STORE", "VAULT_ADDR", "PATH"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
