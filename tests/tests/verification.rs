//! Two people know each other's keys, by an invite or by comparing them; and a server that gives a name to another key is
//! noticed. The real binary, and a server whose database a story changes behind its back.

use std::net::SocketAddr;

use aws_lc_rs::digest::{SHA256, digest};
use openchat_client::vault::{Change, Vault, Voucher, Write};
use openchat_client::{InviteLink, Password};
use openchat_identity::{InviteToken, VouchKey};
use openchat_protocol::Uid;
use openchat_tests::binary::PASSWORD;
use openchat_tests::{Chat, Openchat, ServerProcess, bad_authority, people};
use rusqlite::Connection;

const OTHER_SERVER: i32 = 8;

/// Alice, who has made #lobby.
fn alice() -> (Openchat, ServerProcess) {
    let (home, server) = people(&["alice"]);
    home.run_with_input("alice", &["chat"], "create lobby\n").ok();
    (home, server)
}

fn invite(home: &Openchat) -> String {
    home.run("alice", &["invite", "lobby"]).ok().trim().to_owned()
}

/// Alice and Bob, who know each other by an invite.
fn acquainted() -> (Openchat, ServerProcess) {
    let (home, server) = alice();
    home.join("bob", &invite(&home));
    let alice = Chat::start(&home, "alice", &["chat", "lobby"]);
    let mut bob = Chat::start(&home, "bob", &["chat", "lobby"]);
    bob.hear("alice's key is proven");
    bob.end().ok();
    alice.end().ok();
    (home, server)
}

fn trust(home: &Openchat, who: &str) -> String {
    home.run_with_input(who, &["chat"], "/trust\n").ok()
}

/// The host takes a name from its key, and gives it to that of `other`, in the log of keys too.
async fn give_name(server: ServerProcess, home: &Openchat, name: &str, other: &str) -> ServerProcess {
    let address: SocketAddr = server.kill();
    let folder = home.folder().join("server");
    let database = Connection::open(folder.join("server.db")).unwrap();
    let rename = "UPDATE account SET name = ?2, skeleton = ?2 WHERE name = ?1";
    assert_eq!(database.execute(rename, [name, "nameless"]).unwrap(), 1);
    assert_eq!(database.execute(rename, [other, name]).unwrap(), 1);
    let find = "SELECT uid, identity_certificate FROM account WHERE name = ?1";
    let (uid, certificate) =
        database.query_row(find, [name], |row| Ok((Uid(row.get(0)?), row.get::<_, Vec<u8>>(1)?))).unwrap();
    drop(database);
    let certificate = digest(&SHA256, &certificate).as_ref().try_into().unwrap();
    bad_authority::certify(&folder, name, uid, certificate).await;
    ServerProcess::start_at(home, address, &[])
}

#[test]
fn an_invite_shows_both_ends_whose_key_the_other_has() {
    let (home, _server) = acquainted();
    for (who, other) in [("alice", "• bob"), ("bob", "• alice")] {
        let out = trust(&home, who);
        assert!(out.contains(other) && out.contains("proven at both ends"), "{out}");
    }
    home.run("bob", &["send", "lobby", "hello"]).ok();
    let out = home.run_with_input("alice", &["chat", "lobby"], "/who\n").ok();
    for words in ["keys: • 1 by invite", "• bob  hello", "• bob · known by an invite", "bob's key is proven"]
    {
        assert!(out.contains(words), "`{words}` is not in: {out}");
    }
    let out = home.run("alice", &["tail", "lobby", "--json"]).ok();
    assert!(out.contains("\"trust\":\"invited\""), "{out}");
}

#[test]
fn an_invite_for_several_leaves_them_at_first_use() {
    let (home, _server) = alice();
    let link = home.run("alice", &["invite", "lobby", "--uses", "2"]).ok();
    home.join("bob", link.trim());
    home.run_with_input("bob", &["chat"], "join lobby\n").ok();
    let out = trust(&home, "alice");
    assert!(out.contains("? bob  first use: only the server says whose key it is"), "{out}");
}

/// The server, which knows the hash of Alice's invite, puts a key of its own in Bob's place.
#[test]
fn a_server_that_swaps_the_invitee_is_noticed() {
    let (home, _server) = alice();
    let link: InviteLink = invite(&home).parse().unwrap();
    let another = home.run("alice", &["invite", "--uses", "2"]).ok();
    home.run("mallory", &["join", another.trim(), "--name", "bob", "--only"]).ok();
    let key = VouchKey::of(&InviteToken::generate());
    let forged = Voucher::new(link.token.redeem_hash(), &key, link.inviter.unwrap(), None);
    let mut vault = Vault::open(&home.profile("mallory"), &Password::new(PASSWORD)).unwrap();
    vault.apply(&Change::from_iter([Write::Voucher(Some(Box::new(forged)))])).unwrap();
    drop(vault);
    let mut alice = Chat::start(&home, "alice", &["chat", "lobby"]);
    alice.hear("#lobby");
    home.run_with_input("mallory", &["chat"], "join lobby\nI am bob\n").ok();
    // What the program proves and what the person says come in the order in which they were ready.
    let told = alice.hear("bob uses one of your invites and cannot prove to have its link");
    if !told.contains("? bob  I am bob") {
        alice.hear("? bob  I am bob");
    }
    alice.end().ok();
}

