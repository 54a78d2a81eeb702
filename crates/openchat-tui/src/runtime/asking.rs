//! What the client is asked, and that it may be given up.

use std::pin::Pin;

use futures_util::future::abortable;
use openchat_client::{Answer, ClientError, ClientHandle, Password, Span};

use super::Runtime;
use crate::app::timeline::PAGE;
use crate::effect::{Effect, Found, Incoming, Read, Then};
use crate::saving::{look_for_files, save};

/// Steps of the crypto log that are shown.
const EPOCHS: u32 = 200;

/// Ends with what the model is to be told, if anything.
pub(super) type Asked = Pin<Box<dyn Future<Output = Option<Incoming>> + Send>>;

impl Runtime {
    /// What the client answers later.
    pub(super) fn ask(&mut self, effect: Effect) {
        let Some((client, _)) = &self.client else { return };
        let client = client.clone();
        let task = effect.task();
        let asked = async move {
            match effect {
                Effect::Ask(command, then) => Some(Incoming::Answered(then, client.ask(command).await)),
                Effect::Read(read) => Some(Incoming::Found(look_up(&client, read).await)),
                Effect::Remember(key, value) => {
                    client.remember(&key, value).await.err().map(|error| Incoming::Found(Err(error)))
                }
                Effect::Revoke(id, password) => {
                    let said = Then::Say("that device is out: it gets nothing more".to_owned());
                    Some(Incoming::Answered(said, revoke(&client, id, password).await))
                }
                Effect::Save(room, file) => {
                    let saved = save(&client, room, &file).await;
                    Some(Incoming::Saved(saved.map(|lines| (file, lines)).map_err(|why| why.to_string())))
                }
                Effect::Reconnect => client.reconnect().await.err().map(Incoming::NotOpened),
                _ => None,
            }
        };
        match task {
            Some(task) => {
                let (asked, handle) = abortable(asked);
                // Those that have ended need no handle any more.
                self.tasks.retain(|known, _| self.app.waits_for(*known));
                self.tasks.insert(task, handle);
                self.asked.push(Box::pin(async move { asked.await.ok().flatten() }));
            }
            None => self.asked.push(Box::pin(asked)),
        }
    }
}

async fn revoke(client: &ClientHandle, id: String, password: Password) -> Result<Answer, ClientError> {
    client.check_password(password).await?;
    client.revoke_device(id).await.map(|()| Answer::Done)
}

async fn look_up(client: &ClientHandle, read: Read) -> Result<Found, ClientError> {
    Ok(match read {
        Read::Rooms => Found::Rooms(client.rooms().await?),
        Read::History(room, span) => Found::History(room, span, client.history(room, span, PAGE).await?),
        Read::Around(room, sequence) => {
            let before = Span::Before(sequence.saturating_add(1));
            Found::Around(room, sequence, client.history(room, before, PAGE).await?)
        }
        Read::Search { serial, room, before, sought } => {
            Found::Searched(serial, client.search(room, before, sought).await?)
        }
        Read::Files(written) => {
            let (written, files) = look_for_files(written).await;
            Found::Files(written, files)
        }
        Read::Epochs(room) => Found::Epochs(room, client.epochs(room, EPOCHS).await?),
    })
}
