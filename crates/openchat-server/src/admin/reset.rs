//! What the operator does about an account whose owner has lost everything.

use std::time::Duration;

use openchat_identity::{InviteLink, InviteToken};
use openchat_protocol::account::AccountSelector;
use openchat_protocol::{Refusal, UserName};
use openchat_store::StoreError;
use openchat_store::reset::{ResetError, StoredReset};
use openchat_transparency::body::ResetStep;
use tracing::warn;

use super::message::{Answer, ResetLine};
use crate::requests::ask_reset;
use crate::state::State;

/// How long a link can be used for a first time.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// A link for whoever the operator takes for the owner of the name.
pub(super) async fn offer(state: &State, name: UserName) -> Result<Answer, StoreError> {
    let account = state.store.account(&AccountSelector::Name(name.clone())).await?;
    let Some(account) = account.filter(|account| !account.disabled) else {
        let why = "there is no account of this name here that is not disabled: list the accounts";
        return Ok(Answer::Refused(why.to_owned()));
    };
    let token = InviteToken::generate();
    let (hash, expires) = (token.redeem_hash(), state.now().plus(LIFE));
    let reset = StoredReset { name, uid: account.account.uid, hash, expires, wish: None, denied: false };
    match state.store.offer_reset(reset).await {
        Ok(()) => {
            warn!("the operator has made a link that resets an account");
            Ok(Answer::ResetLink(link(state, token).to_string()))
        }
        Err(ResetError::Store(error)) => Err(error),
        Err(error) => Ok(Answer::Refused(error.to_string())),
    }
}

/// Where it listens may be any address of the machine; whoever shows the link knows better then.
fn link(state: &State, token: InviteToken) -> InviteLink {
    let listening = (state.listening.ip().to_string(), state.listening.port());
    let (host, port) = state.address.as_ref().map_or(listening, |it| (it.host().to_owned(), it.port()));
    InviteLink { host, port, server: state.authority().fingerprint(), inviter: None, token }
}

/// For or against it.
pub(super) async fn decide(state: &State, name: UserName, approve: bool) -> Result<Answer, Refusal> {
    state.check_takes_new()?;
    let found = ask_reset::find(state, |reset| reset.name == name).await?;
    let Some((reset, wish)) = found.and_then(|reset| reset.wish.map(|wish| (reset, wish))) else {
        return Ok(Answer::Refused("nobody asks for this name".to_owned()));
    };
    if approve && !wish.objected {
        let why = "nobody has objected: there is nothing to decide, and the name moves when the time is over";
        return Ok(Answer::Refused(why.to_owned()));
    }
    let step = if approve { ResetStep::Approved } else { ResetStep::Denied };
    ask_reset::step(state, reset, wish.uid, step).await?;
    warn!(approve, "the operator has decided about the reset of an account");
    Ok(Answer::Done)
}

/// Those that somebody has asked by.
pub(super) async fn pending(state: &State) -> Result<Vec<ResetLine>, StoreError> {
    let all = state.store.resets().await?;
    let line = |reset: StoredReset| {
        let wish = reset.wish.filter(|_| !reset.denied)?;
        let (until, objected, approved) = (wish.until(), wish.objected, wish.approved);
        Some(ResetLine { name: reset.name, uid: wish.uid, until, objected, approved })
    };
    Ok(all.into_iter().filter_map(line).collect())
}
