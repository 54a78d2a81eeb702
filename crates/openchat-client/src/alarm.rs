//! What is told loudly: somebody does what the rules forbid, or may have done it.

use std::time::Duration;

use openchat_protocol::{DeviceId, RoomId, Timestamp, Uid, UserName};

use crate::event::Person;

/// Something that must not happen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Alarm {
    /// The server's log of a room is not the one it showed this device before. The room stands still.
    LogDiverged {
        /// Which room.
        room: RoomId,
        /// What was compared.
        reason: String,
    },
    /// A member says to have seen another log of the room than this device: the server shows different histories, or
    /// that member's program does not tell the truth. Said once of each member while the client runs.
    Fork {
        /// Which room.
        room: RoomId,
        /// Who says so.
        by: Person,
        /// Where the two differ.
        sequence: u64,
    },
    /// A name that belonged to one identity now belongs to another.
    NameMoved {
        /// Which name.
        name: UserName,
        /// Whose it was.
        from: Uid,
        /// Whose the server says it is now.
        to: Uid,
    },
    /// What the log holds under the identifier of a message of this device is not what this device sealed.
    EchoDiffers {
        /// Which room.
        room: RoomId,
        /// Which record.
        sequence: u64,
    },
    /// Something is wrong with who came by an invite: the server, or whoever had the link in between, may have put
    /// somebody else in the place of the invited one.
    Invite {
        /// The room where it was noticed.
        room: RoomId,
        /// Whose program said it.
        by: Person,
        /// What.
        fault: InviteFault,
    },
    /// The server has shown different key records to different people. The evidence lies beside the vault, if there is
    /// any that convicts by itself; else the server has left unproven for a day what somebody was shown.
    KeyLogForked {
        /// Who was shown the other ones, if somebody told.
        by: Option<Person>,
        /// The file, in the profile's folder.
        evidence: Option<String>,
    },
    /// The server's log of keys is smaller than it was: it was set back, or hides records.
    KeyLogRolledBack {
        /// Records that it had.
        known: u64,
        /// Records that it shows.
        shown: u64,
    },
    /// The host has restored an older copy of the server's database. What it has lost is given back to it; until then
    /// nothing new is said. Nothing is lost that a member's program holds.
    ServerRestored {
        /// Until when it takes back, by this machine's clock; nothing when that is over.
        until: Option<Timestamp>,
    },
    /// The server has less of a room than this device has read, and its host has not said why: nothing is said there.
    LogSetBack {
        /// Which room.
        room: RoomId,
    },
    /// The log of keys stands still: what the server says of keys may be out of date.
    KeyLogFrozen {
        /// Its last sign of life.
        since: Timestamp,
    },
    /// The server's log of keys breaks another rule, or says something else than the server. Nothing goes out until it
    /// is proven again.
    KeyLogBroken {
        /// What.
        reason: String,
    },
    /// The log of keys has a record about this profile that none of its devices has made: somebody may be given another
    /// key under this name.
    OwnKeys {
        /// What it has.
        reason: String,
    },
    /// Somebody asks for the name of this profile with another key. Without an objection it moves.
    NameWanted {
        /// From when on it can.
        until: Timestamp,
        /// One of the own devices has objected.
        objected: bool,
        /// An administrator has decided for the other key after that.
        approved: bool,
    },
    /// A device is in the keys of a room that is not in its user's list. Nothing is said there while it is.
    GhostDevice {
        /// Which room.
        room: RoomId,
        /// Whose it says it is.
        who: Person,
        /// Which.
        device: DeviceId,
    },
    /// This device's clock and the server's are far apart: certificates may be taken for expired.
    Clock {
        /// How far.
        apart: Duration,
    },
}

/// What is wrong with a proof of an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InviteFault {
    /// It was not made with the link.
    Forged,
    /// Somebody else has proven before to have come by the same invite, which is good for one.
    Twice,
    /// The server has led whoever came to another room than the invite is for.
    OtherRoom,
    /// The server gives another name than the one in the proof.
    OtherName,
}
