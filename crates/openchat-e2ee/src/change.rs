//! What a commit did, and whether it was allowed: by its statement, its path, and the roles of who did it to whom.
//!
//! Author and receivers run the same checks, the author before the commit leaves the house. All of it is a function of
//! the group before, the group after, and the commit.

use std::collections::HashSet;

use minicbor::{Decode, Encode};
use mls_rs::group::proposal::Proposal;
use mls_rs::group::{ExportedTree, LeafIndex, LeafNode, Node};
use mls_rs::mls_rs_codec::MlsSize;
use mls_rs_core::crypto::{CipherSuiteProvider, CryptoProvider, HpkePublicKey};
use openchat_protocol::codec::{self, DecodeError};
use openchat_protocol::statement::{LeaveNotice, Statement};
use openchat_protocol::{DeviceId, RoomId, Uid};

use crate::credential::{CredentialError, Credentials};
use crate::leave::{self, LeaveError};
use crate::policy::{PolicyError, RoomPolicy};
use crate::suites::{Crypto, Suite};

/// The largest leaf, in bytes: twice what three certificates and an X-Wing key take.
const LEAF: usize = 8 << 10;

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct EpochChange {
    /// The epoch it began.
    #[n(0)]
    pub epoch: u64,
    /// Who did it.
    #[n(1)]
    pub by: DeviceId,
    /// Who came in. Sorted. A device that rejoins stands here and in `removed`.
    #[n(2)]
    pub joined: Vec<DeviceId>,
    /// Whose leaf went. Sorted.
    #[n(3)]
    pub removed: Vec<DeviceId>,
    /// The author came in by it.
    #[n(4)]
    pub external: bool,
    /// This device is out: the group stays in its last epoch and opens nothing that comes after.
    #[n(5)]
    pub i_am_removed: bool,
}

/// Why a commit that MLS accepts is refused all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Its authenticated data is no statement.
    #[error("the commit states nothing: {0}")]
    NoStatement(#[from] DecodeError),
    /// It says one thing in clear and does another.
    #[error("the commit states another change than it makes")]
    StatementDiffers,
    /// Neither administrator, nor the same user, nor is there a leave notice.
    #[error(
        "{by} may not remove {target}: only an administrator may, or somebody who holds its leave notice"
    )]
    NotAllowed {
        /// Who tried.
        by: DeviceId,
        /// Whom.
        target: DeviceId,
    },
    /// A leave notice in the statement is void.
    #[error(transparent)]
    Leave(#[from] LeaveError),
    /// A notice for somebody who is not removed, or two for one device.
    #[error("the statement carries a leave notice of {0} that the commit has no use for")]
    IdleNotice(DeviceId),
    /// The author's new keys do not reach up to the root, or were used before (RFC 9420 §12.4.2).
    #[error("the commit renews only a part of its author's path")]
    Path,
    /// A leaf carries what no leaf needs, and everybody would have to keep.
    #[error("the leaf of {0} is too large, or carries extensions")]
    Leaf(DeviceId),
    /// A leaf's KEM key cannot be encapsulated to, so that nobody could commit any more.
    #[error("the encryption key of {0}'s leaf is unusable")]
    KemKey(DeviceId),
    /// A credential is refused.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The policy that it brings is not one.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// MLS reports a member that is not there.
    #[error("the commit is about a member that the room does not have")]
    NoSuchMember,
}

/// A tree, and who is in it.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) tree: &'a ExportedTree<'a>,
    pub(crate) credentials: &'a Credentials,
}

impl<'a> View<'a> {
    /// The leaf at `index`, if it is not blank.
    pub(crate) fn leaf(self, index: u32) -> Option<&'a LeafNode> {
        let node = usize::try_from(index).ok()?.checked_mul(2)?;
        match self.tree.nodes().get(node)? {
            Some(Node::Leaf(leaf)) => Some(leaf),
            _ => None,
        }
    }

    /// Who holds the leaf at `index`.
    pub(crate) fn device(self, index: u32) -> Result<DeviceId, ChangeError> {
        let leaf = self.leaf(index).ok_or(ChangeError::NoSuchMember)?;
        Ok(self.credentials.holder(&leaf.signing_identity)?.device)
    }

    /// The leaf of `device`, and its index.
    pub(crate) fn find(self, device: DeviceId) -> Result<Option<(u32, &'a LeafNode)>, CredentialError> {
        for (index, node) in (0u32..).zip(self.tree.nodes().iter().step_by(2)) {
            let Some(Node::Leaf(leaf)) = node else { continue };
            if self.credentials.holder(&leaf.signing_identity)?.device == device {
                return Ok(Some((index, leaf)));
            }
        }
        Ok(None)
    }
}

/// The members that a commit moves, and the administrators that it names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    pub(crate) joined: Vec<DeviceId>,
    pub(crate) removed: Vec<DeviceId>,
    pub(crate) admins: Option<Vec<Uid>>,
}

impl Moves {
    /// What `proposals` do to the members `before`; `joiner` comes in by the commit itself.
    pub(crate) fn of<'p>(
        proposals: impl Iterator<Item = &'p Proposal>,
        before: View<'_>,
        joiner: Option<DeviceId>,
    ) -> Result<Self, ChangeError> {
        let mut moves = Self { joined: joiner.into_iter().collect(), ..Self::default() };
        for proposal in proposals {
            match proposal {
                Proposal::Add(add) => {
                    moves.joined.push(before.credentials.holder(add.signing_identity())?.device);
                }
                Proposal::Remove(remove) => moves.removed.push(before.device(remove.to_remove())?),
                Proposal::GroupContextExtensions(extensions) => {
                    moves.admins = Some(RoomPolicy::from_extensions(extensions)?.admins().to_vec());
                }
                _ => {}
            }
        }
        moves.joined.sort_unstable();
        moves.removed.sort_unstable();
        Ok(moves)
    }
}

