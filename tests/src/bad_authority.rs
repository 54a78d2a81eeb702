//! The authority and its database in the hands of somebody bad, who does what no OpenChat server would.

use std::path::Path;

use openchat_identity::Authority;
use openchat_protocol::{Timestamp, Uid, UserName};
use openchat_store::key_log::NewLeaf;
use openchat_store::{SqliteStore, Store};
use openchat_transparency::body::IdentityIssued;
use openchat_transparency::{Body, Opening, Subject, VrfSecret};

/// Puts into the log of the server in this folder, which does not run, that a name is another identity's: the one with
/// this SHA-256 of its certificate.
pub async fn certify(folder: &Path, name: &str, uid: Uid, certificate: [u8; 32]) {
    let authority = Authority::load(&folder.join("authority")).expect("the authority");
    let genesis = authority.anchor().genesis_record();
    let vrf = VrfSecret::from_seed(&authority.vrf_seed(), &genesis.vrf_key).expect("the VRF key");
    let name: UserName = name.parse().expect("a name");
    let (label, _) = vrf.prove(&Subject::Name(name.clone())).expect("a label");
    let body = Body::IdentityIssued(IdentityIssued { uid, name, certificate, renewal: None });
    let opening = Opening { nonce: [8; 32], body: body.to_bytes() };
    let leaf = NewLeaf { kind: body.kind(), label, opening };
    let store = SqliteStore::open(&folder.join("server.db")).expect("the database");
    store.append_to_log(vec![leaf], Timestamp::now()).await.expect("a longer log");
}
