//! Roots and proofs against `ct-merkle`, which shares no code with ours.

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use openchat_transparency::tree::{self, MemoryNodes, Nodes};
use openchat_transparency::{Frontier, Hash, Head, Path, TreeError};
use proptest::prelude::*;
use sha2::Sha256;

use crate::server::Server;

type Second = MemoryBackedTree<Sha256, Vec<u8>>;

fn second(server: &Server, size: usize) -> Second {
    let mut tree = Second::new();
    server.leaves.iter().take(size).for_each(|leaf| tree.push(leaf.to_bytes().to_vec()));
    tree
}

fn head(server: &Server, size: usize) -> Head {
    Head { size: size as u64, root: tree::root(size as u64, &server.nodes).unwrap() }
}

fn bytes(path: &Path) -> Vec<u8> {
    path.hashes().iter().flat_map(|hash| hash.0).collect()
}

#[test]
fn roots_of_all_sizes_are_those_of_the_second_implementation() {
    let server = Server::with_heartbeats(130);
    let mut frontier = Frontier::default();
    for (index, leaf) in server.leaves.iter().enumerate() {
        frontier.push(leaf);
        let theirs = second(&server, index + 1).root();
        assert_eq!(head(&server, index + 1).root.0.as_slice(), theirs.as_bytes().as_slice());
        assert_eq!(frontier.root(), head(&server, index + 1).root);
        assert_eq!(frontier, Frontier::read(index as u64 + 1, &server.nodes).unwrap());
    }
    assert_eq!(head(&server, 0).root, Hash::EMPTY);
    assert_eq!(Frontier::default().root(), Hash::EMPTY);
}

#[test]
fn a_store_that_lost_nodes_is_an_error() {
    let server = Server::with_users(5);
    assert_eq!(tree::root(7, &server.nodes), Err(TreeError::Missing));
    assert_eq!(tree::prove_inclusion(2, 7, &server.nodes), Err(TreeError::Missing));
    assert_eq!(tree::prove_inclusion(6, 6, &server.nodes), Err(TreeError::OutOfRange));
    assert_eq!(tree::prove_consistency(7, 6, &server.nodes), Err(TreeError::OutOfRange));
    assert_eq!(tree::nodes_of(&server.leaves[0], 1, &MemoryNodes::default()), Err(TreeError::Missing));
    assert_eq!(tree::root(u64::MAX, &server.nodes), Err(TreeError::OutOfRange));
    assert_eq!(Frontier::new(3, Path::default()), None);
}

#[test]
fn the_error_of_a_store_is_told() {
    struct Broken;
    impl Nodes for Broken {
        type Error = &'static str;
        fn read(&self, _: &[u64]) -> Result<Vec<Hash>, &'static str> {
            Err("the disk is gone")
        }
    }
    assert_eq!(tree::root(3, &Broken), Err(TreeError::Store("the disk is gone")));
}

#[test]
fn nodes_are_numbered_in_the_order_in_which_they_are_added() {
    let server = Server::with_users(40);
    let mut nodes = MemoryNodes::default();
    let mut count = 0;
    for (index, leaf) in server.leaves.iter().enumerate() {
        assert_eq!(tree::first_node(index as u64), Ok(count));
        let added = tree::nodes_of(leaf, index as u64, &nodes).unwrap();
        count += added.len() as u64;
        nodes.extend(&added);
    }
}

proptest! {
    #[test]
    fn proofs_are_those_of_the_second_implementation(size in 1..200_usize, old in any::<prop::sample::Index>()) {
        let server = Server::with_heartbeats(200);
        let old = old.index(size);
        let theirs = second(&server, size);
        let inclusion = tree::prove_inclusion(old as u64, size as u64, &server.nodes).unwrap();
        prop_assert_eq!(bytes(&inclusion), theirs.prove_inclusion(old).as_bytes().to_vec());
        let new = head(&server, size);
        prop_assert_eq!(inclusion.check_inclusion(&server.leaves[old], old as u64, &new), Ok(()));

        let old = old.max(1);
        let consistency = tree::prove_consistency(old as u64, size as u64, &server.nodes).unwrap();
        prop_assert_eq!(consistency.check_consistency(&head(&server, old), &new), Ok(()));
        if old < size {
            prop_assert_eq!(bytes(&consistency), theirs.prove_consistency(size - old).as_bytes().to_vec());
        }
    }

    #[test]
    fn a_proof_is_good_for_one_leaf_at_one_place(size in 2..64_usize, place in any::<prop::sample::Index>()) {
        let server = Server::with_heartbeats(64);
        let place = place.index(size);
        let path = tree::prove_inclusion(place as u64, size as u64, &server.nodes).unwrap();
        for other in (0..64).filter(|it| *it != place) {
            path.check_inclusion(&server.leaves[place], other as u64, &head(&server, size)).unwrap_err();
            path.check_inclusion(&server.leaves[other], place as u64, &head(&server, size)).unwrap_err();
        }
    }
}

#[test]
fn everything_continues_an_empty_log_and_nothing_else_is_proven_for_it() {
    let server = Server::with_users(5);
    let empty = head(&server, 0);
    let path = tree::prove_consistency(0, 6, &server.nodes).unwrap();
    assert_eq!(path.check_consistency(&empty, &head(&server, 6)), Ok(()));
    assert_eq!(path.check_consistency(&empty, &empty), Ok(()));
    path.check_consistency(&Head { root: Hash([1; 32]), ..empty }, &head(&server, 6)).unwrap_err();
    path.check_consistency(&empty, &Head { root: Hash([1; 32]), ..empty }).unwrap_err();
    let path = tree::prove_consistency(3, 6, &server.nodes).unwrap();
    path.check_consistency(&empty, &head(&server, 6)).unwrap_err();
}