#[test]
fn two_people_compare_by_a_code_over_the_room() {
    let (home, _server) = alice();
    let link = home.run("alice", &["invite", "lobby", "--uses", "2"]).ok();
    home.join("bob", link.trim());
    let mut alice = Chat::start(&home, "alice", &["chat", "lobby"]);
    let mut bob = Chat::start(&home, "bob", &["chat", "lobby"]);
    bob.say("hello");
    alice.hear("? bob  hello");
    alice.say("/verify bob");
    let number = alice.hear("waiting for bob");
    bob.hear("alice wants to compare keys with you: /verify alice");
    bob.say("/verify alice");
    let code = |heard: String| heard.split("the code ").nth(1).unwrap().chars().take(14).collect::<String>();
    let (hers, his) = (code(alice.hear("sees the code")), bob.hear("sees the code"));
    let number = number.lines().find(|line| line.split_whitespace().count() == 12).unwrap().to_owned();
    assert!(his.contains(number.trim()), "both programs show one number: {number} {his}");
    assert_eq!(hers, code(his));
    alice.say("/verify bob yes");
    bob.say("/verify alice yes");
    alice.hear("bob's key is proven: you compared codes");
    bob.hear("alice's key is proven: you compared codes");
    bob.say("and now?");
    alice.hear("✓ bob  and now?");
    bob.end().ok();
    alice.end().ok();
    assert!(trust(&home, "bob").contains("✓ alice  you compared codes"));
}

#[test]
fn two_people_compare_by_their_number() {
    let (home, _server) = acquainted();
    let out = home.run_with_input("bob", &["chat"], "/verify alice\n").ok();
    let code = out.lines().find(|line| line.contains("OPENCHAT-SAFETY:")).unwrap().trim();
    let (kept, last) = code.split_at(code.len() - 1);
    let wrong = format!("{kept}{}", if last == "7" { '8' } else { '7' });
    let verify = |code: &str| home.run_with_input("alice", &["chat"], &format!("/verify bob {code}\n"));
    verify(&wrong).fails(OTHER_SERVER, &["this is not the number of you and bob"]);
    assert!(trust(&home, "alice").contains("• bob"), "a number that was misread takes nothing away");
    assert!(verify(code).ok().contains("The numbers are the same: this is bob's key."));
    assert!(trust(&home, "alice").contains("✓ bob"));
}

/// Attack 4: the authority swaps a key that is known.
/// Attack 4 of the design: the authority gives the name of a key that was checked to another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_authority_swaps_a_pinned_identity_and_sending_stops() {
    let (home, server) = acquainted();
    let link = home.run("alice", &["invite", "--uses", "2"]).ok();
    home.join("mallory", link.trim());
    let _server = give_name(server, &home, "bob", "mallory").await;
    home.run_with_input("mallory", &["chat"], "join lobby\n").ok();
    let refused = home.run("alice", &["send", "lobby", "only for bob"]);
    refused.fails(OTHER_SERVER, &["messages in #lobby wait", "the key of bob has changed", "/accept bob"]);
    let sealed = home.run_with_input("alice", &["seal", "lobby"], "a secret\n");
    sealed.fails(OTHER_SERVER, &["key in #lobby has changed", "nothing is sealed"]);
    assert!(home.run("alice", &["rooms"]).ok().contains("KEY CHANGED"));
    let out = home.run_with_input("alice", &["chat", "lobby"], "/who\n").out;
    for words in ["KEY CHANGED", "your messages wait until you decide", "whose key you had checked", "! bob"]
    {
        assert!(out.contains(words), "`{words}` is not in: {out}");
    }
    for other in ["bob", "mallory"] {
        let out = home.run(other, &["tail", "lobby"]).ok();
        assert!(!out.contains("only for bob"), "{other}: {out}");
    }
    home.run_with_input("alice", &["chat"], "/accept bob\n").ok();
    home.run("alice", &["send", "lobby", "and more"]).ok();
    let out = home.run("mallory", &["tail", "lobby"]).ok();
    assert!(out.contains("only for bob"), "Alice has decided: {out}");
    let out = trust(&home, "alice");
    assert!(out.contains("? bob  first use"), "{out}");
}
