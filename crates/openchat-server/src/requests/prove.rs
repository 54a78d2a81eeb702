//! Prove: a user as others see them, with what the log of keys has under the name and under the uid.

use openchat_protocol::account::Account;
use openchat_protocol::key_log::{Prove, Proven};
use openchat_protocol::{Refusal, RefusalCode, Response};
use openchat_store::key_log::LoggedEntries;
use openchat_transparency::{Entry, History, Lookup, Path, Subject, VrfProof};

use crate::key_log::KeyLogError;
use crate::requests::{Answer, log_failed, store_failed};
use crate::state::State;

pub(crate) async fn handle(state: &State, request: Prove) -> Answer {
    let known = state.store.account(&request.who).await.map_err(|error| store_failed(&error))?;
    let account = known.ok_or_else(unknown)?.account;
    let failed = |error: KeyLogError| log_failed(&error);
    let (name_label, name_proof) =
        state.key_log.label(&Subject::Name(account.name.clone())).map_err(failed)?;
    let (user_label, user_proof) = state.key_log.label(&Subject::User(account.uid)).map_err(failed)?;
    let found = state.store.log_entries(vec![name_label, user_label], request.known).await;
    let found = found.map_err(|error| store_failed(&error))?;
    let note = state.key_log.note(found.size, found.root).map_err(failed)?;
    let history = match found.entries.first() {
        Some(Some(name)) if name.leaf.seq > 1 => {
            let history = state.store.log_history(name_label, found.size).await;
            Some(History(history.map_err(|error| store_failed(&error))?))
        }
        _ => None,
    };
    proven(account, note, found, [name_proof, user_proof], history)
}

fn proven(
    account: Account,
    note: Vec<u8>,
    found: LoggedEntries,
    proofs: [VrfProof; 2],
    history: Option<History>,
) -> Answer {
    let LoggedEntries { consistency, entries, .. } = found;
    let Ok([Some(name), Some(user)]) = <[Option<Entry>; 2]>::try_from(entries) else { return Err(unknown()) };
    let [name_proof, user_proof] = proofs;
    let by_name = Lookup { note: note.clone(), consistency, vrf: name_proof, entry: name };
    // Of the same head, so that nothing lies between.
    let by_uid = Lookup { note, consistency: Path::default(), vrf: user_proof, entry: user };
    let (name, user) = (by_name.to_bytes().into(), by_uid.to_bytes().into());
    Ok(Response::Proven(Proven {
        account,
        name,
        user,
        history: history.map(|history| history.to_bytes().into()),
    }))
}

fn unknown() -> Refusal {
    Refusal::new(RefusalCode::AccountUnknown, "there is no such user here")
}
