//! The list of rooms, which takes a scan of all of them: made at most once in a second, however many ask.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openchat_protocol::Timestamp;
use openchat_protocol::room::RoomSummary;
use openchat_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How old the list may be. Rooms that are made and left show at once.
const LIFE: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Listing {
    known: Mutex<Option<Known>>,
    /// Grows when rooms come, go, or change their members.
    changes: AtomicU64,
}

struct Known {
    made: Instant,
    changes: u64,
    rooms: Vec<RoomSummary>,
}

impl Listing {
    /// The rooms as they are, or were a moment ago. Who asks while the list is being made waits for it.
    pub(crate) async fn rooms(
        &self,
        store: &dyn Store,
        now: Timestamp,
    ) -> Result<Vec<RoomSummary>, StoreError> {
        let mut known = self.known.lock().await;
        // Before the store is asked, so that a change meanwhile is not missed.
        let (made, changes) = (Instant::now(), self.changes.load(Ordering::Acquire));
        if let Some(known) = known.as_ref().filter(|known| known.changes == changes)
            && known.made.elapsed() < LIFE
        {
            return Ok(known.rooms.clone());
        }
        let rooms = store.list_rooms(now).await?;
        *known = Some(Known { made, changes, rooms: rooms.clone() });
        Ok(rooms)
    }

    /// Has the list made anew for the next who asks.
    pub(crate) fn forget(&self) {
        self.changes.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use openchat_protocol::append::GroupSnapshot;
    use openchat_protocol::room::CreateRoom;
    use openchat_protocol::tree::Tree;
    use openchat_protocol::{DeviceId, Did, RoomId, Uid};
    use openchat_store::MemoryStore;
    use openchat_store::account::NewAccount;
    use openchat_store::device::NewDevice;
    use openchat_store::key_log::NewLeaf;
    use openchat_transparency::{Kind, Label, Opening};

    use super::*;

    const ALICE: DeviceId = DeviceId { uid: Uid([1; 16]), did: Did([1; 10]) };
    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    async fn store() -> MemoryStore {
        let store = MemoryStore::new().unwrap();
        let account = NewAccount {
            uid: ALICE.uid,
            name: "alice".parse().unwrap(),
            identity_spki: Vec::new(),
            identity_certificate: Vec::new(),
            issuing_certificate: Vec::new(),
            log: [1, 2].map(|label| NewLeaf {
                kind: Kind::IdentityIssued,
                label: Label([label; 32]),
                opening: Opening { nonce: [0; 32], body: Vec::new() },
            }),
        };
        store.create_account(account, None, NOW).await.unwrap();
        let device = NewDevice { device: ALICE, public_key: Vec::new(), chain: Vec::new(), list: None };
        store.enrol_device(device, NOW).await.unwrap();
        store
    }

    async fn create(store: &MemoryStore, name: &str) {
        let room = RoomId(std::array::from_fn(|at| name.as_bytes()[at % name.len()]));
        let empty = || Vec::new().into();
        let group = GroupSnapshot { group_info: empty(), tree: Tree::default() };
        let room = CreateRoom { room, name: Some(name.parse().unwrap()), group };
        store.create_room(room, ALICE, NOW).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn the_list_is_made_once_in_a_second_unless_it_is_forgotten() {
        let (store, listing) = (store().await, Listing::default());
        let count = async || listing.rooms(&store, NOW).await.unwrap().len();
        assert_eq!(count().await, 0);
        create(&store, "one").await;
        assert_eq!(count().await, 0);
        tokio::time::advance(LIFE).await;
        assert_eq!(count().await, 1);
        create(&store, "two").await;
        assert_eq!(count().await, 1);
        listing.forget();
        assert_eq!(count().await, 2);
    }
}
