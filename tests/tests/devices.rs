//! Several devices of one person: linked over a code, in every room, and out again.

use openchat_tests::binary::PASSWORD;
use openchat_tests::{Chat, Openchat, ServerProcess, Terminal, people};

struct World {
    home: Openchat,
    server: ServerProcess,
}

/// Alice has made #lobby and #plans, which is private, and Bob is in both.
fn world() -> World {
    let (home, server) = people(&["alice", "bob"]);
    home.run_with_input("alice", &["chat"], "create lobby\n/create private plans\n/add bob\n").ok();
    home.run_with_input("bob", &["chat", "lobby"], "hello\n").ok();
    home.run("alice", &["chat", "lobby"]).ok();
    World { home, server }
}

impl World {
    /// `openchat link` of somebody, and the link that it shows.
    fn link(&self, profile: &str) -> (Chat, String) {
        let mut linking = Chat::start(&self.home, profile, &["link"]);
        let link = linking.hear("openchat://").trim().to_owned();
        (linking, link)
    }

    /// Makes `new` a device of who `known` is, in all rooms.
    fn link_device(&self, known: &str, new: &str) -> String {
        let (mut linking, link) = self.link(known);
        let out = self.home.run(new, &["join", &link, "--only"]).ok();
        assert!(out.contains(&format!("You are {known} on")), "{out}");
        let told = linking.hear("The new device is");
        linking.hear("It is in 2 of your 2 rooms");
        linking.end().ok();
        told.trim_end().rsplit(' ').next().unwrap().to_owned()
    }
}

/// Attack 16: a stolen unlocked device.
#[test]
fn a_second_device_reads_and_writes_where_the_first_one_does_until_it_is_revoked() {
    let world = world();
    let home = &world.home;
    let did = world.link_device("alice", "phone");
    let past = home.run("phone", &["tail", "lobby"]).ok();
    assert!(past.contains("bob  hello"), "what was said before it came: {past}");
    for (profile, text) in [("phone", "from the phone"), ("alice", "from the desk")] {
        for room in ["lobby", "plans"] {
            home.run(profile, &["send", room, text]).ok();
        }
    }
    for room in ["lobby", "plans"] {
        for profile in ["alice", "phone", "bob"] {
            let out = home.run(profile, &["tail", room, "--json"]).ok();
            let said: Vec<_> = out.lines().filter(|line| line.contains("from the")).collect();
            assert_eq!(said.len(), 2, "{profile} in {room}: {out}");
        }
    }
    let seen = home.run("bob", &["chat", "lobby"]).ok();
    assert_eq!(seen.matches("alice has one more device here").count(), 1, "{seen}");
    assert!(seen.contains("• alice"), "she is still who invited him: {seen}");
    let met = home.run_with_input("phone", &["chat"], "/trust\n:q\n").ok();
    assert!(met.contains("• bob"), "whom the desk knows the phone knows: {met}");
    let devices = home.run("phone", &["devices"]).ok();
    assert!(
        devices.lines().count() == 2 && devices.contains(&format!("{did}  in 2 rooms  (this one)")),
        "{devices}"
    );

    let out = home.run("alice", &["devices", "revoke", &did[..6]]).ok();
    assert!(out.contains("It is out of all your rooms."), "{out}");
    home.run("bob", &["send", "lobby", "only for the desk"]).ok();
    home.run("alice", &["chat", "plans"]).ok();
    home.run("phone", &["tail", "lobby"]).fails(4, &["this device was revoked"]);
    home.run("phone", &["send", "lobby", "I am still here"]).fails(4, &["this device was revoked"]);
    let seen = home.run("alice", &["tail", "lobby", "--json"]).ok();
    assert!(seen.contains("only for the desk") && !seen.contains("I am still here"), "{seen}");
    let seen = home.run("bob", &["chat", "lobby"]).ok();
    assert!(!seen.contains("!!"), "no alarm for him: {seen}");
    let devices = home.run("alice", &["devices"]).ok();
    assert_eq!(devices.lines().count(), 1, "{devices}");
}

#[test]
fn a_linked_device_gets_what_is_missing_of_the_history_by_another_link() {
    let world = world();
    world.link_device("alice", "phone");
    let (mut linking, link) = world.link("alice");
    world.home.run("phone", &["join", &link, "--only"]).ok();
    linking.hear("The new device is");
    linking.end().ok();
    let devices = world.home.run("phone", &["devices"]).ok();
    assert_eq!(devices.lines().count(), 2, "it stays the device that it is: {devices}");
    // Somebody else's profile is no device of hers.
    let (_linking, link) = world.link("alice");
    world.home.run("bob", &["join", &link, "--only"]).fails(2, &["there is a profile of bob"]);
}

