//! The operator's side of the door: one call for each thing that can be asked.

use std::io;
use std::path::{Path, PathBuf};

use openchat_protocol::{DeviceId, UserName};
use tokio::net::UnixStream;

use super::message::{AccountLine, Answer, Request, Status};
use super::{SOCKET, receive, send};

/// Why a running server did not do what its operator asked.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Nobody answers at the socket.
    #[error("no server runs on {folder} ({source}): start it, or name the folder of the one that runs")]
    NotRunning {
        /// The server's folder.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the server went away while it was asked ({0}): look at its log, and ask again")]
    Broken(#[from] io::Error),
    /// The answer is not one to this question.
    #[error("the server that runs is of another version: use the program that it was started with")]
    OtherVersion,
    /// The server refused, in its words.
    #[error("{0}")]
    Refused(String),
}

/// A connection to the server that runs on a folder.
#[derive(Debug)]
pub struct Admin {
    stream: UnixStream,
}

impl Admin {
    /// Reaches the server that runs on `folder`.
    pub async fn connect(folder: &Path) -> Result<Self, AdminError> {
        let connected = UnixStream::connect(folder.join(SOCKET)).await;
        let stream =
            connected.map_err(|source| AdminError::NotRunning { folder: folder.to_owned(), source })?;
        Ok(Self { stream })
    }

    /// How the server is.
    pub async fn status(&mut self) -> Result<Status, AdminError> {
        match self.ask(Request::Status).await? {
            Answer::Status(status) => Ok(status),
            _ => Err(AdminError::OtherVersion),
        }
    }

    /// Disables an account and ends its connections at once, or enables it again.
    pub async fn set_disabled(&mut self, name: UserName, disabled: bool) -> Result<(), AdminError> {
        self.order(Request::SetDisabled(name, disabled)).await
    }

    /// Revokes a device for good and ends its connections at once.
    pub async fn revoke_device(&mut self, device: DeviceId) -> Result<(), AdminError> {
        self.order(Request::RevokeDevice(device)).await
    }

    /// Has the server issue with what is in its authority's folder now, from here on and without a pause.
    pub async fn reload_authority(&mut self) -> Result<(), AdminError> {
        self.order(Request::ReloadAuthority).await
    }

    /// A link by which a new key can ask for this name. It takes the place of the one before.
    pub async fn offer_reset(&mut self, name: UserName) -> Result<String, AdminError> {
        match self.ask(Request::OfferReset(name)).await? {
            Answer::ResetLink(link) => Ok(link),
            _ => Err(AdminError::OtherVersion),
        }
    }

    /// Decides about a name that a new key asks for: for it, after its owner has objected, or against it.
    pub async fn decide_reset(&mut self, name: UserName, approve: bool) -> Result<(), AdminError> {
        self.order(Request::DecideReset(name, approve)).await
    }

    /// All accounts, in the order of their names.
    pub async fn accounts(&mut self) -> Result<Vec<AccountLine>, AdminError> {
        let mut all: Vec<AccountLine> = Vec::new();
        loop {
            let after = all.last().map(|last| last.name.clone());
            match self.ask(Request::Accounts(after)).await? {
                Answer::Accounts(some) if some.is_empty() => return Ok(all),
                Answer::Accounts(some) => all.extend(some),
                _ => return Err(AdminError::OtherVersion),
            }
        }
    }

    async fn order(&mut self, request: Request) -> Result<(), AdminError> {
        match self.ask(request).await? {
            Answer::Done => Ok(()),
            _ => Err(AdminError::OtherVersion),
        }
    }

    async fn ask(&mut self, request: Request) -> Result<Answer, AdminError> {
        send(&mut self.stream, &request).await?;
        match receive(&mut self.stream).await? {
            Some(Answer::Refused(why)) => Err(AdminError::Refused(why)),
            Some(answer) => Ok(answer),
            None => Err(AdminError::Broken(io::ErrorKind::UnexpectedEof.into())),
        }
    }
}
