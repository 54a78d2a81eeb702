//! Evidence of a fork: it convicts the server before anybody, and nobody else.

use openchat_protocol::ServerFingerprint;
use openchat_transparency::{Fork, ForkError, Path, ProofError, Violation, tree};

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
    let Err(Violation::Fork(fork)) = honest.follower().compare(&forked.note(), &Path::default()) else {
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
    let (older, known) = (server.head_at(3), server.size());
    let path = tree::prove_consistency(3, known, &server.nodes).unwrap();
    assert_eq!(auditor.compare(older.note(), &path), Ok(()));
    server.issue(&user(9), "key", NOW);
    let path = tree::prove_consistency(known, server.size(), &server.nodes).unwrap();
    assert_eq!(auditor.compare(&server.note(), &path), Ok(()));
    let other = server.rewritten(2, |leaf| leaf.commitment.0[0] ^= 1);
    let path = tree::prove_consistency(known, other.size(), &other.nodes).unwrap();
    assert_eq!(auditor.compare(&other.note(), &path), Err(ProofError::Consistency.into()));
}
