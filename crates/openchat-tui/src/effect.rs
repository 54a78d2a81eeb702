//! What the model wants done, and what comes back: the only words that it and the runtime exchange.

use std::fmt;

use openchat_client::{
    Answer, ClientError, Command, DeviceLink, EpochChanged, Event, Line, LinkStep, Password, Profile,
    RoomOverview, Searched, Sought, Span,
};
use openchat_protocol::{RoomId, UserName};

use crate::app::tasks::TaskId;

/// Something to be done outside of the model.
#[derive(Debug)]
pub enum Effect {
    /// Give the terminal back and end.
    Quit,
    /// Stop as Ctrl-Z does, until the shell continues the program.
    Suspend,
    /// Open the profile of this folder.
    Unlock(Password),
    /// Make an account with an invite link, then open the profile.
    Enrol(Newcomer, Box<openchat_client::InviteLink>),
    /// Become a device of the user who shows the link, under this password, then open the profile.
    BecomeDevice(Password, Box<DeviceLink>),
    /// Start a server here and be its first user.
    Host(Newcomer),
    /// Ask the client; `then` comes back with the answer.
    Ask(Command, Then),
    /// Nobody waits for this any more.
    GiveUp(TaskId),
    /// Look up what is on disk.
    Read(Read),
    /// Put out the device whose identifier begins so, if the password is that of the profile.
    Revoke(String, Password),
    /// Link another device, if the password is that of the profile; the task hears how it goes.
    Link(TaskId, Password),
    /// Take the history of the other device; the task hears how it goes.
    TakeHistory(TaskId),
    /// Write a room's history to this file.
    Save(RoomId, String),
    /// Try to connect now.
    Reconnect,
    /// Keep something of the screen's own in the vault.
    Remember(String, Option<Vec<u8>>),
    /// Put text on the clipboard of the terminal.
    Copy(String),
    /// Tell the person who looks elsewhere.
    Notify {
        /// Where it happened.
        title: String,
        /// What: empty when content is hidden.
        body: String,
    },
    /// Write the draft in `$EDITOR`.
    Edit(String),
}

impl Effect {
    /// The task that this is for, if somebody may give it up.
    pub fn task(&self) -> Option<TaskId> {
        match self {
            Self::Ask(_, Then::Task(task, _)) | Self::Link(task, _) | Self::TakeHistory(task) => Some(*task),
            _ => None,
        }
    }
}

/// Who makes an account.
#[derive(Debug)]
pub struct Newcomer {
    /// The wanted name.
    pub name: UserName,
    /// What will protect key and history.
    pub password: Password,
}

/// What the answer to a command is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// It ends a task, and then this.
    Task(TaskId, Box<Then>),
    /// Nothing but a failure is worth a word.
    Nothing,
    /// Say that it is done.
    Say(String),
    /// Open the room that was made or joined.
    OpenRoom,
    /// The server's rooms for the picker.
    List,
    /// Who is in this room.
    Members(RoomId),
    /// What is known of this room.
    Details(RoomId),
    /// Show what is known of a room.
    ShowDetails,
    /// Show the invite.
    ShowInvite,
    /// Show everybody who is known.
    ShowPeople,
    /// Show the number that two people compare.
    ShowNumber,
    /// Show the devices of this user.
    ShowDevices,
    /// These words could not be queued: put them back into the composer.
    Sent(RoomId, String),
}

/// Something to look up on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// All rooms.
    Rooms,
    /// Lines of a room.
    History(RoomId, Span),
    /// The lines of a room up to this record.
    Around(RoomId, u64),
    /// How the keys of a room have changed.
    Epochs(RoomId),
    /// Files whose names begin like this.
    Files(String),
    /// One step of a search.
    Search {
        /// Of which search.
        serial: u64,
        /// Where.
        room: RoomId,
        /// Lines before this record.
        before: u64,
        /// What is looked for.
        sought: Sought,
    },
}

/// What a lookup found.
#[derive(Debug)]
pub enum Found {
    /// To [`Read::Rooms`].
    Rooms(Vec<RoomOverview>),
    /// To [`Read::History`].
    History(RoomId, Span, Vec<Line>),
    /// To [`Read::Around`].
    Around(RoomId, u64, Vec<Line>),
    /// To [`Read::Search`], with its number.
    Searched(u64, Searched),
    /// To [`Read::Files`]: what was looked for, and what there is.
    Files(String, Vec<String>),
    /// To [`Read::Epochs`].
    Epochs(RoomId, Vec<EpochChanged>),
}

/// How the linking of a device goes, at either end.
pub enum Told {
    /// The link is there, to be carried to the new device.
    Link {
        /// A secret, for ten minutes.
        link: String,
        /// It leads nowhere but to this machine.
        is_local: bool,
    },
    /// It goes on.
    Step(LinkStep),
    /// It is over.
    Ended(Result<(), ClientError>),
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Whoever has it becomes the user.
            Self::Link { is_local, .. } => {
                f.debug_struct("Link").field("is_local", is_local).finish_non_exhaustive()
            }
            Self::Step(step) => f.debug_tuple("Step").field(step).finish(),
            Self::Ended(outcome) => f.debug_tuple("Ended").field(outcome).finish(),
        }
    }
}

/// Something that happened to the model.
#[derive(Debug)]
pub enum Incoming {
    /// A key, a paste, a resize, a click.
    Terminal(crossterm::event::Event),
    /// The client says something.
    Client(Event),
    /// The profile is open.
    Opened(Box<Opened>),
    /// The profile could not be made or opened.
    NotOpened(ClientError),
    /// An answer to [`Effect::Ask`].
    Answered(Then, Result<Answer, ClientError>),
    /// An answer to [`Effect::Read`].
    Found(Result<Found, ClientError>),
    /// How many lines of a room are in this file now, or why none are.
    Saved(Result<(String, usize), String>),
    /// How [`Effect::Link`] or [`Effect::TakeHistory`] goes.
    Linking(TaskId, Told),
    /// What was written in `$EDITOR`, or why not.
    Edited(Result<String, String>),
    /// Some time has passed.
    Tick,
}

/// A profile that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// Who.
    pub profile: Profile,
    /// Its rooms.
    pub rooms: Vec<RoomOverview>,
    /// What the screen kept: drafts, the last room.
    pub kept: Vec<(String, Vec<u8>)>,
    /// The room to open first.
    pub first: Option<openchat_protocol::RoomName>,
    /// What was made, if the profile is new.
    pub made: Vec<String>,
    /// What this device lacks of the history of another one.
    pub history: History,
}

/// How a device stands to the history of the one by which it was linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// It lacks nothing.
    Whole,
    /// The other device waits to give it.
    Waits,
    /// It broke off.
    BrokeOff,
}
