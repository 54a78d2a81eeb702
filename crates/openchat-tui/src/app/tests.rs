//! Tests of the model: events in, effects and pictures out.

use crossterm::event::{
    Event as TerminalEvent, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use openchat_client::{
    Answer, ClientError, Command as Ask, Delivery, Entry, ErrorKind, Event, Line, Membership, Person,
    Profile, RoomOverview, Span,
};
use openchat_protocol::{DeviceId, MessageId, RoomId, ServerFingerprint, Timestamp, Uid};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::overlay::Overlay;
use super::*;
use crate::effect::{Found, Opened, Read, Then};

mod command_line;
mod comparing;
mod devices;
mod panes;
mod pictures;
mod pointing;
mod reading;
mod search;
mod tasks;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const LOBBY: RoomId = RoomId([1; 16]);
const OPS: RoomId = RoomId([2; 16]);

fn person(number: u8, name: &str) -> Person {
    Person {
        uid: Uid([number; 16]),
        name: Some(name.parse().unwrap()),
        trust: openchat_client::Trust::FirstUse,
    }
}

fn overview(room: RoomId, name: &str) -> RoomOverview {
    RoomOverview {
        room,
        name: name.parse().unwrap(),
        listed: true,
        membership: Membership::Member,
        head: 0,
        read: 0,
        unread: 0,
        mentions: 0,
        latest: Timestamp(0),
        trust: openchat_client::RoomTrust::default(),
    }
}

fn said(room: RoomId, sequence: u64, author: &Person, text: &str) -> Line {
    Line {
        room,
        sequence: Some(sequence),
        part: 0,
        time: NOW,
        author: author.clone(),
        entry: Entry::Text {
            message: MessageId([u8::try_from(sequence % 250).unwrap(); 16]),
            text: text.to_owned(),
            delivery: Delivery::Sent,
        },
    }
}

/// Alice's screen as it comes up with what was kept, and what it asks for.
fn started(kept: Vec<(String, Vec<u8>)>) -> (App, Vec<Effect>) {
    started_as(kept, crate::effect::History::Whole)
}

/// The same on a device that lacks some history.
fn started_as(kept: Vec<(String, Vec<u8>)>, history: crate::effect::History) -> (App, Vec<Effect>) {
    let mut app = App::new(Entrance::unlock("default"), Settings::default(), Theme::plain());
    let opened = Opened {
        profile: Profile {
            device: DeviceId { uid: Uid([9; 16]), did: openchat_protocol::Did([9; 10]) },
            name: "alice".parse().unwrap(),
            host: "192.0.2.7".into(),
            port: 7443,
            server: ServerFingerprint([5; 32]),
            expires: NOW,
        },
        rooms: vec![overview(LOBBY, "lobby"), overview(OPS, "ops")],
        kept,
        first: Some("lobby".parse().unwrap()),
        made: Vec::new(),
        history,
    };
    let effects = app.handle(Incoming::Opened(Box::new(opened)), NOW);
    (app, effects)
}

/// Alice's screen in `#lobby`, with `#ops` beside it in the list.
fn chatting() -> App {
    let (mut app, effects) = started(vec![(format!("draft:{OPS}"), b"half a thought".to_vec())]);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Read(Read::History(LOBBY, Span::Newest)))));
    app.handle(Incoming::Found(Ok(Found::History(LOBBY, Span::Newest, Vec::new()))), NOW);
    app.handle(Incoming::Client(Event::Connection(openchat_client::ConnectionState::Online)), NOW);
    app
}

fn chat(app: &App) -> &Chat {
    match &app.stage {
        Stage::Chat(chat) => chat,
        Stage::Entrance(_) => panic!("still at the entrance"),
    }
}

