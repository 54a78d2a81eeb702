//! Where two devices of one user meet: messages that the server cannot read, in memory, for some minutes and three tries.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openchat_protocol::limits::{LINK_MESSAGE, LINK_QUEUE, LINK_TRIES};
use openchat_protocol::linking::{LinkEnd, LinkEntered, LinkMessage, ReceiveLink, SendLink};
use openchat_protocol::{DeviceId, LinkSlot, Refusal, RefusalCode, Timestamp};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::requests::{internal, within};

/// How long a rendezvous is open.
const LIFE: Duration = Duration::from_secs(600);
/// And for so long after the device that has opened it has said something.
const LIVELY: Duration = Duration::from_secs(60);
/// At once, of all users: with full queues they take 64 MiB.
const OPEN: usize = 256;
/// Numbers that are tried for a new one, of which at most one in four thousand is taken.
const DRAWS: usize = 8;
/// Who asks for a message waits this long for one.
const WAIT: Duration = Duration::from_secs(4);
/// When the other end is to have taken something.
const FULL: u64 = 100;

/// Every rendezvous that is open.
#[derive(Default)]
pub(crate) struct Links {
    slots: Mutex<HashMap<LinkSlot, Slot>>,
}

struct Slot {
    owner: DeviceId,
    until: Timestamp,
    /// Tries that have begun, and the key of the last one.
    attempt: u8,
    key: Option<[u8; 16]>,
    to_known: VecDeque<Vec<u8>>,
    to_new: VecDeque<Vec<u8>>,
    changed: Arc<Notify>,
}

impl Links {
    /// A new rendezvous for a device. The one that it had is over.
    pub(crate) fn open(&self, owner: DeviceId, now: Timestamp) -> Result<LinkSlot, Refusal> {
        let mut slots = self.slots();
        slots.retain(|_, slot| slot.owner != owner && now < slot.until);
        if slots.len() >= OPEN {
            return Err(Refusal::new(
                RefusalCode::Quota,
                "too many devices are being linked: try again later",
            ));
        }
        for _ in 0..DRAWS {
            let number = LinkSlot::of(u32::from_be_bytes(random()?));
            if let Entry::Vacant(free) = slots.entry(number) {
                free.insert(Slot::new(owner, now.plus(LIFE)));
                return Ok(number);
            }
        }
        Err(internal())
    }

    /// Begins one of the tries; the one before it is over.
    pub(crate) fn enter(&self, number: LinkSlot, now: Timestamp) -> Result<LinkEntered, Refusal> {
        let key = random()?;
        let mut slots = self.slots();
        let slot = find(&mut slots, number, now)?;
        if slot.attempt >= LINK_TRIES {
            slots.remove(&number);
            return Err(unknown());
        }
        slot.attempt += 1;
        slot.key = Some(key);
        slot.to_known.clear();
        slot.to_new.clear();
        slot.changed.notify_waiters();
        Ok(LinkEntered { key: key.to_vec().into() })
    }

    /// Leaves a message for the other end.
    pub(crate) fn send(
        &self,
        asker: Option<DeviceId>,
        request: SendLink,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        within("a message between devices", request.message.len(), LINK_MESSAGE)?;
        let mut slots = self.slots();
        let slot = find(&mut slots, request.slot, now)?;
        slot.admit(asker, &request.end)?;
        let queue = match request.end {
            LinkEnd::Known { attempt } if attempt != slot.attempt => return Err(superseded()),
            LinkEnd::Known { .. } => {
                // A long history takes its time.
                slot.until = slot.until.max(now.plus(LIVELY));
                &mut slot.to_new
            }
            LinkEnd::New { .. } => &mut slot.to_known,
        };
        if queue.len() >= LINK_QUEUE {
            let refusal = Refusal::new(RefusalCode::RateLimited, "the other device has much to read: wait");
            return Err(Refusal { retry_after: Some(FULL), ..refusal });
        }
        queue.push_back(request.message.into());
        slot.changed.notify_waiters();
        Ok(())
    }

    /// The next message of the other end; nothing when none comes for some seconds.
    pub(crate) async fn receive(
        &self,
        asker: Option<DeviceId>,
        request: ReceiveLink,
        now: Timestamp,
    ) -> Result<Option<LinkMessage>, Refusal> {
        let until = Instant::now() + WAIT;
        loop {
            let changed = self.changed(request.slot, now)?;
            let mut changed = std::pin::pin!(changed.notified());
            // Before the queue is looked at, so that nothing is missed in between.
            changed.as_mut().enable();
            if let Some(message) = self.take(asker, &request, now)? {
                return Ok(Some(message));
            }
            if timeout_at(until, changed).await.is_err() {
                return Ok(None);
            }
        }
    }

