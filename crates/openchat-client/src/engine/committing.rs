//! Commits of this device: from a wish, or the calendar, to their place in the log.

use std::collections::HashSet;

use openchat_e2ee::{CommitDraft, CommitError, RoomGroup};
use openchat_protocol::account::ClaimedKeyPackage;
use openchat_protocol::append::Appended;
use openchat_protocol::record::RecordKind;
use openchat_protocol::{DeviceId, MessageId, Refusal, RefusalCode, Timestamp};

use super::core::Core;
use super::room::{Busy, Room, Wish};
use super::session::Purpose;
use crate::command::Answer;
use crate::error::{ClientError, ErrorKind};
use crate::random;
use crate::vault::{OwnCommit, Write};

/// After this long a device changes its keys, give or take half a day; in milliseconds.
const UPDATE_AFTER: u64 = 7 * 24 * 3_600_000;
const UPDATE_SPREAD: u64 = 12 * 3_600_000;
/// After this many messages, give or take a few.
const UPDATE_MESSAGES: u32 = 500;
const UPDATE_MESSAGES_SPREAD: u32 = 25;

impl Room {
    /// Makes the commit that the first wish wants.
    pub(super) fn grant_wish(&mut self, cx: &mut Core) -> bool {
        let Some(wish) = self.wishes.pop_front() else { return false };
        let draft = self.draft_wish(cx, &wish);
        self.wishes.push_front(wish);
        match draft {
            Ok(draft) => self.send_draft(cx, draft, true),
            Err(error) => {
                self.granting = true;
                self.wish_refused(cx, error);
                true
            }
        }
    }

    fn draft_wish(&mut self, cx: &Core, wish: &Wish) -> Result<CommitDraft, ClientError> {
        let here: HashSet<DeviceId> = self.roster().iter().map(|member| member.device).collect();
        let Some(group) = &mut self.group else { return Err(refused("this device is not in the room")) };
        let draft = match wish {
            Wish::Update(_) => group.update(cx.now),
            Wish::Remove(_, uid) => {
                let devices: Vec<_> = here.into_iter().filter(|device| device.uid == *uid).collect();
                if devices.is_empty() {
                    return Err(refused("nobody of that name is in the room"));
                }
                group.remove(&devices, &[], cx.now)
            }
            Wish::Add(_, packages) => {
                let new: Vec<_> = packages.iter().filter(|it| !here.contains(&it.device)).cloned().collect();
                match (packages.is_empty(), new.is_empty()) {
                    (true, _) => {
                        return Err(refused("no device of that name can be added: it has to log in once"));
                    }
                    (_, true) => return Err(refused("that user is in the room already")),
                    _ => add_usable(group, new, cx.now),
                }
            }
        };
        draft.map_err(|error| refused(error.to_string()))
    }

    pub(super) fn wish_granted(&mut self, cx: &mut Core) {
        if std::mem::take(&mut self.granting)
            && let Some(wish) = self.wishes.pop_front()
        {
            cx.answer(wish.ticket(), Ok(Answer::Done));
        }
    }

    pub(super) fn wish_refused(&mut self, cx: &mut Core, error: ClientError) {
        if std::mem::take(&mut self.granting)
            && let Some(wish) = self.wishes.pop_front()
        {
            cx.answer(wish.ticket(), Err(error));
        }
    }

    /// New keys from time to time heal a room after a theft of keys, and at once when joiners need a good group.
    pub(super) fn update_if_due(&mut self, cx: &mut Core) -> bool {
        let renewal = self.group.as_ref().is_some_and(RoomGroup::is_renewal_due);
        let wanted = self.renewal_due.take_if(|due| *due <= cx.now).is_some();
        if self.record.update_at > cx.now && self.record.until_update > 0 && !renewal && !wanted {
            return false;
        }
        match self.group.as_mut().map(|group| group.update(cx.now)) {
            Some(Ok(draft)) => self.send_draft(cx, draft, false),
            // Not worth a word to anybody: there is a next time.
            _ => {
                self.plan_update(cx);
                false
            }
        }
    }

    /// This device has new keys, so the next ones are far off.
    pub(super) fn plan_update(&mut self, cx: &mut Core) {
        self.record.update_at = cx.in_millis(UPDATE_AFTER - UPDATE_SPREAD, UPDATE_AFTER + UPDATE_SPREAD);
        let spread = cx.jitter.between(0, 2 * u64::from(UPDATE_MESSAGES_SPREAD));
        let spread = u32::try_from(spread).unwrap_or_default();
        self.record.until_update = UPDATE_MESSAGES - UPDATE_MESSAGES_SPREAD + spread;
        self.record_changed();
    }

    /// Puts a draft on disk and sends it.
    pub(super) fn send_draft(&mut self, cx: &mut Core, draft: CommitDraft, granting: bool) -> bool {
        let Some(base) = self.base(cx) else { return false };
        let CommitDraft { payload, bundle, .. } = self.fit(draft);
        let message_id = random::message_id();
        let own = OwnCommit { message_id, base, payload: payload.into(), bundle, joins_by: None };
        self.granting = granting;
        self.group_changed();
        self.set_own_commit(cx, Some(own));
        self.send_commit(cx);
        true
    }