/// The statement in a commit's authenticated data, which must say what the commit does.
pub(crate) fn check_statement(authenticated_data: &[u8], moves: &Moves) -> Result<Statement, ChangeError> {
    let statement: Statement = codec::decode(authenticated_data)?;
    let Statement { joined, removed, admins, .. } = &statement;
    if (joined, removed, admins) == (&moves.joined, &moves.removed, &moves.admins) {
        Ok(statement)
    } else {
        Err(ChangeError::StatementDiffers)
    }
}

/// Whether `by` may remove everybody that `statement` says is removed: an administrator anybody, a user the user's own
/// devices, and everybody a device whose leave notice is in the statement.
pub(crate) fn check_removals(
    by: DeviceId,
    statement: &Statement,
    policy: &RoomPolicy,
    room: RoomId,
    before: View<'_>,
) -> Result<(), ChangeError> {
    check_notices(statement, room, before)?;
    let left = |target: &DeviceId| statement.leaves.iter().any(|notice| notice.device == *target);
    let allowed = |target: &DeviceId| target.uid == by.uid || policy.is_admin(by.uid) || left(target);
    match statement.removed.iter().find(|target| !allowed(target)) {
        Some(target) => Err(ChangeError::NotAllowed { by, target: *target }),
        None => Ok(()),
    }
}

fn check_notices(statement: &Statement, room: RoomId, before: View<'_>) -> Result<(), ChangeError> {
    let mut seen = HashSet::new();
    for notice in &statement.leaves {
        if !seen.insert(notice.device) || !statement.removed.contains(&notice.device) {
            return Err(ChangeError::IdleNotice(notice.device));
        }
        check_notice(notice, room, before)?;
    }
    Ok(())
}

/// Whether `notice` is by a member, about its present leaf.
pub(crate) fn check_notice(notice: &LeaveNotice, room: RoomId, members: View<'_>) -> Result<(), LeaveError> {
    // A credential of a member was accepted when it became one, so that this lookup does not fail on it.
    let found = members.find(notice.device).ok().flatten();
    let (_, leaf) = found.ok_or(LeaveError::NotAMember(notice.device))?;
    leave::verify(notice, room, leaf)
}

/// Whether everybody can keep, and encrypt to, the leaves that the commit brings. MLS does not ask (RFC 9420 §7.3): a
/// member with a broken key would make every later commit fail, one with a huge leaf every later join.
pub(crate) fn check_new_leaves(
    suite: Suite,
    author: u32,
    moves: &Moves,
    after: View<'_>,
) -> Result<(), ChangeError> {
    let author_leaf = after.leaf(author).ok_or(ChangeError::NoSuchMember)?;
    check_leaf(suite, after.device(author)?, author_leaf)?;
    for device in &moves.joined {
        let (_, leaf) = after.find(*device)?.ok_or(ChangeError::NoSuchMember)?;
        check_leaf(suite, *device, leaf)?;
    }
    Ok(())
}

fn check_leaf(suite: Suite, device: DeviceId, leaf: &LeafNode) -> Result<(), ChangeError> {
    if leaf.mls_encoded_len() > LEAF || !leaf.extensions.is_empty() {
        return Err(ChangeError::Leaf(device));
    }
    check_kem_key(suite, &leaf.public_key).map_err(|()| ChangeError::KemKey(device))
}

/// Whether `key` can be encapsulated to.
pub(crate) fn check_kem_key(suite: Suite, key: &HpkePublicKey) -> Result<(), ()> {
    let provider = Crypto.cipher_suite_provider(suite.mls()).ok_or(())?;
    provider.hpke_seal(key, b"OpenChat key check", None, b"").map(drop).map_err(drop)
}

/// Whether the author renewed every key from its leaf to the root, if any. The library takes a path that ends early
/// (members further away would be left behind) and does not look for keys that were there before.
pub(crate) fn check_path(author: u32, before: View<'_>, after: View<'_>) -> Result<(), ChangeError> {
    let new_leaf = after.leaf(author).ok_or(ChangeError::NoSuchMember)?;
    let old_keys: HashSet<&[u8]> = keys(before.tree).collect();
    if old_keys.contains(&*new_leaf.public_key) {
        // No path: only adding members may do without one, which MLS has checked.
        let same = before.leaf(author).is_some_and(|leaf| leaf == new_leaf);
        return if same { Ok(()) } else { Err(ChangeError::Path) };
    }
    let index = LeafIndex::try_from(author).map_err(|_| ChangeError::NoSuchMember)?;
    let path = after.tree.filtered_direct_path(index).map_err(|_| ChangeError::Path)?;
    let renewed = path.iter().all(|node| node.is_some_and(|node| !old_keys.contains(&*node.public_key)));
    if renewed { Ok(()) } else { Err(ChangeError::Path) }
}

fn keys<'a>(tree: &'a ExportedTree<'a>) -> impl Iterator<Item = &'a [u8]> {
    tree.nodes().iter().flatten().map(|node| &**node.public_key())
}
