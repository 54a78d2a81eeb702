//! Tests of the search through all messages, and of the way to an old one and back.

use openchat_client::Searched;

use super::*;

/// The steps that are asked for: which search, which room, and from where on.
fn steps(effects: &[Effect]) -> Vec<(u64, RoomId, u64)> {
    let step = |effect: &Effect| match effect {
        Effect::Read(Read::Search { serial, room, before, .. }) => Some((*serial, *room, *before)),
        _ => None,
    };
    effects.iter().filter_map(step).collect()
}

fn answer(app: &mut App, serial: u64, found: Vec<Line>, next: Option<u64>) -> Vec<Effect> {
    let searched = Searched { found, looked_at: 2_000, next };
    app.handle(Incoming::Found(Ok(Found::Searched(serial, searched))), NOW)
}

/// A search for `deploy` that has found line 17 of `#ops`.
fn found(app: &mut App) {
    write(app, "/search deploy");
    let first = steps(&press(app, "enter"));
    assert_eq!(first.len(), 1, "one step at a time");
    let (serial, room, before) = first[0];
    assert_eq!((room, before), (LOBBY, u64::MAX), "the open room first");
    let second = steps(&answer(app, serial, Vec::new(), Some(5_000)));
    assert_eq!(second, [(serial, LOBBY, 5_000)]);
    let third = steps(&answer(app, serial, Vec::new(), None));
    assert_eq!(third, [(serial, OPS, u64::MAX)]);
    let line = said(OPS, 17, &person(7, "bob"), "when do we deploy?");
    assert_eq!(steps(&answer(app, serial, vec![line], None)), []);
}

#[test]
fn a_search_goes_through_all_rooms_and_says_how_far_it_is() {
    let mut app = chatting();
    found(&mut app);
    let shown = picture(&mut app, 80, 24);
    assert!(shown.contains("#ops") && shown.contains("bob: when do we deploy?"), "{shown}");
    assert!(shown.contains("1 found in all 6000 lines"), "{shown}");
    assert!(picture(&mut app, 40, 12).contains("bob: when"));
}

#[test]
fn what_is_typed_meanwhile_begins_a_new_search_and_old_answers_count_nothing() {
    let mut app = chatting();
    write(&mut app, "/search a");
    let (old, ..) = steps(&press(&mut app, "enter"))[0];
    assert_eq!(steps(&press(&mut app, "b")), [], "the step that is on its way ends first");
    let line = said(LOBBY, 17, &person(7, "bob"), "about a");
    let next = steps(&answer(&mut app, old, vec![line], Some(1)));
    assert_eq!(next.len(), 1);
    assert_ne!(next[0].0, old);
    assert!(!picture(&mut app, 80, 24).contains("about a"));
}

#[test]
fn a_closed_search_asks_for_nothing_more() {
    let mut app = chatting();
    write(&mut app, "/search a");
    let (serial, ..) = steps(&press(&mut app, "enter"))[0];
    press(&mut app, "esc");
    assert_eq!(steps(&answer(&mut app, serial, Vec::new(), Some(1))), []);
}

#[test]
fn a_found_message_is_shown_among_its_neighbours_and_escape_leads_back_to_the_newest() {
    let mut app = chatting();
    found(&mut app);
    let effects = press(&mut app, "enter");
    assert_eq!(chat(&app).open_room(), Some(OPS));
    let reads: Vec<_> = effects.iter().filter(|it| matches!(it, Effect::Read(Read::History(..)))).collect();
    assert!(reads.is_empty(), "not the newest lines: {reads:?}");
    assert!(effects.iter().any(|it| matches!(it, Effect::Read(Read::Around(OPS, 17)))), "{effects:?}");
    let bob = person(7, "bob");
    let newest = vec![said(OPS, 900, &bob, "newest")];
    app.handle(Incoming::Found(Ok(Found::History(OPS, Span::Newest, newest.clone()))), NOW);
    let page = (1..=17).map(|n| said(OPS, n, &bob, &format!("line {n}"))).collect();
    app.handle(Incoming::Found(Ok(Found::Around(OPS, 17, page))), NOW);
    let shown = picture(&mut app, 80, 24);
    assert!(shown.contains("▶") && shown.contains("line 17") && !shown.contains("newest line"), "{shown}");
    let wanted = app.after_draw();
    assert!(wanted.iter().any(|it| matches!(it, Effect::Read(Read::History(OPS, Span::After(17))))));
    line(&mut app, said(OPS, 901, &bob, "newer still"));
    assert!(!picture(&mut app, 80, 24).contains("newer still"), "it has no place here yet");
    press(&mut app, "esc");
    let back = press(&mut app, "esc");
    assert!(back.iter().any(|it| matches!(it, Effect::Read(Read::History(OPS, Span::Newest)))), "{back:?}");
    app.handle(Incoming::Found(Ok(Found::History(OPS, Span::Newest, newest))), NOW);
    assert!(picture(&mut app, 80, 24).contains("newest"));
}

#[test]
fn the_picker_leads_to_messages_that_are_not_in_memory() {
    let mut app = chatting();
    press(&mut app, "ctrl+t");
    write(&mut app, "zebra");
    assert!(picture(&mut app, 80, 24).contains("search for: zebra"));
    assert_eq!(steps(&press(&mut app, "enter")).len(), 1);
    assert!(picture(&mut app, 80, 24).contains("Search all messages"));
}
