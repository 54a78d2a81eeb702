//! One person of the demo: a profile of its own, and what was seen in the room.

use std::path::Path;
use std::time::Duration;

use openchat_client::{ClientHandle, Delivery, Entry, EpochChanged, Event, Events, Line, Span};
use openchat_identity::{InviteLink, Password};
use openchat_protocol::{MessageId, RoomId, UserName};

use crate::failure::{Failure, Kind};

/// How long anything in the demo may take to be seen.
const PATIENCE: Duration = Duration::from_secs(20);
/// More lines than the demo makes.
const ALL: u32 = 1000;

pub(super) struct Person {
    pub(super) name: UserName,
    pub(super) client: ClientHandle,
    events: Events,
    /// The room, once in it.
    pub(super) room: Option<RoomId>,
    /// The room's epochs in the order in which they were seen.
    pub(super) epochs: Vec<EpochChanged>,
}

/// Makes an account and opens it.
pub(super) async fn enrol(folder: &Path, link: &InviteLink, name: &str) -> Result<Person, Failure> {
    let name: UserName = name.parse().map_err(|error| Failure::new(Kind::Internal, error))?;
    let password = Password::new(format!("{name} has a long password"));
    let profile = folder.join("profiles").join(name.as_str());
    let (client, events) = tokio::task::block_in_place(|| {
        openchat_client::enrol(&profile, link, &name, &password)?;
        openchat_client::open(&profile, &password)
    })?;
    client.online().await?;
    Ok(Person { name, client, events, room: None, epochs: Vec::new() })
}

impl Person {
    /// A link for one more account.
    pub(super) async fn invite(&self, valid: Duration) -> Result<InviteLink, Failure> {
        let link = self.client.create_invite(valid, 1, None).await?;
        link.parse().map_err(|error| Failure::new(Kind::Internal, error))
    }

    /// The room that this person is in.
    pub(super) fn room(&self) -> Result<RoomId, Failure> {
        self.room.ok_or_else(|| Failure::new(Kind::Internal, format!("{} is in no room", self.name)))
    }

    /// The newest epoch seen.
    pub(super) fn epoch(&self) -> u64 {
        self.epochs.last().map_or(0, |change| change.epoch)
    }

    /// Says something; it is on disk when this returns.
    pub(super) async fn say(&mut self, words: &str) -> Result<MessageId, Failure> {
        Ok(self.client.send(self.room()?, words.to_owned()).await?)
    }

    /// Says something and waits until the server has acknowledged it.
    pub(super) async fn say_and_wait(&mut self, words: &str) -> Result<(), Failure> {
        let id = self.say(words).await?;
        self.wait(&format!("\"{words}\" is acknowledged"), |_, event| {
            matches!(event, Event::Delivery { message, delivery: Delivery::Sent, .. } if *message == id)
        })
        .await
    }

    /// Waits until these words are in the room's log, as this person reads it.
    pub(super) async fn wait_for_text(&mut self, words: &str) -> Result<(), Failure> {
        self.wait_for(&format!("\"{words}\" arrives"), |line| is_text(line, words)).await
    }

    /// Waits for a line that has its place in the log, or finds it in the history.
    pub(super) async fn wait_for(
        &mut self,
        what: &str,
        is_it: impl Fn(&Line) -> bool,
    ) -> Result<(), Failure> {
        if self.lines().await?.iter().any(|line| line.sequence.is_some() && is_it(line)) {
            return Ok(());
        }
        self.wait(
            what,
            |_, event| matches!(event, Event::Line(line) if line.sequence.is_some() && is_it(line)),
        )
        .await
    }

    /// Waits until the room's keys are newer than `epoch`.
    pub(super) async fn wait_for_epoch_after(&mut self, epoch: u64) -> Result<(), Failure> {
        if self.epoch() > epoch {
            return Ok(());
        }
        self.wait("the room has new keys", |person, _| person.epoch() > epoch).await
    }

    async fn wait(&mut self, what: &str, is_it: impl Fn(&Self, &Event) -> bool) -> Result<(), Failure> {
        let seen = async {
            while let Some(event) = self.events.next().await {
                if let Event::Epoch(change) = &event {
                    self.epochs.push(change.clone());
                }
                if is_it(self, &event) {
                    return true;
                }
            }
            false
        };
        match tokio::time::timeout(PATIENCE, seen).await {
            Ok(true) => Ok(()),
            _ => Err(Failure::new(Kind::Internal, format!("{} waited in vain: {what}", self.name))),
        }
    }

    /// The room's history, from this person's vault.
    pub(super) async fn lines(&self) -> Result<Vec<Line>, Failure> {
        Ok(self.client.history(self.room()?, Span::Newest, ALL).await?)
    }

    /// What was said, as far as this person can read it.
    pub(super) async fn texts(&self) -> Result<Vec<String>, Failure> {
        let texts = self.lines().await?.into_iter().filter_map(|line| match line.entry {
            Entry::Text { text, .. } => Some(text),
            _ => None,
        });
        Ok(texts.collect())
    }
}

fn is_text(line: &Line, words: &str) -> bool {
    matches!(&line.entry, Entry::Text { text, .. } if text == words)
}