fn press(app: &mut App, keys: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for key in keys.split(' ') {
        let (modifiers, key) = match (key.strip_prefix("ctrl+"), key.strip_prefix("alt+")) {
            (Some(key), _) => (KeyModifiers::CONTROL, key),
            (_, Some(key)) => (KeyModifiers::ALT, key),
            _ => (KeyModifiers::NONE, key),
        };
        let code = match key {
            "enter" => KeyCode::Enter,
            "esc" => KeyCode::Esc,
            "tab" => KeyCode::Tab,
            "up" => KeyCode::Up,
            key => KeyCode::Char(key.chars().next().unwrap()),
        };
        let event = TerminalEvent::Key(KeyEvent::new(code, modifiers));
        effects.extend(app.handle(Incoming::Terminal(event), NOW));
    }
    effects
}

fn write(app: &mut App, text: &str) {
    for c in text.chars() {
        let event = TerminalEvent::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        app.handle(Incoming::Terminal(event), NOW);
    }
}

fn click_at(app: &mut App, column: u16, row: u16) -> Vec<Effect> {
    let kind = MouseEventKind::Down(MouseButton::Left);
    let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
    app.handle(Incoming::Terminal(TerminalEvent::Mouse(event)), NOW)
}

fn line(app: &mut App, line: Line) -> Vec<Effect> {
    app.handle(Incoming::Client(Event::Line(line)), NOW)
}

fn picture(app: &mut App, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| crate::view::draw(app, frame)).unwrap();
    terminal.backend().to_string()
}

#[test]
fn what_is_written_is_sent_and_comes_back_when_it_cannot_be() {
    let mut app = chatting();
    write(&mut app, "good morning");
    let effects = press(&mut app, "enter");
    let sent = |effect: &Effect| matches!(effect, Effect::Ask(Ask::Send { room: LOBBY, text }, _) if text == "good morning");
    assert!(effects.iter().any(sent), "{effects:?}");
    assert!(chat(&app).composer.area.is_empty());
    let error = ClientError::new(ErrorKind::Storage, "the disk is full");
    app.handle(Incoming::Answered(Then::Sent(LOBBY, "good morning".into()), Err(error)), NOW);
    assert_eq!(chat(&app).composer.text(), "good morning\n");
    assert!(picture(&mut app, 80, 24).contains("the disk is full"));
}

#[test]
fn a_line_that_is_read_and_told_is_one_line() {
    let mut app = chatting();
    let bob = person(7, "bob");
    line(&mut app, said(LOBBY, 4, &bob, "once"));
    line(&mut app, said(LOBBY, 4, &bob, "once"));
    assert_eq!(picture(&mut app, 100, 24).matches("once").count(), 1);
}

#[test]
fn a_message_goes_from_pending_to_sent() {
    let mut app = chatting();
    let me = person(9, "alice");
    let mut pending = said(LOBBY, 3, &me, "on its way");
    pending.sequence = None;
    let Entry::Text { delivery, message, .. } = &mut pending.entry else { panic!("no text") };
    *delivery = Delivery::Pending;
    let message = *message;
    line(&mut app, pending);
    assert!(picture(&mut app, 100, 24).contains("waiting to be sent"));
    assert_eq!(chat(&app).waiting, 1);
    let event = Event::Delivery { room: LOBBY, message, delivery: Delivery::Sent };
    app.handle(Incoming::Client(event), NOW);
    line(&mut app, said(LOBBY, 3, &me, "on its way"));
    let shown = picture(&mut app, 100, 24);
    assert!(!shown.contains("waiting to be sent"), "{shown}");
    assert_eq!(shown.matches("on its way").count(), 1);
    assert_eq!(chat(&app).waiting, 0);
}

