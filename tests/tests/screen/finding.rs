//! What was said long ago, in whichever room, is found again, and a room can be kept as a file.

use std::os::unix::fs::PermissionsExt;

use crate::{open, people, rows_with, two_in_a_room};

/// Lines behind which what came before is out of memory.
const MANY: usize = 250;

#[test]
fn a_search_over_rooms_leads_to_an_old_message_and_back() {
    let (home, _server) = people(&["alice"]);
    let lines: String = (1..=MANY).map(|number| format!("line {number}\n")).collect();
    let said =
        format!("create lobby\nthe key is under the mat\n{lines}:q\ncreate ops\nnothing is under this one\n");
    home.run_with_input("alice", &["chat"], &said).ok();
    let mut alice = open(&home, "alice");
    alice.sees(&format!("line {MANY}"));
    alice.press("f4");
    alice.sees("Search all messages");
    alice.type_text("under");
    alice.sees("2 found in all");
    alice.type_text(" the");
    alice.sees("1 found in all");
    assert!(rows_with(&alice, "#lobby").iter().any(|row| row.contains("alice: the key is under the mat")));
    alice.press("enter");
    alice.sees("▸#lobby");
    alice.sees("▶     the key is under the mat");
    alice.sees("much newer below");
    // First the choice ends, then the way leads back to the newest line.
    alice.press("esc");
    alice.sees_no("▶");
    alice.press("esc");
    alice.sees(&format!("line {MANY}"));
    alice.sees_no("under the mat");
    alice.press("f4");
    alice.type_text("no such words");
    alice.sees("nothing in all");
    alice.press("esc");
    alice.sees_no("Search all messages");
}

#[test]
fn a_room_is_saved_to_a_new_file_and_over_none() {
    let (home, _server, mut alice, mut bob) = two_in_a_room();
    bob.enter("worth keeping");
    alice.sees("worth keeping");
    alice.enter("/save minutes.txt");
    alice.sees("minutes.txt has all");
    let file = home.folder().join("minutes.txt");
    let saved = std::fs::read_to_string(&file).unwrap();
    assert!(saved.contains("-- alice made the room") && saved.contains("bob  worth keeping"), "{saved}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    alice.type_text("/save minu");
    alice.press("tab");
    alice.sees("> /save minutes.txt");
    alice.press("enter");
    alice.sees("minutes.txt is there already");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), saved);
    alice.enter("/save nowhere/minutes.txt");
    alice.sees("nowhere/minutes.txt cannot be written");
}
