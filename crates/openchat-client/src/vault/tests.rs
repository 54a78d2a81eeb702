//! The vault keeps what it is told, all of it or nothing, and shows it to nobody without the password.

use std::fs;

use openchat_e2ee::RoomKey;
use openchat_protocol::device_list::ListedDevice;
use openchat_protocol::give_back::Disclosed;
use openchat_protocol::key_log::SeenHead;
use openchat_protocol::record::Position;
use openchat_protocol::{ChainHash, DeviceId, Did, MessageId, ServerFingerprint, Timestamp, Uid, codec};
use openchat_transparency::{Commitment, Kind, Label, Leaf};
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::error::{ClientError, ErrorKind};
use crate::event::{Delivery, Entry, Membership};

const ME: Uid = Uid([1; 16]);
const BOB: Uid = Uid([2; 16]);
const ROOM: RoomId = RoomId([7; 16]);
const CANARY: &str = "canary-in-the-coal-mine";

fn password() -> Password {
    Password::new("correct horse battery staple")
}

fn credentials() -> Credentials {
    Credentials {
        host: "chat.example".into(),
        port: 7440,
        server: ServerFingerprint([9; 32]),
        root: vec![1].into(),
        name: "alice".parse().unwrap(),
        device: DeviceId { uid: ME, did: Did([3; 10]) },
        identity_key: CANARY.as_bytes().to_vec().into(),
        device_key: CANARY.as_bytes().to_vec().into(),
        chain: vec![vec![1].into(), vec![2].into(), vec![3].into()],
        enrolled: true,
        devices: None,
    }
}

fn first() -> Change {
    Change::from_iter([Write::Credentials(Box::new(credentials()))])
}

fn vault() -> (TempDir, Vault) {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::create(folder.path(), &password(), &first()).unwrap();
    (folder, vault)
}

fn room() -> RoomRecord {
    RoomRecord {
        room: ROOM,
        name: "lobby".parse().unwrap(),
        listed: true,
        membership: Membership::Member,
        cursor: Position::start(ROOM),
        commit: Position::start(ROOM),
        sealed: 0,
        until_update: 0,
        update_at: Timestamp(1),
        departed: Vec::new(),
        was_in: true,
        unheard: Some(Unheard { by: BOB, answered: true }),
        room_key: Some(RoomKey::from_bytes([9; 32])),
    }
}

fn said(sequence: u64, part: u32, author: Uid, text: &str) -> Write {
    let message = MessageId([u8::try_from(2 * sequence).unwrap() + u8::try_from(part).unwrap(); 16]);
    let entry = Entry::Text { message, text: text.into(), delivery: Delivery::Sent };
    let notice = Notice::of(&entry, author, &credentials());
    Write::Line(StoredLine { room: ROOM, sequence, part, time: Timestamp(sequence), author, entry, notice })
}

fn waiting(id: u8, text: &str) -> OutboxMessage {
    OutboxMessage {
        message: MessageId([id; 16]),
        room: ROOM,
        time: Timestamp(5),
        text: text.into(),
        sealed: None,
        failed: None,
        in_log: false,
        verification: None,
    }
}

fn texts(lines: &[Line]) -> Vec<String> {
    let text = |line: &Line| match &line.entry {
        Entry::Text { text, .. } => text.clone(),
        other => format!("{other:?}"),
    };
    lines.iter().map(text).collect()
}