#[test]
fn news_elsewhere_is_counted_and_told_by_level() {
    let mut app = chatting();
    let bob = person(7, "bob");
    let quiet = line(&mut app, said(OPS, 5, &bob, "nothing special"));
    assert!(!quiet.iter().any(|effect| matches!(effect, Effect::Notify { .. })));
    let loud = line(&mut app, said(OPS, 6, &bob, "@alice: look"));
    assert!(
        loud.iter().any(|effect| matches!(effect, Effect::Notify { title, .. } if title == "#ops")),
        "{loud:?}"
    );
    let ops = chat(&app).rooms.iter().find(|room| room.room == OPS).unwrap();
    assert_eq!((ops.unread, ops.mentions), (2, 1));
    let here = line(&mut app, said(LOBBY, 7, &bob, "@alice: here"));
    assert!(
        !here.iter().any(|effect| matches!(effect, Effect::Notify { .. })),
        "never for what is looked at"
    );
    let again = line(&mut app, said(OPS, 6, &bob, "@alice: look"));
    assert!(again.is_empty(), "counted once");
}

#[test]
fn what_is_new_stands_under_a_line_unless_it_came_before_the_readers_eyes() {
    let mut app = chatting();
    let (me, bob) = (person(9, "alice"), person(7, "bob"));
    line(&mut app, said(LOBBY, 3, &bob, "seen"));
    line(&mut app, said(LOBBY, 4, &bob, "seen too"));
    line(&mut app, said(LOBBY, 5, &me, "mine"));
    assert!(!picture(&mut app, 80, 24).contains("── new"));
    app.handle(Incoming::Terminal(TerminalEvent::FocusLost), NOW);
    line(&mut app, said(LOBBY, 6, &bob, "while away"));
    line(&mut app, said(LOBBY, 7, &bob, "and more"));
    assert_eq!(picture(&mut app, 80, 24).matches("── new").count(), 1);
    app.handle(Incoming::Terminal(TerminalEvent::FocusGained), NOW);
    line(&mut app, said(LOBBY, 8, &me, "answered"));
    assert!(!picture(&mut app, 80, 24).contains("── new"), "whoever answers has read");
}

#[test]
fn a_wanted_room_is_joined_once_when_there_is_a_connection() {
    let mut app = chatting();
    let name = "games".parse::<openchat_protocol::RoomName>().unwrap();
    let Stage::Chat(chat) = &mut app.stage else { panic!("still at the entrance") };
    chat.first = Some(name.clone());
    let mut joins = || {
        let online = Incoming::Client(Event::Connection(openchat_client::ConnectionState::Online));
        let effects = app.handle(online, NOW);
        effects
            .iter()
            .filter(|it| matches!(it, Effect::Ask(Ask::JoinRoom { name: it }, _) if *it == name))
            .count()
    };
    assert_eq!(joins(), 1);
    assert_eq!(joins(), 0);
}

#[test]
fn content_is_hidden_from_notifications_on_request() {
    let mut app = chatting();
    app.settings.show_content = false;
    let effects = line(&mut app, said(OPS, 6, &person(7, "bob"), "@alice: secret"));
    let Some(Effect::Notify { title, body }) = effects.iter().find(|it| matches!(it, Effect::Notify { .. }))
    else {
        panic!("nothing told: {effects:?}")
    };
    assert_eq!((title.as_str(), body.as_str()), ("OpenChat", ""));
}

#[test]
fn one_key_visits_unread_rooms_and_comes_back_and_peeking_reads_nothing() {
    let mut app = chatting();
    line(&mut app, said(OPS, 6, &person(7, "bob"), "news"));
    press(&mut app, "alt+n");
    assert_eq!(chat(&app).open_room(), Some(OPS));
    assert_eq!(chat(&app).composer.text(), "half a thought", "the draft of that room is there");
    let lines = vec![said(OPS, 6, &person(7, "bob"), "news")];
    let effects = app.handle(Incoming::Found(Ok(Found::History(OPS, Span::Newest, lines))), NOW);
    let reads =
        |effects: &[Effect]| effects.iter().any(|it| matches!(it, Effect::Ask(Ask::MarkRead { .. }, _)));
    assert!(!reads(&effects), "peeking does not read");
    write(&mut app, "!");
    assert!(reads(&app.handle(Incoming::Tick, NOW)), "writing does");
    press(&mut app, "alt+n");
    assert_eq!(chat(&app).open_room(), Some(LOBBY), "back where the walk began");
}

