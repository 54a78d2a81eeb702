//! `openchat demo`: a real server in a process of its own, three people, a crash in the middle; every claim is checked.

mod person;
mod server_process;
mod stage;

use std::path::Path;
use std::time::Duration;

use openchat_client::{Access, Entry, Membership, RoomSuite};
use openchat_identity::InviteLink;
use openchat_protocol::RoomName;

use self::person::enrol;
use self::server_process::ServerProcess;
use self::stage::{Stage, check, note};
use crate::failure::{Failure, Kind};
use crate::output;

const INVITE_VALID: Duration = Duration::from_secs(3600);

/// What is said in the demo; none of it may be found on the server's disk.
const BEFORE_CAROL: [(&str, &str); 3] = [
    ("alice", "Is anybody listening in?"),
    ("bob", "Only the two of us hold these keys."),
    ("alice", "Then the plan: lighthouse, midnight."),
];
const WHILE_DOWN: &str = "Written while the server was dead.";
const JUST_BEFORE_CRASH: &str = "Acknowledged a moment before the crash.";
const AFTER_BOB: &str = "Bob cannot read this one.";

pub(crate) async fn run() -> Result<(), Failure> {
    let folder = Folder::make()?;
    let outcome = play(&folder.0).await;
    drop(folder);
    outcome
}

/// A temporary folder, removed at the end whatever happens.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("openchat-demo-{}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Ok(Self(path)),
            Err(error) => Err(Failure::new(
                Kind::Storage,
                format!("cannot make the folder {}: {error}", path.display()),
            )),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            output::tell(format_args!("{} could not be removed: {error}", self.0.display()));
        }
    }
}

async fn play(folder: &Path) -> Result<(), Failure> {
    let mut stage = Stage::default();
    let lobby: RoomName = "lobby".parse().map_err(|error| Failure::new(Kind::Internal, error))?;

    stage.scene("A server starts, from nothing")?;
    let mut server = ServerProcess::start(folder).await?;
    note(format_args!("server fingerprint {}", server.fingerprint))?;
    let first: InviteLink = server.take_invite()?;

    stage.scene("Alice comes in by the server's first invite, Bob by Alice's")?;
    let mut alice = enrol(folder, &first, "alice").await?;
    let for_bob = alice.invite(INVITE_VALID).await?;
    let mut bob = enrol(folder, &for_bob, "bob").await?;
    check("an invite is good for one account", enrol(folder, &for_bob, "mallory").await.is_err())?;

    stage.scene("Alice makes #lobby, Bob joins it by name")?;
    alice.room = Some(alice.client.create_room(lobby.clone(), Access::Listed, RoomSuite::default()).await?);
    let listed = bob.client.list_rooms().await?;
    check("Bob sees #lobby in the list of rooms", listed.iter().any(|room| room.name == lobby))?;
    bob.room = Some(bob.client.join_room(lobby.clone()).await?);
    let (alice_sees, bob_sees) = (alice.client.list_rooms().await?, bob.client.list_rooms().await?);
    check("both list the same rooms", alice_sees.len() == 1 && bob_sees.len() == 1)?;
    check("the list shows two members", bob_sees.iter().all(|room| room.members == 2))?;

    stage.scene("They talk")?;
    for (name, words) in BEFORE_CAROL {
        let speaker = if name == "alice" { &mut alice } else { &mut bob };
        speaker.say_and_wait(words).await?;
    }
    for person in [&mut alice, &mut bob] {
        person.wait_for_text(BEFORE_CAROL[2].1).await?;
        stage::transcript(person).await?;
        let texts = person.texts().await?;
        let expected: Vec<String> = BEFORE_CAROL.iter().map(|(_, words)| (*words).to_owned()).collect();
        check(&format!("{} has all three messages, once, in order", person.name), texts == expected)?;
    }

    stage.scene("Carol joins later")?;
    let for_carol = alice.invite(INVITE_VALID).await?;
    let mut carol = enrol(folder, &for_carol, "carol").await?;
    carol.room = Some(carol.client.join_room(lobby.clone()).await?);
    alice.say_and_wait("Welcome, Carol.").await?;
    carol.wait_for_text("Welcome, Carol.").await?;
    stage::transcript(&carol).await?;
    check("Carol has nothing of what was said before", carol.texts().await? == ["Welcome, Carol."])?;

    stage.scene("The server is killed with SIGKILL, and starts again")?;
    alice.say_and_wait(JUST_BEFORE_CRASH).await?;
    server.kill().await?;
    bob.say(WHILE_DOWN).await?;
    note("Bob writes while there is no server: his message waits in his outbox, on disk")?;
    let same = server.fingerprint.clone();
    server = server.restart(folder).await?;
    check("the server that came back is the same one", server.fingerprint == same)?;
    for person in [&mut alice, &mut bob, &mut carol] {
        person.client.reconnect().await?;
        person.wait_for_text(WHILE_DOWN).await?;
        let texts = person.texts().await?;
        let once = |words: &str| texts.iter().filter(|text| *text == words).count() == 1;
        let whole = once(JUST_BEFORE_CRASH) && once(WHILE_DOWN);
        check(&format!("{} has both messages around the crash, once", person.name), whole)?;
    }

    stage.scene("Bob leaves")?;
    let epoch = alice.epoch();
    bob.client.leave_room(bob.room()?).await?;
    alice.wait_for("Bob is out of the key tree", |line| matches!(line.entry, Entry::Left)).await?;
    alice.wait_for_epoch_after(epoch).await?;
    alice.say_and_wait(AFTER_BOB).await?;
    carol.wait_for_text(AFTER_BOB).await?;
    stage::transcript(&carol).await?;
    check("Carol reads on", carol.texts().await?.iter().any(|text| text == AFTER_BOB))?;
    let room = bob.client.room(&lobby).await?;
    check("Bob is out", room.membership == Membership::Left)?;
    check("Bob has nothing of what came after", !bob.texts().await?.iter().any(|text| text == AFTER_BOB))?;
    let members = alice.client.members(alice.room()?).await?;
    check("the key tree holds Alice and Carol only", members.len() == 2)?;

    stage.scene("The room's keys, epoch by epoch, as Alice saw them")?;
    stage::epochs(&alice)?;
    check("every join and leave brought new keys", alice.epoch() >= 3)?;

    stage.scene("What the server holds")?;
    let (room, reader) = (alice.room()?, alice.client.profile().await?.device);
    for person in [alice, bob, carol] {
        person.client.stop().await;
    }
    server.stop().await?;
    stage::sealed_record(folder, room, reader).await?;
    let said = BEFORE_CAROL.iter().map(|(_, words)| *words).chain([JUST_BEFORE_CRASH, WHILE_DOWN, AFTER_BOB]);
    for words in said {
        check(
            &format!("no file of the server holds \"{words}\""),
            !stage::found_below(&folder.join("server"), words)?,
        )?;
        check(
            &format!("no vault holds it in clear either: \"{words}\""),
            !stage::found_below(&folder.join("profiles"), words)?,
        )?;
    }
    stage.end()
}
