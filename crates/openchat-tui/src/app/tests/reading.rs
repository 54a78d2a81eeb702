//! Tests of what is read: long messages, pages that are turned.

use super::*;

fn key(app: &mut App, code: KeyCode) -> Vec<Effect> {
    app.handle(Incoming::Terminal(TerminalEvent::Key(KeyEvent::new(code, KeyModifiers::NONE))), NOW)
}

/// The longest message there can be, and what lays out the most rows.
fn tall() -> String {
    let mut text = "- \n".repeat(20_000);
    text.push_str("the very end");
    text
}

#[test]
fn of_a_message_without_end_a_hundred_rows_are_shown_and_enter_shows_all() {
    let mut app = chatting();
    let bob = person(7, "bob");
    line(&mut app, said(LOBBY, 4, &bob, "before"));
    line(&mut app, said(LOBBY, 5, &bob, &tall()));
    let shown = picture(&mut app, 80, 24);
    assert!(shown.contains("it goes on: 60012 characters"), "{shown}");
    let rows = chat(&app).timeline.as_ref().unwrap().layouts.rows();
    assert!(rows <= crate::words::MOST_ROWS + 1, "{rows} rows are kept");
    press(&mut app, "alt+p enter");
    assert!(picture(&mut app, 80, 24).contains("This message"));
    key(&mut app, KeyCode::End);
    assert!(picture(&mut app, 80, 24).contains("the very end"));
    let copied = press(&mut app, "y");
    assert!(copied.iter().any(|effect| matches!(effect, Effect::Copy(text) if *text == tall())));
    press(&mut app, "esc");
    assert!(!picture(&mut app, 80, 24).contains("This message"));
}

#[test]
fn of_a_message_that_fills_the_window_the_author_is_named_at_the_upper_edge() {
    let mut app = chatting();
    let mallory = Person { trust: openchat_client::Trust::Invited, ..person(7, "mallory") };
    let words: Vec<_> = (1..40).map(|n| format!("08:51 ✓ alice {n}")).collect();
    line(&mut app, said(LOBBY, 4, &mallory, &words.join("\n")));
    for (width, height) in [(40, 12), (80, 24)] {
        let shown = picture(&mut app, width, height);
        assert_eq!(shown.matches("•mal… 08:51 ✓ alice").count(), 1, "{shown}");
        assert!(!shown.contains("mallory"), "{shown}");
    }
}

#[test]
fn lists_within_lists_are_one_row_of_signs() {
    let mut app = chatting();
    line(&mut app, said(LOBBY, 4, &person(7, "bob"), &format!("{}x", "- ".repeat(100))));
    line(&mut app, said(LOBBY, 5, &person(7, "bob"), "below"));
    let shown = picture(&mut app, 80, 24);
    assert!(shown.lines().filter(|row| row.contains("• •")).count() <= 6, "{shown}");
    assert!(shown.contains("• x") && shown.contains("08:00 ? bob"), "{shown}");
}

#[test]
fn a_page_that_is_longer_than_the_screen_is_turned() {
    let mut app = chatting();
    press(&mut app, "ctrl+x ?");
    let first = picture(&mut app, 40, 12);
    assert!(first.contains("What works here") && first.contains("1–10 of"), "{first}");
    key(&mut app, KeyCode::PageDown);
    assert!(picture(&mut app, 40, 12).contains("10–19 of"));
    for _ in 0..30 {
        key(&mut app, KeyCode::PageDown);
    }
    assert!(picture(&mut app, 40, 12).contains("/quit"));
    press(&mut app, "g");
    assert_eq!(picture(&mut app, 40, 12), first);
}

#[test]
fn a_picture_from_what_was_kept_is_the_one_that_is_drawn_anew() {
    let mut app = chatting();
    for (number, text) in ["*one*", "`two`", "@alice: three", &tall()].into_iter().enumerate() {
        line(&mut app, said(LOBBY, 4 + u64::try_from(number).unwrap(), &person(7, "bob"), text));
    }
    for (width, height) in [(80, 24), (40, 12), (80, 24), (132, 43)] {
        let first = picture(&mut app, width, height);
        assert_eq!(picture(&mut app, width, height), first);
        let Stage::Chat(chat) = &mut app.stage else { panic!("still at the entrance") };
        chat.timeline.as_mut().unwrap().layouts = crate::words::Layouts::default();
        assert_eq!(picture(&mut app, width, height), first);
    }
}

#[test]
fn what_may_follow_a_key_is_shown_in_every_window() {
    let mut app = chatting();
    press(&mut app, "ctrl+x");
    for (width, height) in [(40, 12), (80, 24), (132, 43)] {
        let shown = picture(&mut app, width, height);
        for expected in ["ctrl+x …", "crypto log", "mark read", "other room", "search", "tasks"] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
    }
    press(&mut app, "t");
    assert!(!picture(&mut app, 80, 24).contains("ctrl+x …"));
}
