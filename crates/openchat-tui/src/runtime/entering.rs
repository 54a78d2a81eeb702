//! Coming in, off the loop: a profile is made or opened, and a server started, while the screen goes on.

use openchat_client::{
    ClientError, ClientHandle, DeviceLink, ErrorKind, Events, HistoryTransfer, InviteLink, Linked, Password,
};
use openchat_protocol::RoomName;
use tokio::sync::mpsc;

use super::{Host, Resumed, Runtime};
use crate::app::entrance::sentence;
use crate::app::tasks::TaskId;
use crate::effect::{Newcomer, Told};
use crate::opening::{enrol, is_host, make_lobby, remember_host};

/// A profile that was opened off the loop.
pub(super) struct Fresh {
    pub(super) handle: ClientHandle,
    pub(super) events: Events,
    pub(super) room: Option<RoomName>,
    pub(super) made: Vec<String>,
    pub(super) host: Option<Box<dyn Host>>,
    /// Of a device that was just linked.
    pub(super) history: Option<HistoryTransfer>,
}

/// What tasks send to the loop.
pub(super) enum Message {
    Fresh(Box<Fresh>),
    /// The host comes back from a start that failed.
    NotOpened(ClientError, Option<Box<dyn Host>>),
    /// How the linking of a device goes.
    Linking(TaskId, Told),
}

impl Runtime {
    pub(super) fn unlock(&mut self, password: Password) {
        let folder = self.folder.clone();
        self.come_in(async move {
            let opened = tokio::task::spawn_blocking(move || openchat_client::open(&folder, &password)).await;
            opened.unwrap_or_else(|_| Err(opening_failed()))
        });
    }

    /// Into a profile from before; if it hosts, its server runs again first.
    pub(super) fn come_in(
        &mut self,
        opened: impl Future<Output = Result<(ClientHandle, Events), ClientError>> + Send + 'static,
    ) {
        let (sender, mut host) = (self.sender.clone(), self.host.take());
        tokio::spawn(async move {
            let message = match opened.await {
                Ok((handle, events)) => {
                    let made = match &mut host {
                        Some(host) => resume(&handle, host.as_mut()).await,
                        None => Vec::new(),
                    };
                    Message::Fresh(Box::new(Fresh { handle, events, room: None, made, host, history: None }))
                }
                Err(error) => Message::NotOpened(error, host),
            };
            // The screen may have ended.
            let _ = sender.send(message).await;
        });
    }

    pub(super) fn enrol(&self, newcomer: Newcomer, link: InviteLink) {
        let folder = self.folder.clone();
        self.open_with(None, move || enrol(&folder, &newcomer, &link));
    }

    pub(super) fn become_device(&self, password: Password, link: DeviceLink) {
        let (folder, sender) = (self.folder.clone(), self.sender.clone());
        tokio::spawn(async move {
            let linked = tokio::task::spawn_blocking(move || {
                let Linked { history, .. } = openchat_client::join_as_device(&folder, &link, &password)?;
                let (handle, events) = openchat_client::open(&folder, &password)?;
                Ok(Fresh { handle, events, room: None, made: Vec::new(), host: None, history })
            });
            let message = match linked.await.unwrap_or_else(|_| Err(opening_failed())) {
                Ok(fresh) => Message::Fresh(Box::new(fresh)),
                Err(error) => Message::NotOpened(error, None),
            };
            // The screen may have ended.
            let _ = sender.send(message).await;
        });
    }

    /// Opens a profile on a thread that may block.
    fn open_with(
        &self,
        host: Option<(Box<dyn Host>, Vec<String>)>,
        open: impl FnOnce() -> Result<(ClientHandle, Events, Option<RoomName>), ClientError> + Send + 'static,
    ) {
        let sender = self.sender.clone();
        tokio::spawn(async move { open_and_tell(sender, host, open).await });
    }

    pub(super) fn start_host(&mut self, newcomer: Newcomer) {
        let Some(mut host) = self.host.take() else { return };
        let (folder, sender) = (self.folder.clone(), self.sender.clone());
        tokio::spawn(async move {
            let hosted = match host.start().await {
                Ok(hosted) => hosted,
                Err(error) => return drop(sender.send(Message::NotOpened(error, Some(host))).await),
            };
            let Some(link) = hosted.invite else {
                let what = "this server has accounts already, and this profile is none of them";
                let error = ClientError::new(ErrorKind::Usage, what)
                    .with_help("ask one of them for a link: openchat invite");
                return drop(sender.send(Message::NotOpened(error, Some(host))).await);
            };
            let open = move || enrol(&folder, &newcomer, &link);
            open_and_tell(sender, Some((host, hosted.made)), open).await;
        });
    }
}

fn opening_failed() -> ClientError {
    ClientError::new(ErrorKind::Internal, "opening the profile failed")
}

/// Whoever hosts is at home again: the server runs, and this process talks to it here, whatever its address is outside.
/// What there is to say of it.
async fn resume(handle: &ClientHandle, host: &mut dyn Host) -> Vec<String> {
    let resumed = async {
        if !is_host(handle).await? {
            return Ok(Vec::new());
        }
        match host.resume(handle.profile().await?.server).await? {
            Some(Resumed { at, told }) => handle.reach_at(at).await.map(|()| told),
            None => Ok(Vec::new()),
        }
    };
    let failed = |why: ClientError| vec![format!("your server could not be started: {}", sentence(&why))];
    resumed.await.unwrap_or_else(failed)
}

async fn open_and_tell(
    sender: mpsc::Sender<Message>,
    host: Option<(Box<dyn Host>, Vec<String>)>,
    open: impl FnOnce() -> Result<(ClientHandle, Events, Option<RoomName>), ClientError> + Send + 'static,
) {
    let (host, mut made) = match host {
        Some((host, made)) => (Some(host), made),
        None => (None, Vec::new()),
    };
    let outcome = tokio::task::spawn_blocking(open).await;
    let outcome = outcome.unwrap_or_else(|_| Err(opening_failed()));
    let message = match outcome {
        Ok((handle, events, room)) => {
            if host.is_some() {
                made.extend(remember_host(&handle).await.err().map(|why| sentence(&why)));
                // The first one on a server finds a room to talk in.
                made.extend(make_lobby(&handle).await.err().map(|why| sentence(&why)));
            }
            if let Some(room) = &room {
                made.push(format!("you come into #{room}"));
            }
            Message::Fresh(Box::new(Fresh { handle, events, room, made, host, history: None }))
        }
        Err(error) => Message::NotOpened(error, host),
    };
    // The screen may have ended.
    let _ = sender.send(message).await;
}
