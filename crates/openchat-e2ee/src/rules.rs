//! What a commit may do (RFC 9420 §12.2): the same check for the one who makes it and for all who receive it.
//!
//! MLS calls `RoomRules` with the proposals of a commit before it looks at them itself. Who may *remove* whom depends
//! on the commit's [`openchat_protocol::statement::Statement`], which MLS does not show here: see [`crate::change`].

use mls_rs::MlsRules;
use mls_rs::client_builder::PaddingMode;
use mls_rs::group::{GroupContext, Roster};
use mls_rs::mls_rules::{CommitDirection, CommitOptions, CommitSource, EncryptionOptions, ProposalBundle};
use mls_rs_core::error::IntoAnyError;
use openchat_protocol::{DeviceId, limits};

use crate::credential::{CredentialError, Credentials};
use crate::policy::{PolicyError, RoomPolicy};

/// A commit that breaks the rules of rooms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Proposals travel inside the commit only.
    #[error("the commit refers to a proposal that was sent by itself")]
    ByReference,
    /// Pre-shared keys, reinitialization and custom proposals are not used.
    #[error("the commit carries a kind of proposal that rooms do not have")]
    Proposal,
    /// An external commit brings its author, and nothing else.
    #[error("the commit of somebody who joins does more than join")]
    ExternalCommit,
    /// A private room is entered by invitation; a member's other devices come in by themselves.
    #[error("{0} is no member of this private room")]
    NotInvited(DeviceId),
    /// The policy is an administrator's to change.
    #[error("{0} is no administrator and may not change the room's policy")]
    NotAdmin(DeviceId),
    /// A listed room stays listed and keeps its name; a private one stays private.
    #[error("a room cannot change between listed and private, and a listed one keeps its name")]
    PolicyChange,
    /// The room would be over [`limits::ROOM_DEVICES`].
    #[error("the room would have {0} devices, at most {max} fit", max = limits::ROOM_DEVICES)]
    Full(usize),
    /// The policy, now or after the commit, is not one.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A credential is refused.
    #[error(transparent)]
    Credential(#[from] CredentialError),
}

impl IntoAnyError for RuleError {
    fn into_dyn_error(self) -> Result<Box<dyn std::error::Error + Send + Sync>, Self> {
        Ok(Box::new(self))
    }
}

/// The rules of rooms.
#[derive(Debug, Clone)]
pub(crate) struct RoomRules {
    credentials: Credentials,
}

impl RoomRules {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }

    fn check_existing(
        &self,
        author: DeviceId,
        policy: &RoomPolicy,
        proposals: &ProposalBundle,
    ) -> Result<(), RuleError> {
        for proposal in proposals.group_context_ext_proposals() {
            let next = RoomPolicy::from_extensions(&proposal.proposal)?;
            if !policy.is_admin(author.uid) {
                return Err(RuleError::NotAdmin(author));
            }
            if !policy.permits(&next) {
                return Err(RuleError::PolicyChange);
            }
        }
        Ok(())
    }

    fn check_joiner(
        &self,
        joiner: DeviceId,
        policy: &RoomPolicy,
        roster: &Roster<'_>,
        proposals: &ProposalBundle,
    ) -> Result<(), RuleError> {
        if !proposals.add_proposals().is_empty() || !proposals.group_context_ext_proposals().is_empty() {
            return Err(RuleError::ExternalCommit);
        }
        let known =
            |member| Ok::<_, CredentialError>(self.credentials.holder(member)?.device.uid == joiner.uid);
        if policy.is_listed() {
            return Ok(());
        }
        for member in roster.member_identities_iter() {
            if known(member)? {
                return Ok(());
            }
        }
        Err(RuleError::NotInvited(joiner))
    }
}

/// By value, and of the kinds that rooms have.
fn check_kinds(proposals: &ProposalBundle) -> Result<(), RuleError> {
    if proposals.iter_proposals().any(|proposal| !proposal.is_by_value()) {
        return Err(RuleError::ByReference);
    }
    let unused = proposals.psk_proposals().is_empty()
        && proposals.reinit_proposals().is_empty()
        && proposals.custom_proposals().is_empty()
        && proposals.update_proposals().is_empty();
    if unused { Ok(()) } else { Err(RuleError::Proposal) }
}

fn check_size(members: usize, joined: usize, removed: usize) -> Result<(), RuleError> {
    let after = (members + joined).saturating_sub(removed);
    if joined > 0 && after > limits::ROOM_DEVICES { Err(RuleError::Full(after)) } else { Ok(()) }
}

impl MlsRules for RoomRules {
    type Error = RuleError;

    fn filter_proposals(
        &self,
        _: CommitDirection,
        source: CommitSource,
        roster: &Roster<'_>,
        context: &GroupContext,
        proposals: ProposalBundle,
    ) -> Result<ProposalBundle, RuleError> {
        let policy = RoomPolicy::from_extensions(&context.extensions)?;
        check_kinds(&proposals)?;
        let joined = proposals.add_proposals().len() + proposals.external_init_proposals().len();
        check_size(roster.member_identities_iter().count(), joined, proposals.remove_proposals().len())?;
        match source {
            CommitSource::ExistingMember(author) => {
                let author = self.credentials.holder(&author.signing_identity)?.device;
                self.check_existing(author, &policy, &proposals)?;
            }
            CommitSource::NewMember(joiner) => {
                let joiner = self.credentials.holder(&joiner)?.device;
                self.check_joiner(joiner, &policy, roster, &proposals)?;
            }
        }
        Ok(proposals)
    }

    /// Every commit brings fresh keys for its author; the tree travels beside the GroupInfo, one Welcome per device.
    fn commit_options(
        &self,
        _: &Roster<'_>,
        _: &GroupContext,
        _: &ProposalBundle,
    ) -> Result<CommitOptions, RuleError> {
        Ok(CommitOptions::new()
            .with_path_required(true)
            .with_ratchet_tree_extension(false)
            .with_single_welcome_message(false)
            .with_allow_external_commit(true))
    }

    /// The content is padded already: see [`crate::padding`].
    fn encryption_options(&self, _: &Roster<'_>, _: &GroupContext) -> Result<EncryptionOptions, RuleError> {
        Ok(EncryptionOptions::new(true, PaddingMode::None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_room_takes_nobody_in_and_still_changes() {
        let full = limits::ROOM_DEVICES;
        assert_eq!(check_size(full - 1, 1, 0), Ok(()));
        assert_eq!(check_size(full, 1, 0), Err(RuleError::Full(full + 1)));
        assert_eq!(check_size(full, 1, 1), Ok(()), "a rejoin");
        assert_eq!(check_size(full + 5, 0, 1), Ok(()), "on the way back");
    }
}