fn kind(error: VaultError) -> ErrorKind {
    ClientError::from(error).kind()
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let (folder, mut vault) = vault();
    let group = StoredGroup { secret: Zeroizing::new(vec![1]), tree: Some(vec![2]) };
    let newer = StoredGroup { secret: Zeroizing::new(vec![3]), tree: None };
    let device = DeviceId { uid: BOB, did: Did([4; 10]) };
    let place = Position { sequence: 1, chain: ChainHash([8; 32]) };
    let change = Change::from_iter([
        Write::Room(Box::new(room())),
        Write::Group(ROOM, group),
        Write::Group(ROOM, newer),
        Write::Outbox(Box::new(waiting(1, "one"))),
        Write::Outbox(Box::new(waiting(2, "two"))),
        Write::Outbox(Box::new(OutboxMessage { failed: Some("no".into()), ..waiting(1, "one") })),
        Write::Counter(ROOM, device, 4),
        Write::Chain(ROOM, place),
    ]);
    vault.apply(&change).unwrap();
    drop(vault);

    let loaded = Vault::open(folder.path(), &password()).unwrap().load().unwrap();
    let [loaded_room] = &loaded.rooms[..] else { panic!("{} rooms", loaded.rooms.len()) };
    assert_eq!(loaded_room.record, room());
    let group = loaded_room.group.as_ref().unwrap();
    assert_eq!((group.secret.as_slice(), group.tree.as_deref()), (&[3][..], Some(&[2][..])));
    assert_eq!((&loaded_room.counters, &loaded_room.chain), (&vec![(device, 4)], &vec![place]));
    let outbox: Vec<_> =
        loaded_room.outbox.iter().map(|it| (it.text.as_str(), it.failed.as_deref())).collect();
    assert_eq!(outbox, [("one", Some("no")), ("two", None)]);
}

#[test]
fn a_change_is_written_whole_or_not_at_all() {
    let (folder, mut vault) = vault();
    vault.apply(&Change::from_iter([Write::Room(Box::new(room()))])).unwrap();
    let unknown = RoomId([99; 16]);
    let place = Position { sequence: 1, chain: ChainHash([8; 32]) };
    let change = Change::from_iter([
        said(1, 0, BOB, "hello"),
        Write::Outbox(Box::new(waiting(1, "one"))),
        Write::Chain(unknown, place), // breaks a foreign key
    ]);
    assert!(vault.apply(&change).is_err());
    drop(vault);

    let vault = Vault::open(folder.path(), &password()).unwrap();
    assert_eq!(vault.history(ROOM, Span::Newest, 10).unwrap(), []);
}

#[test]
fn history_is_read_in_pages_that_never_split_a_record() {
    let (_folder, mut vault) = vault();
    let contact = Contact::at_first_use(BOB, "bob".parse().unwrap(), Timestamp(1));
    let change = Change::from_iter([
        Write::Room(Box::new(room())),
        Write::Contact(contact),
        said(1, 0, BOB, "a"),
        said(2, 0, ME, "b"),
        said(2, 1, ME, "b2"),
        said(5, 0, BOB, "c"),
        Write::Outbox(Box::new(waiting(1, "waits"))),
        Write::Read(ROOM, 1),
    ]);
    vault.apply(&change).unwrap();
    let read = |span, limit| texts(&vault.history(ROOM, span, limit).unwrap());
    assert_eq!(read(Span::Newest, 2), ["b", "b2", "c", "waits"]);
    assert_eq!(read(Span::Before(5), 1), ["b", "b2"]);
    assert_eq!(read(Span::After(1), 1), ["b", "b2"], "more is to come, so nothing from the outbox");
    assert_eq!(read(Span::After(1), 9), ["b", "b2", "c", "waits"]);
    let newest = vault.history(ROOM, Span::Newest, 2).unwrap();
    assert_eq!(newest[2].author.to_string(), "bob");
    let rooms = vault.rooms().unwrap();
    assert_eq!((rooms[0].read, rooms[0].unread), (1, 1), "own messages are not unread");
}

#[test]
fn words_are_found_from_the_newest_line_on_in_steps_that_miss_nothing() {
    let (_folder, mut vault) = vault();
    let text = |n: u64| if n.is_multiple_of(100) { format!("Straße {n}") } else { format!("line {n}") };
    let line = |sequence: u64, part: u32| {
        let mut id = [u8::try_from(part).unwrap(); 16];
        id[..8].copy_from_slice(&sequence.to_be_bytes());
        let entry = Entry::Text { message: MessageId(id), text: text(sequence), delivery: Delivery::Sent };
        let (time, author, notice) = (Timestamp(sequence), BOB, Notice::Nothing);
        Write::Line(StoredLine { room: ROOM, sequence, part, time, author, entry, notice })
    };
    let contact = Contact::at_first_use(BOB, "bob".parse().unwrap(), Timestamp(1));
    let head = [Write::Room(Box::new(room())), Write::Contact(contact)];
    // Of two lines each, so that a step could end between them.
    let lines = (1..=2_500).flat_map(|sequence| [line(sequence, 0), line(sequence, 1)]);
    vault.apply(&head.into_iter().chain(lines).collect()).unwrap();
    let all = |words: &str| {
        let sought = Sought::new(words).unwrap();
        let (mut found, mut next, mut steps, mut looked_at) = (Vec::new(), Some(u64::MAX), 0, 0);
        while let Some(before) = next {
            let searched = vault.search(ROOM, before, &sought).unwrap();
            found.extend(searched.found.iter().map(|line| line.sequence.unwrap()));
            next = searched.next;
            looked_at += searched.looked_at;
            steps += 1;
        }
        assert_eq!((looked_at, steps > 1), (5_000, true), "{words}");
        found
    };
    let expected: Vec<u64> = (1..=25).rev().flat_map(|n| [n * 100, n * 100]).collect();
    assert_eq!(all("straße"), expected, "parts of words, small or large");
    assert_eq!(
        all("BOB 2500 straße".to_lowercase().as_str()),
        [2500, 2500],
        "every word, the author's name too"
    );
    assert_eq!(all("line bob").len(), 5_000 - 50);
    assert!(all("nothing like this").is_empty());
    assert_eq!(Sought::new("  "), None);
}

