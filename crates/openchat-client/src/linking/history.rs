//! What was said before a device was linked: it gets the history of the other one, page by page, while it is in use, and
//! goes on after a break where it was.

use minicbor::{Decode, Encode};
use openchat_protocol::{RoomId, RoomName, Timestamp, Uid, codec};

use super::exchange::{Failed, Post, Talk};
use super::known::LinkStep;
use crate::error::ClientError;
use crate::event::{Entry, Membership};
use crate::handle::ClientHandle;
use crate::vault::{Change, Notice, RoomRecord, StoredLine, Vault, VaultError, Write};

/// Lines of one page.
pub(super) const PAGE: u32 = 500;
/// Where in the vault it stands how far the history has come.
const PLACE: &str = "linked history";

/// Asks for the lines after a place; for all of them without. In the vault, as long as there is something to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(super) struct HistoryWanted {
    #[n(0)]
    after: Option<Place>,
}

/// Where a line stands among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Place {
    #[n(0)]
    pub(crate) room: RoomId,
    #[n(1)]
    pub(crate) sequence: u64,
    #[n(2)]
    pub(crate) part: u32,
}

/// Some lines, in the order of their places; none at the end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(super) struct Page {
    /// The rooms, on the first page.
    #[n(0)]
    rooms: Vec<PastRoom>,
    #[n(1)]
    lines: Vec<PastLine>,
    /// Lines that follow on later pages.
    #[n(2)]
    left: u64,
}

/// A room that the user is or was in.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PastRoom {
    #[n(0)]
    pub(crate) room: RoomId,
    #[n(1)]
    pub(crate) name: RoomName,
    #[n(2)]
    pub(crate) listed: bool,
    /// How far a person has read it.
    #[n(3)]
    pub(crate) read: u64,
}

/// A line of history on its way.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub(crate) struct PastLine {
    #[n(0)]
    pub(crate) place: Place,
    #[n(1)]
    pub(crate) time: Timestamp,
    #[n(2)]
    pub(crate) author: Uid,
    #[n(3)]
    pub(crate) entry: Entry<Uid>,
}

/// Where the history comes from.
pub(super) trait Source: Sync {
    fn count(&self, after: Option<Place>) -> impl Future<Output = Result<u64, ClientError>> + Send;
    fn rooms(&self) -> impl Future<Output = Result<Vec<PastRoom>, ClientError>> + Send;
    fn lines(&self, after: Option<Place>) -> impl Future<Output = Result<Vec<PastLine>, ClientError>> + Send;
}

/// The vault of a client that runs.
impl Source for ClientHandle {
    async fn count(&self, after: Option<Place>) -> Result<u64, ClientError> {
        self.in_vault(move |vault| vault.count_history(after)).await
    }

    async fn rooms(&self) -> Result<Vec<PastRoom>, ClientError> {
        self.in_vault(|vault| vault.past_rooms()).await
    }

    async fn lines(&self, after: Option<Place>) -> Result<Vec<PastLine>, ClientError> {
        self.in_vault(move |vault| vault.past(after, PAGE)).await
    }
}

/// Where the history goes.
pub(super) trait Keeper: Sync {
    /// Writes a page, in one transaction with its place.
    fn keep(&self, page: Page) -> impl Future<Output = Result<(), ClientError>> + Send;
}

impl Keeper for ClientHandle {
    async fn keep(&self, page: Page) -> Result<(), ClientError> {
        self.in_vault(move |vault| keep(vault, &page)).await
    }
}

/// Gives what is wanted.
pub(super) async fn give<P: Post>(
    talk: &mut Talk<'_, P>,
    source: &impl Source,
    wanted: HistoryWanted,
    tell: &mut (dyn FnMut(LinkStep) + Send),
) -> Result<(), Failed> {
    let HistoryWanted { mut after } = wanted;
    let total = source.count(after).await?;
    let mut rooms = source.rooms().await?;
    let mut done = 0;
    loop {
        let lines = source.lines(after).await?;
        let is_end = lines.is_empty();
        after = lines.last().map(|line| line.place).or(after);
        done += lines.len() as u64;
        talk.say(&Page { rooms: std::mem::take(&mut rooms), lines, left: total.saturating_sub(done) })
            .await?;
        if is_end {
            break;
        }
        tell(LinkStep::History { done, total: total.max(done) });
    }
    // The last page is with the other one.
    talk.hear().await
}

/// What is still wanted, by what has come already.
pub(super) fn wanted(vault: &Vault) -> Result<HistoryWanted, VaultError> {
    let wanted = vault.setting(PLACE)?;
    Ok(wanted.and_then(|wanted| codec::decode(&wanted).ok()).unwrap_or(HistoryWanted { after: None }))
}

/// Notes in a vault that all of the history is wanted.
pub(super) fn want_all() -> Write {
    Write::Setting(PLACE.to_owned(), Some(codec::encode(&HistoryWanted { after: None })))
}

/// Whether something is wanted.
pub(super) fn is_wanted(vault: &Vault) -> Result<bool, VaultError> {
    Ok(vault.setting(PLACE)?.is_some())
}

/// Takes the pages.
pub(super) async fn take<P: Post>(
    talk: &mut Talk<'_, P>,
    keeper: &impl Keeper,
    tell: &mut (dyn FnMut(LinkStep) + Send),
) -> Result<(), Failed> {
    let mut done = 0;
    loop {
        let page: Page = talk.hear().await?;
        let (count, left) = (page.lines.len() as u64, page.left);
        keeper.keep(page).await?;
        if count == 0 {
            break;
        }
        done += count;
        tell(LinkStep::History { done, total: done.saturating_add(left) });
    }
    talk.say(&()).await
}

/// What this device has by itself stays as it is.
pub(super) fn keep(vault: &mut Vault, page: &Page) -> Result<(), VaultError> {
    let (credentials, rooms) = (vault.credentials()?, vault.rooms()?);
    let is_known = |room: RoomId| rooms.iter().any(|known| known.room == room);
    let mut change = Change::default();
    for PastRoom { room, name, listed, .. } in page.rooms.iter().filter(|past| !is_known(past.room)) {
        // This device comes in when a member adds it; until then it is one that it was in.
        let record = RoomRecord::new(*room, name.clone(), *listed, Membership::Left);
        change.push(Write::Room(Box::new(RoomRecord { was_in: true, ..record })));
    }
    for PastLine { place, time, author, entry } in page.lines.iter().cloned() {
        let Place { room, sequence, part } = place;
        let notice = Notice::of(&entry, author, &credentials);
        change.push(Write::Line(StoredLine { room, sequence, part, time, author, entry, notice }));
    }
    for PastRoom { room, read, .. } in &page.rooms {
        change.push(Write::Read(*room, *read));
    }
    let wanted = page.lines.last().map(|line| codec::encode(&HistoryWanted { after: Some(line.place) }));
    change.push(Write::Setting(PLACE.to_owned(), wanted));
    vault.apply(&change)
}
