//! Another device is linked from within the chat, at two screens.

use openchat_tests::Terminal;
use openchat_tests::binary::PASSWORD;

use crate::first_run::copied;
use crate::{NOTHING, open_sized, two_in_a_room};

/// Asks for a link with the password, and copies it.
fn link(desk: &mut Terminal) -> String {
    desk.enter("/link");
    desk.sees("Your password:");
    desk.enter(PASSWORD);
    desk.sees("/link#");
    desk.sees("▀");
    let before = copied(desk).len();
    desk.press("y");
    desk.sees("the link is on the clipboard");
    copied(desk).split_off(before).pop().expect("the link was copied")
}

/// Fills in the form of a new device, which has the link already.
fn become_device(phone: &mut Terminal) {
    phone.sees("one more device of yours");
    phone.enter(PASSWORD);
    phone.enter(PASSWORD);
}

#[test]
fn a_device_is_linked_from_within_the_chat_and_talks_at_once() {
    let (home, _server, mut alice, mut bob) = two_in_a_room();
    bob.enter("said before the phone came");
    alice.sees("said before the phone came");
    alice.press("ctrl+c");
    alice.is_given_back();
    let mut desk = open_sized(&home, "alice", (50, 120));
    desk.sees("said before the phone came");

    // The password is asked for, and nothing is shown without it.
    desk.enter("/link");
    desk.sees("Your password:");
    desk.enter("another one");
    desk.sees("this is not your password");
    let link = link(&mut desk);
    desk.press("esc");
    desk.sees_no("/link#");
    desk.enter("the talk goes on meanwhile");
    bob.sees("the talk goes on meanwhile");

    // Pasted where invites are: it says itself what it is.
    let mut phone = Terminal::open_sized(&home, "phone", NOTHING, (40, 120));
    phone.sees("Link this device");
    phone.press("2");
    phone.sees("Your name");
    phone.paste(&link);
    phone.sees_no("Your name");
    phone.press("enter");
    become_device(&mut phone);
    desk.sees("your new device");
    desk.sees("has all that was said in your rooms");
    phone.sees("▸#lobby");
    phone.sees("said before the phone came");
    phone.enter("from the phone");
    desk.sees("from the phone");
    bob.sees("from the phone");
}

#[test]
fn a_link_is_given_up_in_the_list_of_tasks_and_leads_nowhere_then() {
    let (home, _server, alice, _bob) = two_in_a_room();
    drop(alice);
    let mut desk = open_sized(&home, "alice", (50, 120));
    let link = link(&mut desk);
    desk.press("esc");
    desk.sees_no("/link#");
    desk.press("f3");
    desk.sees("▸ ◌ waiting for your new device");
    desk.press("x");
    desk.sees_no("◌ waiting for your new device");
    let mut phone = Terminal::open_sized(&home, "phone", &["join", &link], (40, 120));
    become_device(&mut phone);
    phone.sees("this link is over");
    assert!(!home.profile("phone").join("vault.db").exists(), "nothing was made");
}
