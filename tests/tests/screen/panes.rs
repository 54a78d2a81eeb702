//! Two rooms side by side: each gets what is written in it, and they go apart again.

use openchat_tests::ServerProcess;

use crate::{create, join_first, open, open_sized, people, rows_with};

/// Alice in #lobby and #ops on a wide window, the cursor in #ops; Bob in #lobby.
fn alice_and_bob() -> (openchat_tests::Openchat, ServerProcess, [openchat_tests::Terminal; 2]) {
    let (home, server) = people(&["alice", "bob"]);
    let mut alice = open_sized(&home, "alice", (43, 132));
    create(&mut alice, "lobby");
    alice.sees("made the room");
    let mut bob = open(&home, "bob");
    join_first(&mut bob, "lobby");
    alice.sees("bob joined");
    alice.enter("/create ops");
    alice.sees("▸#ops");
    (home, server, [alice, bob])
}

#[test]
fn what_is_written_goes_to_the_room_with_the_cursor() {
    let (_home, _server, [mut alice, mut bob]) = alice_and_bob();
    alice.enter("/split lobby");
    alice.sees("f6 goes to the other room");
    alice.sees("bob joined");
    alice.enter("for ops only");
    alice.sees("for ops only");
    bob.enter("heard beside");
    alice.sees("heard beside");
    assert!(alice.screen().contains("for ops only"), "{}", alice.screen());
    alice.press("f6");
    alice.sees("▸#lobby");
    alice.enter("for the lobby");
    bob.sees("for the lobby");
    alice.press("f6");
    alice.sees("▸#ops");
    alice.type_text("half a thought");
    alice.sees("> half a thought");
    alice.press("f6");
    alice.sees("▸#lobby");
    alice.sees_no("half a thought");
    alice.enter("once more for the lobby");
    bob.sees("once more for the lobby");
    assert!(rows_with(&bob, "ops").is_empty(), "{}", bob.screen());
    // Only the room with the cursor stays.
    alice.press("ctrl+x");
    alice.sees("one room");
    alice.press("1");
    alice.sees_no("for ops only");
    alice.sees("once more for the lobby");
    alice.enter("/join ops");
    alice.sees("> half a thought");
}

#[test]
fn in_vi_keys_the_way_to_the_other_room_stays_in_normal_mode() {
    let (_home, _server, [mut alice, bob]) = alice_and_bob();
    alice.enter("/keys vim");
    alice.sees("vi keys");
    alice.enter("/split lobby");
    alice.sees("bob joined");
    alice.press("esc");
    alice.sees("r quote");
    alice.press("ctrl+w");
    alice.sees("one room");
    alice.press("w");
    alice.sees("▸#lobby");
    alice.type_text(":");
    alice.sees("> :");
    alice.enter("unsplit");
    alice.sees_no("#ops · ");
    alice.type_text("i");
    alice.enter("said and no command");
    bob.sees("said and no command");
    alice.press("esc");
    alice.sees("r quote");
    alice.type_text(":");
    alice.sees("> :");
    alice.enter("q");
    alice.sees("What next?");
    assert_eq!(rows_with(&bob, "unsplit").len(), 0, "{}", bob.screen());
}