#[test]
fn a_room_tells_what_is_unread_who_is_called_and_when_something_happened() {
    let (_folder, mut vault) = vault();
    let counts = |vault: &Vault| {
        let room = &vault.rooms().unwrap()[0];
        (room.unread, room.mentions, room.latest.0)
    };
    vault.apply(&Change::from_iter([Write::Room(Box::new(room()))])).unwrap();
    assert_eq!(counts(&vault), (0, 0, 0));
    vault.apply(&Change::from_iter([Write::RoomForgotten(ROOM)])).unwrap();
    vault.apply(&Change::from_iter([said(1, 0, BOB, "@alice"), Write::Room(Box::new(room()))])).unwrap();
    assert_eq!(counts(&vault), (1, 1, 1), "a room may come after its first line");
    let left = StoredLine { notice: Notice::Nothing, entry: Entry::Left, ..stored(said(9, 0, BOB, "")) };
    let change = [
        said(2, 0, BOB, "alice"),
        said(3, 0, ME, "I am @alice"),
        said(4, 0, BOB, "@ALICE?"),
        said(4, 1, BOB, "@bob"),
        Write::Line(left),
    ];
    vault.apply(&Change::from_iter(change)).unwrap();
    assert_eq!(counts(&vault), (4, 2, 9));
    vault.apply(&Change::from_iter([said(1, 0, BOB, "@alice")])).unwrap();
    assert_eq!(counts(&vault), (4, 2, 9), "a line that is there already counts once");
    vault.apply(&Change::from_iter([Write::Read(ROOM, 1)])).unwrap();
    assert_eq!(counts(&vault), (3, 1, 9));
    vault
        .apply(&Change::from_iter([Write::Read(ROOM, 4), Write::Outbox(Box::new(waiting(9, "waits")))]))
        .unwrap();
    assert_eq!(counts(&vault), (0, 0, 9));
    vault.apply(&Change::from_iter([said(3, 1, BOB, "late, and @alice")])).unwrap();
    assert_eq!(counts(&vault), (0, 0, 9), "what comes before the last one that was read counts as read");
}

#[test]
fn a_message_that_comes_twice_is_kept_once() {
    let (_folder, mut vault) = vault();
    let again = |sequence| match said(1, 0, BOB, "once") {
        Write::Line(line) => Write::Line(StoredLine { sequence, ..line }),
        _ => panic!(),
    };
    let change = Change::from_iter([Write::Room(Box::new(room())), again(1), again(2)]);
    vault.apply(&change).unwrap();
    assert_eq!(texts(&vault.history(ROOM, Span::Newest, 9).unwrap()), ["once"]);
}

#[test]
fn a_closed_room_keeps_words_and_no_keys() {
    let (_folder, mut vault) = vault();
    let group = StoredGroup { secret: Zeroizing::new(vec![1]), tree: Some(vec![2]) };
    let change = Change::from_iter([
        Write::Room(Box::new(room())),
        Write::Group(ROOM, group),
        said(1, 0, BOB, "a"),
        Write::Outbox(Box::new(waiting(1, "waits"))),
        Write::RoomClosed(ROOM),
    ]);
    vault.apply(&change).unwrap();
    assert_eq!(texts(&vault.history(ROOM, Span::Newest, 9).unwrap()), ["a", "waits"]);
    assert!(vault.load().unwrap().rooms[0].group.is_none());
    vault.apply(&Change::from_iter([Write::RoomForgotten(ROOM)])).unwrap();
    assert_eq!(vault.history(ROOM, Span::Newest, 9).unwrap(), []);
}

