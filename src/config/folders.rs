//! Where things lie (DESIGN section 5b): the platform's own places, never a shared one.

use std::path::PathBuf;

/// The three folders of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// Settings.
    pub config: PathBuf,
    /// Grants of the file store.
    pub data: PathBuf,
    /// Locks and spool.
    pub state: PathBuf,
}

/// Neither a variable nor a home folder says where to put things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no home folder: HOME is not set")]
pub struct Homeless;

impl Folders {
    /// The folders that the environment names.
    ///
    /// # Errors
    /// [`Homeless`]. A relative path counts as not set (XDG Base Directory Specification).
    pub fn of(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, Homeless> {
        let absolute = |name: &str| env(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || absolute(if cfg!(windows) { "USERPROFILE" } else { "HOME" }).ok_or(Homeless);
        let place = |variable: &str, below_home: &str| match absolute(variable) {
            Some(path) => Ok(path.join("tokenstrap")),
            None => Ok::<_, Homeless>(home()?.join(below_home).join("tokenstrap")),
        };
        if cfg!(windows) {
            return Ok(Self {
                config: place("APPDATA", "AppData/Roaming")?,
                data: place("LOCALAPPDATA", "AppData/Local")?.join("data"),
                state: place("LOCALAPPDATA", "AppData/Local")?.join("state"),
            });
        }
        if cfg!(target_os = "macos") && absolute("XDG_CONFIG_HOME").is_none() {
            let support = home()?.join("Library/Application Support/tokenstrap");
            return Ok(Self { config: support.join("config"), data: support.join("data"), state: support.join("state") });
        }
        Ok(Self {
            config: place("XDG_CONFIG_HOME", ".config")?,
            data: place("XDG_DATA_HOME", ".local/share")?,
            state: place("XDG_STATE_HOME", ".local/state")?,
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_xdg_variables_win_over_the_home_folder_unless_they_are_relative() {
        let folders = Folders::of(&|name| match name {
            "HOME" => Some("/home/u".into()),
            "XDG_CONFIG_HOME" => Some("/cfg".into()),
            "XDG_DATA_HOME" => Some("relative".into()),
            _ => None,
        });

        let folders = folders.expect("folders");
        assert_eq!(folders.config, PathBuf::from("/cfg/tokenstrap"));
        assert_eq!(folders.data, PathBuf::from("/home/u/.local/share/tokenstrap"));
        assert_eq!(Folders::of(&|_| None), Err(Homeless));
    }
}
