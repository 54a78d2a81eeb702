//! Where data lives: `--data DIR`, else `$XDG_DATA_HOME/openchat`, else `~/.local/share/openchat`.

use std::path::PathBuf;

use crate::failure::{Failure, Kind};

/// The folders of one invocation.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    root: PathBuf,
    settings: PathBuf,
    profile: String,
}

impl Folders {
    /// Finds the data folder; creates nothing.
    pub(crate) fn find(data: Option<PathBuf>, profile: String) -> Result<Self, Failure> {
        let named = !profile.is_empty()
            && profile.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && !profile.starts_with('.');
        if !named {
            let what = format!("`{profile}` is no profile name: use letters, digits, `-`, `_` and `.`");
            return Err(Failure::new(Kind::Usage, what));
        }
        let absolute =
            |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let settings = data
            .clone()
            .or_else(|| absolute("XDG_CONFIG_HOME").map(|config| config.join("openchat")))
            .or_else(|| absolute("HOME").map(|home| home.join(".config/openchat")))
            .unwrap_or_default();
        let root = data
            .or_else(|| absolute("XDG_DATA_HOME").map(|share| share.join("openchat")))
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share/openchat")))
            .ok_or_else(|| {
                Failure::new(
                    Kind::Usage,
                    "cannot tell where to keep data: neither HOME nor XDG_DATA_HOME is set",
                )
                .help("openchat --data DIR …")
            })?;
        Ok(Self { root, settings, profile })
    }

    /// Keys, vault and settings of one identity.
    pub(crate) fn profile(&self) -> PathBuf {
        self.root.join("profiles").join(&self.profile)
    }

    /// The names of all profiles that can be opened, in their order.
    pub(crate) fn profiles(&self) -> Vec<String> {
        let folders = std::fs::read_dir(self.root.join("profiles")).into_iter().flatten().flatten();
        let names = folders.filter(|folder| openchat_client::exists(&folder.path()));
        let mut names: Vec<_> = names.filter_map(|folder| folder.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// What people choose by hand, apart from the data unless `--data` keeps everything together.
    pub(crate) fn settings(&self) -> &std::path::Path {
        &self.settings
    }

    /// The server's authority and database.
    pub(crate) fn server(&self) -> PathBuf {
        self.root.join("server")
    }

    /// The name given with `--profile`.
    pub(crate) fn profile_name(&self) -> &str {
        &self.profile
    }
}