#[test]
fn a_full_disk_is_named_and_changes_nothing() {
    let (_folder, mut vault) = vault();
    vault.apply(&Change::from_iter([Write::Room(Box::new(room())), said(1, 0, BOB, "a")])).unwrap();
    let pages: u32 = vault.database.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    vault.database.pragma_update(None, "max_page_count", pages).unwrap();
    let error =
        vault.apply(&Change::from_iter([said(2, 0, BOB, "b"), said(3, 0, BOB, &"x".repeat(100_000))]));
    assert_eq!(error.map_err(kind), Err(ErrorKind::Storage));
    assert_eq!(texts(&vault.history(ROOM, Span::Newest, 9).unwrap()), ["a"]);
}

#[test]
fn a_wrong_password_and_damage_are_told_apart() {
    let (folder, vault) = vault();
    drop(vault);
    let open = |password: &Password| Vault::open(folder.path(), password).map(drop).map_err(kind);
    assert_eq!(open(&Password::new("wrong")), Err(ErrorKind::WrongPassword));
    assert_eq!(open(&password()), Ok(()));

    let key = folder.path().join(KEY_FILE);
    let whole = fs::read(&key).unwrap();
    for place in [3, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(&key, damaged).unwrap();
        assert_eq!(open(&password()), Err(ErrorKind::Damaged), "byte {place}");
    }
    fs::write(&key, &whole[..10]).unwrap();
    assert_eq!(open(&password()), Err(ErrorKind::Damaged));
    fs::remove_file(&key).unwrap();
    assert_eq!(open(&password()), Err(ErrorKind::Damaged));
}

#[test]
fn a_damaged_database_is_named() {
    let (folder, vault) = vault();
    drop(vault);
    let path = folder.path().join(DATABASE);
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = Vault::open(folder.path(), &password()).map(drop).unwrap_err();
    assert!(error.to_string().contains("vault.db is damaged"), "{error}");
    assert_eq!(kind(error), ErrorKind::Damaged);
    fs::remove_file(&path).unwrap();
    assert_eq!(Vault::open(folder.path(), &password()).map(drop).map_err(kind), Err(ErrorKind::NotFound));
}

#[test]
fn what_a_crash_left_of_a_new_vault_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(KEY_FILE), b"half a key file").unwrap();
    fs::write(folder.path().join("vault.new"), b"half a database").unwrap();
    Vault::create(folder.path(), &password(), &first()).unwrap();
    let vault = Vault::open(folder.path(), &password()).unwrap();
    assert_eq!(vault.credentials().unwrap().name.as_str(), "alice");
    let again = Vault::create(folder.path(), &password(), &first());
    assert!(matches!(again.map(drop), Err(VaultError::Exists(_))));
}

#[test]
fn nothing_in_the_folder_can_be_read() {
    let (folder, mut vault) = vault();
    let change = Change::from_iter([
        Write::Room(Box::new(room())),
        said(1, 0, BOB, CANARY),
        Write::Outbox(Box::new(waiting(1, CANARY))),
        Write::Setting("draft:lobby".into(), Some(CANARY.into())),
    ]);
    vault.apply(&change).unwrap();
    // With the vault still open, so that the write-ahead log is there too.
    let mut files = 0;
    for file in fs::read_dir(folder.path()).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(CANARY.len()).any(|it| it == CANARY.as_bytes()), "{}", path.display());
        assert!(!bytes.windows(5).any(|it| it == b"lobby"), "{}", path.display());
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{} is open to others", path.display());
        files += 1;
    }
    assert!(files >= 3, "vault.key, vault.db and its log, but found {files}");
}