    /// Ends a rendezvous of `owner`. What waits for the other end can still be taken for a while.
    pub(crate) fn close(&self, owner: DeviceId, number: LinkSlot, now: Timestamp) {
        let mut slots = self.slots();
        let Some(slot) = slots.get_mut(&number).filter(|slot| slot.owner == owner) else { return };
        slot.attempt = LINK_TRIES;
        slot.until = slot.until.min(now.plus(LIVELY));
        slot.changed.notify_waiters();
        if slot.to_new.is_empty() {
            slots.remove(&number);
        }
    }

    /// Forgets what is over.
    pub(crate) fn forget_old(&self, now: Timestamp) {
        self.slots().retain(|_, slot| now < slot.until);
    }

    fn changed(&self, number: LinkSlot, now: Timestamp) -> Result<Arc<Notify>, Refusal> {
        find(&mut self.slots(), number, now).map(|slot| Arc::clone(&slot.changed))
    }

    fn take(
        &self,
        asker: Option<DeviceId>,
        request: &ReceiveLink,
        now: Timestamp,
    ) -> Result<Option<LinkMessage>, Refusal> {
        let mut slots = self.slots();
        let slot = find(&mut slots, request.slot, now)?;
        slot.admit(asker, &request.end)?;
        let queue = match request.end {
            LinkEnd::Known { .. } => &mut slot.to_known,
            LinkEnd::New { .. } => &mut slot.to_new,
        };
        let message = queue.pop_front();
        Ok(message.map(|message| LinkMessage { attempt: slot.attempt, message: message.into() }))
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<LinkSlot, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn new(owner: DeviceId, until: Timestamp) -> Self {
        Self {
            owner,
            until,
            attempt: 0,
            key: None,
            to_known: VecDeque::new(),
            to_new: VecDeque::new(),
            changed: Arc::new(Notify::new()),
        }
    }

    /// Whether it is that end who asks.
    fn admit(&self, asker: Option<DeviceId>, end: &LinkEnd) -> Result<(), Refusal> {
        match end {
            LinkEnd::Known { .. } if asker == Some(self.owner) => Ok(()),
            LinkEnd::New { key } if self.key.is_some_and(|known| is_same(&known, key)) => Ok(()),
            // Whoever has the key of an earlier try has had it.
            LinkEnd::New { .. } if self.key.is_some() => Err(superseded()),
            _ => Err(unknown()),
        }
    }
}

fn find(slots: &mut HashMap<LinkSlot, Slot>, number: LinkSlot, now: Timestamp) -> Result<&mut Slot, Refusal> {
    slots.get_mut(&number).filter(|slot| now < slot.until).ok_or_else(unknown)
}

fn is_same(one: &[u8], other: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(one, other).is_ok()
}

fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| internal())?;
    Ok(bytes)
}

fn unknown() -> Refusal {
    Refusal::new(
        RefusalCode::LinkUnknown,
        "this link is over: it was used, is older than ten minutes, or its three tries were",
    )
}

fn superseded() -> Refusal {
    Refusal::new(RefusalCode::LinkUnknown, "somebody else has begun to use this link: this try is over")
}

#[cfg(test)]
mod tests {
    use openchat_protocol::{Did, Uid};

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const ALICE: DeviceId = DeviceId { uid: Uid([1; 16]), did: Did([1; 10]) };
    const BOB: DeviceId = DeviceId { uid: Uid([2; 16]), did: Did([1; 10]) };

    fn put(links: &Links, asker: Option<DeviceId>, slot: LinkSlot, end: LinkEnd) -> Result<(), Refusal> {
        links.send(asker, SendLink { slot, end, message: vec![7].into() }, NOW)
    }

    fn new_end(entered: &LinkEntered) -> LinkEnd {
        LinkEnd::New { key: entered.key.clone() }
    }

    fn is_unknown<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> bool {
        answer.unwrap_err().code == Some(RefusalCode::LinkUnknown)
    }

