//! The two tables of keys as they come.

use super::{Action, Binding, Chord, Mode, Scheme};

/// What both schemes have while writing.
const COMPOSE: &[(&str, Action)] = &[
    ("enter", Action::Send),
    ("alt+enter", Action::NewLine),
    ("shift+enter", Action::NewLine),
    ("tab", Action::Complete),
    ("ctrl+t", Action::Picker),
    ("alt+n", Action::NextUnread),
    ("alt+b", Action::Back),
    ("alt+up", Action::PreviousRoom),
    ("alt+down", Action::NextRoom),
    ("pageup", Action::PageUp),
    ("pagedown", Action::PageDown),
    ("ctrl+up", Action::SelectUp),
    ("f1", Action::Help),
    ("f2", Action::Menu),
    ("f3", Action::Tasks),
    ("f4", Action::Search),
    ("f6", Action::OtherRoom),
    ("ctrl+z", Action::Suspend),
    ("ctrl+c", Action::Quit),
];

const EMACS: &[(&str, Action)] = &[
    ("esc", Action::Escape),
    ("alt+p", Action::SelectUp),
    ("ctrl+x b", Action::Picker),
    ("ctrl+x c", Action::CryptoLog),
    ("ctrl+x e", Action::Editor),
    ("ctrl+x i", Action::RoomInfo),
    ("ctrl+x k", Action::MarkRead),
    ("ctrl+x l", Action::Invite),
    ("ctrl+x m", Action::Members),
    ("ctrl+x n", Action::NextUnread),
    ("ctrl+x p", Action::Back),
    ("ctrl+x s", Action::SelectUp),
    ("ctrl+x 3", Action::Split),
    ("ctrl+x o", Action::OtherRoom),
    ("ctrl+x 1", Action::OneRoom),
    ("ctrl+x /", Action::Search),
    ("ctrl+x t", Action::Tasks),
    ("ctrl+x ?", Action::Help),
    ("ctrl+x ctrl+c", Action::Quit),
];

const VIM: &[(&str, Action)] = &[("esc", Action::Write)];

/// Acting on messages: the whole of vi's normal mode, and what Emacs people get once a message is chosen.
const NORMAL: &[(&str, Action)] = &[
    ("k", Action::SelectUp),
    ("up", Action::SelectUp),
    ("j", Action::SelectDown),
    ("down", Action::SelectDown),
    ("r", Action::Reply),
    ("y", Action::Copy),
    ("R", Action::Retry),
    ("D", Action::Discard),
    ("o", Action::MessageInfo),
    ("enter", Action::MessageInfo),
    ("i", Action::Write),
    ("a", Action::Write),
    ("G", Action::Bottom),
    ("g g", Action::Top),
    ("ctrl+u", Action::PageUp),
    ("ctrl+d", Action::PageDown),
    ("pageup", Action::PageUp),
    ("pagedown", Action::PageDown),
    ("m", Action::MarkRead),
    ("n", Action::NextUnread),
    ("b", Action::Back),
    ("K", Action::PreviousRoom),
    ("J", Action::NextRoom),
    ("alt+up", Action::PreviousRoom),
    ("alt+down", Action::NextRoom),
    ("ctrl+t", Action::Picker),
    ("space f", Action::Picker),
    ("space space", Action::Menu),
    ("space n", Action::NextUnread),
    ("space m", Action::Members),
    ("space i", Action::RoomInfo),
    ("space c", Action::CryptoLog),
    ("space l", Action::Invite),
    ("ctrl+w v", Action::Split),
    ("ctrl+w w", Action::OtherRoom),
    ("ctrl+w o", Action::OneRoom),
    ("/", Action::Search),
    ("space t", Action::Tasks),
    ("space e", Action::Editor),
    (":", Action::CommandLine),
    ("?", Action::Help),
    ("f1", Action::Help),
    ("f2", Action::Menu),
    ("f3", Action::Tasks),
    ("f4", Action::Search),
    ("f6", Action::OtherRoom),
    ("esc", Action::Escape),
    ("ctrl+z", Action::Suspend),
    ("ctrl+c", Action::Quit),
];

pub(super) fn bindings(scheme: Scheme) -> Vec<Binding> {
    let own = match scheme {
        Scheme::Emacs => EMACS,
        Scheme::Vim => VIM,
    };
    let compose = COMPOSE.iter().chain(own).map(|binding| (Mode::Compose, binding));
    let normal = NORMAL.iter().map(|binding| (Mode::Normal, binding));
    // A row that does not parse would be a fault of this file; the tests read every one.
    let parsed = compose.chain(normal).filter_map(|(mode, (keys, action))| {
        Some(Binding { mode, keys: Chord::sequence(keys).ok()?, action: *action })
    });
    parsed.collect()
}

#[cfg(test)]
pub(super) fn rows() -> usize {
    COMPOSE.len() + NORMAL.len()
}
