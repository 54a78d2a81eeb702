//! Who is connected now: strangers by age, devices by user, so that a connection can be ended from outside.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openchat_protocol::{DeviceId, Did, Refusal, RefusalCode, Timestamp, Uid};

use crate::config::Limits;
use crate::doorbell::Doorbell;

/// Connections one device may have logged in at a time; one more ends the oldest.
const CONNECTIONS_PER_DEVICE: usize = 4;

/// All connections, for whoever has to reach them.
pub(crate) struct Live {
    connections: usize,
    strangers: usize,
    lists: Mutex<Lists>,
}

#[derive(Default)]
struct Lists {
    /// Numbers grow, so the first stranger is the oldest.
    next: u64,
    strangers: BTreeMap<u64, Arc<Doorbell>>,
    devices: BTreeMap<DeviceId, Vec<Known>>,
    known: usize,
    stopping: Option<Refusal>,
}

struct Known {
    number: u64,
    expires: Timestamp,
    bell: Arc<Doorbell>,
}

/// One connection's place in the lists; it leaves them when this is dropped.
pub(crate) struct Presence {
    live: Arc<Live>,
    number: u64,
    device: Option<DeviceId>,
    bell: Arc<Doorbell>,
}

impl Live {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            connections: limits.connections as usize,
            strangers: limits.connections_before_login as usize,
            lists: Mutex::default(),
        }
    }

    /// Takes in a new connection, or nothing when the server is full or stopping. When there are too many strangers,
    /// the oldest has to go rather than the newest: it had its time, and an honest login takes moments.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Presence> {
        let bell = Arc::new(Doorbell::default());
        let mut lists = self.lists();
        if lists.stopping.is_some() || lists.strangers.len() + lists.known >= self.connections {
            return None;
        }
        if lists.strangers.len() >= self.strangers
            && let Some((_, oldest)) = lists.strangers.pop_first()
        {
            oldest.end(&Refusal::new(RefusalCode::NotLoggedIn, "too many connections wait for a login"));
        }
        let number = lists.next;
        lists.next += 1;
        lists.strangers.insert(number, Arc::clone(&bell));
        Some(Presence { live: Arc::clone(self), number, device: None, bell })
    }

    pub(crate) fn ring_welcome(&self, device: DeviceId) {
        let lists = self.lists();
        lists.devices.get(&device).into_iter().flatten().for_each(|known| known.bell.ring_welcome());
    }

    /// The bell of a random session of a random user, of those who are here with one of `devices`. By user first, so
    /// that nobody is chosen more often for having more devices.
    pub(crate) fn somebody_of(&self, devices: &[DeviceId]) -> Option<Arc<Doorbell>> {
        let lists = self.lists();
        let mut users: BTreeMap<Uid, Vec<&Known>> = BTreeMap::new();
        for device in devices {
            if let Some(connections) = lists.devices.get(device) {
                users.entry(device.uid).or_default().extend(connections);
            }
        }
        let sessions = random_one(users.into_values().collect())?;
        random_one(sessions).map(|known| Arc::clone(&known.bell))
    }

    pub(crate) fn end_device(&self, device: DeviceId, reason: &Refusal) {
        let lists = self.lists();
        lists.devices.get(&device).into_iter().flatten().for_each(|known| known.bell.end(reason));
    }

    /// Ends the connections of a user's devices that are not `listed`.
    pub(crate) fn end_others(&self, uid: Uid, listed: &[Did], reason: &Refusal) {
        let lists = self.lists();
        let of_user = lists.devices.range(all_of(uid));
        let others = of_user.filter(|(device, _)| !listed.contains(&device.did));
        others.flat_map(|(_, known)| known).for_each(|known| known.bell.end(reason));
    }

    pub(crate) fn end_user(&self, uid: Uid, reason: &Refusal) {
        let lists = self.lists();
        let devices = lists.devices.range(all_of(uid));
        devices.flat_map(|(_, known)| known).for_each(|known| known.bell.end(reason));
    }

    /// Ends the connections of devices whose certificate has run out.
    pub(crate) fn end_expired(&self, now: Timestamp) {
        let reason = Refusal::new(
            RefusalCode::Certificate,
            "the certificate of this device has expired: connect again with a renewed one",
        );
        let lists = self.lists();
        let expired = lists.devices.values().flatten().filter(|known| known.expires <= now);
        expired.for_each(|known| known.bell.end(&reason));
    }

    /// Ends all connections and lets no more in.
    pub(crate) fn stop(&self, reason: &Refusal) {
        let mut lists = self.lists();
        lists.stopping = Some(reason.clone());
        lists.strangers.values().for_each(|bell| bell.end(reason));
        lists.devices.values().flatten().for_each(|known| known.bell.end(reason));
    }

    /// Connections at this moment: strangers, and those of logged-in devices.
    pub(crate) fn count(&self) -> (usize, usize) {
        let lists = self.lists();
        (lists.strangers.len(), lists.known)
    }

    fn lists(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn all_of(uid: Uid) -> RangeInclusive<DeviceId> {
    let (first, last) = (Did([0; Did::LENGTH]), Did([u8::MAX; Did::LENGTH]));
    DeviceId { uid, did: first }..=DeviceId { uid, did: last }
}

impl Presence {
    pub(crate) fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }

    /// Makes this connection reachable as one of `device`. Done *before* the device's state is read for the login, so
    /// that a revocation at the same time is seen by one or the other.
    pub(crate) fn become_device(&mut self, device: DeviceId, expires: Timestamp) {
        let mut lists = self.live.lists();
        if lists.strangers.remove(&self.number).is_none() {
            return;
        }
        let connections = lists.devices.entry(device).or_default();
        connections.push(Known { number: self.number, expires, bell: Arc::clone(&self.bell) });
        let reason = Refusal::new(RefusalCode::Quota, "this device has logged in elsewhere too often");
        connections.iter().rev().skip(CONNECTIONS_PER_DEVICE).for_each(|known| known.bell.end(&reason));
        lists.known += 1;
        self.device = Some(device);
    }

    /// Takes [`Presence::become_device`] back.
    pub(crate) fn become_stranger(&mut self) {
        let mut lists = self.live.lists();
        if self.device.take().is_some_and(|device| lists.forget(device, self.number)) {
            lists.strangers.insert(self.number, Arc::clone(&self.bell));
        }
    }
}

