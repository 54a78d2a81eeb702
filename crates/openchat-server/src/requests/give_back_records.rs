//! GiveBackRecords: records of a room that a restored server has lost, from a member who has read them.

use bytes::Bytes;
use minicbor::bytes::ByteVec;
use openchat_protocol::give_back::GiveBackRecords;
use openchat_protocol::limits::PAGE_RECORDS;
use openchat_protocol::record::Record;
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response, RoomId, Timestamp};
use openchat_store::lost::{LostRecord, LostRecords, TakeBackError};
use openchat_store::room::MembershipChange;

use crate::requests::append::check_payload;
use crate::requests::{Answer, malformed, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, by: DeviceId, request: GiveBackRecords) -> Answer {
    let Some(until) = state.store.takes_back_until() else {
        let detail = "this server takes no records back: its host has not said that it was restored";
        return Err(Refusal::new(RefusalCode::SetBack, detail));
    };
    let GiveBackRecords { room, records, end } = request;
    within("records at once", records.len(), PAGE_RECORDS)?;
    let records = records.into_iter().map(|bytes| checked(room, bytes, until)).collect::<Result<_, _>>()?;
    // What is new has that time or a later one; where there is nothing new, it is never too late.
    let lost = LostRecords { room, by, records, end, before: until };
    let taken = state.store.take_back_records(lost).await.map_err(|error| refusal(&error))?;
    for stored in &taken.stored {
        state.rooms.stored(room, stored);
    }
    if taken.stored.iter().any(|stored| stored.change != MembershipChange::default()) {
        state.listing.forget();
    }
    Ok(Response::LogEnd(taken.end))
}

fn checked(room: RoomId, bytes: ByteVec, before: Timestamp) -> Result<LostRecord, Refusal> {
    let bytes = Bytes::from(Vec::from(bytes));
    let record = Record::from_bytes(&bytes).map_err(|error| malformed(format!("no record: {error}")))?;
    if record.time >= before || record.to_bytes() != bytes {
        return Err(malformed("a record that this server cannot have stored"));
    }
    let statement = check_payload(room, record.author, record.kind, &record.payload)?;
    LostRecord::new(record, bytes, statement).map_err(|error| malformed(error.to_string()))
}

fn refusal(error: &TakeBackError) -> Refusal {
    let code = match error {
        TakeBackError::RoomUnknown => RefusalCode::RoomUnknown,
        TakeBackError::NotAMember => RefusalCode::NotAMember,
        TakeBackError::Diverged | TakeBackError::TooLate => RefusalCode::LogDiverged,
        TakeBackError::Impossible => RefusalCode::Malformed,
        TakeBackError::DeviceUnknown(_) => RefusalCode::AccountUnknown,
        TakeBackError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
