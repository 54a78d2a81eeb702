//! Tests of tasks: what waits, what runs, what has failed, and what is given up.

use openchat_client::ConnectionState;

use super::*;

fn connection(app: &mut App, state: ConnectionState) -> Vec<Effect> {
    app.handle(Incoming::Client(Event::Connection(state)), NOW)
}

fn offline() -> ConnectionState {
    let why = ClientError::new(ErrorKind::Network, "connection refused");
    ConnectionState::Offline { why, retry_in: std::time::Duration::from_secs(1) }
}

/// The question about a room that was asked, with what its answer is for.
fn joins(effects: &[Effect]) -> Vec<Then> {
    let join = |effect: &Effect| match effect {
        Effect::Ask(Ask::JoinRoom { .. }, then) => Some(then.clone()),
        _ => None,
    };
    effects.iter().filter_map(join).collect()
}

fn refused() -> ClientError {
    ClientError::new(ErrorKind::NotFound, "there is no room #games")
}

#[test]
fn a_task_is_told_with_its_age_and_goes_when_it_is_done() {
    let mut app = chatting();
    write(&mut app, "/join games");
    let asked = joins(&press(&mut app, "enter"));
    app.handle(Incoming::Tick, Timestamp(NOW.0 + 7_000));
    assert!(picture(&mut app, 100, 24).contains("joining #games 7 s"));
    app.handle(Incoming::Answered(asked[0].clone(), Ok(Answer::Room(OPS))), NOW);
    assert!(!picture(&mut app, 100, 24).contains("joining"));
    assert_eq!(chat(&app).open_room(), Some(OPS));
}

#[test]
fn a_failure_stays_until_the_panel_was_open_and_is_told_over_the_menu() {
    let mut app = chatting();
    write(&mut app, "/join games");
    let asked = joins(&press(&mut app, "enter"));
    write(&mut app, ":q");
    press(&mut app, "enter");
    app.handle(Incoming::Answered(asked[0].clone(), Err(refused())), NOW);
    let menu = picture(&mut app, 80, 24);
    assert!(menu.contains("create a room") && menu.contains("there is no room #games"), "{menu}");
    press(&mut app, "esc");
    app.handle(Incoming::Tick, Timestamp(NOW.0 + 3_600_000));
    let later = picture(&mut app, 80, 24);
    assert!(later.contains("1 failed: F3") && !later.contains("there is no room"), "{later}");
    press(&mut app, "ctrl+x t");
    let panel = picture(&mut app, 40, 12);
    assert!(panel.contains("joining #games"), "{panel}");
    press(&mut app, "esc");
    assert!(!picture(&mut app, 80, 24).contains("failed"));
}

#[test]
fn without_a_connection_it_waits_and_can_be_given_up() {
    let mut app = chatting();
    connection(&mut app, offline());
    write(&mut app, "/join games");
    assert_eq!(joins(&press(&mut app, "enter")), []);
    write(&mut app, "/join other");
    press(&mut app, "enter");
    press(&mut app, "ctrl+x t");
    let panel = picture(&mut app, 80, 24);
    assert!(panel.contains("joining #games: waits for the connection"), "{panel}");
    assert!(panel.contains("connection to 192.0.2.7:7443: offline"), "{panel}");
    press(&mut app, "x esc");
    assert_eq!(joins(&connection(&mut app, ConnectionState::Online)).len(), 1, "the other one is asked");
    assert_eq!(joins(&connection(&mut app, ConnectionState::Online)).len(), 0, "once");
}

#[test]
fn what_is_to_be_seen_now_does_not_come_up_later() {
    let mut app = chatting();
    connection(&mut app, offline());
    write(&mut app, "/invite");
    let effects = press(&mut app, "enter");
    assert!(effects.iter().any(|it| matches!(it, Effect::Ask(Ask::CreateInvite { .. }, _))), "{effects:?}");
    let later = connection(&mut app, ConnectionState::Online);
    assert!(!later.iter().any(|it| matches!(it, Effect::Ask(Ask::CreateInvite { .. }, _))), "{later:?}");
}

#[test]
fn what_was_given_up_changes_nothing_when_it_is_answered() {
    let mut app = chatting();
    write(&mut app, "/join games");
    let asked = joins(&press(&mut app, "enter"));
    let effects = press(&mut app, "ctrl+x t x");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::GiveUp(_))), "{effects:?}");
    press(&mut app, "esc");
    app.handle(Incoming::Answered(asked[0].clone(), Ok(Answer::Room(OPS))), NOW);
    assert_eq!(chat(&app).open_room(), Some(LOBBY));
}

#[test]
fn whoever_goes_on_typing_is_not_taken_to_another_room() {
    let mut app = chatting();
    write(&mut app, "/join games");
    let asked = joins(&press(&mut app, "enter"));
    let soon = Timestamp(NOW.0 + 50);
    let key = KeyEvent::new(KeyCode::Char('m'), KeyModifiers::NONE);
    app.handle(Incoming::Terminal(TerminalEvent::Key(key)), soon);
    app.handle(Incoming::Answered(asked[0].clone(), Ok(Answer::Room(OPS))), soon);
    assert_eq!(chat(&app).open_room(), Some(LOBBY));
    assert!(picture(&mut app, 80, 24).contains("the room is there"));
}

#[test]
fn words_that_could_not_be_queued_stand_in_order_before_what_is_written() {
    let mut app = chatting();
    let mut sent = Vec::new();
    for text in ["alpha", "beta", "gamma"] {
        write(&mut app, text);
        let asked = press(&mut app, "enter").into_iter().find_map(|effect| match effect {
            Effect::Ask(Ask::Send { .. }, then) => Some(then),
            _ => None,
        });
        sent.push(asked.unwrap());
    }
    write(&mut app, "del");
    let full = || Err(ClientError::new(ErrorKind::Storage, "the disk is full"));
    for then in sent.drain(..2) {
        app.handle(Incoming::Answered(then, full()), NOW);
    }
    write(&mut app, "ta");
    app.handle(Incoming::Answered(sent.remove(0), full()), NOW);
    assert_eq!(chat(&app).composer.text(), "alpha\nbeta\ngamma\ndelta");

    // Also where somebody has gone meanwhile.
    let mut app = chatting();
    write(&mut app, "alpha");
    let then = press(&mut app, "enter").into_iter().find_map(|effect| match effect {
        Effect::Ask(Ask::Send { .. }, then) => Some(then),
        _ => None,
    });
    write(&mut app, "draft");
    press(&mut app, "alt+up");
    assert_ne!(chat(&app).open_room(), Some(LOBBY));
    app.handle(Incoming::Answered(then.unwrap(), full()), NOW);
    assert_eq!(chat(&app).drafts[&LOBBY], "alpha\ndraft");
}

#[test]
fn a_disk_that_cannot_be_read_is_a_failure_to_be_seen() {
    let mut app = chatting();
    let error = ClientError::new(ErrorKind::Storage, "the disk cannot be read");
    for _ in 0..100 {
        app.handle(Incoming::Found(Err(error.clone())), NOW);
    }
    assert_eq!(chat(&app).tasks.failures().count(), 1);
}
