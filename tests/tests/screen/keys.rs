//! Both keymaps, as fingers know them. What is chosen is the newest message in the timeline, so that is waited for: it is
//! indented there.

use crate::first_run::copied;
use crate::two_in_a_room;

#[test]
fn vi_keys_choose_and_copy() {
    let (_home, _server, mut alice, bob) = two_in_a_room();
    alice.enter("/keys vim");
    alice.sees("vi keys");
    alice.enter("first thing");
    alice.enter("second thing");
    bob.sees("second thing");
    alice.sees("      second thing");
    alice.press("esc");
    alice.sees("▶     second thing");
    alice.press("k");
    alice.sees("▶     first thing");
    alice.press("y");
    alice.sees("copied");
    assert_eq!(copied(&alice), ["first thing"]);
    alice.type_text("j");
    alice.sees("▶     second thing");
    alice.press("r");
    alice.sees("> > alice wrote:");
    alice.enter("agreed");
    bob.sees("agreed");
    alice.sees("      agreed");
    alice.press("esc");
    alice.sees("▶     agreed");
    alice.press("?");
    alice.sees("vi keys; /keys changes them");
    alice.press("q");
    alice.press("space");
    alice.sees("crypto log");
    alice.press("c");
    alice.sees("How the keys of this room have changed");
    alice.sees("1 device came in");
    alice.press("q");
    alice.type_text("i");
    alice.sees_no("▶");
    alice.type_text("jki are letters again");
    alice.sees("> jki are letters again");
}

#[test]
fn emacs_keys_choose_and_copy() {
    let (_home, _server, mut alice, bob) = two_in_a_room();
    alice.enter("first thing");
    alice.enter("second thing");
    bob.sees("second thing");
    alice.sees("      second thing");
    alice.press("alt+p");
    alice.sees("▶     second thing");
    alice.press("k");
    alice.sees("▶     first thing");
    alice.press("y");
    alice.sees("copied");
    assert_eq!(copied(&alice), ["first thing"]);
    // The notice first, then the choice.
    alice.press("esc");
    alice.sees_no("copied");
    alice.press("esc");
    alice.sees_no("▶");
    alice.type_text("world");
    alice.press("ctrl+a");
    alice.type_text("hello ");
    alice.sees("> hello world");
    alice.press("ctrl+e");
    alice.press("alt+enter");
    alice.type_text("and a second line");
    alice.sees("and a second line");
    alice.press("ctrl+x");
    alice.sees("crypto log");
    alice.press("i");
    alice.sees("MLS (RFC 9420)");
    alice.press("esc");
    alice.sees_no("MLS (RFC 9420)");
    alice.press("enter");
    bob.sees("hello world");
    bob.sees("and a second line");
    alice.press("ctrl+x");
    alice.sees("crypto log");
    alice.press("ctrl+c");
    alice.is_given_back();
    assert!(alice.end().success());
}
