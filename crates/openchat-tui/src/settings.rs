//! The settings file: theme, keys and notifications. A word that means nothing is an error that says what would.

use std::collections::BTreeMap;
use std::path::Path;

use openchat_protocol::RoomId;
use serde::Deserialize;

use crate::keymap::{BindError, Keymap, Mode, Scheme};
use crate::theme::Theme;

/// What people can choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The theme, if one was chosen.
    pub theme: Option<Theme>,
    /// The keys in force.
    pub keymap: Keymap,
    /// Whether to tell of messages while the person looks elsewhere.
    pub notify: Notify,
    /// Whether notifications say what was written, and by whom.
    pub show_content: bool,
    /// Whether the mouse scrolls and chooses; the terminal's own selection then needs Shift.
    pub mouse: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: None,
            keymap: Keymap::new(Scheme::default()),
            notify: Notify::default(),
            show_content: true,
            mouse: false,
        }
    }
}

/// Of what to tell somebody who looks elsewhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Notify {
    /// Of every message.
    All,
    /// Of messages that name the reader.
    #[default]
    Mentions,
    /// Of nothing.
    None,
}

impl Notify {
    /// What the keys of all rooms' levels begin with.
    pub(crate) const PREFIX: &'static str = "notify:";

    /// The names of all levels.
    pub const NAMES: &'static [&'static str] = &["all", "mentions", "none"];

    /// The level of this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "mentions" => Some(Self::Mentions),
            "none" => Some(Self::None),
            _ => None,
        }
    }

    /// Where the vault keeps the level of a room: both clients go by it.
    pub fn key(room: RoomId) -> String {
        format!("{}{room}", Self::PREFIX)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Mentions => "mentions",
            Self::None => "none",
        }
    }
}

/// Why a settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// It is there and cannot be read.
    #[error("the settings cannot be read: {0}")]
    Unreadable(std::io::Error),
    /// It is no TOML, or holds a setting that there is not.
    #[error("{0}")]
    Malformed(String),
    /// A value that is none of those there are.
    #[error("`{value}` is no {what}: choose one of {}", choices.join(", "))]
    Choice {
        /// What is chosen.
        what: &'static str,
        /// What was written.
        value: String,
        /// What there is.
        choices: &'static [&'static str],
    },
    /// A key binding.
    #[error("keys: {0}")]
    Keys(#[from] BindError),
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Written {
    theme: Option<String>,
    keys: Option<String>,
    notify: Option<String>,
    show_content: Option<bool>,
    mouse: Option<bool>,
    compose: BTreeMap<String, String>,
    normal: BTreeMap<String, String>,
}

const SETTINGS: &[&str] = &["theme", "keys", "notify", "show-content", "mouse", "compose", "normal"];

impl Settings {
    /// Reads the file at `path`; without one everything is as it comes.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(SettingsError::Unreadable(error)),
        }
    }

    /// Reads settings.
    pub fn parse(text: &str) -> Result<Self, SettingsError> {
        let written: Written = toml::from_str(text).map_err(|error| malformed(text, &error))?;
        let scheme = match written.keys.as_deref() {
            None | Some("emacs") => Scheme::Emacs,
            Some("vim") => Scheme::Vim,
            Some(other) => return Err(choice("key scheme", other, &["emacs", "vim"])),
        };
        let theme =
            written.theme.map(|name| Theme::named(&name).ok_or_else(|| choice("theme", &name, Theme::NAMES)));
        let notify = written.notify.map(|name| {
            Notify::named(&name).ok_or_else(|| choice("level of notification", &name, Notify::NAMES))
        });
        let mut keymap = Keymap::new(scheme);
        for (mode, table) in [(Mode::Compose, &written.compose), (Mode::Normal, &written.normal)] {
            // What is freed comes first, so that the order of the lines does not matter.
            let (freed, bound): (Vec<_>, Vec<_>) = table.iter().partition(|(_, action)| *action == "none");
            for (keys, action) in freed.into_iter().chain(bound) {
                keymap.bind(mode, keys, action)?;
            }
        }
        keymap.check()?;
        Ok(Self {
            theme: theme.transpose()?,
            keymap,
            notify: notify.transpose()?.unwrap_or_default(),
            show_content: written.show_content.unwrap_or(true),
            mouse: written.mouse.unwrap_or(false),
        })
    }
}

fn choice(what: &'static str, value: &str, choices: &'static [&'static str]) -> SettingsError {
    SettingsError::Choice { what, value: value.chars().take(40).collect(), choices }
}

/// TOML's own words, which give the line, and what may have been meant.
fn malformed(text: &str, error: &toml::de::Error) -> SettingsError {
    let mut said = error.to_string();
    let wrong = error.span().and_then(|span| text.get(span));
    if let Some(meant) = wrong
        .filter(|_| said.contains("unknown field"))
        .and_then(|wrong| openchat_client::nearest(wrong.trim(), SETTINGS.iter().copied()))
    {
        said = format!("{}\ndid you mean `{meant}`?", said.trim_end());
    }
    SettingsError::Malformed(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keymap::{Action, Chord, Lookup};

    #[test]
    fn nothing_written_is_everything_as_it_comes() {
        let settings = Settings::parse("").unwrap();
        assert_eq!((settings.notify, settings.show_content), (Notify::Mentions, true));
        assert_eq!(settings.keymap.scheme, Scheme::Emacs);
    }

    #[test]
    fn theme_and_keys_are_chosen() {
        let text = "theme = \"light\"\nkeys = \"vim\"\nnotify = \"all\"\n[normal]\n\"q\" = \"quit\"\n";
        let settings = Settings::parse(text).unwrap();
        assert_eq!(settings.theme.map(|theme| theme.name), Some("light"));
        let key = Chord::sequence("q").unwrap();
        assert_eq!(settings.keymap.look_up(Mode::Normal, &key), Lookup::Act(Action::Quit));
    }

    #[test]
    fn what_is_mistyped_is_told_with_what_was_meant() {
        for (text, expected) in [
            ("thème = \"dark\"", "line 1"),
            ("tehme = \"dark\"", "did you mean `theme`?"),
            ("theme = \"drak\"", "choose one of dark, light"),
            ("keys = \"nano\"", "choose one of emacs, vim"),
            ("[compose]\n\"ctrl+k\" = \"piker\"", "did you mean `picker`?"),
            ("[compose]\n\"ctrl+x\" = \"picker\"", "can never be typed"),
            ("theme = ", "line 1"),
        ] {
            let error = Settings::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