#[test]
fn a_message_that_is_sent_again_is_in_the_outbox_and_not_in_the_history() {
    let (_folder, mut vault) = vault();
    let message = waiting(2, "hello");
    let kept = OutboxMessage { in_log: true, ..message.clone() };
    let mine = said(1, 0, ME, "hello");
    let others = said(1, 0, BOB, "of the same identifier");
    vault
        .apply(&Change::from_iter([Write::Room(Box::new(room())), mine, Write::Outbox(Box::new(kept))]))
        .unwrap();
    let Write::Line(mut line) = others else { panic!("no line") };
    line.sequence = 2;
    vault.apply(&Change::from_iter([Write::Line(line)])).unwrap();
    assert_eq!(texts(&vault.history(ROOM, Span::Newest, 10).unwrap()), ["hello", "of the same identifier"]);
    let again = [Write::LineRemoved(ROOM, ME, message.message), Write::Outbox(Box::new(message))];
    vault.apply(&Change::from_iter(again)).unwrap();
    assert_eq!(texts(&vault.history(ROOM, Span::Newest, 10).unwrap()), ["of the same identifier", "hello"]);
}

#[test]
fn what_the_screen_remembers_is_there_after_a_restart() {
    let (folder, mut vault) = vault();
    let set = |key: &str, value: Option<&str>| Write::Setting(key.into(), value.map(Into::into));
    let change = [
        set("draft:b", Some("second")),
        set("draft:a", Some("first")),
        set("draft:a", Some("first, better")),
        set("draft_", Some("no draft")),
        set("draft:c", Some("gone")),
        set("pane", Some("")),
    ];
    vault.apply(&Change::from_iter(change)).unwrap();
    vault.apply(&Change::from_iter([set("draft:c", None), set("never set", None)])).unwrap();
    drop(vault);

    let vault = Vault::open(folder.path(), &password()).unwrap();
    assert_eq!(vault.setting("draft:a").unwrap().as_deref(), Some(&b"first, better"[..]));
    assert_eq!(vault.setting("draft:c").unwrap(), None);
    assert_eq!(vault.setting("pane").unwrap(), Some(Vec::new()), "empty is not forgotten");
    let drafts: Vec<_> = vault.settings("draft:").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(drafts, ["draft:a", "draft:b"]);
    assert_eq!(vault.settings("").unwrap().len(), 4);
}

/// A vault as the first version wrote it, with one room in it.
fn vault_of_format_1(lines: &[StoredLine]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let key = key::create(&folder.path().join(KEY_FILE), &password()).unwrap();
    create_private(&folder.path().join(DATABASE)).unwrap();
    let database = connect(&folder.path().join(DATABASE), &key).unwrap();
    database.execute_batch(schema::FORMAT_1).unwrap();
    database.pragma_update(None, "user_version", 1).unwrap();
    let insert = |sql: &str, values: &[&dyn rusqlite::ToSql]| database.execute(sql, values).unwrap();
    insert("INSERT INTO meta VALUES ('credentials', ?1)", &[&codec::encode(&credentials())]);
    insert("INSERT INTO contact VALUES (?1, 'bob', 1)", &[&BOB.0]);
    insert("INSERT INTO room VALUES (?1, ?2, 1)", &[&ROOM.0, &codec::encode(&room())]);
    let message = waiting(9, "waits");
    insert(
        "INSERT INTO outbox (message, room, content) VALUES (?1, ?2, ?3)",
        &[&message.message.0, &ROOM.0, &codec::encode(&message)],
    );
    for StoredLine { sequence, part, time, author, entry, .. } in lines {
        let message = entry.message().map(|message| message.0);
        insert(
            "INSERT INTO history VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            &[&ROOM.0, sequence, part, &time.0, &author.0, &message, &codec::encode(entry)],
        );
    }
    folder
}

fn stored(write: Write) -> StoredLine {
    let Write::Line(line) = write else { panic!("no line") };
    line
}

