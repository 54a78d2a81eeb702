//! How a command fails: what happened and why, the one command that helps, and an exit code by kind.

use std::fmt;
use std::process::ExitCode;

use openchat_client::{ClientError, ErrorKind};
use openchat_identity::authority::{AuthorityError, RootKeyError};
use openchat_identity::key_file::{FileError, KeyFolderError};
use openchat_identity::signature::SignatureError;
use openchat_server::StartError;
use openchat_server::admin::AdminError;
use openchat_store::{OpenError, StoreError};

use crate::text;

/// What went wrong, as scripts see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Whoever read the output has seen enough.
    Closed = 0,
    /// A fault of the program or the machine.
    Internal = 1,
    /// The command line, or something typed, is wrong.
    Usage = 2,
    /// No such profile, room, person or file.
    NotFound = 3,
    /// The server refused.
    Refused = 4,
    /// The password does not open the key or the vault.
    WrongPassword = 5,
    /// A file is damaged, or open to others.
    Damaged = 6,
    /// The server cannot be reached.
    Network = 7,
    /// The server is not the one that was pinned.
    OtherServer = 8,
    /// The disk is full, or a file cannot be written.
    Storage = 9,
    /// Somebody else uses the profile, the folder or the port.
    Busy = 10,
    /// A signature or token does not hold.
    Invalid = 11,
}

/// Ends a command.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    what: String,
    help: Option<String>,
}

impl Failure {
    /// `what` says what happened and why, in one sentence without a full stop. Some of it may be the server's words.
    pub(crate) fn new(kind: Kind, what: impl fmt::Display) -> Self {
        Self { kind, what: text::harmless(&what.to_string()), help: None }
    }

    /// The command that helps.
    pub(crate) fn help(mut self, command: impl fmt::Display) -> Self {
        self.help = Some(command.to_string());
        self
    }

    /// The same failure, and what there is in spite of it.
    pub(crate) fn but(mut self, consolation: impl fmt::Display) -> Self {
        self.what = format!("{}: {consolation}", self.what);
        self
    }

    /// What went wrong.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// What happened and why, in one sentence.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The command that helps.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// The command that helps, and then the command `next`.
    pub(crate) fn advice_then(&self, next: &str) -> String {
        match self.advice() {
            Some(first) => format!("{first}; then {next}"),
            None => next.to_owned(),
        }
    }

    /// What scripts see.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "openchat: {}", self.what)?;
        match &self.help {
            Some(command) => write!(f, "\n  What helps: {command}"),
            None => Ok(()),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let kind = match error.kind() {
            ErrorKind::Usage => Kind::Usage,
            ErrorKind::NotFound => Kind::NotFound,
            ErrorKind::Refused | ErrorKind::NameTaken | ErrorKind::LockedOut | ErrorKind::Version => {
                Kind::Refused
            }
            ErrorKind::WrongPassword => Kind::WrongPassword,
            ErrorKind::Damaged | ErrorKind::Exposed => Kind::Damaged,
            ErrorKind::InUse => Kind::Busy,
            ErrorKind::Network | ErrorKind::Protocol => Kind::Network,
            ErrorKind::OtherServer | ErrorKind::Alarm => Kind::OtherServer,
            ErrorKind::Storage => Kind::Storage,
            ErrorKind::Invalid => Kind::Invalid,
            _ => Kind::Internal,
        };
        let failure = Self::new(kind, &error);
        match error.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

/// A failure whose sentence the error already has.
macro_rules! failure_from {
    ($error:ty, $name:ident => $kind:expr) => {
        impl From<$error> for Failure {
            fn from($name: $error) -> Self {
                Self::new($kind, &$name)
            }
        }
    };
}

failure_from!(FileError, error => of_file(&error));
failure_from!(AuthorityError, error => of_authority(&error));
failure_from!(RootKeyError, error => match &error {
    RootKeyError::Authority(error) => of_authority(error),
    RootKeyError::File(file) => of_file(file),
    RootKeyError::Different(_) => Kind::Usage,
    RootKeyError::Absent(_) => Kind::NotFound,
    error if error.is_wrong_password() => Kind::WrongPassword,
    RootKeyError::Export { .. } => Kind::Damaged,
});
failure_from!(AdminError, error => match &error {
    AdminError::NotRunning { .. } => Kind::NotFound,
    AdminError::Broken(_) => Kind::Network,
    AdminError::OtherVersion => Kind::Usage,
    AdminError::Refused(_) => Kind::Refused,
});
failure_from!(SignatureError, error => match &error {
    SignatureError::Mismatch => Kind::Invalid,
    _ => Kind::Usage,
});
failure_from!(StartError, error => match &error {
    StartError::PortInUse(_) => Kind::Busy,
    StartError::Tls(_) => Kind::Internal,
    StartError::KeyLog(_) | StartError::SetBack { .. } | StartError::SignedHead { .. } => Kind::Damaged,
    _ => Kind::Usage,
});
failure_from!(OpenError, error => match &error {
    OpenError::InUse { .. } => Kind::Busy,
    OpenError::Unreachable { .. } | OpenError::Full { .. } | OpenError::Store { .. } => Kind::Storage,
    _ => Kind::Damaged,
});
failure_from!(StoreError, _error => Kind::Storage);

impl From<KeyFolderError> for Failure {
    fn from(error: KeyFolderError) -> Self {
        match &error {
            KeyFolderError::File(file) => Self::new(of_file(file), &error),
            _ if error.is_wrong_password() => Self::new(Kind::WrongPassword, &error).help(
                "try again: nobody can reset it. If it is lost, so is this key, unless there is a copy of the file \
                 with a password that you know; make another key: openchat key new --dir OTHER",
            ),
            _ => Self::new(Kind::Damaged, &error)
                .help("put back a copy of the file; without one, make another key: openchat key new --dir OTHER"),
        }
    }
}

fn of_authority(error: &AuthorityError) -> Kind {
    match error {
        AuthorityError::File(file) => of_file(file),
        AuthorityError::OtherRoot => Kind::Usage,
        _ => Kind::Damaged,
    }
}

fn of_file(error: &FileError) -> Kind {
    match error {
        FileError::Io { .. } => Kind::Storage,
        FileError::Exists(_) => Kind::Usage,
        FileError::Missing(_) => Kind::NotFound,
        FileError::OpenToOthers { .. } | FileError::NotText(_) => Kind::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use openchat_protocol::{Refusal, RefusalCode};

    use super::*;

    #[test]
    fn a_refusal_cannot_steer_the_terminal() {
        let refusal = Refusal::new(RefusalCode::Quota, "no\u{1b}]0;owned\u{7} more\u{1b}[2J");
        let told = Failure::from(ClientError::from(refusal)).to_string();
        assert!(told.contains("no\u{fffd}]0;owned\u{fffd} more") && !told.contains('\u{1b}'), "{told:?}");
    }
}
