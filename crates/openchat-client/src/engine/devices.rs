//! The devices of this user: listed, linked, revoked; and every room follows the list.

use std::collections::HashSet;

use openchat_e2ee::{CommitDraft, Member};
use openchat_identity::{IdentityKey, device_list};
use openchat_protocol::account::{ClaimKeyPackages, ClaimedKeyPackage};
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::{DeviceId, Did, LinkSlot, Refusal, RefusalCode, Request, Timestamp, Uid};

use super::Engine;
use super::committing::add_usable;
use super::core::{Core, offline};
use super::key_log::{Standing, unproven};
use super::room::Room;
use super::session::Purpose;
use super::step::Ticket;
use crate::command::{Answer, LinkOpened, OwnDevice};
use crate::error::{ClientError, ErrorKind};
use crate::event::Membership;

/// The first and the longest pause before a device that had no key packages is looked for again, in milliseconds.
const LOOK_AGAIN: (u64, u64) = (2_000, 600_000);

/// Devices of this user that a room does not have yet.
#[derive(Debug, Default)]
pub(super) struct Newcomers {
    /// Claimed for them and not used yet.
    packages: Vec<ClaimedKeyPackage>,
    /// Looked for again then.
    due: Option<Timestamp>,
    in_vain: u32,
}

/// The keys of a room and what is known of the log, both as they were.
type State = (u64, u64);

/// When it was last seen that a room is as the lists say: to look at every device takes time.
#[derive(Debug, Default)]
pub(super) struct AsListed {
    without_revoked: Option<State>,
    complete: Option<State>,
}

impl Newcomers {
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        self.due
    }

    fn wait(&mut self, cx: &mut Core) {
        let (first, longest) = LOOK_AGAIN;
        let pause = (first << self.in_vain.min(16)).min(longest);
        self.in_vain += 1;
        self.due = Some(cx.in_millis(pause / 2, pause));
    }
}

// What people ask for.

impl Engine {
    pub(super) fn own_devices(&mut self, ticket: Ticket) {
        let answer = self.cx.proven_devices().map(|(_, devices)| {
            let own = |device: &ListedDevice| OwnDevice {
                did: device.did,
                is_this: device.did == self.cx.me().did,
                rooms: self
                    .rooms
                    .values()
                    .filter(|room| room.has_device(self.cx.me().uid, device.did))
                    .count(),
            };
            Answer::Devices(devices.iter().map(own).collect())
        });
        self.cx.answer(ticket, answer);
    }

    pub(super) fn open_link(&mut self, ticket: Ticket) {
        match self.cx.proven_devices() {
            Ok(_) => self.cx.ask(Request::OpenLink, Purpose::OpenLink(ticket)),
            Err(error) => self.cx.answer(ticket, Err(error)),
        }
    }

    pub(super) fn link_opened(&mut self, ticket: Ticket, slot: LinkSlot) {
        let answer = self.cx.proven_devices().map(|(version, devices)| {
            let (host, port) = self.cx.reached_at();
            let head = self.cx.log.auditor.head().map(|head| head.to_seen());
            Answer::LinkOpened(Box::new(LinkOpened { slot, host, port, version, devices, head }))
        });
        self.cx.answer(ticket, answer);
    }

    /// A request in which the engine has no part.
    pub(super) fn pass_on(&mut self, ticket: Ticket, request: Request) {
        match self.cx.session.is_up() {
            true => self.cx.ask(request, Purpose::PassOn(ticket)),
            false => self.cx.answer(ticket, Err(offline())),
        }
    }

    /// Looks whether there is a new list; rooms follow it by themselves.
    pub(super) fn follow_devices(&mut self, ticket: Ticket) {
        self.cx.follow_log();
        self.cx.answer(ticket, Ok(Answer::Done));
    }

    /// Publishes a list without the device that `id` begins the identifier of.
    pub(super) fn revoke_device(&mut self, ticket: Ticket, id: &str) {
        match self.cx.list_without(id) {
            Ok(request) => self.cx.ask(request, Purpose::RevokeDevice(ticket)),
            Err(error) => self.cx.answer(ticket, Err(error)),
        }
    }

    /// Nobody is revoked: another device was faster, or the server does not want to.
    pub(super) fn revocation_refused(&mut self, ticket: Ticket, refusal: &Refusal) {
        if refusal.code == Some(RefusalCode::DeviceList) {
            self.cx.follow_log();
        }
        self.cx.answer(ticket, Err(refusal.clone().into()));
    }
}

impl Core {
    /// The newest list of this user's devices, with its version.
    fn proven_devices(&self) -> Result<(u32, Vec<ListedDevice>), ClientError> {
        if !self.session.is_up() {
            return Err(offline());
        }
        match self.log.people.get(&self.me().uid) {
            Some(own) if own.version > 0 && self.log.is_newest(own) => Ok((own.version, own.devices.clone())),
            _ => Err(unproven()),
        }
    }

    /// Where others reach the server: its host knows best.
    pub(super) fn reached_at(&self) -> (String, u16) {
        match &self.session.address {
            Some(address) => (address.host().to_owned(), address.port()),
            None => (self.credentials.host.clone(), self.credentials.port),
        }
    }

    fn list_without(&mut self, id: &str) -> Result<Request, ClientError> {
        let (version, mut devices) = self.proven_devices()?;
        let did = sought(&devices, id)?;
        if did == self.me().did {
            let error = ClientError::new(ErrorKind::Usage, "this is the device that you are using");
            return Err(error.with_help("revoke it on another one"));
        }
        devices.retain(|device| device.did != did);
        let identity = IdentityKey::from_pkcs8(&self.credentials.identity_key)
            .map_err(|error| ClientError::new(ErrorKind::Damaged, error.to_string()))?;
        let server = &self.credentials.server;
        Ok(Request::PublishDevices(device_list::sign(&identity, server, version.saturating_add(1), devices)))
    }
}

