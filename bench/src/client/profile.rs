//! A member with its engine and its vault, fed with the frames of a server that is not there.

use std::collections::VecDeque;

use minicbor::bytes::ByteVec;
use openchat_client::engine::{Engine, Step};
use openchat_client::vault::{Change, Contact, RoomRecord, Span, StoredGroup, Vault, Write};
use openchat_client::{Entry, Password};
use openchat_e2ee::{GroupState, RoomGroup};
use openchat_identity::Authority;
use openchat_protocol::account::{Greeting, KeyPackageCount, LoggedIn, RegistrationPolicy};
use openchat_protocol::message::Event as ServerEvent;
use openchat_protocol::record::{Position, Record};
use openchat_protocol::room::{JoinedRoom, Page};
use openchat_protocol::{
    ClientFrame, DeviceId, Incarnation, PROTOCOL_VERSION, Request, Response, RoomId, ServerFrame,
};
use tempfile::TempDir;

use super::{Operation, Spent};
use crate::person::{NOW, Outcome, Somebody};
use crate::text;

/// Enough key packages for the engine to make none.
const KEY_PACKAGES: u32 = 100;

pub(super) struct Profile {
    engine: Engine,
    vault: Vault,
    room: RoomId,
    _folder: TempDir,
}

/// A vault with these credentials in it.
pub(super) fn vault(owner: &Somebody, authority: &Authority) -> Outcome<(Vault, TempDir)> {
    let folder = crate::compare::folder()?;
    let first = Change::from_iter([Write::Credentials(Box::new(owner.credentials(authority)?))]);
    let vault = Vault::create(folder.path(), &Password::new("a password"), &first)?;
    Ok((vault, folder))
}

/// The keys as the vault has them.
pub(super) fn stored(state: &GroupState, with_tree: bool) -> StoredGroup {
    let tree = with_tree.then(|| state.tree().to_vec());
    StoredGroup { secret: state.to_bytes_without_tree(), tree }
}

impl Profile {
    /// Logged in, and reading `record`'s room from where it stands there.
    pub(super) fn of(
        owner: &Somebody,
        authority: &Authority,
        record: RoomRecord,
        group: &mut RoomGroup,
        speaker: DeviceId,
    ) -> Outcome<Self> {
        let (mut vault, folder) = vault(owner, authority)?;
        let (room, head) = (record.room, record.cursor.sequence);
        let keys = Write::Group(room, stored(&group.state()?, true));
        // Lines of people without a name wait for it.
        let speaker = Write::Contact(Contact::at_first_use(speaker.uid, "bob".parse()?, NOW));
        vault.apply(&Change::from_iter([Write::Room(Box::new(record)), keys, speaker]))?;
        let engine = Engine::new(vault.load()?, 1)?;
        let mut profile = Self { engine, vault, room, _folder: folder };
        profile.log_in(owner, authority, head)?;
        Ok(profile)
    }

    fn log_in(&mut self, owner: &Somebody, authority: &Authority, head: u64) -> Outcome<()> {
        let hello = self.engine.handle_connected([5; 32], NOW);
        let greeting = Greeting {
            version: PROTOCOL_VERSION,
            server: authority.fingerprint(),
            incarnation: Incarnation([0; Incarnation::LENGTH]),
            time: NOW,
            registration: RegistrationPolicy::InviteOnly,
            nonce: vec![6; 32].into(),
            address: None,
            takes_back: None,
        };
        let login = self.answer(hello, |it| matches!(it, Request::Hello(_)), Response::Greeting(greeting))?;
        let suite = openchat_e2ee::Suite::default().id();
        let logged_in = LoggedIn {
            device: owner.id,
            name: self.engine.credentials().name.clone(),
            key_packages: vec![KeyPackageCount { suite, one_time: KEY_PACKAGES }],
            rooms: vec![JoinedRoom { room: self.room, name: None, head }],
        };
        let follow =
            self.answer(login, |it| matches!(it, Request::Login(_)), Response::LoggedIn(logged_in))?;
        let following = self.answer(follow, |it| matches!(it, Request::Follow(_)), Response::Done)?;
        Ok(self.vault.apply(&following.change)?)
    }

    /// Answers the request of `step` that is meant; the others never are.
    fn answer(&mut self, step: Step, is_meant: fn(&Request) -> bool, response: Response) -> Outcome<Step> {
        self.vault.apply(&step.change)?;
        let meant = step.requests.into_iter().find(|ClientFrame { request, .. }| is_meant(request));
        let id = meant.ok_or("the engine has not asked what it should")?.id;
        let mut frames = VecDeque::from([ServerFrame::Answer { id, response }]);
        self.engine.handle_frames(&mut frames, NOW).pop().ok_or_else(|| "no step".into())
    }

    /// Reads records that came in one page.
    fn read(&mut self, page: Page) -> Outcome<()> {
        let mut frames = VecDeque::from([ServerFrame::Event(ServerEvent::Page(page))]);
        let mut change = Change::default();
        while !frames.is_empty() {
            for mut step in self.engine.handle_frames(&mut frames, NOW) {
                if let Some(why) = step.hang_up {
                    return Err(format!("the engine hangs up: {why:?}").into());
                }
                change.append(&mut step.change);
            }
        }
        Ok(self.vault.apply(&change)?)
    }

    /// The numbers of the messages that the vault has for these records.
    fn shown(&self, part: &[(Record, Option<u64>)]) -> Outcome<Vec<u64>> {
        let [(first, _), ..] = part else { return Ok(Vec::new()) };
        let end = first.sequence + part.len() as u64;
        let lines = self.vault.history(self.room, Span::Before(end), part.len() as u32)?;
        let lines = lines.iter().filter(|line| line.sequence >= Some(first.sequence));
        let texts = lines.filter_map(|line| match &line.entry {
            Entry::Text { text, .. } => Some(text),
            _ => None,
        });
        Ok(texts
            .map(|text| text::read(text.as_bytes()).map(|(_, number)| number))
            .collect::<Result<_, _>>()?)
    }

    /// Reads records, so many in a page, which hold these numbered messages; a commit holds none.
    pub(super) fn follow(
        &mut self,
        records: &[(Record, Option<u64>)],
        at_once: usize,
        operation: Operation,
        spent: &mut Spent,
    ) -> Outcome<()> {
        for part in records.chunks(at_once) {
            let bytes: Vec<ByteVec> = part.iter().map(|(record, _)| record.to_bytes().into()).collect();
            let head = part.last().map_or(0, |(record, _)| record.sequence);
            let page = Page { room: self.room, records: bytes, head, ended: false };
            spent.on_many(operation, part.len(), || self.read(page))?;
            let shown = self.shown(part)?;
            let said: Vec<u64> = part.iter().filter_map(|(_, number)| *number).collect();
            if shown != said {
                return Err(format!("{shown:?} is shown where {said:?} was said").into());
            }
        }
        Ok(())
    }
}

/// The room as a member has it who stands at `end` and has no reason to change its keys.
pub(super) fn room_record(room: RoomId, end: Position) -> RoomRecord {
    crate::screen::record(room, 0, end)
}
