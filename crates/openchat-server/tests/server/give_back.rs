//! What a server takes back, and when: only after its host has said that it was restored, and then nothing new.

use std::sync::Arc;
use std::time::Duration;

use openchat_identity::IdentityKey;
use openchat_protocol::account::AccountSelector;
use openchat_protocol::give_back::{Disclosed, GiveBackAccount, GiveBackLeaves, GiveBackRecords};
use openchat_protocol::key_log::{FollowLog, Prove};
use openchat_protocol::record::{Position, Record, RecordKind};
use openchat_protocol::{MessageId, RefusalCode, Request, Response, Timestamp};
use openchat_store::MemoryStore;
use openchat_transparency::{Leaf, Lookup, Opening, Tail};

use crate::mls;
use crate::two::Two;
use crate::wire::{Wire, code};
use crate::world::{World, config};

async fn log(wire: &mut Wire) -> Tail {
    let request = Request::FollowLog(FollowLog { known: 0, from: 0 });
    let Ok(Response::LogTail(tail)) = wire.ask(request).await else { panic!("no tail") };
    Tail::from_bytes(&tail).unwrap()
}

fn leaves(note: &[u8], leaves: &[Leaf]) -> Request {
    let leaves: Vec<u8> = leaves.iter().flat_map(Leaf::to_bytes).collect();
    Request::GiveBackLeaves(GiveBackLeaves { note: note.to_vec().into(), leaves: leaves.into() })
}

#[tokio::test]
async fn a_server_takes_nothing_back_unless_its_host_says_so() {
    let mut two = Two::new().await;
    let record = Record {
        sequence: 2,
        time: Timestamp(1),
        author: two.bobs.id,
        message_id: MessageId([1; 16]),
        kind: RecordKind::Message,
        payload: mls::message(two.room, b"never said").into(),
    };
    let bytes = record.to_bytes();
    let end = Position { sequence: 2, chain: two.joined.chain.then(&bytes) };
    let give = GiveBackRecords { room: two.room, records: vec![bytes.into()], end };
    assert_eq!(code(two.alice.ask(Request::GiveBackRecords(give)).await), RefusalCode::SetBack);
    let tail = log(&mut two.alice).await;
    assert_eq!(two.alice.ask(leaves(&tail.note, &tail.leaves)).await, Ok(Response::Done), "it has them");
    let mut forged = tail.note.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(code(two.alice.ask(leaves(&forged, &tail.leaves)).await), RefusalCode::Malformed);
}

#[tokio::test]
async fn an_account_is_taken_back_only_with_what_the_log_has_of_it() {
    let mut two = Two::new().await;
    let who = AccountSelector::Uid(two.bobs.id.uid);
    let Ok(Response::Proven(proven)) = two.alice.ask(Request::Prove(Prove { who, known: 0 })).await else {
        panic!("no proof")
    };
    let disclosed = |lookup: &[u8]| {
        let Opening { nonce, body } = Lookup::from_bytes(lookup).unwrap().entry.opening;
        Disclosed { nonce, body: body.into() }
    };
    let give = GiveBackAccount {
        name: "bobby".parse().unwrap(),
        chain: two.bobs.chain.iter().cloned().map(Into::into).collect(),
        name_opening: disclosed(&proven.name),
        user_opening: disclosed(&proven.user),
    };
    let ask = Request::GiveBackAccount;
    assert_eq!(two.alice.ask(ask(give.clone())).await, Ok(Response::Done), "it is there");
    let other_name = GiveBackAccount { name: "mallory".parse().unwrap(), ..give.clone() };
    assert_eq!(code(two.alice.ask(ask(other_name)).await), RefusalCode::Malformed);
    let mut other_nonce = give.clone();
    other_nonce.user_opening.nonce = [0; 32];
    assert_eq!(code(two.alice.ask(ask(other_nonce)).await), RefusalCode::LogRange);
    let mut other_device = give.clone();
    other_device.chain = two.alices.chain.iter().cloned().map(Into::into).collect();
    assert_eq!(code(two.alice.ask(ask(other_device)).await), RefusalCode::Malformed);
    let mut no_chain = give;
    no_chain.chain.pop();
    assert_eq!(code(two.alice.ask(ask(no_chain)).await), RefusalCode::Certificate);
}

#[tokio::test]
async fn a_restored_server_says_so_and_takes_nothing_new_for_its_time() {
    let until = Timestamp::now().plus(Duration::from_secs(3600));
    let world = World::on(&config(), Arc::new(MemoryStore::restored(until).unwrap())).await;
    let mut wire = Wire::connect(&world, None).await;
    let left = wire.hello().await.takes_back.unwrap();
    assert!((3_590_000..=3_600_000).contains(&left), "{left}");
    let refusal = world.register(&IdentityKey::generate(), "alice", None).await.unwrap_err();
    assert_eq!(refusal.code, Some(RefusalCode::RateLimited));
    assert!(refusal.retry_after.unwrap() <= left + 1, "{refusal:?}");
    world.advance(3_600_000);
    world.user("alice").await;
    assert_eq!(Wire::connect(&world, None).await.hello().await.takes_back, Some(0), "it is over");
}
