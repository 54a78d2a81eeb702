//! Tests of the mouse and of what Tab offers.

use super::*;

/// Clicks on the first place where the picture shows `what`.
fn click(app: &mut App, what: &str) -> Vec<Effect> {
    let shown = picture(app, 80, 24);
    let at = shown.lines().enumerate().find_map(|(y, row)| {
        // Rows of the picture begin with a quotation mark, and every cell of these is one character.
        let index = row.find(what)?;
        Some((row.get(..index)?.chars().count() - 1, y))
    });
    let Some((x, y)) = at else { panic!("{what} is not shown: {shown}") };
    click_at(app, u16::try_from(x).unwrap(), u16::try_from(y).unwrap())
}

#[test]
fn a_click_opens_a_room_chooses_a_message_and_shows_it_whole() {
    let mut app = chatting();
    line(&mut app, said(LOBBY, 4, &person(7, "bob"), "one thing"));
    click(&mut app, "one thing");
    assert!(picture(&mut app, 80, 24).contains("▶"));
    click(&mut app, "one thing");
    assert!(picture(&mut app, 80, 24).contains("This message"));
    press(&mut app, "esc");
    click(&mut app, "#ops");
    assert_eq!(chat(&app).open_room(), Some(OPS));
}

#[test]
fn a_click_on_the_line_above_what_is_new_says_that_it_is_read() {
    let mut app = chatting();
    let bob = person(7, "bob");
    line(&mut app, said(LOBBY, 4, &bob, "seen"));
    app.handle(Incoming::Terminal(TerminalEvent::FocusLost), NOW);
    line(&mut app, said(LOBBY, 5, &bob, "unseen"));
    click(&mut app, "── new");
    assert!(!picture(&mut app, 80, 24).contains("── new"));
}

#[test]
fn a_click_on_what_is_new_elsewhere_goes_there() {
    let mut app = chatting();
    line(&mut app, said(OPS, 6, &person(7, "bob"), "news"));
    click(&mut app, "1 new elsewhere");
    assert_eq!(chat(&app).open_room(), Some(OPS));
}

#[test]
fn a_click_picks_an_entry_of_a_list_in_front() {
    let mut app = chatting();
    write(&mut app, "/theme");
    press(&mut app, "enter");
    click(&mut app, "contrast");
    assert_eq!(app.theme.name, "contrast");
    press(&mut app, "ctrl+t");
    click(&mut app, "▸ #ops");
    assert_eq!(chat(&app).open_room(), Some(OPS));
}

#[test]
fn emoji_are_offered_by_name_and_written_by_tab() {
    let mut app = chatting();
    write(&mut app, "well done :smi");
    let shown = picture(&mut app, 80, 24);
    assert!(shown.contains("Tab") && shown.contains("smile"), "{shown}");
    press(&mut app, "tab");
    assert_eq!(chat(&app).composer.text(), "well done 😄");
    press(&mut app, "tab");
    let second = chat(&app).composer.text();
    assert!(second.starts_with("well done ") && second != "well done 😄", "{second}");
    write(&mut app, " :D");
    assert!(!picture(&mut app, 80, 24).contains("Tab "), "a face is no name");
}

#[test]
fn commands_are_offered_with_what_they_do_and_so_is_what_follows_them() {
    let mut app = chatting();
    write(&mut app, "/in");
    let shown = picture(&mut app, 80, 24);
    assert!(shown.contains("/info") && shown.contains("/invite"), "{shown}");
    press(&mut app, "esc");
    let Stage::Chat(chat) = &mut app.stage else { panic!("still at the entrance") };
    for (written, completed) in [
        ("/theme li", "/theme light"),
        ("/notify men", "/notify mentions"),
        ("/keys v", "/keys vim"),
        ("/join #o", "/join #ops"),
        ("/join o", "/join #ops"),
        ("and then #l", "and then #lobby"),
    ] {
        chat.composer.set(written);
        chat.completion = None;
        chat.complete(&mut Vec::new());
        assert_eq!(chat.composer.text(), completed);
    }
}