#[test]
fn who_answers_and_leaves_at_once_has_read() {
    let mut app = chatting();
    line(&mut app, said(OPS, 6, &person(7, "bob"), "news"));
    press(&mut app, "alt+n");
    let lines = vec![said(OPS, 6, &person(7, "bob"), "news")];
    app.handle(Incoming::Found(Ok(Found::History(OPS, Span::Newest, lines))), NOW);
    let effects = press(&mut app, "enter alt+b");
    let read = |it: &Effect| matches!(it, Effect::Ask(Ask::MarkRead { room: OPS, sequence: 6 }, _));
    assert!(effects.iter().any(read), "{effects:?}");
}

#[test]
fn somebody_who_is_known_better_by_now_still_came_by_themselves() {
    let (who, mut author) = (person(7, "bob"), person(7, "bob"));
    author.name = None;
    let (words, _) = crate::phrases::announcement(&author, &Entry::Joined { who });
    assert_eq!(words, "bob joined");
}

#[test]
fn the_picker_finds_by_a_few_letters() {
    let mut app = chatting();
    press(&mut app, "ctrl+t");
    write(&mut app, "op");
    press(&mut app, "enter");
    assert_eq!(chat(&app).open_room(), Some(OPS));
}

#[test]
fn a_command_can_be_written_where_the_menu_is() {
    let mut app = chatting();
    write(&mut app, ":q");
    press(&mut app, "enter");
    write(&mut app, "/create games");
    let effects = press(&mut app, "enter");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Ask(Ask::CreateRoom { .. }, Then::Task(_, then)) if **then == Then::OpenRoom))
    );
}

#[test]
fn the_original_way_out_leads_over_the_menu() {
    let mut app = chatting();
    write(&mut app, ":q");
    press(&mut app, "enter");
    assert!(picture(&mut app, 80, 24).contains("create a room"));
    write(&mut app, ":q");
    assert!(press(&mut app, "enter").iter().any(|effect| matches!(effect, Effect::Quit)));
}

#[test]
fn quitting_asks_while_something_waits() {
    let mut app = chatting();
    let mut pending = said(LOBBY, 3, &person(9, "alice"), "wait");
    pending.sequence = None;
    let Entry::Text { delivery, .. } = &mut pending.entry else { panic!("no text") };
    *delivery = Delivery::Pending;
    line(&mut app, pending);
    assert!(press(&mut app, "ctrl+c").is_empty());
    assert!(matches!(chat(&app).overlay, Some(Overlay::Ask(_))));
    assert!(press(&mut app, "y").iter().any(|effect| matches!(effect, Effect::Quit)));
}

#[test]
fn a_paste_of_many_lines_asks_once_and_of_few_does_not() {
    let mut app = chatting();
    app.handle(Incoming::Terminal(TerminalEvent::Paste("a\nb".into())), NOW);
    assert_eq!(chat(&app).composer.text(), "a\nb");
    app.handle(Incoming::Terminal(TerminalEvent::Paste("1\n2\n3\n4\n5\n6\n7".into())), NOW);
    assert!(picture(&mut app, 80, 24).contains("Paste 7 lines"));
    press(&mut app, "y");
    assert_eq!(chat(&app).composer.text(), "a\nb1\n2\n3\n4\n5\n6\n7");
}

#[test]
fn names_and_commands_are_completed() {
    let mut app = chatting();
    write(&mut app, "/inv");
    press(&mut app, "tab");
    assert_eq!(chat(&app).composer.text(), "/invite");
}

#[test]
fn ctrl_u_takes_back_the_line_as_in_a_shell() {
    let mut app = chatting();
    write(&mut app, "said too soon");
    press(&mut app, "ctrl+u");
    assert_eq!(chat(&app).composer.text(), "");
}

