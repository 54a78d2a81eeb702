//! The pictures of the README: three people talk, and what one of them sees is written as SVG into the folder named on
//! the command line. `cargo xtask pictures` runs it.

use std::path::Path;

use openchat_tests::binary::PASSWORD;
use openchat_tests::svg::{DARK, Ground, LIGHT, svg};
use openchat_tests::{Openchat, ServerProcess, Terminal};

/// No command: the full screen.
const NOTHING: &[&str] = &[];

fn main() {
    let folder = std::env::args().nth(1).expect("the folder to write into");
    let folder = Path::new(&folder);
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    home.join("alice", &server.first_invite());
    for name in ["bob", "carol"] {
        let link = home.run("alice", &["invite"]).ok();
        home.join(name, link.trim());
    }
    let mut alice = open(&home, "alice");
    let mut bob = open(&home, "bob");
    let mut carol = open(&home, "carol");
    gather(&mut alice, &mut [&mut bob, &mut carol]);
    talk(&mut alice, &mut bob, &mut carol);

    alice.enter("/theme dark");
    alice.sees("write a message");
    alice.type_text("see you at nine, then");
    alice.sees("> see you at nine, then");
    take(&alice, DARK, "A conversation, dark", &folder.join("dark.svg"));

    alice.resize(12, 40);
    alice.wait_for(|screen| screen.cell(11, 39).is_some_and(|cell| cell.contents() != "▒"), "a small screen");
    alice.sees("> see you at nine, then");
    take(&alice, DARK, "The same in forty columns and twelve rows", &folder.join("small.svg"));

    alice.resize(28, 100);
    alice.sees("3 people here");
    alice.press("ctrl+u");
    alice.sees("write a message");
    alice.enter("/theme light");
    alice.press("ctrl+t");
    alice.sees("Go to");
    alice.type_text("in");
    alice.sees("> in");
    take(&alice, LIGHT, "The picker, light", &folder.join("light.svg"));
}

fn open(home: &Openchat, name: &str) -> Terminal {
    let mut terminal = Terminal::open_sized(home, name, NOTHING, (28, 100));
    terminal.sees("Password");
    terminal.enter(PASSWORD);
    terminal.sees("online");
    terminal
}

/// Three rooms; everybody is in all of them, and ends in the first.
fn gather(host: &mut Terminal, friends: &mut [&mut Terminal]) {
    host.sees("What next?");
    host.press("enter");
    host.sees("> /create");
    host.enter("lobby");
    host.sees("▸#lobby");
    for friend in friends.iter_mut() {
        friend.sees("What next?");
        friend.press("down");
        friend.press("enter");
        friend.sees("> /join");
        friend.enter("lobby");
        friend.sees("▸#lobby");
    }
    for room in ["garden", "infrastructure"] {
        host.enter(&format!("/create {room}"));
        host.sees(&format!("▸#{room}"));
        for friend in friends.iter_mut() {
            friend.enter(&format!("/join {room}"));
            friend.sees(&format!("▸#{room}"));
        }
    }
    host.enter("/join lobby");
    host.sees("▸#lobby");
    host.sees("3 people");
    for friend in friends.iter_mut() {
        friend.enter("/join lobby");
        friend.sees("▸#lobby");
    }
}

fn talk(alice: &mut Terminal, bob: &mut Terminal, carol: &mut Terminal) {
    bob.enter("good morning! the new server is up, **no** downtime");
    alice.sees("good morning");
    alice.enter("wonderful. how do people come in?");
    bob.sees("how do people");
    bob.paste("one line is enough:\n```sh\n# the link is good for one person\nopenchat join \"$LINK\"\n```");
    bob.sees("openchat join");
    bob.press("enter");
    alice.sees("one line is enough");
    carol.enter("@alice can you send one to the choir? they sing on Thursday, après l'été");
    alice.sees("send one to the choir");
    alice.enter("on its way: `/invite` shows it, with a QR code for the phones");
    bob.sees("on its way");
    carol.enter("/join infrastructure");
    carol.sees("▸#infrastructure");
    carol.enter("@alice the certificates are renewed");
    carol.enter("/join garden");
    carol.sees("▸#garden");
    carol.enter("the tomatoes are in");
    alice.sees("2 new elsewhere, 1 for you");
    alice.sees_no("to send");
}

fn take(terminal: &Terminal, ground: Ground, title: &str, path: &Path) {
    let picture = terminal.look(|screen| svg(screen, ground, title));
    std::fs::write(path, picture).expect("the picture is written");
}
