//! Two people talk, are away, and lose the server for a while.

use openchat_tests::ServerProcess;

use crate::{create, open, people, rows_with, two_in_a_room};

#[test]
fn two_people_type_and_see_each_other() {
    let (home, _server) = people(&["alice", "bob"]);
    let (mut alice, mut bob) = (open(&home, "alice"), open(&home, "bob"));
    create(&mut alice, "lobby");
    alice.sees("▸#lobby");
    alice.sees("made the room");
    bob.sees("What next?");
    bob.press("esc");
    bob.sees_no("What next?");
    bob.enter("/join lobby");
    alice.sees("bob joined");
    alice.enter("good morning");
    bob.sees("good morning");
    bob.enter("so it works");
    alice.sees("so it works");
}

#[test]
fn what_is_unread_is_visited_by_importance_and_left_unread() {
    let (_home, _server, mut alice, mut bob) = two_in_a_room();
    for room in ["many", "named"] {
        bob.enter(&format!("/create {room}"));
        bob.sees(&format!("▸#{room}"));
        alice.enter(&format!("/join {room}"));
        alice.sees(&format!("▸#{room}"));
        bob.sees("alice joined");
    }
    alice.enter("/join lobby");
    alice.sees("▸#lobby");
    bob.enter("@alice look at this");
    bob.enter("/join many");
    bob.sees("▸#many");
    bob.enter("one of two");
    bob.enter("two of two");
    alice.sees("3 new elsewhere, 1 for you");
    alice.sees("1 @1");
    alice.press("alt+n");
    alice.sees("▸#named");
    alice.sees("── new ──");
    alice.sees("look at this");
    alice.press("alt+n");
    alice.sees("▸#many");
    alice.sees("two of two");
    alice.press("alt+b");
    alice.sees("▸#lobby");
    // A visit was no reading.
    alice.sees("3 new elsewhere, 1 for you");
    alice.press("alt+n");
    alice.sees("▸#named");
    alice.enter("I have looked");
    alice.sees("2 new elsewhere");
    alice.press("alt+n");
    alice.sees("▸#many");
    alice.press("ctrl+x");
    alice.sees("mark read");
    alice.press("k");
    alice.press("alt+b");
    alice.sees("▸#lobby");
    alice.sees_no("new elsewhere");
    alice.press("alt+n");
    alice.sees("nothing is unread");
}

#[test]
fn what_is_written_while_the_server_is_dead_arrives_once_and_in_order() {
    let (home, server, mut alice, bob) = two_in_a_room();
    let address = server.kill();
    alice.sees("offline");
    alice.sees("what you write is kept");
    bob.sees("offline");
    let words = ["first of the silence", "second of the silence", "third of the silence"];
    words.iter().for_each(|words| alice.enter(words));
    alice.sees("3 to send");
    alice.sees("waiting to be sent");
    let _server = ServerProcess::start_at(&home, address, &[]);
    alice.sees("online");
    alice.sees_no("to send");
    alice.enter("after the silence");
    bob.sees("after the silence");
    let heard = rows_with(&bob, "the silence");
    assert_eq!(heard.len(), 4, "{heard:?}");
    for (row, words) in heard.iter().zip(words.iter().chain(&["after the silence"])) {
        assert!(row.contains(words), "{heard:?}");
    }
    alice.sees_no("waiting to be sent");
}

#[test]
fn fifty_messages_at_once_keep_their_order() {
    let (_home, _server, mut alice, mut bob) = two_in_a_room();
    bob.resize(70, 100);
    for number in 1..=50 {
        alice.paste(&format!("line {number:02} of fifty"));
        alice.press("enter");
    }
    alice.enter("all said");
    alice.sees("all said");
    alice.sees_no("waiting to be sent");
    bob.sees("all said");
    let heard = rows_with(&bob, "of fifty");
    assert_eq!(heard.len(), 50, "{heard:#?}");
    for (index, row) in heard.iter().enumerate() {
        assert!(row.contains(&format!("line {:02} of fifty", index + 1)), "{heard:#?}");
    }
    alice.sees_no("to send");
}

#[test]
fn a_paste_of_many_lines_asks_once() {
    let (_home, _server, mut alice, bob) = two_in_a_room();
    let lines = |name: &str| (1..=8).map(|number| format!("{name} {number}")).collect::<Vec<_>>();
    alice.paste(&lines("refused").join("\r"));
    alice.sees("Paste 8 lines into the message?");
    alice.press("n");
    alice.sees_no("Paste 8 lines");
    alice.paste(&lines("wanted").join("\r"));
    alice.sees("Paste 8 lines into the message?");
    alice.press("y");
    alice.sees("wanted 8");
    alice.sees_no("Paste 8 lines");
    alice.press("enter");
    bob.sees("wanted 8");
    assert_eq!(rows_with(&bob, "wanted").len(), 8, "{}", bob.screen());
    assert!(rows_with(&bob, "refused").is_empty(), "{}", bob.screen());
    // One message: its author is named once, and nothing of it waits in the composer.
    alice.sees("write a message, or / for commands");
}
