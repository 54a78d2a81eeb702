//! The ratchet tree as it travels: its nodes one by one (RFC 9420 §7.8), sealed when the room is private.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use mls_rs::group::ExportedTree;
use mls_rs_codec::{MlsEncode, byte_vec};
use openchat_protocol::RoomId;
use openchat_protocol::tree::Tree;

use crate::guard::{Failure, guarded};
use crate::policy::{RoomKey, UnsealError};

const LABEL: &[u8] = b"OpenChat ratchet tree node v1";

/// Why a tree cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    /// It does not open, or cannot be sealed.
    #[error(transparent)]
    Sealed(#[from] UnsealError),
    /// MLS cannot read or write it.
    #[error("{0}")]
    Mls(Failure),
}

impl From<Failure> for TreeError {
    fn from(failure: Failure) -> Self {
        Self::Mls(failure)
    }
}

/// For the server; with a room key, sealed under it.
pub(crate) fn to_wire(
    tree: &ExportedTree<'_>,
    key: Option<&RoomKey>,
    room: RoomId,
) -> Result<Tree, TreeError> {
    let encoded =
        guarded(|| Ok(tree.nodes().iter().map(MlsEncode::mls_encode_to_vec).collect::<Result<_, _>>()?));
    let mut nodes: Vec<Vec<u8>> = encoded?;
    if let Some(key) = key {
        let key = node_key(key)?;
        for (index, node) in (0..).zip(&mut nodes) {
            key.seal_in_place_append_tag(nonce(), place(room, index), node).map_err(|_| UnsealError)?;
        }
    }
    Ok(Tree::new(nodes))
}

/// From the server. Whether it is the group's tree is for MLS to check, by its hash.
pub(crate) fn from_wire(
    tree: &Tree,
    key: Option<&RoomKey>,
    room: RoomId,
) -> Result<ExportedTree<'static>, TreeError> {
    let mut nodes = Vec::with_capacity(tree.size());
    let key = key.map(node_key).transpose()?;
    for (index, node) in (0..).zip(tree.nodes()) {
        match &key {
            None => nodes.extend_from_slice(node),
            Some(key) => {
                let mut node = node.to_vec();
                let plain = key.open_in_place(nonce(), place(room, index), &mut node);
                nodes.extend_from_slice(plain.map_err(|_| UnsealError)?);
            }
        }
    }
    let read = || {
        let mut bytes = Vec::with_capacity(nodes.len() + 4);
        byte_vec::mls_encode(&nodes, &mut bytes)?;
        ExportedTree::from_bytes(&bytes)
    };
    Ok(guarded(read)?)
}

/// Sealing is deterministic, so that a node that stays as it is needs not travel again: AES-256-GCM-SIV keeps what is
/// sealed secret under one nonce too, but for what is the same at the same place (RFC 8452 §9).
fn node_key(key: &RoomKey) -> Result<LessSafeKey, UnsealError> {
    let secret = Salt::new(HKDF_SHA256, &[]).extract(key.as_bytes());
    let key = secret.expand(&[LABEL], &AES_256_GCM_SIV).map(UnboundKey::from);
    key.map(LessSafeKey::new).map_err(|_| UnsealError)
}

fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn place(room: RoomId, index: u32) -> Aad<[u8; 20]> {
    let mut bytes = [0; 20];
    let (id, node) = bytes.split_at_mut(16);
    id.copy_from_slice(room.as_bytes());
    node.copy_from_slice(&index.to_be_bytes());
    Aad::from(bytes)
}