    #[tokio::test]
    async fn what_one_end_leaves_the_other_gets_and_nobody_else() {
        let links = Links::default();
        let slot = links.open(ALICE, NOW).unwrap();
        let entered = links.enter(slot, NOW).unwrap();
        put(&links, None, slot, new_end(&entered)).unwrap();
        let known = ReceiveLink { slot, end: LinkEnd::Known { attempt: 0 } };
        assert!(is_unknown(links.receive(Some(BOB), known.clone(), NOW).await));
        assert!(is_unknown(links.receive(None, known.clone(), NOW).await));
        let got = links.receive(Some(ALICE), known, NOW).await.unwrap();
        assert_eq!(got, Some(LinkMessage { attempt: 1, message: vec![7].into() }));
        let guessed = LinkEnd::New { key: vec![0; 16].into() };
        assert!(is_unknown(put(&links, None, slot, guessed)));
    }

    #[tokio::test]
    async fn who_waits_is_woken() {
        let links = Links::default();
        let slot = links.open(ALICE, NOW).unwrap();
        let entered = links.enter(slot, NOW).unwrap();
        let waiting = links.receive(None, ReceiveLink { slot, end: new_end(&entered) }, NOW);
        let sending = async { put(&links, Some(ALICE), slot, LinkEnd::Known { attempt: 1 }) };
        let (got, sent) = tokio::join!(waiting, sending);
        sent.unwrap();
        assert!(got.unwrap().is_some());
    }

    #[test]
    fn three_tries_burn_it() {
        let links = Links::default();
        let slot = links.open(ALICE, NOW).unwrap();
        let first = links.enter(slot, NOW).unwrap();
        links.enter(slot, NOW).unwrap();
        assert!(is_unknown(put(&links, None, slot, new_end(&first))), "the first try is over");
        assert!(is_unknown(put(&links, Some(ALICE), slot, LinkEnd::Known { attempt: 1 })));
        let third = links.enter(slot, NOW).unwrap();
        put(&links, None, slot, new_end(&third)).unwrap();
        assert!(is_unknown(links.enter(slot, NOW)));
        assert!(is_unknown(put(&links, None, slot, new_end(&third))), "nothing is left of it");
    }

    #[test]
    fn it_is_over_when_it_is_closed_reopened_or_old() {
        let links = Links::default();
        let slot = links.open(ALICE, NOW).unwrap();
        links.close(BOB, slot, NOW);
        links.enter(slot, NOW).unwrap();
        links.close(ALICE, slot, NOW);
        assert!(is_unknown(links.enter(slot, NOW)));
        let before = links.open(ALICE, NOW).unwrap();
        let slot = links.open(ALICE, NOW).unwrap();
        assert!(before == slot || is_unknown(links.enter(before, NOW)), "a device has one");
        assert!(is_unknown(links.enter(slot, NOW.plus(LIFE))));
        links.forget_old(NOW.plus(LIFE));
        assert!(is_unknown(links.enter(slot, NOW)));
    }

    #[tokio::test]
    async fn the_last_word_is_heard_after_the_end() {
        let links = Links::default();
        let slot = links.open(ALICE, NOW).unwrap();
        let entered = links.enter(slot, NOW).unwrap();
        put(&links, Some(ALICE), slot, LinkEnd::Known { attempt: 1 }).unwrap();
        links.close(ALICE, slot, NOW);
        let new = ReceiveLink { slot, end: new_end(&entered) };
        assert!(links.receive(None, new.clone(), NOW).await.unwrap().is_some());
        assert!(is_unknown(links.receive(None, new, NOW.plus(LIVELY)).await));
        assert!(is_unknown(links.enter(slot, NOW)));
    }

    #[test]
    fn queues_and_their_number_are_bounded() {
        let links = Links::default();
        let slot = links.open(ALICE, NOW).unwrap();
        let entered = links.enter(slot, NOW).unwrap();
        for _ in 0..LINK_QUEUE {
            put(&links, None, slot, new_end(&entered)).unwrap();
        }
        let refusal = put(&links, None, slot, new_end(&entered)).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_after), (Some(RefusalCode::RateLimited), Some(FULL)));
        let large = SendLink { slot, end: new_end(&entered), message: vec![0; LINK_MESSAGE + 1].into() };
        assert_eq!(links.send(None, large, NOW).unwrap_err().code, Some(RefusalCode::TooLarge));
        for device in 1..OPEN {
            let uid = Uid(u128::try_from(device).unwrap().to_be_bytes());
            links.open(DeviceId { uid, did: Did([2; 10]) }, NOW).unwrap();
        }
        assert_eq!(links.open(BOB, NOW).unwrap_err().code, Some(RefusalCode::Quota));
    }
}