/// The one device whose identifier begins so.
fn sought(devices: &[ListedDevice], id: &str) -> Result<Did, ClientError> {
    let id = id.to_ascii_lowercase();
    let mut found = devices.iter().map(|device| device.did).filter(|did| did.to_string().starts_with(&id));
    match (found.next(), found.next()) {
        (Some(did), None) if !id.is_empty() => Ok(did),
        (None, _) => Err(ClientError::new(ErrorKind::NotFound, format!("you have no device `{id}`"))
            .with_help("openchat devices lists them")),
        _ => Err(ClientError::new(ErrorKind::Usage, format!("several of your devices begin with `{id}`"))
            .with_help("write more of it")),
    }
}

// What rooms do about it.

impl Room {
    fn has_device(&self, uid: Uid, did: Did) -> bool {
        self.roster().iter().any(|member| member.device == DeviceId { uid, did })
    }

    /// Removes devices that are in their user's list no more: a user's own at once; those of others, where this user may,
    /// before anything is said.
    pub(super) fn remove_revoked(&mut self, cx: &mut Core) -> bool {
        let state = self.state(cx);
        if !cx.log.is_current || self.as_listed.without_revoked == state {
            return false;
        }
        let (me, has_to_send) = (cx.me(), self.has_to_send(cx));
        let Some(group) = &self.group else { return false };
        let may_remove = |uid| uid == me.uid || has_to_send && group.is_admin(me.uid);
        let is_out = |member: &Member| {
            let standing = cx.log.standing(member);
            standing == Standing::Revoked || standing == Standing::Ghost && member.device.uid == me.uid
        };
        let roster = self.roster();
        let out = roster.iter().filter(|it| it.device != me && is_out(it)).map(|it| it.device);
        let mut out: Vec<DeviceId> = out.collect();
        if out.is_empty() {
            self.as_listed.without_revoked = state;
            return false;
        }
        out.retain(|device| may_remove(device.uid));
        if out.is_empty() {
            return false;
        }
        let draft = self.group.as_mut().map(|group| group.remove(&out, &[], cx.now));
        self.send_or_wait(cx, draft.and_then(Result::ok))
    }

    /// Adds devices of this user that are listed and not here.
    pub(super) fn add_newcomers(&mut self, cx: &mut Core) -> bool {
        let state = self.state(cx);
        let may_add = self.record.membership == Membership::Member && cx.log.is_current;
        if !may_add || self.as_listed.complete == state {
            return false;
        }
        let missing = self.missing_devices(cx);
        self.newcomers.packages.retain(|package| missing.contains(&package.device.did));
        if missing.is_empty() {
            self.newcomers = Newcomers::default();
            self.as_listed.complete = state;
            return false;
        }
        let packages = std::mem::take(&mut self.newcomers.packages);
        if !packages.is_empty() {
            let draft = self.group.as_mut().map(|group| add_usable(group, packages, cx.now));
            return self.send_or_wait(cx, draft.and_then(Result::ok));
        }
        self.claim_for_newcomers(cx, &missing);
        false
    }

    fn state(&self, cx: &Core) -> Option<State> {
        Some((self.group.as_ref()?.epoch(), cx.log.generation))
    }

    fn missing_devices(&self, cx: &Core) -> HashSet<Did> {
        let me = cx.me();
        let own = cx.log.people.get(&me.uid).filter(|own| cx.log.is_newest(own));
        let listed = own.into_iter().flat_map(|own| &own.devices).map(|device| device.did);
        let roster = self.roster();
        let is_here = |did: &Did| roster.iter().any(|it| it.device == DeviceId { uid: me.uid, did: *did });
        listed.filter(|did| *did != me.did && !is_here(did)).collect()
    }

    fn claim_for_newcomers(&mut self, cx: &mut Core, missing: &HashSet<Did>) {
        let purpose = Purpose::Newcomers(self.id());
        let Some(group) = &self.group else { return };
        // Packages of those that are here would be wasted, and of several each has its turn.
        let turn = usize::try_from(self.newcomers.in_vain).unwrap_or_default() % missing.len().max(1);
        let mut missing: Vec<Did> = missing.iter().copied().collect();
        missing.sort_unstable();
        let device = missing.get(turn).copied();
        if self.newcomers.due.is_none_or(|due| due <= cx.now) && !cx.session.is_asking(&purpose) {
            let claim = ClaimKeyPackages { uid: cx.me().uid, suite: group.suite().id(), device };
            cx.ask(Request::ClaimKeyPackages(claim), purpose);
        }
    }

    /// A device that was linked a moment ago has yet to publish key packages.
    pub(super) fn handle_newcomers(&mut self, cx: &mut Core, packages: &[ClaimedKeyPackage]) {
        let (me, missing) = (cx.me().uid, self.missing_devices(cx));
        let fits = |it: &&ClaimedKeyPackage| it.device.uid == me && missing.contains(&it.device.did);
        self.newcomers.packages = packages.iter().filter(fits).cloned().collect();
        if self.newcomers.packages.is_empty() {
            self.newcomers.wait(cx);
        }
    }

    pub(super) fn handle_newcomers_refused(&mut self, cx: &mut Core) {
        self.newcomers.wait(cx);
    }

    fn send_or_wait(&mut self, cx: &mut Core, draft: Option<CommitDraft>) -> bool {
        match draft {
            Some(draft) => self.send_draft(cx, draft, false),
            None => {
                self.newcomers.wait(cx);
                false
            }
        }
    }
}
