//! What to type next, for the shell and for a chat: the same advice in the words of the one or the other.

use openchat_protocol::RoomName;

use crate::text;

/// Where a person types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    /// `openchat COMMAND`.
    Shell,
    /// `openchat chat ROOM` on a pipe: it ends when it cannot get into the room.
    Script,
    /// `/command`.
    Chat,
}

impl Surface {
    /// How all rooms are listed.
    pub(crate) fn list(self) -> &'static str {
        match self {
            Self::Shell | Self::Script => "openchat rooms",
            Self::Chat => "/list",
        }
    }

    /// How a listed room is entered on purpose.
    pub(crate) fn join(self, room: &RoomName) -> String {
        match self {
            Self::Shell | Self::Script => format!("openchat chat {room}"),
            Self::Chat => format!("/join {}", text::room(room)),
        }
    }

    /// How a member is told to let somebody into a private room.
    pub(crate) fn ask_a_member() -> &'static str {
        "ask a member of the room: they bring you in with /add and your name"
    }
}

/// "Did you mean", or how the rooms are listed.
pub(crate) fn another_room(wrong: &RoomName, known: &[RoomName], surface: Surface) -> String {
    match openchat_client::nearest(wrong.as_str(), known.iter().map(RoomName::as_str)) {
        Some(meant) => format!("did you mean #{meant}? All rooms: {}", surface.list()),
        None => surface.list().to_owned(),
    }
}