    /// With the whole tree if the server needs it.
    pub(super) fn fit(&self, draft: CommitDraft) -> CommitDraft {
        if self.tree_is_other { draft.with_whole_tree() } else { draft }
    }

    pub(super) fn set_own_commit(&mut self, cx: &mut Core, own: Option<OwnCommit>) {
        cx.write(Write::OwnCommit(self.id(), own.clone().map(Box::new)));
        self.own_commit = own;
    }

    pub(super) fn forget_own_commit(&mut self, cx: &mut Core) {
        if self.own_commit.is_some() {
            self.set_own_commit(cx, None);
            self.granting = false;
        }
        // The answer to its append will say that it was stale, and nothing waits for it.
        self.busy = self.busy.filter(|busy| !matches!(busy, Busy::Commit(_)));
    }

    /// Sends again a commit whose fate was not known when the connection, or this program, ended.
    pub(super) fn send_commit_again(&mut self, cx: &mut Core) -> bool {
        let Some(own) = &self.own_commit else { return false };
        if own.base.commit == self.record.commit {
            self.send_commit(cx);
        } else {
            self.discard_own_commit(cx);
        }
        true
    }

    pub(super) fn send_commit(&mut self, cx: &mut Core) {
        let Some(own) = self.own_commit.clone() else { return };
        self.busy = Some(Busy::Commit(own.message_id));
        let payload = (RecordKind::Commit, own.payload.into());
        let purpose = Purpose::Commit(self.id(), own.message_id);
        self.append(cx, payload, own.base, own.message_id, Some(own.bundle), purpose);
    }

    pub(super) fn discard_own_commit(&mut self, cx: &mut Core) {
        self.set_own_commit(cx, None);
        self.granting = false;
        self.busy = self.busy.filter(|busy| !matches!(busy, Busy::Commit(_)));
        if let Some(group) = &mut self.group {
            group.discard_commit();
            self.group_changed();
        }
    }

    pub(super) fn handle_commit_appended(&mut self, cx: &mut Core, id: MessageId, appended: Appended) {
        let Some(own) = self.own_commit.as_ref().filter(|own| own.message_id == id) else { return };
        let external = own.is_external();
        self.tree_is_other &= !matches!(appended, Appended::Stored { .. });
        match appended {
            Appended::Stored { position, time } if external => self.joined(cx, position, time),
            // Still busy, until the echo is read in its place among the others' records.
            Appended::Stored { position, .. } => self.promised.push(position),
            Appended::Stale { last_commit } => {
                self.busy = None;
                self.discard_own_commit(cx);
                self.handle_stale(cx, if external { 0 } else { last_commit });
            }
        }
    }

    pub(super) fn handle_commit_refused(&mut self, cx: &mut Core, id: MessageId, refusal: &Refusal) {
        self.not_busy_with(Busy::Commit(id));
        let Some(own) = self.own_commit.as_ref().filter(|own| own.message_id == id) else { return };
        let external = own.is_external();
        if self.pause_if_temporary(cx, refusal) {
            return;
        }
        if refusal.code == Some(RefusalCode::OtherTree) && !self.tree_is_other {
            // Somebody has put another tree there than their commit made. The commit is made anew, with all of it.
            self.tree_is_other = true;
            self.renewal_due = (!external).then_some(cx.now);
            return self.discard_own_commit(cx);
        }
        if external {
            self.discard_own_commit(cx);
            return self.cannot_join(cx, refusal.clone().into());
        }
        let granting = self.granting;
        self.discard_own_commit(cx);
        self.granting = granting;
        self.wish_refused(cx, refusal.clone().into());
        // An update has its next time; whoever has left stays to be removed before anything is said.
        self.plan_update(cx);
        self.trouble_with_departed(cx, &refusal.detail);
        self.failures = self.failures.max(6);
        self.pause(cx);
    }

    /// Lets in or puts out, as soon as the room allows.
    pub(super) fn add_wish(&mut self, cx: &mut Core, wish: Wish) {
        if self.is_in() {
            self.wishes.push_back(wish);
        } else {
            cx.answer(wish.ticket(), Err(self.not_in()));
        }
    }
}

/// Adds what can be added: one broken device must not keep its user's others out.
pub(super) fn add_usable(
    group: &mut RoomGroup,
    mut packages: Vec<ClaimedKeyPackage>,
    now: Timestamp,
) -> Result<CommitDraft, CommitError> {
    loop {
        match group.add(&packages, now) {
            Err(CommitError::KeyPackage { device, .. }) if packages.len() > 1 => {
                packages.retain(|package| package.device != device);
            }
            result => return result,
        }
    }
}

fn refused(message: impl Into<String>) -> ClientError {
    ClientError::new(ErrorKind::Refused, message)
}
