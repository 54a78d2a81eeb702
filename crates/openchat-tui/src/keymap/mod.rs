//! Keys and what they do: two schemes, each a table that people can change by name.

mod chord;
mod schemes;
#[cfg(test)]
mod tests;

pub use chord::{Chord, ChordError};

/// What a key can do. The names are those of the settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send what is written.
    Send,
    /// A new line in the message.
    NewLine,
    /// Complete a command, a room, a person or an emoji.
    Complete,
    /// Rooms, people, messages and commands in one picker.
    Picker,
    /// Create, join, list: the start menu.
    Menu,
    /// The next unread room, the most important first.
    NextUnread,
    /// Back to where the visits of unread rooms began.
    Back,
    /// The room above in the list.
    PreviousRoom,
    /// The room below in the list.
    NextRoom,
    /// Older messages.
    PageUp,
    /// Newer messages.
    PageDown,
    /// The oldest message that is loaded.
    Top,
    /// The newest message.
    Bottom,
    /// Choose a message to act on; here, the one above.
    SelectUp,
    /// The message below.
    SelectDown,
    /// Answer the chosen message with a quote of it.
    Reply,
    /// Copy the chosen message.
    Copy,
    /// Send the chosen message again.
    Retry,
    /// Forget the chosen message that could not be sent.
    Discard,
    /// What is known of the chosen message and its author.
    MessageInfo,
    /// Back to writing.
    Write,
    /// Leave what is open, or stop choosing messages.
    Escape,
    /// Everything here is read.
    MarkRead,
    /// Show or hide the members.
    Members,
    /// What is known of this room.
    RoomInfo,
    /// How the keys of this room have changed.
    CryptoLog,
    /// A link and a QR code for a new friend.
    Invite,
    /// A command in the place of the message.
    CommandLine,
    /// Another room beside this one.
    Split,
    /// The cursor to the room beside.
    OtherRoom,
    /// Only this room.
    OneRoom,
    /// All messages of all rooms.
    Search,
    /// What goes on, and what has failed.
    Tasks,
    /// Write in `$EDITOR`.
    Editor,
    /// What works here.
    Help,
    /// Stop, as the shell's job control does.
    Suspend,
    /// End the program.
    Quit,
}

impl Action {
    /// All of them, with their names in the settings and what they are called for people.
    pub const ALL: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Send, "send", "send"),
        (Self::NewLine, "new-line", "new line"),
        (Self::Complete, "complete", "complete"),
        (Self::Picker, "picker", "go to…"),
        (Self::Menu, "menu", "start menu"),
        (Self::NextUnread, "next-unread", "next unread"),
        (Self::Back, "back", "back"),
        (Self::PreviousRoom, "previous-room", "room above"),
        (Self::NextRoom, "next-room", "room below"),
        (Self::PageUp, "page-up", "older"),
        (Self::PageDown, "page-down", "newer"),
        (Self::Top, "top", "oldest"),
        (Self::Bottom, "bottom", "newest"),
        (Self::SelectUp, "select-up", "choose message"),
        (Self::SelectDown, "select-down", "message below"),
        (Self::Reply, "reply", "quote"),
        (Self::Copy, "copy", "copy"),
        (Self::Retry, "retry", "send again"),
        (Self::Discard, "discard", "discard unsent"),
        (Self::MessageInfo, "message-info", "message info"),
        (Self::Write, "write", "write"),
        (Self::Escape, "escape", "close"),
        (Self::MarkRead, "mark-read", "mark read"),
        (Self::Members, "members", "members"),
        (Self::RoomInfo, "room-info", "room info"),
        (Self::CryptoLog, "crypto-log", "crypto log"),
        (Self::Invite, "invite", "invite"),
        (Self::CommandLine, "command-line", "command"),
        (Self::Split, "split", "room beside"),
        (Self::OtherRoom, "other-room", "other room"),
        (Self::OneRoom, "one-room", "one room"),
        (Self::Search, "search", "search"),
        (Self::Tasks, "tasks", "tasks"),
        (Self::Editor, "editor", "$EDITOR"),
        (Self::Help, "help", "help"),
        (Self::Suspend, "suspend", "suspend"),
        (Self::Quit, "quit", "quit"),
    ];

    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(action, ..)| *action)
    }

    /// Whether it leads from one room to another.
    pub fn goes_to_a_room(self) -> bool {
        use Action::{Back, NextRoom, NextUnread, OtherRoom, PreviousRoom};
        matches!(self, Back | NextRoom | NextUnread | OtherRoom | PreviousRoom)
    }

    /// What it is called on the screen.
    pub fn label(self) -> &'static str {
        Self::ALL.iter().find(|(action, ..)| *action == self).map_or("", |(.., label)| *label)
    }
}