#[test]
fn drafts_of_rooms_that_are_no_more_are_forgotten() {
    let (old, gone) = (RoomId([77; 16]), RoomId([78; 16]));
    let kept = [format!("draft:{old}"), format!("draft:{OPS}"), format!("notify:{gone}")];
    let values = [b"for nobody".as_slice(), b"half a thought", b"none"];
    let kept = kept.iter().cloned().zip(values.map(<[u8]>::to_vec)).collect();
    let (mut app, effects) = started(kept);
    let forgotten = |effects: &[Effect]| -> Vec<String> {
        let key = |effect: &Effect| match effect {
            Effect::Remember(key, None) => Some(key.clone()),
            _ => None,
        };
        effects.iter().filter_map(key).collect()
    };
    assert_eq!(forgotten(&effects), [format!("draft:{old}"), format!("notify:{gone}")]);
    let left = RoomOverview { membership: Membership::Left, ..overview(OPS, "ops") };
    let rooms = Incoming::Found(Ok(Found::Rooms(vec![overview(LOBBY, "lobby"), left])));
    assert_eq!(forgotten(&app.handle(rooms, NOW)), [format!("draft:{OPS}")]);
}

#[test]
fn what_was_made_stays_until_it_is_closed() {
    let mut app = chatting();
    let Stage::Chat(chat) = &mut app.stage else { panic!("still at the entrance") };
    let opened = Opened {
        profile: chat.me.clone(),
        rooms: vec![overview(LOBBY, "lobby")],
        kept: Vec::new(),
        first: None,
        made: vec!["your server listens on 0.0.0.0:7443".into()],
        history: crate::effect::History::Whole,
    };
    let mut app = App::new(Entrance::unlock("default"), Settings::default(), Theme::plain());
    app.handle(Incoming::Opened(Box::new(opened)), NOW);
    app.handle(Incoming::Tick, Timestamp(NOW.0 + 3_600_000));
    assert!(picture(&mut app, 80, 24).contains("your server listens"));
    press(&mut app, "esc");
    assert!(!picture(&mut app, 80, 24).contains("your server listens"));
}

#[test]
fn vi_people_choose_quote_and_copy() {
    let mut app = chatting();
    line(&mut app, said(LOBBY, 4, &person(7, "bob"), "to be quoted"));
    write(&mut app, "/keys vim");
    press(&mut app, "enter esc");
    let effects = press(&mut app, "y");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Copy(text) if text == "to be quoted")));
    press(&mut app, "r");
    assert_eq!(chat(&app).composer.text(), "> bob wrote:\n> to be quoted\n\n");
    write(&mut app, "j");
    assert!(chat(&app).composer.text().ends_with('j'), "letters are written again");
}

#[test]
fn what_could_not_be_sent_is_sent_again_or_forgotten_by_a_command_too() {
    let mut app = chatting();
    let mut failed = said(LOBBY, 3, &person(9, "alice"), "not sent");
    failed.sequence = None;
    let Entry::Text { delivery, message, .. } = &mut failed.entry else { panic!("no text") };
    *delivery = Delivery::Failed { reason: "the room is gone".into() };
    let failed_message = *message;
    line(&mut app, failed);
    write(&mut app, "/again");
    let again = press(&mut app, "enter");
    let is_retry =
        |it: &Effect| matches!(it, Effect::Ask(Ask::Retry { message }, _) if *message == failed_message);
    assert!(again.iter().any(is_retry), "{again:?}");
    write(&mut app, "/discard");
    let gone = press(&mut app, "enter");
    assert!(gone.iter().any(|it| matches!(it, Effect::Ask(Ask::Discard { .. }, _))), "{gone:?}");
    assert!(!picture(&mut app, 80, 24).contains("the room is gone"));
    write(&mut app, "/again");
    assert!(!press(&mut app, "enter").iter().any(|it| matches!(it, Effect::Ask(Ask::Retry { .. }, _))));
}

