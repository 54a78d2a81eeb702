//! What reaches people when something cannot be done: the kind for programs, the sentence, and the command that helps.

use std::fmt;

use openchat_protocol::{Refusal, RefusalCode};

/// What sort of thing went wrong: programs choose their exit code by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked makes no sense as it was asked.
    Usage,
    /// The room, person, message or profile does not exist.
    NotFound,
    /// The server, or a rule of the room, does not allow it.
    Refused,
    /// The name, or one that looks like it, is another account's.
    NameTaken,
    /// The account was disabled or the device was revoked: this profile cannot log in any more.
    LockedOut,
    /// The password does not open the key file or the vault.
    WrongPassword,
    /// A file of the profile is not what was once written.
    Damaged,
    /// Others may read a file that only its owner should read.
    Exposed,
    /// Another process uses this profile.
    InUse,
    /// The server cannot be reached, or the connection broke.
    Network,
    /// Something answers that is not an OpenChat server, or breaks its protocol.
    Protocol,
    /// The server there is not the one this profile belongs to.
    OtherServer,
    /// Client and server have no protocol version in common.
    Version,
    /// The server shows different histories.
    Alarm,
    /// A disk is full, or cannot be read or written.
    Storage,
    /// The client was stopped while it worked on this.
    Stopped,
    /// A sealed line was altered, or is older than it may be.
    Invalid,
    /// A fault of this program.
    Internal,
}

/// An error at the edge of the client: it can be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    kind: ErrorKind,
    message: String,
    help: Option<String>,
}

impl ClientError {
    /// An error of `kind`, told in one sentence: what happened and why.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None }
    }

    /// The same error with what to do about it, best a command.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// For programs.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The client has stopped, so nobody will answer.
    pub(crate) fn stopped() -> Self {
        Self::new(ErrorKind::Stopped, "the client has stopped")
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ClientError {}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> Self {
        let (kind, help) = match refusal.code {
            Some(code) => (kind_of(code), help_for(code)),
            None => (ErrorKind::Refused, None),
        };
        Self { kind, message: refusal.detail, help: help.map(str::to_owned) }
    }
}

fn kind_of(code: RefusalCode) -> ErrorKind {
    use RefusalCode as Code;
    match code {
        Code::Malformed | Code::Unsupported | Code::NotLoggedIn => ErrorKind::Protocol,
        Code::Version => ErrorKind::Version,
        Code::AccountDisabled | Code::DeviceRevoked => ErrorKind::LockedOut,
        Code::AccountUnknown | Code::InviteUnknown | Code::RoomUnknown | Code::LinkUnknown => {
            ErrorKind::NotFound
        }
        Code::LogDiverged | Code::SetBack => ErrorKind::Alarm,
        Code::NameTaken => ErrorKind::NameTaken,
        Code::Stopping => ErrorKind::Network,
        Code::Storage | Code::Internal => ErrorKind::Storage,
        _ => ErrorKind::Refused,
    }
}

fn help_for(code: RefusalCode) -> Option<&'static str> {
    use RefusalCode as Code;
    Some(match code {
        Code::Version => "install the newest openchat here, or ask the host to",
        Code::AccountDisabled | Code::RegistrationClosed => "ask the host of this server",
        Code::DeviceRevoked => "make a new device: `openchat --profile NAME join LINK` with a new invite",
        Code::InviteUnknown | Code::InviteUsed | Code::InviteExpired => {
            "ask for a new link: the host makes one with `openchat invite`"
        }
        Code::LinkUnknown => "make a new one on the device that you have: openchat link",
        Code::NameTaken => "choose another name: `openchat join LINK --name OTHER`",
        Code::RoomTaken => "join that one, or choose another name",
        Code::RateLimited | Code::Stopping => "wait a moment; the client tries again by itself",
        Code::Storage => "the host must make room on the server's disk",
        Code::Internal => "the host finds the cause in the server's log",
        _ => return None,
    })
}