#[test]
fn a_vault_of_the_first_format_opens_and_keeps_all_it_had() {
    let lines = [(BOB, "@alice!"), (ME, "@alice"), (BOB, "c"), (BOB, "@Alice"), (BOB, "@alicia")];
    let lines: Vec<_> =
        (1..).zip(lines).map(|(at, (author, text))| stored(said(at, 0, author, text))).collect();
    let folder = vault_of_format_1(&lines);
    let mut vault = Vault::open(folder.path(), &password()).unwrap();
    assert_eq!(
        texts(&vault.history(ROOM, Span::Newest, 9).unwrap()),
        ["@alice!", "@alice", "c", "@Alice", "@alicia", "waits"]
    );
    assert_eq!(vault.load().unwrap().rooms[0].record, room());
    let overview = &vault.rooms().unwrap()[0];
    assert_eq!((overview.read, overview.unread, overview.mentions, overview.latest), (1, 3, 1, Timestamp(5)));
    vault.apply(&Change::from_iter([Write::Setting("key".into(), Some(vec![1]))])).unwrap();
    drop(vault);
    let vault = Vault::open(folder.path(), &password()).unwrap();
    assert_eq!(vault.setting("key").unwrap(), Some(vec![1]), "brought up to date once");
    assert_eq!(schema::format(&vault.database).unwrap(), schema::FORMAT);
    assert_eq!(vault.epochs(ROOM, 9).unwrap(), []);
    let bob = Contact::at_first_use(BOB, "bob".parse().unwrap(), Timestamp(1));
    assert_eq!(vault.load().unwrap().contacts, [bob], "nothing was checked before");
    let key_log = vault.load().unwrap().key_log;
    assert!(key_log.state.is_none() && key_log.labels.is_empty() && key_log.people.is_empty());
}

#[test]
fn the_log_of_keys_is_kept_label_by_label() {
    let (_folder, mut vault) = vault();
    let state = |auditor: u8| StoredKeyLog {
        auditor: vec![auditor].into(),
        own: Some(OwnLabels { name: Label([1; 32]), user: Label([2; 32]), lists: 1, later: 2 }),
        unproven: Some(Timestamp(5)),
        heard: vec![HeardHead {
            head: SeenHead { size: 7, root: [3; 32], signature: [4; 64] },
            by: BOB,
            since: Timestamp(6),
        }],
        forked: Some(SeenFork { by: Some(BOB), evidence: Some("proof".into()) }),
        whole: Some(WholeLog { size: 7, note: vec![auditor].into() }),
    };
    let device = ListedDevice { did: Did([3; 10]), key: [5; 32] };
    let disclosed = |nonce| Disclosed { nonce: [nonce; 32], body: vec![8].into() };
    let person = |seq| LoggedPerson {
        uid: BOB,
        label: Label([6; 32]),
        seq,
        version: 1,
        devices: vec![device],
        proven: Some(ProvenPerson {
            name: "bob".parse().unwrap(),
            by_name: disclosed(1),
            by_uid: disclosed(2),
        }),
        revoked: vec![device],
        retired: false,
    };
    for round in 1..3 {
        vault
            .apply(&Change::from_iter([
                Write::KeyLog(Box::new(state(round))),
                Write::KeyLogLabel(Label([6; 32]), vec![round]),
                Write::KeyLogLabel(Label([round; 32]), vec![9]),
                Write::KeyLogPerson(person(round.into())),
            ]))
            .unwrap();
    }
    let key_log = vault.load().unwrap().key_log;
    assert_eq!(key_log.state, Some(state(2)));
    assert_eq!(key_log.people, [person(2)]);
    let expected = [(Label([1; 32]), vec![9]), (Label([2; 32]), vec![9]), (Label([6; 32]), vec![2])];
    assert_eq!(key_log.labels, expected);
}

#[test]
fn a_vault_that_cannot_be_brought_up_to_date_stays_as_it_is() {
    let folder = vault_of_format_1(&[]);
    let key = key::open(&folder.path().join(KEY_FILE), &password()).unwrap();
    let mut database = connect(&folder.path().join(DATABASE), &key).unwrap();
    database.execute_batch("CREATE TABLE setting (key TEXT)").unwrap(); // in the way of the true one
    assert!(upgrade(&mut database, 1).is_err());
    assert_eq!(schema::format(&database).unwrap(), 1);
    database.execute_batch("DROP TABLE setting").unwrap();
    drop(database);
    assert_eq!(
        texts(&Vault::open(folder.path(), &password()).unwrap().history(ROOM, Span::Newest, 9).unwrap()),
        ["waits"]
    );
}

#[test]
fn a_vault_of_a_newer_version_is_refused() {
    let (folder, vault) = vault();
    vault.database.pragma_update(None, "user_version", schema::FORMAT + 1).unwrap();
    drop(vault);
    let error = Vault::open(folder.path(), &password()).map(drop).unwrap_err();
    assert!(matches!(error, VaultError::Newer { found, .. } if found == schema::FORMAT + 1), "{error}");
    assert_eq!(kind(error), ErrorKind::Version);
}