#[test]
fn rooms_that_are_older_than_what_was_read_make_nothing_unread() {
    let mut app = chatting();
    line(&mut app, said(LOBBY, 6, &person(7, "bob"), "seen at once"));
    let old = RoomOverview { head: 6, unread: 1, mentions: 1, ..overview(LOBBY, "lobby") };
    app.handle(Incoming::Found(Ok(Found::Rooms(vec![old, overview(OPS, "ops")]))), NOW);
    let lobby = chat(&app).rooms.iter().find(|room| room.room == LOBBY).unwrap();
    assert_eq!((lobby.read, lobby.unread, lobby.mentions), (6, 0, 0));
}

#[test]
fn a_flood_that_is_seen_is_marked_as_read_once_a_second_and_before_the_end() {
    let marks = |effects: &[Effect]| {
        let mark = |it: &Effect| match it {
            Effect::Ask(Ask::MarkRead { sequence, .. }, _) => Some(*sequence),
            _ => None,
        };
        effects.iter().filter_map(mark).collect::<Vec<_>>()
    };
    let mut app = chatting();
    for sequence in 6..=20 {
        assert!(marks(&line(&mut app, said(LOBBY, sequence, &person(7, "bob"), "more"))).is_empty());
        let lobby = chat(&app).rooms.iter().find(|room| room.room == LOBBY).unwrap();
        assert_eq!(lobby.unread, 0, "what is in view is not unread");
    }
    assert_eq!(marks(&app.handle(Incoming::Tick, NOW)), [20]);
    line(&mut app, said(LOBBY, 21, &person(7, "bob"), "and the last one"));
    assert_eq!(marks(&press(&mut app, "ctrl+c")), [21], "a key is a sign that somebody may go");
    assert!(marks(&app.handle(Incoming::Tick, NOW)).is_empty(), "said once");
}

#[test]
fn whoever_writes_in_a_room_has_read_it_however_fast_they_leave() {
    let mut app = chatting();
    line(&mut app, said(OPS, 6, &person(7, "bob"), "@alice: look"));
    press(&mut app, "alt+n");
    let lines = vec![said(OPS, 6, &person(7, "bob"), "@alice: look")];
    app.handle(Incoming::Found(Ok(Found::History(OPS, Span::Newest, lines))), NOW);
    write(&mut app, "seen");
    let effects = press(&mut app, "enter");
    let read = |it: &Effect| matches!(it, Effect::Ask(Ask::MarkRead { room: OPS, sequence: 6 }, _));
    assert!(effects.iter().any(read), "{effects:?}");
}

#[test]
fn alarms_stay_until_they_are_closed() {
    let mut app = chatting();
    let alarm = openchat_client::Alarm::EchoDiffers { room: LOBBY, sequence: 3 };
    app.handle(Incoming::Client(Event::Alarm(alarm)), NOW);
    for _ in 0..100 {
        app.handle(Incoming::Tick, Timestamp(NOW.0 + 3_600_000));
    }
    assert!(picture(&mut app, 80, 24).contains("not what you sent"));
    press(&mut app, "esc");
    assert!(!picture(&mut app, 80, 24).contains("not what you sent"));
}

