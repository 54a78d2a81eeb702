//! Two people compare a code, and do not see the same.

use crate::two_in_a_room;

#[test]
fn who_sees_another_code_warns_the_other_one_too() {
    let (_home, _server, mut alice, mut bob) = two_in_a_room();
    bob.resize(12, 40);
    alice.enter("/verify bob");
    alice.sees("waiting for bob");
    bob.sees("alice wants to compare keys");
    bob.enter("/verify alice");
    let asked = "y  the codes are the same";
    alice.sees(asked);
    bob.sees(asked);
    bob.sees("Esc: later");
    let code = |screen: String| {
        let groups =
            |row: &str| row.split_whitespace().filter(|it| it.len() == 4).map(str::to_owned).collect();
        let rows: Vec<Vec<String>> = screen.lines().map(groups).collect();
        let all_digits = |row: &&Vec<String>| {
            row.len() == 3 && row.iter().all(|it| it.chars().all(|c| c.is_ascii_digit()))
        };
        rows.iter().find(all_digits).unwrap_or_else(|| panic!("no code on:\n{screen}")).clone()
    };
    assert_eq!(code(alice.screen()), code(bob.screen()));
    // Alice was too quick, or was spoken to by somebody else.
    alice.press("y");
    alice.sees("you and bob saw the same code");
    bob.press("n");
    bob.sees("the codes differ");
    bob.sees("Esc closes this");
    alice.sees("bob says that the codes differ");
    alice.press("esc");
    alice.sees_no("the codes differ");
}