#[test]
fn the_newest_epochs_of_each_room_are_kept() {
    let (_folder, mut vault) = vault();
    let epoch = |room, epoch: u64| {
        let (sequence, time) = (2 * epoch, Timestamp(epoch));
        Write::Epoch(StoredEpoch {
            room,
            epoch,
            sequence,
            time,
            by: BOB,
            joined: Vec::new(),
            removed: Vec::new(),
        })
    };
    let other = RoomId([8; 16]);
    let rooms = [Write::Room(Box::new(room())), Write::Room(Box::new(RoomRecord { room: other, ..room() }))];
    let kept = u64::from(apply::EPOCHS_KEPT);
    vault.apply(&rooms.into_iter().chain([epoch(other, 1)]).collect()).unwrap();
    vault.apply(&(1..=kept + 2).map(|number| epoch(ROOM, number)).collect()).unwrap();
    let numbers =
        |room, limit| vault.epochs(room, limit).unwrap().iter().map(|it| it.epoch).collect::<Vec<_>>();
    assert_eq!(numbers(ROOM, u32::MAX), (3..=kept + 2).collect::<Vec<_>>());
    assert_eq!(numbers(ROOM, 2), [kept + 1, kept + 2], "the newest last");
    assert_eq!(numbers(other, 9), [1]);
}

#[test]
fn what_the_server_may_lose_is_kept_in_a_stretch_without_gaps() {
    let (_folder, mut vault) = vault();
    let place = |sequence: u64| Position { sequence, chain: ChainHash([1; 32]) };
    let record = |sequence, size| Write::Record(ROOM, place(sequence), vec![1; size]);
    vault.apply(&Change::from_iter([Write::Room(Box::new(room())), record(0, 0)])).unwrap();
    vault.apply(&(1..=300).map(|sequence| record(sequence, 10)).collect()).unwrap();
    let sequences =
        |kept: KeptRecords| -> Vec<u64> { kept.records.iter().map(|(it, _)| it.sequence).collect() };
    let kept = vault.kept_records(ROOM, 0).unwrap();
    assert!(kept.from_start);
    assert_eq!(sequences(kept), (1..=256).collect::<Vec<_>>(), "a page");
    assert_eq!(sequences(vault.kept_records(ROOM, 290).unwrap()), (291..=300).collect::<Vec<_>>());
    assert_eq!(vault.kept_records(ROOM, 300).unwrap().records, []);
    vault.apply(&(301..=384).map(|sequence| record(sequence, 400_000)).collect()).unwrap();
    let kept = vault.kept_records(ROOM, 300).unwrap();
    assert_eq!((kept.from_start, kept.records.len()), (false, 0), "the oldest make room");
    assert_eq!(sequences(vault.kept_records(ROOM, 382).unwrap()), [383, 384]);
    vault.apply(&Change::from_iter([Write::RecordsForgotten(ROOM)])).unwrap();
    assert_eq!(vault.kept_records(ROOM, 382).unwrap().records, []);
}

#[test]
fn the_newest_leaves_of_the_log_of_keys_are_kept() {
    let (_folder, mut vault) = vault();
    let leaf = |seq| Leaf {
        kind: Kind::Heartbeat,
        time: Timestamp(7),
        label: Label::LOG,
        seq,
        previous: None,
        commitment: Commitment([9; 32]),
    };
    vault.apply(&Change::from_iter([Write::Leaves(5, vec![leaf(1), leaf(2)])])).unwrap();
    let bytes = [leaf(1), leaf(2)].map(|leaf| leaf.to_bytes()).concat();
    assert_eq!(vault.kept_leaves(5, 7).unwrap(), Some(bytes));
    assert_eq!(vault.kept_leaves(4, 7).unwrap(), None, "one is missing");
    let many = (0..16_384).map(leaf).collect();
    vault.apply(&Change::from_iter([Write::Leaves(7, many)])).unwrap();
    assert_eq!(vault.kept_leaves(6, 8).unwrap(), None, "the oldest are forgotten");
    assert!(vault.kept_leaves(7, 16_391).unwrap().is_some());
}
