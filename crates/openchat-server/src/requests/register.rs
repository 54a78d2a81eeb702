//! Register: makes an account, if the policy and the invite allow it, and certifies its identity key.

use openchat_identity::authority::IssuedIdentity;
use openchat_identity::invite::hash_redeem;
use openchat_protocol::account::{AccountSelector, Register, Registered, RegistrationPolicy};
use openchat_protocol::device_list::SignedDeviceList;
use openchat_protocol::{InviteHash, Refusal, RefusalCode, Response, Uid, UserName};
use openchat_store::account::{CreateAccountError, NewAccount};
use openchat_store::key_log::NewLeaf;
use openchat_transparency::{Body, Subject};

use crate::rates::Network;
use crate::requests::{Answer, ask_reset, log_failed, malformed, store_failed, within};
use crate::state::State;

/// Length of the `redeem` secret.
const REDEEM: usize = 32;

pub(crate) async fn handle(state: &State, network: Network, request: Register) -> Answer {
    state.check_takes_new()?;
    state.rates.registrations.check(&network)?;
    within("a signing request", request.csr.len(), openchat_protocol::limits::CERTIFICATE)?;
    let now = state.now();
    let authority = state.authority();
    let issued = authority
        .issue_identity(&request.csr, now)
        .map_err(|error| Refusal::new(RefusalCode::Certificate, error.to_string()))?;
    // Whoever has an account needs no invite.
    if let Some(again) = repeated(state, &issued, &request.name).await? {
        return Ok(again);
    }
    let above = authority.above_identity();
    // Who takes a name that was asked for needs none either.
    let account = || account_of(state, &request.name, &issued, above.clone());
    let taken = ask_reset::take(state, &issued, account, &request.name);
    if taken.await? {
        let again = repeated(state, &issued, &request.name).await?;
        return again.ok_or_else(crate::requests::internal);
    }
    let invite = invite(state.registration, &request)?;
    match state.store.create_account(account()?, invite, now).await {
        Ok(room) => Ok(Response::Registered(Registered {
            identity_certificate: issued.certificate.into(),
            issuing_certificate: above.into(),
            room,
            devices: None,
        })),
        // Made meanwhile, perhaps by this very request on another connection.
        Err(CreateAccountError::KeyTaken) => repeated(state, &issued, &request.name)
            .await?
            .ok_or_else(|| refusal(&CreateAccountError::KeyTaken)),
        Err(error) => Err(refusal(&error)),
    }
}

/// The invite that the account is made by. An open server takes invites too: they may lead to a room.
fn invite(policy: RegistrationPolicy, request: &Register) -> Result<Option<InviteHash>, Refusal> {
    let closed = |detail| Err(Refusal::new(RefusalCode::RegistrationClosed, detail));
    match (policy, &request.redeem) {
        (RegistrationPolicy::Closed, _) => closed("this server takes no new accounts"),
        (RegistrationPolicy::InviteOnly, None) => closed(
            "this server takes new accounts by invite only: ask somebody who is on it for an invite link",
        ),
        (RegistrationPolicy::Open, None) => Ok(None),
        (_, Some(redeem)) if redeem.len() != REDEEM => Err(malformed("the redeem secret is not of 32 bytes")),
        (_, Some(redeem)) => Ok(Some(hash_redeem(redeem))),
    }
}

fn account_of(
    state: &State,
    name: &UserName,
    issued: &IssuedIdentity,
    above: Vec<u8>,
) -> Result<NewAccount, Refusal> {
    let log = state.key_log.issued(issued.uid, name, &issued.certificate);
    let log = log.map_err(|error| log_failed(&error))?;
    Ok(new_account(name, issued, above, log))
}

fn new_account(name: &UserName, issued: &IssuedIdentity, above: Vec<u8>, log: [NewLeaf; 2]) -> NewAccount {
    NewAccount {
        uid: issued.uid,
        name: name.clone(),
        identity_spki: issued.spki.clone(),
        identity_certificate: issued.certificate.clone(),
        issuing_certificate: above,
        log,
    }
}

/// Whoever holds the key of an account (the signing request has proved it) and asks for its name again has lost the
/// answer to the first time, or all that it had but the key. Nothing for a key without an account.
async fn repeated(
    state: &State,
    issued: &IssuedIdentity,
    name: &UserName,
) -> Result<Option<Response>, Refusal> {
    let known = state.store.account(&AccountSelector::Uid(issued.uid)).await;
    match known.map_err(|error| store_failed(&error))? {
        Some(known) if known.account.name == *name && !known.disabled => {
            Ok(Some(Response::Registered(Registered {
                identity_certificate: known.account.identity_certificate,
                issuing_certificate: known.account.issuing_certificate,
                room: None,
                devices: newest_devices(state, issued.uid).await?,
            })))
        }
        Some(_) => Err(refusal(&CreateAccountError::KeyTaken)),
        None => Ok(None),
    }
}

/// What the log has as the devices of a user: the next list continues it.
async fn newest_devices(state: &State, uid: Uid) -> Result<Option<SignedDeviceList>, Refusal> {
    let label = state.key_log.label(&Subject::User(uid)).map_err(|error| log_failed(&error))?.0;
    let found = state.store.log_entries(vec![label], 0).await.map_err(|error| store_failed(&error))?;
    let newest = found.entries.into_iter().flatten().next();
    let body = newest.and_then(|entry| Body::read(entry.leaf.kind, &entry.opening.body).ok());
    Ok(if let Some(Body::DeviceList(signed)) = body { Some(signed) } else { None })
}

fn refusal(error: &CreateAccountError) -> Refusal {
    let code = match error {
        CreateAccountError::KeyTaken => RefusalCode::KeyTaken,
        CreateAccountError::InviteUnknown => RefusalCode::InviteUnknown,
        CreateAccountError::InviteUsed => RefusalCode::InviteUsed,
        CreateAccountError::InviteExpired => RefusalCode::InviteExpired,
        CreateAccountError::NameTaken => RefusalCode::NameTaken,
        CreateAccountError::Store(error) => return store_failed(error),
    };
    Refusal::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(redeem: Option<Vec<u8>>) -> Register {
        Register { name: "alice".parse().unwrap(), csr: Vec::new().into(), redeem: redeem.map(Into::into) }
    }

    #[test]
    fn the_policy_decides_who_needs_an_invite() {
        use RegistrationPolicy::{Closed, InviteOnly, Open};
        let with = request(Some(vec![7; 32]));
        let without = request(None);
        let hash = Some(hash_redeem(&[7; 32]));
        let code = |policy, request: &Register| invite(policy, request).map_err(|refusal| refusal.code);
        let closed = Err(Some(RefusalCode::RegistrationClosed));
        assert_eq!(code(Closed, &with), closed);
        assert_eq!(code(Closed, &without), closed);
        assert_eq!(code(InviteOnly, &without), closed);
        assert_eq!(code(InviteOnly, &with), Ok(hash));
        assert_eq!(code(Open, &without), Ok(None));
        assert_eq!(code(Open, &with), Ok(hash));
        assert_eq!(code(Open, &request(Some(vec![7; 31]))), Err(Some(RefusalCode::Malformed)));
    }
}
