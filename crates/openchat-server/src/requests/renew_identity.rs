//! RenewIdentity: another certificate for the identity key of an account, at the word of that key alone: whoever comes with
//! an identity that has ended cannot log in before.

use openchat_identity::{PublicKey, Validity, renewal};
use openchat_protocol::account::{AccountSelector, Registered, RenewIdentity};
use openchat_protocol::limits::CERTIFICATE;
use openchat_protocol::{Refusal, RefusalCode, Response, Timestamp, Uid};
use openchat_store::account::{NewCertificate, RenewAccountError, StoredAccount};

use crate::requests::{Answer, internal, log_failed, login, store_failed, within};
use crate::state::State;

pub(crate) async fn handle(state: &State, request: RenewIdentity) -> Answer {
    state.check_takes_new()?;
    within("a signature", request.signature.len(), CERTIFICATE)?;
    let known = account(state, request.uid).await?;
    let key = PublicKey::from_spki_der(&known.identity_spki).map_err(|_| internal())?;
    let (fingerprint, name) = (state.authority().fingerprint(), &known.account.name);
    renewal::verify(&key, &fingerprint, name, request.seq, &request.signature).map_err(|_| {
        Refusal::new(RefusalCode::LoginFailed, "the signature is not that of the account's identity key")
    })?;
    if known.retired {
        return Err(login::account_reset());
    }
    if known.disabled {
        return Err(login::account_disabled());
    }
    let now = state.now();
    let Some(new) = better(state, &known, &key, request, now)? else { return Ok(answer(known)) };
    match state.store.renew_account(new, now).await {
        Ok(()) => account(state, known.account.uid).await.map(answer),
        // Another device of the user may have been faster.
        Err(error @ RenewAccountError::Place { .. }) => {
            let known = account(state, known.account.uid).await?;
            if renewal::is_due(ends(state, &known), now) { Err(refusal(&error)) } else { Ok(answer(known)) }
        }
        Err(error) => Err(refusal(&error)),
    }
}

async fn account(state: &State, uid: Uid) -> Result<StoredAccount, Refusal> {
    let known = state.store.account(&AccountSelector::Uid(uid)).await;
    known.map_err(|error| store_failed(&error))?.ok_or_else(|| refusal(&RenewAccountError::AccountUnknown))
}

/// When the present certificate ends, or what is above it.
fn ends(state: &State, known: &StoredAccount) -> Timestamp {
    let (identity, issuing) = (&known.account.identity_certificate, &known.account.issuing_certificate);
    let authority = state.authority();
    let verified = authority.anchor().verify_identity(identity, issuing, Validity::Ignored);
    verified.map_or(Timestamp(0), |identity| identity.expires())
}

/// A certificate that is good for longer than the present one; nothing when that one does not end soon, or what is above
/// both of them ends first.
fn better(
    state: &State,
    known: &StoredAccount,
    key: &PublicKey,
    request: RenewIdentity,
    now: Timestamp,
) -> Result<Option<NewCertificate>, Refusal> {
    let ends = ends(state, known);
    if !renewal::is_due(ends, now) {
        return Ok(None);
    }
    let authority = state.authority();
    let issued = authority.issue_again(key, now);
    let above = authority.above_identity();
    let new = authority.anchor().verify_identity(&issued.certificate, &above, Validity::At(now));
    let new = new.map_err(|error| Refusal::new(RefusalCode::Certificate, error.to_string()))?;
    if new.expires() <= ends.plus(renewal::WORTH_IT) {
        return Ok(None);
    }
    let (uid, name) = (known.account.uid, &known.account.name);
    let leaf = state.key_log.renewed(uid, name, &issued.certificate, request.signature.into());
    Ok(Some(NewCertificate {
        uid,
        identity_certificate: issued.certificate,
        issuing_certificate: above,
        leaf: leaf.map_err(|error| log_failed(&error))?,
        seq: request.seq,
    }))
}

fn answer(known: StoredAccount) -> Response {
    Response::Registered(Registered {
        identity_certificate: known.account.identity_certificate,
        issuing_certificate: known.account.issuing_certificate,
        room: None,
        devices: None,
    })
}

fn refusal(error: &RenewAccountError) -> Refusal {
    let code = match error {
        RenewAccountError::AccountUnknown => RefusalCode::AccountUnknown,
        RenewAccountError::Place { .. } => RefusalCode::LogRange,
        RenewAccountError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}
