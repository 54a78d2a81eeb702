//! The operator's door: a socket in the server's folder, for the user that the server runs as, and for nobody else.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::BytesMut;
use minicbor::{Decode, Encode};
use openchat_protocol::account::AccountSelector;
use openchat_protocol::{UserName, codec, frame};
use openchat_store::StoreError;
use openchat_store::account::StoredAccount;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tracing::{info, warn};

mod client;
mod message;
mod reset;

pub use client::{Admin, AdminError};
pub use message::{AccountLine, DeviceLine, ResetLine, Status};

use message::{Answer, FRAME, Request};

use crate::state::State;

/// The socket's name in the server's folder.
const SOCKET: &str = "admin.sock";
/// Accounts in one answer. Each has few devices, so that they fit a frame.
const ACCOUNTS: usize = 250;

/// An open door. It closes when this is dropped.
pub(crate) struct Door {
    task: JoinHandle<()>,
    path: PathBuf,
}

impl Door {
    /// Opens the door in `folder`, in the place of one that a server which was killed has left there.
    pub(crate) fn open(folder: &Path, state: Arc<State>) -> io::Result<Self> {
        let (path, new) = (folder.join(SOCKET), folder.join("admin.sock.new"));
        remove(&new)?;
        let socket = UnixListener::bind(&new)?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        let owner = fs::metadata(&new)?.uid();
        fs::rename(&new, &path)?;
        Ok(Self { task: tokio::spawn(serve(socket, owner, state)), path })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
        if let Err(error) = remove(&self.path) {
            warn!(%error, "the operator's socket was not removed");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

async fn serve(socket: UnixListener, owner: u32, state: Arc<State>) {
    let started = Instant::now();
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = visits.join_next() => {}
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) if stream.peer_cred().is_ok_and(|peer| may_enter(peer.uid(), owner)) => {
                    visits.spawn(visit(stream, Arc::clone(&state), started));
                }
                Ok(_) => warn!("another user of this machine was turned away from the operator's socket"),
                Err(error) => {
                    warn!(%error, "the operator's socket is closed");
                    return;
                }
            },
        }
    }
}

/// Whether it is the server's own user, or root, whatever the mode of the socket has become.
fn may_enter(user: u32, owner: u32) -> bool {
    user == owner || user == 0
}

async fn visit(mut stream: UnixStream, state: Arc<State>, started: Instant) {
    while let Ok(Some(request)) = receive(&mut stream).await {
        let answer = carry_out(&state, request, started).await;
        let answer = answer.unwrap_or_else(|error| Answer::Refused(error.to_string()));
        if send(&mut stream, &answer).await.is_err() {
            return;
        }
    }
}

async fn carry_out(state: &State, request: Request, started: Instant) -> Result<Answer, StoreError> {
    match request {
        Request::Status => status(state, started).await.map(Answer::Status),
        Request::SetDisabled(name, disabled) => set_disabled(state, name, disabled).await,
        Request::RevokeDevice(device) => {
            let known = state.revoke_device(device).await?;
            info!(known, "the operator has revoked a device");
            Ok(done_if(known, "there is no such device here: list the accounts"))
        }
        Request::ReloadAuthority => Ok(reload_authority(state).await),
        Request::OfferReset(name) => reset::offer(state, name).await,
        Request::DecideReset(name, approve) => {
            let decided = reset::decide(state, name, approve).await;
            Ok(decided.unwrap_or_else(|refusal| Answer::Refused(refusal.to_string())))
        }
        Request::Accounts(after) => accounts(state, after).await,
    }
}

fn done_if(known: bool, otherwise: &str) -> Answer {
    if known { Answer::Done } else { Answer::Refused(otherwise.to_owned()) }
}

async fn status(state: &State, started: Instant) -> Result<Status, StoreError> {
    let (strangers, connections) = state.live.count();
    let counts = state.store.counts().await?;
    Ok(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime: started.elapsed().as_secs(),
        strangers: strangers as u64,
        connections: connections as u64,
        accounts: counts.accounts,
        rooms: counts.rooms,
        records: counts.records,
        resets: reset::pending(state).await?,
    })
}

async fn set_disabled(state: &State, name: UserName, disabled: bool) -> Result<Answer, StoreError> {
    let account = state.store.account(&AccountSelector::Name(name)).await?;
    let known = match account {
        Some(known) => state.set_disabled(known.account.uid, disabled).await?,
        None => false,
    };
    info!(known, disabled, "the operator has disabled an account, or enabled one");
    Ok(done_if(known, "there is no account of this name here: list the accounts"))
}

async fn reload_authority(state: &State) -> Answer {
    // It is logged.
    if let Err(refusal) = state.check_takes_new() {
        return Answer::Refused(refusal.to_string());
    }
    match state.issuer.reload(&state.key_log, state.store.as_ref(), state.now()).await {
        Ok(()) => Answer::Done,
        Err(error) => Answer::Refused(error.to_string()),
    }
}

async fn accounts(state: &State, after: Option<UserName>) -> Result<Answer, StoreError> {
    let mut lines = Vec::new();
    for account in state.store.accounts_after(after, ACCOUNTS).await? {
        lines.push(line(state, account).await?);
    }
    Ok(Answer::Accounts(lines))
}

async fn line(state: &State, stored: StoredAccount) -> Result<AccountLine, StoreError> {
    let uid = stored.account.uid;
    let devices = state.store.devices_of(uid).await?.into_iter().map(|device| DeviceLine {
        did: device.device.did,
        revoked: device.revoked,
        last_seen: device.last_seen,
    });
    let (name, disabled, created) = (stored.account.name, stored.disabled, stored.created);
    Ok(AccountLine { name, uid, disabled, created, devices: devices.collect() })
}

async fn send<T: Encode<()>>(stream: &mut UnixStream, message: &T) -> io::Result<()> {
    let mut bytes = Vec::new();
    frame::put(message, FRAME, &mut bytes).map_err(io::Error::other)?;
    stream.write_all(&bytes).await
}

/// The next message, or nothing when the other end is gone.
async fn receive<T: for<'a> Decode<'a, ()>>(stream: &mut UnixStream) -> io::Result<Option<T>> {
    let mut input = BytesMut::new();
    loop {
        if let Some(frame) = frame::take(&mut input, FRAME).map_err(io::Error::other)? {
            return codec::decode(&frame).map(Some).map_err(io::Error::other);
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_user_and_root_may_enter() {
        assert_eq!([1000, 0, 1001, u32::MAX].map(|user| may_enter(user, 1000)), [true, true, false, false]);
    }
}