#[test]
fn what_the_server_says_cannot_steer_the_screen() {
    let mut app = chatting();
    let error = ClientError::new(ErrorKind::Refused, "\u{1b}[2Jgone\u{202e}");
    app.handle(Incoming::Answered(Then::Nothing, Err(error)), NOW);
    let shown = picture(&mut app, 80, 24);
    assert!(shown.contains("gone"));
    assert!(!shown.contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn panes_fold_when_the_window_is_small() {
    let mut app = chatting();
    line(&mut app, said(LOBBY, 4, &person(7, "bob"), "still here"));
    assert!(picture(&mut app, 100, 30).contains("#ops"));
    let small = picture(&mut app, 40, 12);
    assert!(small.contains("still here") && !small.contains("#ops"), "{small}");
}

#[test]
fn a_wrong_password_asks_again_and_then_says_what_is_lost() {
    let mut app = App::new(Entrance::unlock("default"), Settings::default(), Theme::plain());
    for _ in 0..3 {
        write(&mut app, "x");
        assert!(press(&mut app, "enter").iter().any(|effect| matches!(effect, Effect::Unlock(_))));
        app.handle(Incoming::NotOpened(ClientError::new(ErrorKind::WrongPassword, "wrong password")), NOW);
        assert!(picture(&mut app, 80, 24).contains("wrong password"));
    }
    assert!(picture(&mut app, 80, 24).contains("Nobody can reset it"));
}

#[test]
fn older_lines_are_asked_for_and_memory_stays_flat() {
    let mut app = chatting();
    let bob = person(7, "bob");
    let page = |from: u64| (from..from + 200).map(|n| said(LOBBY, n, &bob, &format!("line {n}"))).collect();
    app.handle(Incoming::Found(Ok(Found::History(LOBBY, Span::Newest, page(9_800)))), NOW);
    let mut oldest = 9_800;
    for _ in 0..10 {
        for _ in 0..12 {
            let event = TerminalEvent::Key(KeyEvent::new(KeyCode::PageUp, KeyModifiers::NONE));
            app.handle(Incoming::Terminal(event), NOW);
            picture(&mut app, 80, 24);
        }
        let wanted = app.after_draw();
        let Some(Effect::Read(Read::History(LOBBY, Span::Before(before)))) = wanted.first() else { continue };
        assert_eq!(*before, oldest);
        oldest -= 200;
        app.handle(Incoming::Found(Ok(Found::History(LOBBY, Span::Before(oldest + 200), page(oldest)))), NOW);
    }
    assert!(oldest < 9_000, "older pages were asked for");
    assert!(chat(&app).timeline.as_ref().unwrap().lines.len() <= 1_000);
    let answer = Incoming::Answered(Then::Members(LOBBY), Ok(Answer::Members(Vec::new())));
    app.handle(answer, NOW);
    assert!(picture(&mut app, 80, 24).contains("line "));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_keys_and_no_size_can_break_it(
        keys in prop::collection::vec((0_u8..54, any::<char>(), any::<bool>()), 0..60),
        width in 1_u16..160,
        height in 1_u16..60,
    ) {
        let mut app = chatting();
        line(&mut app, said(LOBBY, 4, &person(7, "bob"), "**bold** `code` https://example.org 漢字 👩‍👩‍👧"));
        for (number, c, control) in keys {
            let code = match number {
                0..=9 => KeyCode::Char(c),
                10 => KeyCode::Enter,
                11 => KeyCode::Esc,
                12 => KeyCode::Tab,
                13 => KeyCode::PageUp,
                14 => KeyCode::PageDown,
                15 => KeyCode::Up,
                16 => KeyCode::Down,
                17 => KeyCode::Backspace,
                18 => KeyCode::F(1),
                19 => KeyCode::F(2),
                20..=39 => KeyCode::Char(char::from(b'a' + number - 20)),
                40 => KeyCode::F(3),
                41 => KeyCode::F(4),
                42 => KeyCode::F(6),
                43 => KeyCode::Home,
                44 => KeyCode::End,
                45 => KeyCode::Char('/'),
                46 => KeyCode::Char(':'),
                47 => KeyCode::Char('3'),
                48 => KeyCode::Char('1'),
                49..=51 => KeyCode::Char('x'),
                _ => {
                    let (x, y) = (u32::from(c) % u32::from(width), u32::from(c) / 7 % u32::from(height));
                    click_at(&mut app, u16::try_from(x).unwrap(), u16::try_from(y).unwrap());
                    picture(&mut app, width, height);
                    continue;
                }
            };
            let modifiers = if control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
            app.handle(Incoming::Terminal(TerminalEvent::Key(KeyEvent::new(code, modifiers))), NOW);
            picture(&mut app, width, height);
            app.after_draw();
        }
    }
}

#[test]
fn what_keys_rest_on_is_on_the_screen() {
    let mut app = chatting();
    let mut room = overview(LOBBY, "lobby");
    room.trust = openchat_client::RoomTrust { compared: 1, first_use: 1, ..Default::default() };
    app.handle(Incoming::Found(Ok(Found::Rooms(vec![room.clone()]))), NOW);
    let bob = Person { trust: openchat_client::Trust::Compared, ..person(1, "bob") };
    line(&mut app, said(LOBBY, 1, &bob, "hello"));
    line(&mut app, said(LOBBY, 2, &person(2, "eve"), "✓ bob"));
    let shown = picture(&mut app, 110, 24);
    for words in ["keys ? 1 compared, 1 first use", "✓ bob", "? eve", "      ✓ bob"] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
    room.trust = openchat_client::RoomTrust { invited: 1, first_use: 2, ..Default::default() };
    app.handle(Incoming::Found(Ok(Found::Rooms(vec![room.clone()]))), NOW);
    assert!(picture(&mut app, 40, 12).contains("#lobby · keys ?"), "a narrow window has the sign at least");
    room.trust = openchat_client::RoomTrust { changed: 2, is_stopped: true, ..Default::default() };
    app.handle(Incoming::Found(Ok(Found::Rooms(vec![room]))), NOW);
    assert!(picture(&mut app, 140, 24).contains("keys ! 2 KEY CHANGED; your messages wait until you decide"));
}

#[test]
fn two_people_compare_at_the_screen() {
    let mut app = chatting();
    write(&mut app, "/verify bob");
    let effects = press(&mut app, "enter");
    let begins = |effect: &Effect| matches!(effect, Effect::Ask(Ask::Compare { room: LOBBY, .. }, _));
    assert!(effects.iter().any(begins), "{effects:?}");
    let number = openchat_client::SafetyNumber::of(&ServerFingerprint([5; 32]), Uid([9; 16]), Uid([1; 16]));
    let known = openchat_client::Acquaintance {
        person: person(1, "bob"),
        basis: openchat_client::Basis::FirstUse,
        first_seen: NOW,
        number,
        claimants: Vec::new(),
    };
    write(&mut app, "/trust");
    let effects = press(&mut app, "enter");
    assert!(effects.iter().any(|it| matches!(it, Effect::Ask(Ask::Acquaintances, _))), "{effects:?}");
    app.handle(Incoming::Answered(Then::ShowPeople, Ok(Answer::Acquaintances(vec![known.clone()]))), NOW);
    assert!(picture(&mut app, 110, 24).contains("? bob  first use: only the server says whose key it is"));
    let answer = Answer::Acquaintance(Box::new(known));
    app.handle(Incoming::Answered(Then::ShowNumber, Ok(answer)), NOW);
    let shown = picture(&mut app, 110, 40);
    for words in [&number.to_string()[..35], &number.to_string()[36..], "only the server says", "█"] {
        assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
    }
    press(&mut app, "esc");
    let stage = openchat_client::Comparing::Asked;
    let event = Event::Comparison { room: LOBBY, with: person(1, "bob"), stage };
    app.handle(Incoming::Client(event), NOW);
    app.handle(Incoming::Tick, Timestamp(NOW.0 + 500_000));
    assert!(picture(&mut app, 110, 24).contains("bob wants to compare keys with you: /verify bob"));
    write(&mut app, "/verify bob yes");
    let effects = press(&mut app, "enter");
    assert!(
        effects.iter().any(|it| matches!(it, Effect::Ask(Ask::Decide { same: true, .. }, _))),
        "{effects:?}"
    );
}
