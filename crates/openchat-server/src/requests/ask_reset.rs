//! AskReset and ObjectToReset: a name is asked for by a new key, and its owner says what is to be said to that.

use openchat_identity::authority::IssuedIdentity;
use openchat_identity::invite::hash_redeem;
use openchat_protocol::account::AccountSelector;
use openchat_protocol::reset::{AskReset, ResetPhase, ResetState};
use openchat_protocol::{DeviceId, Refusal, RefusalCode, Response, Timestamp, Uid, UserName};
use openchat_store::account::NewAccount;
use openchat_store::reset::{ResetError, StoredReset};
use openchat_transparency::body::ResetStep;
use tracing::{info, warn};

use crate::rates::Network;
use crate::requests::login::account_reset;
use crate::requests::{Answer, log_failed, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, network: Network, request: AskReset) -> Answer {
    state.check_takes_new()?;
    state.rates.registrations.check(&network)?;
    within("a signing request", request.csr.len(), openchat_protocol::limits::CERTIFICATE)?;
    let now = state.now();
    let key = state.authority().requested_key(&request.csr);
    let uid = key.map_err(|error| Refusal::new(RefusalCode::Certificate, error.to_string()))?.uid();
    let known =
        state.store.account(&AccountSelector::Uid(uid)).await.map_err(|error| store_failed(&error))?;
    if let Some(known) = known {
        return match known.retired {
            true => Err(account_reset()),
            false => Ok(told(&known.account.name, now, ResetPhase::Due)),
        };
    }
    let hash = hash_redeem(&request.redeem);
    let reset = find(state, |reset| reset.hash == hash).await?.ok_or_else(|| {
        let detail = "this link is not one that resets an account here, or another one took its place";
        Refusal::new(RefusalCode::NoReset, detail)
    })?;
    let reset = match &reset.wish {
        Some(wish) if wish.uid == uid => reset,
        Some(_) => {
            let detail = "another key has asked by this link: if it was not you, tell the host at once";
            return Err(Refusal::new(RefusalCode::NoReset, detail));
        }
        None if now >= reset.expires => {
            let detail = "this link is too old: ask the host for another one";
            return Err(Refusal::new(RefusalCode::NoReset, detail));
        }
        None => {
            warn!("a new key asks for somebody's name, by a link of the operator's");
            step(state, reset, uid, ResetStep::Asked).await?
        }
    };
    Ok(state_of(&reset, now))
}

/// The owner of a name that is asked for is against it.
pub(crate) async fn object(state: &State, asker: DeviceId) -> Answer {
    state.check_takes_new()?;
    let reset = find(state, |reset| reset.uid == asker.uid && reset.is_open()).await?.ok_or_else(no_reset)?;
    let wish = reset.wish.ok_or_else(no_reset)?;
    step(state, reset, wish.uid, ResetStep::Objected).await?;
    warn!("the owner of a name objects to its reset: openchat admin reset NAME --approve or --deny decides");
    Ok(Response::Done)
}

/// Gives the name to `issued`, if it has asked and the time has come. `false` when it has asked for nothing.
pub(crate) async fn take(
    state: &State,
    issued: &IssuedIdentity,
    account: impl FnOnce() -> Result<NewAccount, Refusal>,
    name: &UserName,
) -> Result<bool, Refusal> {
    let asked = |reset: &StoredReset| reset.wish.is_some_and(|wish| wish.uid == issued.uid);
    let Some(reset) = find(state, |reset| asked(reset) && reset.name == *name).await? else {
        return Ok(false);
    };
    let retired = state.key_log.retired(reset.uid, name).map_err(|error| log_failed(&error))?;
    let old = reset.uid;
    let done = state.store.finish_reset(reset, account()?, retired, state.now()).await;
    done.map_err(|error| refusal(&error))?;
    info!("a name has gone to a new key, by a reset");
    state.live.end_user(old, &account_reset());
    Ok(true)
}

/// Logs and stores what has happened.
pub(crate) async fn step(
    state: &State,
    reset: StoredReset,
    uid: Uid,
    step: ResetStep,
) -> Result<StoredReset, Refusal> {
    let leaf = state.key_log.reset(uid, &reset.name, step).map_err(|error| log_failed(&error))?;
    state.store.step_reset(reset, (step, uid), leaf, state.now()).await.map_err(|error| refusal(&error))
}

pub(crate) async fn find(
    state: &State,
    is_it: impl Fn(&StoredReset) -> bool,
) -> Result<Option<StoredReset>, Refusal> {
    let all = state.store.resets().await.map_err(|error| store_failed(&error))?;
    Ok(all.into_iter().find(is_it))
}

fn state_of(reset: &StoredReset, now: Timestamp) -> Response {
    let Some(wish) = reset.wish else { return told(&reset.name, now, ResetPhase::Waiting) };
    let phase = match () {
        () if reset.denied => ResetPhase::Denied,
        () if wish.check(now).is_ok() => ResetPhase::Due,
        () if wish.approved => ResetPhase::Approved,
        () if wish.objected => ResetPhase::Objected,
        () => ResetPhase::Waiting,
    };
    told(&reset.name, wish.until(), phase)
}

fn told(name: &UserName, until: Timestamp, phase: ResetPhase) -> Response {
    Response::ResetState(ResetState { name: name.clone(), until, phase })
}

fn no_reset() -> Refusal {
    Refusal::new(RefusalCode::NoReset, "nobody asks for your name")
}

fn refusal(error: &ResetError) -> Refusal {
    match error {
        ResetError::Store(error) => store_failed(error),
        error => Refusal::new(RefusalCode::NoReset, error.to_string()),
    }
}
