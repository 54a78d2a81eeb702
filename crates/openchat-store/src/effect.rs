//! What a commit does to the server's mirror of a room: its members and its administrators.

use std::collections::BTreeSet;

use openchat_protocol::statement::Statement;
use openchat_protocol::{DeviceId, Uid};

use crate::room::MembershipChange;

/// The effect of one commit. A device that rejoins is in both sets: its old interval ends where the new one begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// They become members.
    pub(crate) joined: BTreeSet<DeviceId>,
    /// Members that it removes.
    pub(crate) removed: BTreeSet<DeviceId>,
    /// The administrators from here on, if it names them.
    pub(crate) administrators: Option<BTreeSet<Uid>>,
}

impl Effect {
    /// What `statement` by `author` does, given whether the author is an administrator, and who is a member. Only
    /// administrators remove others and name administrators; whatever else a commit says about that is not followed.
    ///
    /// A member that is added again without being removed stays in its interval: else anybody could end what it has
    /// with a Welcome that it cannot use.
    pub(crate) fn of<E>(
        statement: &Statement,
        author: DeviceId,
        by_administrator: bool,
        mut is_member: impl FnMut(DeviceId) -> Result<bool, E>,
    ) -> Result<Self, E> {
        let (mut joined, mut removed) = (BTreeSet::new(), BTreeSet::new());
        for &device in &statement.removed {
            if (by_administrator || device.uid == author.uid) && is_member(device)? {
                removed.insert(device);
            }
        }
        for &device in &statement.joined {
            if device == author || removed.contains(&device) || !is_member(device)? {
                joined.insert(device);
            }
        }
        let named = statement.admins.as_ref().filter(|_| by_administrator);
        let administrators = named.map(|uids| uids.iter().copied().collect());
        Ok(Self { joined, removed, administrators })
    }

    /// Whose membership it changes.
    pub(crate) fn change(&self) -> MembershipChange {
        MembershipChange {
            joined: self.joined.iter().copied().collect(),
            ended: self.removed.difference(&self.joined).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use openchat_protocol::Did;

    use super::*;

    fn device(uid: u8, did: u8) -> DeviceId {
        DeviceId { uid: Uid([uid; 16]), did: Did([did; 10]) }
    }

    /// What a commit of the first device of user 1 does in a room of two of its devices and one of user 2.
    fn effect(joined: &[DeviceId], removed: &[DeviceId], by_administrator: bool) -> Effect {
        let statement = Statement {
            joined: joined.to_vec(),
            removed: removed.to_vec(),
            leaves: Vec::new(),
            admins: Some(vec![Uid([2; 16])]),
        };
        let members = [device(1, 1), device(1, 2), device(2, 1)];
        let is_member = |device| Ok::<_, ()>(members.contains(&device));
        Effect::of(&statement, device(1, 1), by_administrator, is_member).unwrap()
    }

    fn ended(effect: &Effect) -> Vec<DeviceId> {
        effect.change().ended
    }

    #[test]
    fn anybody_removes_own_devices_and_administrators_others_too() {
        let all = [device(1, 2), device(2, 1), device(3, 1)];
        assert_eq!(ended(&effect(&[], &all, false)), [device(1, 2)]);
        assert_eq!(ended(&effect(&[], &all, true)), [device(1, 2), device(2, 1)]);
    }

    #[test]
    fn only_administrators_name_administrators() {
        assert_eq!(effect(&[], &[], false).administrators, None);
        assert_eq!(effect(&[], &[], true).administrators, Some(BTreeSet::from([Uid([2; 16])])));
    }

    #[test]
    fn a_rejoin_ends_nothing() {
        let effect = effect(&[device(1, 1)], &[device(1, 1)], false);
        assert_eq!(effect.change(), MembershipChange { joined: vec![device(1, 1)], ended: vec![] });
    }

    #[test]
    fn a_member_is_not_added_anew_unless_it_is_removed() {
        let again = [device(2, 1), device(4, 1), device(4, 1)];
        assert_eq!(effect(&again, &[], true).change().joined, [device(4, 1)]);
        assert_eq!(effect(&again, &[device(2, 1)], false).change().joined, [device(4, 1)]);
        assert_eq!(effect(&again, &[device(2, 1)], true).change().joined, [device(2, 1), device(4, 1)]);
    }
}
