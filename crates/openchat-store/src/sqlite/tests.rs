//! The contract, and what only a database on disk can get wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use openchat_protocol::account::AccountSelector;
use openchat_protocol::room::RoomSelector;
use openchat_protocol::tree::Tree;
use openchat_protocol::{ChainHash, DeviceId, Did, RoomId, Timestamp, Uid};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::database::Database;
use super::failure::Failure;
use super::writer::Undo;
use super::{OpenError, SqliteStore, room_log};
use crate::contract::{self, Fixture, World, acknowledged_records_are_there, many_authors_at_once};
use crate::room_log::{AppendError, AppendOutcome, NewRecord};
use crate::{Store, StoreError};

fn make() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("server.db")).unwrap());
    Fixture { store, keep: Box::new(folder) }
}

crate::store_contract!(make);

/// A database in a folder of its own.
struct OnDisk {
    folder: TempDir,
}

impl OnDisk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("server.db")
    }

    fn open(&self) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&self.path())
    }

    fn world(&self) -> World {
        World::new(Arc::new(self.open().unwrap()))
    }

    /// Changes the database behind the store's back.
    fn execute(&self, sql: &str) {
        Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reopening_keeps_everything() {
    let disk = OnDisk::new();
    let world = disk.world();
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let acknowledged = many_authors_at_once(&world, room, alice, 20).await;
    let state = async |world: &World| {
        (
            world.store().incarnation(),
            world.store().device(alice).await.unwrap(),
            world.join_info(&RoomSelector::Id(room), alice).await,
            world.store().list_rooms(Timestamp(0)).await.unwrap(),
        )
    };
    let before = state(&world).await;
    drop(world);
    let world = disk.world();
    acknowledged_records_are_there(&world, room, alice, &acknowledged).await;
    assert_eq!(state(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_database_has_a_life_of_its_own() {
    let (one, other) = (OnDisk::new(), OnDisk::new());
    assert_ne!(one.open().unwrap().incarnation(), other.open().unwrap().incarnation());
}

/// More records than one sweep deletes, and nothing of another room.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_room_that_everybody_left() {
    let disk = OnDisk::new();
    let world = disk.world();
    let (alice, bob) = (world.user("alice").await, world.user("bob").await);
    let count = |tables: &[&str]| {
        let connection = Connection::open(disk.path()).unwrap();
        let rows = |table: &&str| {
            let count = format!("SELECT count(*) FROM {table}");
            connection.query_row(&count, [], |row| row.get::<_, usize>(0)).unwrap()
        };
        tables.iter().map(rows).collect::<Vec<_>>()
    };
    let tables = [
        "room",
        "room_group",
        "room_node",
        "administrator",
        "membership",
        "welcome",
        "welcome_tree",
        "log",
        "log_place",
        "log_name",
    ];
    world.room(Some("other"), bob).await;
    let before = count(&tables);
    let room = world.room(Some("lobby"), alice).await;
    let all = many_authors_at_once(&world, room, alice, 40).await;
    assert!(all.len() > 300);
    for device in world.store().devices_of(alice.uid).await.unwrap() {
        world.leave(room, device.device).await;
    }
    assert!(count(&tables).iter().zip(&before).all(|(now, before)| now > before));
    let late = Timestamp(u64::MAX >> 2);
    assert_eq!(contract::sweep::sweep(&world, late).await, (7, 1));
    assert_eq!(count(&tables), before);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_may_read_any_of_its_files() {
    use std::os::unix::fs::PermissionsExt;

    let disk = OnDisk::new();
    let world = disk.world();
    world.user("alice").await;
    let files: Vec<_> = disk.folder.path().read_dir().unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 4, "database, WAL, its index, lock");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opener_is_refused_until_the_first_is_gone() {
    let disk = OnDisk::new();
    let first = disk.open().unwrap();
    assert!(matches!(disk.open(), Err(OpenError::InUse { .. })));
    drop(first);
    disk.open().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_database_is_refused_and_left_alone() {
    let disk = OnDisk::new();
    drop(disk.open().unwrap());
    disk.execute("PRAGMA user_version = 7");
    let before = fs::read(disk.path()).unwrap();
    assert!(matches!(disk.open(), Err(OpenError::Newer { found: 7, known: 6, .. })));
    assert_eq!(fs::read(disk.path()).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_begins_a_new_life_and_voids_what_may_have_been_used() {
    let (disk, now) = (OnDisk::new(), Timestamp(1_800_000_000_000));
    let (incarnation, alice, hash) = {
        let world = disk.world();
        let alice = world.user("alice").await;
        world.store().publish_key_packages(alice, world.packages(3, true)).await.unwrap();
        let invite = world.invite(Some(alice.uid), 1);
        world.store().create_invite(invite.clone(), now).await.unwrap();
        assert_eq!(world.store().takes_back_until(), None);
        (world.store().incarnation(), alice, invite.hash)
    };
    let until = now.plus(std::time::Duration::from_secs(600));
    let second = {
        let store = SqliteStore::open_restored(&disk.path(), until).unwrap();
        assert_ne!(store.incarnation(), incarnation);
        assert_eq!(store.open_invites(alice.uid, now).await, Ok(0), "{hash:?} may have been redeemed");
        let counts = store.key_package_counts(alice).await.unwrap();
        assert!(counts.iter().all(|count| count.one_time == 0), "{counts:?}");
        store.incarnation()
    };
    let again = disk.open().unwrap();
    assert_eq!((again.incarnation(), again.takes_back_until()), (second, Some(until)));
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_a_database_without_a_log_of_keys_can_be_logged() {
    let disk = OnDisk::new();
    disk.execute(include_str!("schema.sql"));
    disk.execute("PRAGMA application_id = 0x4f437374; PRAGMA user_version = 1;");
    disk.execute(
        "INSERT INTO account VALUES (zeroblob(16), 'alice', 'alice', x'01', x'02', x'03', 0, 7);
         INSERT INTO device VALUES (1, zeroblob(16), zeroblob(10), x'04', x'80', 0, 9);",
    );
    let world = disk.world();
    let unlogged = world.store().unlogged_accounts(10).await.unwrap();
    let [alice] = &unlogged[..] else { panic!("{unlogged:?}") };
    assert_eq!((alice.account.name.as_str(), alice.created), ("alice", Timestamp(7)));
    let uid = alice.account.uid;
    let new = world.account("stranger").log.to_vec();
    world.store().log_account(uid, new, Timestamp(10)).await.unwrap();
    assert_eq!(world.store().unlogged_accounts(10).await, Ok(vec![]));
    assert_eq!(world.store().log_state().await.unwrap().size, 2);
    assert_eq!(world.store().devices_of(uid).await.unwrap().len(), 1, "what was there is there");
    drop(world);
    assert_eq!(disk.world().store().log_state().await.unwrap().size, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_cannot_be_taken_apart_is_replaced_by_the_next_commit() {
    let disk = OnDisk::new();
    disk.execute(include_str!("schema.sql"));
    disk.execute(include_str!("schema_2.sql"));
    disk.execute("PRAGMA application_id = 0x4f437374; PRAGMA user_version = 2;");
    disk.execute(
        "INSERT INTO account VALUES (zeroblob(16), 'alice', 'alice', x'01', x'02', x'03', 0, 7, 1);
         INSERT INTO device VALUES (1, zeroblob(16), zeroblob(10), x'04', x'80', 0, 9);
         INSERT INTO room VALUES (1, zeroblob(16), 'lobby', 'lobby', 1, 0, zeroblob(32), 7, 0, zeroblob(32));
         INSERT INTO room_group VALUES (1, zeroblob(16), x'05', x'06');
         INSERT INTO membership (room, device, joined_at) VALUES (1, 1, 0);
         INSERT INTO welcome_tree VALUES (1, 0, 7, x'07');
         INSERT INTO welcome VALUES (1, 1, 1, 0, x'08');",
    );
    let world = disk.world();
    let alice = DeviceId { uid: Uid([0; 16]), did: Did([0; 10]) };
    assert_eq!(world.store().next_welcome(alice, 0).await, Ok(None));
    let info = world.join_info(&RoomSelector::Id(RoomId([0; 16])), alice).await.unwrap();
    assert_eq!((info.group.group_info.to_vec(), info.group.tree), (vec![5], Tree::default()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_a_database_of_before_is_read_and_goes_on() {
    let (disk, other) = (OnDisk::new(), OnDisk::new());
    let alice = DeviceId { uid: Uid([0; 16]), did: Did([0; 10]) };
    let room = RoomId([0; 16]);
    for schema in ["", "_2", "_3", "_4", "_5"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sqlite");
        disk.execute(&fs::read_to_string(folder.join(format!("schema{schema}.sql"))).unwrap());
    }
    disk.execute("PRAGMA application_id = 0x4f437374; PRAGMA user_version = 5;");
    disk.execute(
        "INSERT INTO meta (id, incarnation) VALUES (1, x'0102030405060708');
         INSERT INTO account (uid, name, skeleton, identity_spki, identity_certificate, issuing_certificate, created)
         VALUES (zeroblob(16), 'alice', 'alice', x'01', x'02', x'03', 0);
         INSERT INTO device VALUES (1, zeroblob(16), zeroblob(10), x'04', x'80', 0, 9);
         INSERT INTO room VALUES (1, zeroblob(16), 'lobby', 'lobby', 1, 9, zeroblob(32), 7, 0, zeroblob(32));
         INSERT INTO room_group (room, author, group_info) VALUES (1, zeroblob(16), x'05');
         INSERT INTO membership (room, device, joined_at) VALUES (1, 1, 0);",
    );
    // What the other one stores, as it was stored before.
    let world = other.world();
    let author = world.user("alice").await;
    let copied = world.room(Some("lobby"), author).await;
    let mut messages = Vec::new();
    for number in 0..9 {
        let message = world.message(copied, author, &format!("message {number}")).await;
        messages.push((message.clone(), world.try_append(message).await.unwrap()));
    }
    {
        let connection = Connection::open(disk.path()).unwrap();
        let mut insert =
            connection.prepare("INSERT INTO log VALUES (?1, 1, ?2, 1, ?3, zeroblob(32), ?4)").unwrap();
        for (message, outcome) in messages.iter().rev() {
            let AppendOutcome::Stored(stored) = outcome else { panic!("{outcome:?}") };
            let sequence = i64::try_from(stored.position.sequence).unwrap();
            // The order in the table need not be that in the room.
            insert.execute((100 - sequence, sequence, message.message_id.0, &stored.bytes[..])).unwrap();
        }
    }
    let before = world.read_bytes(copied, author, 0).await;
    let world = disk.world();
    assert_eq!(world.read_bytes(room, alice, 0).await, before);
    let again = NewRecord { room, author: alice, ..messages[3].0.clone() };
    let again = world.try_append(again).await.unwrap();
    assert!(matches!(again, AppendOutcome::Repeated { position, .. } if position.sequence == 4), "{again:?}");
    for number in 10..20 {
        assert_eq!(world.say(room, alice, "goes on").await.position.sequence, number);
    }
    drop(world);
    assert_eq!(disk.world().sequences(room, alice, 0).await, (1..20).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_of_a_record_that_was_undone_is_free_again() {
    let disk = OnDisk::new();
    let store = Arc::new(disk.open().unwrap());
    let world = World::new(store.clone());
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let incarnation = store.incarnation();
    for number in 1..=20 {
        let message = world.message(room, alice, "hello").await;
        let undone = message.clone();
        let fail = move |database: &Database| -> Result<(), Failure<AppendError>> {
            room_log::append(database, undone, Timestamp(7), incarnation)?;
            Err(Failure::Rule(AppendError::RoomFull))
        };
        let undo = if number % 2 == 0 { Undo::Job } else { Undo::Transaction };
        store.writer.run_undoing(undo, fail).await.unwrap_err();
        let stored = world.try_append(message).await.unwrap();
        assert!(matches!(&stored, AppendOutcome::Stored(it) if it.position.sequence == number), "{stored:?}");
        assert_eq!(world.sequences(room, alice, 0).await, (1..=number).collect::<Vec<_>>());
    }
}

/// Places go from memory to the disk between any two looks of a reader.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_reads_while_others_write_finds_no_gap() {
    let disk = OnDisk::new();
    let world = disk.world();
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let mut reading = JoinSet::new();
    for _ in 0..3 {
        let world = world.clone();
        reading.spawn(async move {
            let mut known = 0;
            while known < 600 {
                let sequences = world.sequences(room, alice, 0).await;
                assert!(sequences.len() >= known, "{known} were there");
                known = sequences.len();
                assert_eq!(sequences, (1..=known as u64).collect::<Vec<_>>());
            }
        });
    }
    for _ in 0..600 {
        world.say(room, alice, "hello").await;
    }
    reading.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_another_program_is_refused_and_left_alone() {
    let disk = OnDisk::new();
    disk.execute("CREATE TABLE account (name TEXT)");
    let before = fs::read(disk.path()).unwrap();
    assert!(matches!(disk.open(), Err(OpenError::Foreign { .. })));
    assert_eq!(fs::read(disk.path()).unwrap(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_folder_is_named() {
    let missing = OnDisk::new().path().join("nowhere").join("server.db");
    let error = SqliteStore::open(&missing).unwrap_err();
    assert!(matches!(error, OpenError::Unreachable { .. }));
    assert!(error.to_string().contains("nowhere"), "{error}");
}

/// A small database, and the numbers of the pages that its tables begin on.
async fn small_database() -> (OnDisk, BTreeMap<String, usize>) {
    let disk = OnDisk::new();
    let world = disk.world();
    let alice = world.user("alice").await;
    world.room(Some("lobby"), alice).await;
    drop(world);
    let connection = Connection::open(disk.path()).unwrap();
    let mut roots = connection.prepare("SELECT name, rootpage FROM sqlite_schema").unwrap();
    let roots = roots.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    (disk, roots.map(Result::unwrap).collect())
}

const PAGE: usize = 4096;

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_found_when_opening() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 4] = [
        ("its head overwritten", |bytes| bytes[..64].fill(0x55)),
        ("its first page overwritten", |bytes| bytes[100..PAGE].fill(0xff)),
        ("all pages but the first overwritten", |bytes| bytes[PAGE..].fill(0xff)),
        ("cut short", |bytes| bytes.truncate(3 * PAGE)),
    ];
    for (damage, apply) in damages {
        let (disk, _) = small_database().await;
        let mut bytes = fs::read(disk.path()).unwrap();
        apply(&mut bytes);
        fs::write(disk.path(), bytes).unwrap();
        let error = disk.open().unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{damage}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_any_table_but_the_log_is_found_when_opening() {
    for table in
        ["account", "device", "invite", "room", "room_group", "administrator", "membership", "welcome"]
    {
        let (disk, roots) = small_database().await;
        let mut bytes = fs::read(disk.path()).unwrap();
        let start = (roots[table] - 1) * PAGE;
        bytes[start..start + PAGE].fill(0xff);
        fs::write(disk.path(), bytes).unwrap();
        let error = disk.open().unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{table}: {error:?}");
    }
}

/// Lets the database grow by `pages` more than it has; `None` lifts the limit.
async fn limit_growth(store: &SqliteStore, pages: Option<u32>) {
    let set = move |connection: &Database| -> Result<(), Failure<StoreError>> {
        let size: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let most = pages.map_or(1 << 30, |pages| size + pages);
        connection.query_row(&format!("PRAGMA max_page_count = {most}"), [], |_| Ok(()))?;
        Ok(())
    };
    store.writer.run(set).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing_and_passes() {
    let disk = OnDisk::new();
    let store = Arc::new(disk.open().unwrap());
    let world = World::new(store.clone());
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    let mut acknowledged = many_authors_at_once(&world, room, alice, 3).await;
    limit_growth(&store, Some(20)).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let world = world.clone();
        tasks.spawn(async move {
            let mut stored = Vec::new();
            loop {
                match world.try_to_say(room, alice, &"x".repeat(2000)).await {
                    Ok(AppendOutcome::Stored(record)) => stored.push(record),
                    Err(AppendError::Store(StoreError::Full)) => return stored,
                    other => panic!("{other:?}"),
                }
            }
        });
    }
    let stored = tasks.join_all().await.into_iter().flatten();
    acknowledged.extend(stored.map(|stored| (stored.position.sequence, stored)));
    assert!(acknowledged.len() > 25, "some were stored before the disk was full");
    acknowledged_records_are_there(&world, room, alice, &acknowledged).await;
    limit_growth(&store, None).await;
    let next = world.say(room, alice, "there is room again").await;
    acknowledged.insert(next.position.sequence, next);
    drop((world, store));
    acknowledged_records_are_there(&disk.world(), room, alice, &acknowledged).await;
}

/// Tells the test binary, started once more, to be the server that gets killed.
const VICTIM: &str = "OPENCHAT_STORE_VICTIM";

/// A line for each acknowledged append: its sequence and the chain after it.
const ACKNOWLEDGED: &str = "acknowledged ";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_loses_nothing_acknowledged() {
    let disk = OnDisk::new();
    let world = disk.world();
    let alice = world.user("alice").await;
    let room = world.room(Some("lobby"), alice).await;
    drop(world);
    for round in 1..=6 {
        let acknowledged = kill_after(&disk.path(), 37 * round);
        let store = disk.open().unwrap();
        for (sequence, chain) in &acknowledged {
            assert_eq!(store.chain_at(room, *sequence).await, Ok(Some(*chain)), "{round}: {sequence}");
        }
        let (last, _) = acknowledged.last().unwrap();
        let head = store.membership(room, alice).await.unwrap().unwrap().head;
        assert!(head >= *last, "round {round}: {head} on disk, {last} acknowledged");
        drop(store);
        acknowledged_records_are_there(&disk.world(), room, alice, &BTreeMap::new()).await;
    }
}

/// Runs a server on the database, kills it after `count` acknowledgements, and tells which it gave.
fn kill_after(database: &Path, count: usize) -> Vec<(u64, ChainHash)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::tests::victim", "--nocapture"])
        .env(VICTIM, database)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut acknowledged = Vec::new();
    for line in lines {
        // The kill may cut the last line: what does not parse was not told.
        let told = line.strip_prefix(ACKNOWLEDGED).and_then(|told| told.split_once(' '));
        if let Some((sequence, chain)) = told
            && let (Ok(sequence), Ok(chain)) = (sequence.parse(), chain.parse())
        {
            acknowledged.push((sequence, chain));
        }
        if acknowledged.len() == count {
            child.kill().unwrap();
        }
    }
    assert!(!child.wait().unwrap().success());
    acknowledged.sort();
    assert!(acknowledged.len() >= count);
    acknowledged
}

/// Appends as fast as it can until it is killed. Without its variable it is no test of anything.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    let Some(database) = std::env::var_os(VICTIM) else { return };
    let world = World::new(Arc::new(SqliteStore::open(Path::new(&database)).unwrap()));
    let alice =
        world.store().account(&AccountSelector::Name("alice".parse().unwrap())).await.unwrap().unwrap();
    let alice = world.store().devices_of(alice.account.uid).await.unwrap()[0].device;
    let room = world.store().rooms_of(alice).await.unwrap()[0].room;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let world = world.clone();
        tasks.spawn(async move {
            loop {
                let stored = world.say(room, alice, "hello").await.position;
                let line = format!("\n{ACKNOWLEDGED}{} {}\n", stored.sequence, stored.chain);
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    tasks.join_next().await;
}
