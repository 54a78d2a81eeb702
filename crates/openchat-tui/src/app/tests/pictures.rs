//! Pictures of the screen at several sizes and in all themes, compared with those in `snapshots/`.
//!
//! `INSTA_UPDATE=always cargo test -p openchat-tui pictures` draws them anew; the difference is to be read before it is
//! committed.

use std::fmt::Write as _;

use openchat_client::Member;
use ratatui::buffer::Buffer;
use ratatui::style::Style;

use super::*;

const SIZES: [(u16, u16); 3] = [(40, 12), (80, 24), (132, 43)];

/// A room where something of every sort has been said.
fn busy(theme: Theme) -> App {
    let mut app = chatting();
    app.theme = theme;
    let (me, bob, eve) = (person(9, "alice"), person(7, "bob"), person(4, "eve"));
    let member = |person: &Person, is_me, is_admin| Member {
        person: person.clone(),
        devices: vec![DeviceId { uid: person.uid, did: openchat_protocol::Did([1; 10]) }],
        is_me,
        is_admin,
    };
    let members = vec![member(&me, true, true), member(&bob, false, false), member(&eve, false, false)];
    app.handle(Incoming::Answered(Then::Members(LOBBY), Ok(Answer::Members(members))), NOW);
    let joined = Line { entry: Entry::Joined { who: bob.clone() }, ..said(LOBBY, 1, &bob, "") };
    line(&mut app, joined);
    line(&mut app, said(LOBBY, 2, &bob, "good *morning*, **@alice**: see https://example.org/a"));
    line(
        &mut app,
        said(LOBBY, 3, &bob, "> a quote\n\n1. one\n2. two\n\n```rust\nlet x = \"y\"; // why\n```"),
    );
    line(&mut app, said(LOBBY, 4, &me, "日本語, 👩‍👩‍👧 and `code`"));
    app.handle(Incoming::Terminal(TerminalEvent::FocusLost), NOW);
    line(&mut app, said(LOBBY, 5, &eve, "[safe](https://evil.example) \u{202e}gnp.exe"));
    line(&mut app, said(OPS, 6, &eve, "@alice: elsewhere"));
    let mut failed = said(LOBBY, 7, &me, "never arrives");
    failed.sequence = None;
    if let Entry::Text { delivery, .. } = &mut failed.entry {
        *delivery = Delivery::Failed { reason: "the room is gone".into() };
    }
    line(&mut app, failed);
    write(&mut app, "half a tho");
    app
}

fn drawn(app: &mut App, (width, height): (u16, u16)) -> Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| crate::view::draw(app, frame)).unwrap();
    terminal.backend().buffer().clone()
}

/// The characters, each in its cell; the second cell of a wide one is left out.
fn words(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut row = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip == 0 {
                row.push_str(symbol);
                skip = crate::words::width(symbol);
            }
            skip = skip.saturating_sub(1);
        }
        writeln!(out, "{}", row.trim_end()).unwrap();
    }
    out
}

/// A letter for the style of each cell, and what the letters stand for.
fn styles(buffer: &Buffer) -> String {
    let mut known: Vec<Style> = Vec::new();
    let mut out = String::new();
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let style = buffer[(x, y)].style();
            let index = known.iter().position(|it| *it == style).unwrap_or_else(|| {
                known.push(style);
                known.len() - 1
            });
            out.push(char::from(b'a' + u8::try_from(index).unwrap()));
        }
        out.push('\n');
    }
    for (letter, style) in (b'a'..).map(char::from).zip(&known) {
        let colour = |colour: Option<ratatui::style::Color>| colour.map_or("-".into(), |it| it.to_string());
        let (fg, bg) = (colour(style.fg), colour(style.bg));
        writeln!(out, "{letter} {fg} on {bg} {:?}", style.add_modifier).unwrap();
    }
    out
}

fn compare(name: &str, app: &mut App) {
    for size in SIZES {
        let shown = words(&drawn(app, size));
        insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), shown);
    }
}

#[test]
fn pictures_of_a_room() {
    compare("room", &mut busy(Theme::plain()));
}

#[test]
fn pictures_of_the_picker() {
    let mut app = busy(Theme::plain());
    press(&mut app, "ctrl+t");
    write(&mut app, "o");
    compare("picker", &mut app);
}

#[test]
fn pictures_of_what_failed() {
    let mut app = busy(Theme::plain());
    press(&mut app, "ctrl+u");
    write(&mut app, "/join games");
    let effects = press(&mut app, "enter");
    let then = effects.iter().find_map(|effect| match effect {
        Effect::Ask(Ask::JoinRoom { .. }, then) => Some(then.clone()),
        _ => None,
    });
    let error = ClientError::new(ErrorKind::NotFound, "there is no room #games");
    app.handle(Incoming::Answered(then.unwrap(), Err(error)), NOW);
    press(&mut app, "ctrl+x t");
    compare("tasks", &mut app);
}

#[test]
fn pictures_of_two_rooms() {
    let mut app = busy(Theme::plain());
    press(&mut app, "ctrl+x 3");
    let lines = vec![said(OPS, 6, &person(4, "eve"), "@alice: elsewhere")];
    app.handle(Incoming::Found(Ok(Found::History(OPS, Span::Newest, lines))), NOW);
    compare("split", &mut app);
}

#[test]
fn pictures_of_the_first_steps() {
    let mut app = App::new(Entrance::newcomer("default"), Settings::default(), Theme::plain());
    compare("newcomer", &mut app);
    press(&mut app, "1");
    write(&mut app, "alice");
    compare("hosting", &mut app);
}

#[test]
fn pictures_of_a_form_with_a_mistake() {
    let mut app = App::new(Entrance::invited("default", "openchat://"), Settings::default(), Theme::plain());
    write(&mut app, "alice");
    press(&mut app, "enter");
    write(&mut app, "short");
    press(&mut app, "enter");
    write(&mut app, "another");
    press(&mut app, "enter");
    assert!(picture(&mut app, 40, 12).contains("! "), "what is wrong is said, however small the window");
    compare("mistake", &mut app);
}

#[test]
fn pictures_of_the_help() {
    let mut app = busy(Theme::plain());
    press(&mut app, "ctrl+x ?");
    picture(&mut app, 80, 24);
    press(&mut app, "G");
    compare("help", &mut app);
}

#[test]
fn pictures_of_a_code() {
    let mut app = comparing::with_a_code();
    compare("code", &mut app);
}

#[test]
fn pictures_in_every_theme() {
    for name in Theme::NAMES {
        let mut app = busy(Theme::named(name).unwrap());
        press(&mut app, "alt+p");
        insta::assert_snapshot!(format!("theme-{name}"), styles(&drawn(&mut app, (80, 24))));
    }
}

#[test]
fn no_colour_is_no_colour() {
    let mut app = busy(Theme::suited(true, Some("truecolor"), None));
    let shown = drawn(&mut app, (80, 24));
    let reset = ratatui::style::Color::Reset;
    assert!(shown.content().iter().all(|cell| cell.fg == reset && cell.bg == reset));
}

#[test]
fn sixteen_colours_are_no_more() {
    let mut app = busy(Theme::sixteen());
    let shown = drawn(&mut app, (80, 24));
    let is_named =
        |colour| !matches!(colour, ratatui::style::Color::Rgb(..) | ratatui::style::Color::Indexed(_));
    assert!(shown.content().iter().all(|cell| is_named(cell.fg) && is_named(cell.bg)));
}
