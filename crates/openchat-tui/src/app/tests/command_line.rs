//! Tests of commands in the place of a message, of vi's normal mode, and of what comes back to the composer.

use super::*;
use crate::keymap::Mode;

fn vim() -> App {
    let mut app = chatting();
    write(&mut app, "/keys vim");
    press(&mut app, "enter");
    app
}

fn fails(app: &mut App, room: RoomId, words: &str) -> Vec<Effect> {
    let error = ClientError::new(ErrorKind::Storage, "the disk is full");
    app.handle(Incoming::Answered(Then::Sent(room, words.into()), Err(error)), NOW)
}

#[test]
fn in_normal_mode_a_colon_begins_a_command_and_the_message_comes_back_after_it() {
    let mut app = vim();
    write(&mut app, "half a thought");
    press(&mut app, "esc :");
    write(&mut app, "members");
    assert_eq!(chat(&app).composer.text(), ":members");
    press(&mut app, "enter");
    assert_eq!((chat(&app).mode, chat(&app).composer.text()), (Mode::Normal, "half a thought".into()));
    press(&mut app, ":");
    write(&mut app, "q");
    press(&mut app, "enter");
    assert!(matches!(chat(&app).overlay, Some(Overlay::Picker(_))), ":q leads to the menu");
}

#[test]
fn a_command_line_is_completed_and_given_up() {
    let mut app = vim();
    write(&mut app, "half a thought");
    press(&mut app, "esc :");
    write(&mut app, "unsp");
    press(&mut app, "tab");
    assert_eq!(chat(&app).composer.text(), "/unsplit");
    press(&mut app, "esc");
    assert_eq!((chat(&app).mode, chat(&app).composer.text()), (Mode::Normal, "half a thought".into()));
    press(&mut app, ": ctrl+u");
    assert_eq!((chat(&app).mode, chat(&app).composer.text()), (Mode::Normal, "half a thought".into()));
    let effects = press(&mut app, ": n o n s e n s e enter");
    assert!(!effects.iter().any(|it| matches!(it, Effect::Ask(Ask::Send { .. }, _))), "{effects:?}");
    assert!(picture(&mut app, 80, 24).contains("there is no command /nonsense"));
}

#[test]
fn a_command_from_the_menu_keeps_the_message() {
    let mut app = chatting();
    write(&mut app, "half a thought");
    press(&mut app, "ctrl+t /");
    assert_eq!(chat(&app).composer.text(), "/");
    write(&mut app, "read");
    app.handle(Incoming::Tick, NOW);
    press(&mut app, "enter");
    assert_eq!(chat(&app).composer.text(), "half a thought");
}

#[test]
fn normal_mode_stays_on_the_way_to_another_room() {
    let mut app = vim();
    write(&mut app, "/split ops");
    press(&mut app, "enter esc ctrl+w w");
    assert_eq!((chat(&app).open_room(), chat(&app).mode), (Some(OPS), Mode::Normal));
    press(&mut app, "K");
    assert_eq!((chat(&app).open_room(), chat(&app).mode), (Some(LOBBY), Mode::Normal));
    // Emacs people have no such mode: there, letters are written.
    let mut app = chatting();
    press(&mut app, "alt+p K");
    assert_eq!(chat(&app).mode, Mode::Compose);
}

#[test]
fn what_is_said_of_two_rooms_names_the_keys_in_force_and_that_there_is_no_room() {
    let said = |app: &App| chat(app).notice.as_ref().unwrap().text.clone();
    let mut app = vim();
    picture(&mut app, 132, 43);
    press(&mut app, "esc ctrl+w v");
    assert_eq!(said(&app), "f6 goes to the other room · ctrl+w o closes it");
    let mut app = chatting();
    app.settings.keymap.bind(Mode::Compose, "f6", "none").unwrap();
    app.settings.keymap.bind(Mode::Compose, "ctrl+x o", "none").unwrap();
    app.settings.keymap.bind(Mode::Compose, "f9", "other-room").unwrap();
    picture(&mut app, 80, 24);
    press(&mut app, "ctrl+x 3");
    let words = "this window has no room for both at once · f9 goes to the other room · ctrl+x 1 closes it";
    assert_eq!(said(&app), words);
}

