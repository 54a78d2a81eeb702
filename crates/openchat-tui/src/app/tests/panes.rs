//! Tests of two rooms side by side, and of the layout at the next start.

use super::*;

/// `#lobby` with the cursor, `#ops` beside it, a line in each.
fn side_by_side() -> App {
    let mut app = chatting();
    write(&mut app, "/split ops");
    let effects = press(&mut app, "enter");
    let asked = |it: &Effect| matches!(it, Effect::Read(Read::History(OPS, Span::Newest)));
    assert!(effects.iter().any(asked), "{effects:?}");
    app.handle(Incoming::Found(Ok(Found::History(OPS, Span::Newest, Vec::new()))), NOW);
    picture(&mut app, 132, 43);
    line(&mut app, said(LOBBY, 4, &person(7, "bob"), "said at the left"));
    line(&mut app, said(OPS, 5, &person(7, "bob"), "said at the right"));
    app
}

fn remembered(effects: &[Effect], key: &str) -> Option<String> {
    effects.iter().find_map(|effect| match effect {
        Effect::Remember(known, Some(value)) if known == key => String::from_utf8(value.clone()).ok(),
        _ => None,
    })
}

#[test]
fn two_rooms_are_seen_at_once_and_both_are_read() {
    let mut app = side_by_side();
    let shown = picture(&mut app, 132, 43);
    let both = |row: &str| row.contains("said at the left") && row.contains("said at the right");
    assert!(shown.contains("said at the left") && shown.contains("said at the right"), "{shown}");
    assert!(!shown.lines().any(both), "the composer is below one of them");
    let ops = chat(&app).rooms.iter().find(|room| room.room == OPS).unwrap();
    assert_eq!(ops.unread, 0);
    let told = line(&mut app, said(OPS, 6, &person(7, "bob"), "@alice: here"));
    assert!(!told.iter().any(|it| matches!(it, Effect::Notify { .. })), "it is in view");
}

#[test]
fn the_cursor_goes_to_and_fro_and_each_room_keeps_its_draft() {
    let mut app = side_by_side();
    write(&mut app, "for the lobby");
    press(&mut app, "ctrl+x o");
    assert_eq!(chat(&app).open_room(), Some(OPS));
    assert_eq!(chat(&app).composer.text(), "half a thought");
    let before = picture(&mut app, 132, 43);
    press(&mut app, "ctrl+x o");
    assert_eq!(chat(&app).composer.text(), "for the lobby");
    assert!(before.contains("said at the left") && before.contains("said at the right"));
    press(&mut app, "ctrl+x 1");
    assert!(!picture(&mut app, 132, 43).contains("said at the right"));
}

#[test]
fn where_there_is_no_room_for_two_the_one_with_the_cursor_is_shown() {
    let mut app = side_by_side();
    let small = picture(&mut app, 80, 24);
    assert!(small.contains("said at the left") && !small.contains("said at the right"), "{small}");
    line(&mut app, said(OPS, 6, &person(7, "bob"), "unseen"));
    let ops = chat(&app).rooms.iter().find(|room| room.room == OPS).unwrap();
    assert_eq!(ops.unread, 1, "what is not shown is not read");
    press(&mut app, "ctrl+x o");
    assert!(picture(&mut app, 40, 12).contains("unseen"));
}

#[test]
fn a_room_that_is_left_is_not_beside_any_more() {
    let mut app = side_by_side();
    app.handle(Incoming::Found(Ok(Found::Rooms(vec![overview(LOBBY, "lobby")]))), NOW);
    assert!(chat(&app).beside.is_none());
}

#[test]
fn the_next_start_opens_the_room_of_the_last_one_though_it_was_new_then() {
    let mut app = chatting();
    write(&mut app, "/create games");
    let effects = press(&mut app, "enter");
    let then = effects.into_iter().find_map(|effect| match effect {
        Effect::Ask(Ask::CreateRoom { .. }, then) => Some(then),
        _ => None,
    });
    let games = RoomId([3; 16]);
    app.handle(Incoming::Answered(then.unwrap(), Ok(Answer::Room(games))), NOW);
    let kept = remembered(&app.handle(Incoming::Tick, NOW), "screen:layout").expect("the layout is kept");
    let opened = Opened {
        profile: chat(&app).me.clone(),
        rooms: vec![overview(LOBBY, "lobby"), overview(games, "games")],
        kept: vec![("screen:layout".into(), kept.into_bytes())],
        first: None,
        made: Vec::new(),
        history: crate::effect::History::Whole,
    };
    let mut app = App::new(Entrance::unlock("default"), Settings::default(), Theme::plain());
    app.handle(Incoming::Opened(Box::new(opened)), NOW);
    assert_eq!(chat(&app).open_room(), Some(games));
}

#[test]
fn the_next_start_finds_panes_and_place_as_they_were() {
    let mut app = side_by_side();
    let page = (1..=100).map(|n| said(LOBBY, n, &person(7, "bob"), &format!("line {n}"))).collect();
    app.handle(Incoming::Found(Ok(Found::History(LOBBY, Span::Newest, page))), NOW);
    picture(&mut app, 132, 43);
    let event = TerminalEvent::Key(KeyEvent::new(KeyCode::PageUp, KeyModifiers::NONE));
    app.handle(Incoming::Terminal(event), NOW);
    let before = picture(&mut app, 132, 43);
    press(&mut app, "ctrl+x m");
    let kept = remembered(&app.handle(Incoming::Tick, NOW), "screen:layout").expect("the layout is kept");
    assert!(kept.contains("no-members") && kept.contains(&format!("beside {OPS} right")), "{kept}");
    assert_eq!(remembered(&app.handle(Incoming::Tick, NOW), "screen:layout"), None, "only when it changes");

    let (mut app, effects) = started(vec![("screen:layout".into(), kept.into_bytes())]);
    let around = effects.iter().find_map(|effect| match effect {
        Effect::Read(Read::Around(LOBBY, sequence)) => Some(*sequence),
        _ => None,
    });
    let bottom = around.expect("the place is read");
    assert!(before.contains(&format!("line {bottom} ")), "{bottom}: {before}");
    let page = (1..=bottom).map(|n| said(LOBBY, n, &person(7, "bob"), &format!("line {n}"))).collect();
    app.handle(Incoming::Found(Ok(Found::Around(LOBBY, bottom, page))), NOW);
    let after = picture(&mut app, 132, 43);
    assert!(after.contains(&format!("line {bottom} ")) && !after.contains("▶"), "{after}");
    assert!(chat(&app).beside.as_ref().is_some_and(|beside| beside.room == OPS));
    assert!(!chat(&app).shows_members);
}
