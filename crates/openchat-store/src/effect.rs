//! What a commit does to the server's mirror of a room's members.

use std::collections::BTreeSet;

use openchat_protocol::DeviceId;
use openchat_protocol::statement::Statement;

use crate::room::MembershipChange;

/// The effect of one commit. A device that rejoins is in both sets: its old interval ends where the new one begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// They become members at once.
    pub(crate) joined: BTreeSet<DeviceId>,
    /// Members that it removes.
    pub(crate) removed: BTreeSet<DeviceId>,
    /// Whether the removals wait for the vote of another user: nobody alone puts out somebody else by claiming so.
    pub(crate) waits: bool,
}

impl Effect {
    /// What `statement` by `author` does, given who is a member. Who left before, or never was a member, needs no
    /// removal.
    pub(crate) fn of<E>(
        statement: &Statement,
        author: DeviceId,
        mut is_member: impl FnMut(DeviceId) -> Result<bool, E>,
    ) -> Result<Self, E> {
        let mut removed = BTreeSet::new();
        for &device in &statement.removed {
            if is_member(device)? {
                removed.insert(device);
            }
        }
        let waits = removed.iter().any(|device| device.uid != author.uid);
        Ok(Self { joined: statement.joined.iter().copied().collect(), removed, waits })
    }

    /// What changes at once.
    pub(crate) fn change(&self) -> MembershipChange {
        let ended =
            if self.waits { Vec::new() } else { self.removed.difference(&self.joined).copied().collect() };
        MembershipChange { joined: self.joined.iter().copied().collect(), ended }
    }
}

#[cfg(test)]
mod tests {
    use openchat_protocol::{Did, Uid};

    use super::*;

    fn device(uid: u8, did: u8) -> DeviceId {
        DeviceId { uid: Uid([uid; 16]), did: Did([did; 10]) }
    }

    fn effect(joined: &[DeviceId], removed: &[DeviceId], members: &[DeviceId]) -> Effect {
        let statement = Statement { joined: joined.to_vec(), removed: removed.to_vec(), leaves: Vec::new() };
        Effect::of::<()>(&statement, device(1, 1), |device| Ok(members.contains(&device))).unwrap()
    }

    #[test]
    fn own_devices_and_those_that_left_go_at_once() {
        let members = [device(1, 1), device(1, 2), device(2, 1)];
        let effect = effect(&[], &[device(1, 2), device(3, 1)], &members);
        assert!(!effect.waits);
        assert_eq!(effect.change().ended, [device(1, 2)]);
    }

    #[test]
    fn one_foreign_member_makes_all_wait() {
        let members = [device(1, 1), device(1, 2), device(2, 1)];
        let effect = effect(&[device(4, 1)], &[device(1, 2), device(2, 1)], &members);
        assert!(effect.waits);
        assert_eq!(effect.change(), MembershipChange { joined: vec![device(4, 1)], ended: vec![] });
        assert_eq!(effect.removed.len(), 2);
    }

    #[test]
    fn a_rejoin_ends_nothing() {
        let effect = effect(&[device(1, 1)], &[device(1, 1)], &[device(1, 1)]);
        assert_eq!(effect.change(), MembershipChange { joined: vec![device(1, 1)], ended: vec![] });
    }

    #[test]
    fn a_device_named_twice_counts_once() {
        let effect = effect(&[device(4, 1), device(4, 1)], &[], &[]);
        assert_eq!(effect.joined.len(), 1);
    }
}