/// Which keys count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Letters are written.
    Compose,
    /// Letters act on the chosen message.
    Normal,
}

/// Which of the two tables is the ground.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scheme {
    /// Always writing; Ctrl and Alt act.
    #[default]
    Emacs,
    /// Two modes, as in vi.
    Vim,
}

/// What a sequence of keys means.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup {
    /// This.
    Act(Action),
    /// More keys must follow: these.
    More(Vec<(Chord, Option<Action>)>),
    /// Nothing.
    Unbound,
}

#[derive(Debug, Clone)]
struct Binding {
    mode: Mode,
    keys: Vec<Chord>,
    action: Action,
}

/// The keys in force.
#[derive(Debug, Clone)]
pub struct Keymap {
    /// The ground.
    pub scheme: Scheme,
    bindings: Vec<Binding>,
}

/// Why a binding in the settings cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// The keys cannot be read.
    #[error(transparent)]
    Chord(#[from] ChordError),
    /// No action has this name.
    #[error("there is no action `{name}`{}", suggestion.as_ref().map_or(String::new(), |it| format!(": did you mean `{it}`?")))]
    Action {
        /// What was written.
        name: String,
        /// What may have been meant.
        suggestion: Option<String>,
    },
    /// A sequence that begins with another one could never be typed.
    #[error(
        "`{longer}` can never be typed, for `{shorter}` acts at once: unbind that one first, with \"none\""
    )]
    Hidden {
        /// The one that acts.
        shorter: String,
        /// The one behind it.
        longer: String,
    },
}

impl Keymap {
    /// The table as it comes.
    pub fn new(scheme: Scheme) -> Self {
        Self { scheme, bindings: schemes::bindings(scheme) }
    }

    /// Binds `keys` (`"ctrl+x m"`) to the action of this name; `none` frees them.
    pub fn bind(&mut self, mode: Mode, keys: &str, action: &str) -> Result<(), BindError> {
        let keys = Chord::sequence(keys)?;
        let named = if action == "none" { None } else { Some(named_action(action)?) };
        self.bindings.retain(|binding| binding.mode != mode || binding.keys != keys);
        if let Some(action) = named {
            self.bindings.push(Binding { mode, keys, action });
        }
        Ok(())
    }

    /// Every sequence can be typed: none begins with another one.
    pub fn check(&self) -> Result<(), BindError> {
        for one in &self.bindings {
            let hidden = self.bindings.iter().find(|other| {
                other.mode == one.mode
                    && other.keys.len() > one.keys.len()
                    && other.keys.starts_with(&one.keys)
            });
            if let Some(other) = hidden {
                return Err(BindError::Hidden {
                    shorter: chord::written(&one.keys),
                    longer: chord::written(&other.keys),
                });
            }
        }
        Ok(())
    }

    /// What `keys`, typed in this mode, mean.
    pub fn look_up(&self, mode: Mode, keys: &[Chord]) -> Lookup {
        let bindings = || self.bindings.iter().filter(move |binding| binding.mode == mode);
        if let Some(binding) = bindings().find(|binding| binding.keys == keys) {
            return Lookup::Act(binding.action);
        }
        let mut next: Vec<(Chord, Option<Action>)> = Vec::new();
        for binding in bindings().filter(|binding| binding.keys.starts_with(keys)) {
            let Some(chord) = binding.keys.get(keys.len()) else { continue };
            let action = (binding.keys.len() == keys.len() + 1).then_some(binding.action);
            if !next.iter().any(|(known, _)| known == chord) {
                next.push((*chord, action));
            }
        }
        if next.is_empty() { Lookup::Unbound } else { Lookup::More(next) }
    }

    /// The keys of an action, as people write them; the shortest.
    pub fn keys_of(&self, mode: Mode, action: Action) -> Option<String> {
        let bindings =
            self.bindings.iter().filter(|binding| binding.mode == mode && binding.action == action);
        bindings.min_by_key(|binding| binding.keys.len()).map(|binding| chord::written(&binding.keys))
    }
}

fn named_action(name: &str) -> Result<Action, BindError> {
    Action::named(name).ok_or_else(|| {
        let names = Action::ALL.iter().map(|(_, name, _)| *name);
        BindError::Action {
            name: name.to_owned(),
            suggestion: openchat_client::nearest(name, names).map(str::to_owned),
        }
    })
}
