//! Evidence of a fork: it convicts the server before anybody, and nobody else.

use openchat_protocol::ServerFingerprint;
use openchat_protocol::key_log::SeenHead;
use openchat_transparency::{
    CheckpointError, Fork, ForkError, Hash, Path, ProofError, SignedHead, Violation, tree,
};

use crate::server::{NOW, Server, genesis, user};

fn two_logs() -> (Server, Server) {
    let honest = Server::with_users(9);
    let forked = honest.rewritten(4, |leaf| leaf.commitment.0[0] ^= 1);
    (honest, forked)
}

/// Evidence from heads of different size: the larger log is `larger`.
fn evidence(smaller: &Server, size: u64, larger: &Server) -> Fork {
    Fork {
        genesis: genesis(),
        smaller: smaller.head_at(size).note().to_vec(),
        larger: larger.note(),
        beginning: tree::root(size, &larger.nodes).unwrap(),
        proof: tree::prove_consistency(size, larger.size(), &larger.nodes).unwrap(),
    }
}

#[test]
fn two_heads_of_one_size_convict_the_server() {
    let (honest, forked) = two_logs();
    let Err(Violation::Fork(fork)) =
        honest.follower().compare(&seen(&forked.head()), forked.head().head().root, &Path::default())
    else {
        panic!("a fork was not noticed")
    };
    let fork = Fork::from_bytes(&fork.to_bytes()).unwrap();
    let heads = (honest.head().head(), forked.head().head());
    assert_eq!(fork.verify(&genesis().fingerprint()), Ok(heads));
    assert_eq!(fork.verify(&ServerFingerprint([0; 32])), Err(ForkError::OtherServer));
}

#[test]
fn two_heads_of_different_size_convict_the_server() {
    let (honest, forked) = two_logs();
    let fork = evidence(&honest, 7, &forked);
    let heads = (honest.head_at(7).head(), forked.head().head());
    assert_eq!(fork.verify(&genesis().fingerprint()), Ok(heads));
}

#[test]
fn an_honest_server_is_convicted_of_nothing() {
    let (honest, forked) = two_logs();
    let server = genesis().fingerprint();
    assert_eq!(evidence(&honest, 7, &honest).verify(&server), Err(ForkError::Agree));
    assert_eq!(evidence(&honest, 3, &forked).verify(&server), Err(ForkError::Agree), "before the fork");
    assert_eq!(Fork::between(&genesis(), &honest.head(), &honest.head()), None);
    assert_eq!(Fork::between(&genesis(), &honest.head(), &forked.head_at(7)), None);

    let true_beginning = evidence(&honest, 7, &honest);
    let slander = Fork { beginning: forked.head_at(7).head().root, ..true_beginning.clone() };
    assert_eq!(slander.verify(&server), Err(ForkError::Proof(ProofError::Consistency)));
    let bytes = true_beginning.to_bytes();
    for at in 0..bytes.len() {
        for mask in [1, 0x10, 0x80] {
            let mut altered = bytes.clone();
            altered[at] ^= mask;
            if let Ok(fork) = Fork::from_bytes(&altered) {
                fork.verify(&server).expect_err("an honest server was convicted");
            }
        }
    }
}

#[test]
fn what_other_people_were_shown_is_compared() {
    let mut server = Server::with_users(6);
    let auditor = server.follower();
    let known = server.size();
    let compare = |server: &Server, old: u64, new: u64, beginning: &Server| {
        let proof = tree::prove_consistency(old, new, &beginning.nodes).unwrap();
        let other = if old == known { new } else { old };
        let root = tree::root(old, &beginning.nodes).unwrap();
        auditor.compare(&seen(&server.head_at(other)), root, &proof)
    };
    assert_eq!(compare(&server, 3, known, &server), Ok(()));
    server.issue(&user(9), "key", NOW);
    assert_eq!(compare(&server, known, known + 1, &server), Ok(()));
    let other = server.rewritten(2, |leaf| leaf.commitment.0[0] ^= 1);
    assert_eq!(compare(&other, 3, known, &other), Err(ProofError::Consistency.into()), "a false proof");
    let Err(Violation::Fork(fork)) = compare(&other, 4, known, &server) else {
        panic!("a fork was not noticed")
    };
    let heads = (other.head_at(4).head(), server.head_at(known).head());
    assert_eq!(fork.verify(&genesis().fingerprint()), Ok(heads));
    let mut forged = seen(&server.head_at(3));
    forged.root[0] ^= 1;
    let refused = auditor.compare(&forged, Hash(forged.root), &Path::default());
    assert_eq!(refused, Err(CheckpointError::Signature.into()), "nobody but the server can make one");
}

fn seen(head: &SignedHead) -> SeenHead {
    head.to_seen()
}
