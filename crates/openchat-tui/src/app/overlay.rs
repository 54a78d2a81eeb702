//! What lies over the chat: a picker, a page of words, an invite, a question.

use openchat_client::{Acquaintance, EpochChanged, Line, OwnDevice, RoomDetails};
use openchat_protocol::RoomId;

use super::entrance::Secret;
use super::picker::Picker;
use super::search::Search;

/// In front of the chat.
pub enum Overlay {
    /// Rooms, people, messages, commands.
    Picker(Box<Picker>),
    /// All messages of all rooms.
    Search(Box<Search>),
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
    /// What goes on and what has failed.
    Tasks,
    /// Everybody who is known, and what that rests on.
    People(Vec<Acquaintance>),
    /// What is known of somebody's key, and the number that both compare, with its QR code.
    Number(Box<Acquaintance>),
    /// The devices of this user.
    Devices(Vec<OwnDevice>),
    /// The password, before the device whose identifier begins so is put out.
    Revoke(String, Secret),
    /// The password, before another device is linked.
    LinkPassword(Secret),
    /// The link for another device, with its QR code, and whether it leads to this machine only.
    Link(String, bool),
    /// A question.
    Ask(Question),
}

impl Overlay {
    /// Whether it is a page of words, which may be longer than the screen is high.
    pub fn is_page(&self) -> bool {
        matches!(self, Self::Help | Self::Room(_) | Self::CryptoLog(..) | Self::Message(_))
    }
}

/// How far a page was turned.
#[derive(Debug, Default)]
pub struct Page {
    /// The row at the upper edge.
    pub top: usize,
    /// How many rows there are in all, at the last drawing.
    pub rows: usize,
    /// How many of them fit.
    pub height: usize,
    /// The rows of a message as they were laid out for this width and theme: it may be long.
    pub laid: Option<(u16, &'static str, Vec<ratatui::text::Line<'static>>)>,
}

impl Page {
    /// Turns by rows; downwards is positive. It stays within the page.
    pub fn turn(&mut self, rows: isize) {
        self.top = self.top.saturating_add_signed(rows).min(self.last());
    }

    /// The upper row when the lower edge is reached.
    pub fn last(&self) -> usize {
        self.rows.saturating_sub(self.height)
    }
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