/// Attack 16: a stolen unlocked device.
#[test]
fn a_revoked_device_that_is_online_is_told_and_out() {
    let world = world();
    let did = world.link_device("alice", "phone");
    let mut phone = Chat::start(&world.home, "phone", &["chat", "lobby"]);
    phone.say("the phone is here");
    phone.hear("the phone is here");
    world.home.run("alice", &["devices", "revoke", &did]).ok();
    let outcome = phone.end();
    outcome.fails(4, &["this device was revoked"]);
}

#[test]
fn the_line_client_puts_a_device_out_with_the_password_only() {
    let world = world();
    let did = world.link_device("alice", "phone");
    let piped = world.home.run_with_input("alice", &["chat"], &format!("/devices revoke {did}\n"));
    piped.fails(2, &["password is needed", "openchat devices revoke"]);
    let mut desk = Terminal::open(&world.home, "alice", &["chat", "lobby"]);
    desk.sees("Password");
    desk.enter(PASSWORD);
    desk.sees("#lobby>");
    desk.enter("/devices");
    desk.sees("(this one)");
    for (times, password, told) in [(1, "another one", "does not open"), (2, PASSWORD, "That device is out")]
    {
        desk.enter(&format!("/devices revoke {did}"));
        let asked = |screen: &vt100::Screen| screen.contents().matches("Your password:").count() == times;
        desk.wait_for(asked, "the question for the password");
        desk.enter(password);
        desk.sees(told);
    }
    assert!(!desk.screen().contains(PASSWORD), "{}", desk.screen());
    world.home.run("phone", &["tail", "lobby"]).fails(4, &["this device was revoked"]);
}

#[test]
fn the_line_client_links_a_device_while_one_talks() {
    let world = world();
    let home = &world.home;
    home.run_with_input("alice", &["chat"], "/link\n").fails(2, &["password is needed", "openchat link"]);
    let mut bob = Chat::start(home, "bob", &["chat", "lobby"]);
    bob.say("before the phone");
    bob.hear("before the phone");
    let mut desk = Terminal::open_sized(home, "alice", &["chat", "lobby"], (40, 200));
    desk.sees("Password");
    desk.enter(PASSWORD);
    desk.sees("before the phone");
    desk.enter("/link");
    desk.sees("Your password:");
    desk.enter(PASSWORD);
    desk.sees("/link#");
    desk.wait_for(|screen| screen.contents().trim_end().ends_with("#lobby>"), "the prompt");
    desk.enter("the talk goes on");
    bob.hear("the talk goes on");
    let screen = desk.screen();
    let link = screen.lines().find(|row| row.contains("/link#")).expect("the link").trim().to_owned();
    home.run("phone", &["join", &link, "--only"]).ok();
    desk.sees("your new device");
    desk.sees("it is in 2 of your 2 rooms");
    desk.sees("your new device has all that was said in your rooms");
    let past = home.run("phone", &["tail", "lobby"]).ok();
    assert!(past.contains("bob  before the phone"), "{past}");
    assert!(past.contains("the talk goes on"), "what was said while it was waited for: {past}");
    // Given up, it is over.
    desk.enter("/link");
    let asked = |screen: &vt100::Screen| screen.contents().matches("Your password:").count() == 2;
    desk.wait_for(asked, "the question for the password");
    desk.enter(PASSWORD);
    desk.wait_for(|screen| screen.contents().matches("/link#").count() == 2, "another link");
    desk.wait_for(|screen| screen.contents().trim_end().ends_with("#lobby>"), "the prompt");
    desk.enter("/link stop");
    desk.sees("No device is linked any more");
    let screen = desk.screen();
    let link = screen.lines().rfind(|row| row.contains("/link#")).expect("the link").trim();
    home.run("tablet", &["join", link, "--only"]).fails(3, &["this link is over"]);
}

#[test]
fn three_wrong_codes_burn_a_link() {
    let world = world();
    let home = &world.home;
    let (linking, link) = world.link("alice");
    let (head, tail) = link.split_at(link.len() - 1);
    let wrong = format!("{head}{}", if tail == "0" { '1' } else { '0' });
    for profile in ["one", "two", "three"] {
        home.run(profile, &["join", &wrong, "--only"]).fails(4, &["not the code", "openchat link"]);
        assert!(!home.profile(profile).join("private.pem").exists(), "nothing is left behind");
    }
    let outcome = linking.end();
    outcome.fails(4, &["2 tries are left", "one try is left", "the last try", "burnt"]);
    home.run("four", &["join", &link, "--only"]).fails(3, &["this link is over", "openchat link"]);
    world.link_device("alice", "phone");
}

#[test]
fn a_link_leads_to_one_server_only() {
    let world = world();
    let elsewhere = Openchat::new();
    let other = ServerProcess::start(&elsewhere);
    let (_linking, link) = world.link("alice");
    let wrong = link.replace(&world.server.fingerprint, &other.fingerprint);
    world.home.run("phone", &["join", &wrong, "--only"]).fails(8, &["not the one you know"]);
    world.home.run("phone", &["join", "openchat://host:1/link#x", "--only"]).fails(2, &["code at the end"]);
}
