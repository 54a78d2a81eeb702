//! What lies over the chat: a picker, a page of words, an invite, a question.

use openchat_client::RoomDetails;
use openchat_client::{EpochChanged, Line};
use openchat_protocol::RoomId;

use super::picker::Picker;

/// In front of the chat.
pub enum Overlay {
    /// Rooms, people, messages, commands.
    Picker(Box<Picker>),
    /// The keys that work here.
    Help,
    /// What is known of a room.
    Room(Box<RoomDetails>),
    /// How a room's keys have changed, the newest last.
    CryptoLog(RoomId, Vec<EpochChanged>),
    /// What is known of a message.
    Message(Box<Line>),
    /// An invite link with its QR code.
    Invite(String),
    /// A question.
    Ask(Question),
}

/// What is asked before it is done.
pub enum Question {
    /// Paste several lines into the message.
    Paste(String),
    /// Leave a room for good.
    Leave(RoomId),
    /// End the program while messages wait in the outbox.
    Quit,
}

impl Question {
    /// The words of it.
    pub fn words(&self) -> String {
        match self {
            Self::Paste(text) => {
                format!("Paste {} lines into the message?", text.lines().count())
            }
            Self::Leave(_) => {
                "Leave this room for good? A private room lets you back only if a member adds you.".to_owned()
            }
            Self::Quit => "Some messages wait to be sent; they go out when you come back. Quit?".to_owned(),
        }
    }
}