impl Lists {
    fn forget(&mut self, device: DeviceId, number: u64) -> bool {
        let Some(connections) = self.devices.get_mut(&device) else { return false };
        connections.retain(|known| known.number != number);
        if connections.is_empty() {
            self.devices.remove(&device);
        }
        self.known -= 1;
        true
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut lists = self.live.lists();
        match self.device {
            Some(device) => _ = lists.forget(device, self.number),
            None => _ = lists.strangers.remove(&self.number),
        }
    }
}

fn random_one<T>(mut choices: Vec<T>) -> Option<T> {
    let mut bytes = [0; 8];
    // Without randomness it is the first.
    _ = aws_lc_rs::rand::fill(&mut bytes);
    let count = u64::try_from(choices.len()).ok()?;
    let index = u64::from_be_bytes(bytes).checked_rem(count)?;
    Some(choices.swap_remove(usize::try_from(index).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(connections: u32, connections_before_login: u32) -> Arc<Live> {
        Arc::new(Live::new(&Limits { connections, connections_before_login, ..Limits::default() }))
    }

    fn device(uid: u8, did: u8) -> DeviceId {
        DeviceId { uid: Uid([uid; 16]), did: Did([did; 10]) }
    }

    fn reason() -> Refusal {
        Refusal::new(RefusalCode::AccountDisabled, "why")
    }

    fn is_ended(presence: &Presence) -> bool {
        presence.bell().take().end.is_some()
    }

    #[test]
    fn one_stranger_too_many_ends_the_oldest_and_no_login() {
        let live = live(10, 2);
        let (mut known, second) = (live.admit().unwrap(), live.admit().unwrap());
        known.become_device(device(1, 1), Timestamp(9));
        let (third, fourth) = (live.admit().unwrap(), live.admit().unwrap());
        assert_eq!([&known, &second, &third, &fourth].map(is_ended), [false, true, false, false]);
        drop((second, third));
        assert_eq!(live.count(), (1, 1));
    }

    #[test]
    fn a_full_server_admits_nobody_until_somebody_leaves() {
        let live = live(1, 5);
        let only = live.admit().unwrap();
        assert!(live.admit().is_none());
        drop(only);
        assert!(live.admit().is_some());
    }

    #[test]
    fn a_user_a_device_or_an_expired_one_is_ended_alone() {
        let live = live(10, 10);
        let mut logged_in = [device(1, 1), device(1, 2), device(2, 1)].map(|device| {
            let mut presence = live.admit().unwrap();
            presence.become_device(device, Timestamp(u64::from(device.did.0[0])));
            presence
        });
        live.end_user(Uid([1; 16]), &reason());
        assert_eq!(logged_in.each_ref().map(is_ended), [true, true, false]);
        live.end_device(device(1, 2), &reason());
        assert_eq!(logged_in.each_ref().map(is_ended), [false, true, false]);
        live.end_expired(Timestamp(1));
        assert_eq!(logged_in.each_ref().map(is_ended), [true, false, true]);
        logged_in[0].become_stranger();
        live.end_user(Uid([1; 16]), &reason());
        assert_eq!(logged_in.each_ref().map(is_ended), [false, true, false]);
    }

    #[test]
    fn every_user_of_those_asked_for_is_chosen_equally_often_and_nobody_else() {
        let live = live(20, 20);
        let everybody = [device(1, 1), device(1, 2), device(1, 3), device(2, 1), device(3, 1)];
        let sessions = everybody.map(|device| {
            let mut presence = live.admit().unwrap();
            presence.become_device(device, Timestamp(9));
            presence
        });
        let mut chosen = [0; 5];
        for _ in 0..400 {
            let bell =
                live.somebody_of(&[everybody[0], everybody[1], everybody[2], everybody[3], device(4, 1)]);
            let bell = bell.unwrap();
            chosen[sessions.iter().position(|session| Arc::ptr_eq(session.bell(), &bell)).unwrap()] += 1;
        }
        assert!(chosen[..3].iter().all(|count| *count > 20), "{chosen:?}");
        assert!((100..300).contains(&chosen[3]) && chosen[4] == 0, "{chosen:?}");
        assert!(live.somebody_of(&[device(4, 1)]).is_none());
    }

    #[test]
    fn too_many_logins_of_one_device_end_its_oldest() {
        let live = live(10, 10);
        let logins: Vec<_> = (0..=CONNECTIONS_PER_DEVICE)
            .map(|_| {
                let mut presence = live.admit().unwrap();
                presence.become_device(device(1, 1), Timestamp(9));
                presence
            })
            .collect();
        assert_eq!(logins.iter().map(is_ended).collect::<Vec<_>>(), [true, false, false, false, false]);
    }

    #[test]
    fn a_stopping_server_ends_all_and_admits_nobody() {
        let live = live(10, 10);
        let (mut known, stranger) = (live.admit().unwrap(), live.admit().unwrap());
        known.become_device(device(1, 1), Timestamp(9));
        live.stop(&reason());
        assert!(is_ended(&known) && is_ended(&stranger));
        assert!(live.admit().is_none());
    }
}