#[test]
fn nothing_that_could_not_be_queued_is_lost_however_fast_one_types() {
    let mut app = chatting();
    for words in ["alpha", "beta", "gamma"] {
        write(&mut app, words);
        press(&mut app, "enter");
    }
    write(&mut app, "delta");
    for words in ["alpha", "beta", "gamma"] {
        fails(&mut app, LOBBY, words);
    }
    assert_eq!(chat(&app).composer.text(), "alpha\nbeta\ngamma\ndelta");
    press(&mut app, "ctrl+u");
    fails(&mut app, LOBBY, "more");
    assert_eq!(chat(&app).composer.text(), "alpha\nbeta\ngamma\nmore\n");
    // In a room that is not open: before its draft.
    let effects = fails(&mut app, OPS, "elsewhere");
    assert!(effects.iter().any(|it| matches!(it, Effect::Remember(_, Some(_)))), "{effects:?}");
    press(&mut app, "ctrl+x 3 ctrl+x o");
    assert_eq!(chat(&app).composer.text(), "elsewhere\nhalf a thought");
}

#[test]
fn ctrl_u_clears_what_is_typed_in_picker_and_search() {
    let mut app = chatting();
    press(&mut app, "ctrl+t");
    write(&mut app, "hello world");
    press(&mut app, "ctrl+u");
    let Some(Overlay::Picker(picker)) = &chat(&app).overlay else { panic!("no picker") };
    assert_eq!(picker.typed(), "");
    press(&mut app, "esc ctrl+x /");
    write(&mut app, "hello world");
    press(&mut app, "ctrl+u");
    let Some(Overlay::Search(search)) = &chat(&app).overlay else { panic!("no search") };
    assert_eq!(search.query.lines(), [""]);
}

#[test]
fn tab_completes_the_file_that_a_room_is_saved_to() {
    let mut app = chatting();
    write(&mut app, "/save no");
    let effects = press(&mut app, "tab");
    let asked = effects.iter().find_map(|effect| match effect {
        Effect::Read(Read::Files(word)) => Some(word.clone()),
        _ => None,
    });
    assert_eq!(asked.as_deref(), Some("no"));
    let found = |word: &str, files: &[&str]| {
        Found::Files(word.into(), files.iter().map(|it| (*it).to_owned()).collect())
    };
    app.handle(Incoming::Found(Ok(found("no", &["notes/"]))), NOW);
    assert_eq!(chat(&app).composer.text(), "/save notes/");
    let effects = press(&mut app, "tab");
    assert!(matches!(&effects[..], [Effect::Read(Read::Files(word))] if word == "notes/"), "{effects:?}");
    app.handle(Incoming::Found(Ok(found("no", &["other"]))), NOW);
    assert_eq!(chat(&app).composer.text(), "/save notes/", "an answer to something else counts nothing");
    app.handle(Incoming::Found(Ok(found("notes/", &["notes/a", "notes/b"]))), NOW);
    press(&mut app, "tab");
    assert_eq!(chat(&app).composer.text(), "/save notes/b");
    let effects = press(&mut app, "enter");
    let saves = |it: &Effect| matches!(it, Effect::Save(LOBBY, file) if file == "notes/b");
    assert!(effects.iter().any(saves), "{effects:?}");
    app.handle(Incoming::Saved(Err("notes/b is there already: choose another name".into())), NOW);
    assert!(picture(&mut app, 80, 24).contains("! notes/b is there already"));
}

#[test]
fn a_name_that_is_taken_is_asked_again_where_it_stands() {
    let mut app = App::new(Entrance::hosting("default"), Settings::default(), Theme::plain());
    for words in ["alice", "a long password", "a long password"] {
        write(&mut app, words);
        press(&mut app, "enter");
    }
    let error = ClientError::new(ErrorKind::NameTaken, "this name is taken").with_help("a command line");
    app.handle(Incoming::NotOpened(error), NOW);
    let shown = picture(&mut app, 80, 24);
    assert!(shown.contains("! this name is taken: choose another one") && !shown.contains("command line"));
    write(&mut app, "2");
    assert!(picture(&mut app, 80, 24).contains("Your name       alice2"));
}
