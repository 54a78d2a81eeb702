//! The devices of this user on the screen.

use openchat_client::{LinkStep, OwnDevice};
use openchat_protocol::{Did, Request};

use super::*;
use crate::app::tasks::TaskId;
use crate::effect::Told;

#[test]
fn devices_are_listed_and_one_is_put_out_with_the_password_only() {
    let mut app = chatting();
    write(&mut app, "/devices");
    let effects = press(&mut app, "enter");
    assert!(effects.iter().any(|it| matches!(it, Effect::Ask(Ask::Devices, _))), "{effects:?}");
    let (desk, phone) = (Did([1; 10]), Did([2; 10]));
    let devices = vec![
        OwnDevice { did: desk, is_this: true, rooms: 2 },
        OwnDevice { did: phone, is_this: false, rooms: 1 },
    ];
    app.handle(Incoming::Answered(Then::ShowDevices, Ok(Answer::Devices(devices))), NOW);
    let shown = picture(&mut app, 110, 24);
    for words in [format!("{desk}  in 2 rooms  (this one)"), format!("{phone}  in 1 room")] {
        assert!(shown.contains(&words), "`{words}` is not in:\n{shown}");
    }
    press(&mut app, "esc");

    let command = format!("/devices revoke {phone}");
    write(&mut app, &command);
    assert!(press(&mut app, "enter").iter().all(|it| !matches!(it, Effect::Revoke(..))), "not yet");
    write(&mut app, "secret");
    let shown = picture(&mut app, 110, 24);
    assert!(shown.contains("Your password: ••••••") && !shown.contains("secret"), "{shown}");
    press(&mut app, "esc");
    assert!(app_is_free(&mut app), "Esc leaves it");

    write(&mut app, &command);
    press(&mut app, "enter");
    write(&mut app, "secret");
    let effects = press(&mut app, "enter");
    let revokes = |it: &Effect| match it {
        Effect::Revoke(id, password) => *id == phone.to_string() && password.as_bytes() == b"secret",
        _ => false,
    };
    assert!(effects.iter().any(revokes), "{effects:?}");
}

#[test]
fn somebody_else_who_asks_for_the_name_is_objected_to() {
    let mut app = chatting();
    write(&mut app, "/veto");
    let effects = press(&mut app, "enter");
    let then = effects.iter().find_map(|it| match it {
        Effect::Ask(Ask::PassOn(request), then) if **request == Request::ObjectToReset => Some(then),
        _ => None,
    });
    let then = then.unwrap_or_else(|| panic!("{effects:?}")).clone();
    app.handle(Incoming::Answered(then, Ok(Answer::Done)), NOW);
    let shown = picture(&mut app, 110, 24);
    assert!(shown.contains("Your objection is in the log of keys"), "{shown}");
}

/// Nothing lies in front of the chat.
fn app_is_free(app: &mut App) -> bool {
    !picture(app, 110, 24).contains("Your password")
}

/// A link as `/link` shows it.
fn link() -> String {
    format!("openchat://192.0.2.7:7443/link#{}.123456-abcd-efgh", ServerFingerprint([5; 32]))
}

#[test]
fn the_link_of_a_device_links_it_wherever_it_is_pasted() {
    for way in ["2", "3"] {
        let mut app = App::new(Entrance::newcomer("default"), Settings::default(), Theme::plain());
        press(&mut app, way);
        app.handle(Incoming::Terminal(crossterm::event::Event::Paste(link())), NOW);
        let shown = picture(&mut app, 100, 30);
        for words in ["Link this device", "one more device of yours"] {
            assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
        }
        assert!(!shown.contains("Your name"), "the name comes over: {shown}");
        press(&mut app, "enter");
        write(&mut app, "secret");
        press(&mut app, "enter");
        write(&mut app, "secret");
        let effects = press(&mut app, "enter");
        let links = |it: &Effect| match it {
            Effect::BecomeDevice(password, known) => {
                known.to_string() == link() && password.as_bytes() == b"secret"
            }
            _ => false,
        };
        assert!(effects.iter().any(links), "{way}: {effects:?}");
    }
}

#[test]
fn an_invite_links_no_device_and_what_is_no_link_is_told() {
    let invite = format!("openchat://192.0.2.7:7443/#{}.-.{}", ServerFingerprint([5; 32]), "A".repeat(22));
    for (pasted, told) in [(invite, "makes a new account"), ("openchat://host:1/link#x".into(), "! ")] {
        let mut app = App::new(Entrance::newcomer("default"), Settings::default(), Theme::plain());
        press(&mut app, "3");
        app.handle(Incoming::Terminal(crossterm::event::Event::Paste(pasted)), NOW);
        for _ in 0..3 {
            let effects = press(&mut app, "enter");
            assert!(effects.is_empty(), "{effects:?}");
        }
        let shown = picture(&mut app, 100, 30);
        assert!(shown.contains(told), "`{told}` is not in:\n{shown}");
    }
}

/// The task in which Alice links a device, after her password.
fn linking(app: &mut App) -> TaskId {
    write(app, "/link");
    assert!(press(app, "enter").is_empty(), "not before the password");
    write(app, "secret");
    let shown = picture(app, 110, 40);
    assert!(shown.contains("Your password: ••••••") && !shown.contains("secret"), "{shown}");
    let effects = press(app, "enter");
    let task = effects.iter().find_map(|it| match it {
        Effect::Link(task, password) if password.as_bytes() == b"secret" => Some(*task),
        _ => None,
    });
    task.expect("a task")
}

fn told(app: &mut App, task: TaskId, told: Told) -> Vec<Effect> {
    app.handle(Incoming::Linking(task, told), NOW)
}

fn sees(app: &mut App, words: &str) {
    let shown = picture(app, 110, 40);
    assert!(shown.contains(words), "`{words}` is not in:\n{shown}");
}

#[test]
fn a_device_is_linked_as_a_task_while_one_talks() {
    let mut app = chatting();
    let task = linking(&mut app);
    told(&mut app, task, Told::Link { link: link(), is_local: false });
    sees(&mut app, "openchat://192.0.2.7:7443/link#");
    let effects = press(&mut app, "y");
    assert!(effects.iter().any(|it| matches!(it, Effect::Copy(copied) if *copied == link())), "{effects:?}");
    press(&mut app, "esc");
    write(&mut app, "meanwhile");
    let effects = press(&mut app, "enter");
    assert!(effects.iter().any(|it| matches!(it, Effect::Ask(Ask::Send { .. }, _))), "one talks on");
    write(&mut app, "/link");
    press(&mut app, "enter");
    sees(&mut app, "openchat://192.0.2.7:7443/link#");
    told(&mut app, task, Told::Step(LinkStep::WrongCode { left: 2 }));
    sees(&mut app, "2 tries are left");
    let did = Did([2; 10]);
    told(&mut app, task, Told::Step(LinkStep::Enrolled(did)));
    sees(&mut app, &format!("your new device {did} is there"));
    assert!(!picture(&mut app, 110, 40).contains("/link#"), "the link is used up");
    told(&mut app, task, Told::Step(LinkStep::History { done: 500, total: 2000 }));
    press(&mut app, "ctrl+x t");
    sees(&mut app, "◌ the history for your new device: 500 of 2000 lines");
    press(&mut app, "esc");
    told(&mut app, task, Told::Ended(Ok(())));
    sees(&mut app, "your new device has all");
    press(&mut app, "ctrl+x t");
    sees(&mut app, "Nothing goes on");
}

#[test]
fn who_gives_up_linking_is_told_nothing_more() {
    let mut app = chatting();
    for stop in ["x", "/link stop"] {
        let task = linking(&mut app);
        told(&mut app, task, Told::Link { link: link(), is_local: true });
        sees(&mut app, "on this machine only");
        press(&mut app, "esc");
        let effects = if stop == "x" {
            press(&mut app, "ctrl+x t");
            let effects = press(&mut app, "x");
            press(&mut app, "esc");
            effects
        } else {
            write(&mut app, stop);
            press(&mut app, "enter")
        };
        assert!(
            effects.iter().any(|it| matches!(it, Effect::GiveUp(given_up) if *given_up == task)),
            "{effects:?}"
        );
        told(&mut app, task, Told::Step(LinkStep::Enrolled(Did([2; 10]))));
        assert!(!picture(&mut app, 110, 40).contains("is there; rooms"), "{stop}");
    }
}

#[test]
fn a_wrong_password_links_nothing_and_is_told() {
    let mut app = chatting();
    let task = linking(&mut app);
    let error = ClientError::new(ErrorKind::WrongPassword, "this password does not open it");
    told(&mut app, task, Told::Ended(Err(error)));
    sees(&mut app, "this is not your password");
    // It can be tried again while the failure still stands in the list.
    linking(&mut app);
}

#[test]
fn the_history_of_another_device_comes_as_a_task_and_is_shown() {
    let (mut app, effects) = started_as(Vec::new(), crate::effect::History::Waits);
    let task = effects.iter().find_map(|it| match it {
        Effect::TakeHistory(task) => Some(*task),
        _ => None,
    });
    let task = task.expect("a task");
    told(&mut app, task, Told::Step(LinkStep::History { done: 500, total: 2000 }));
    press(&mut app, "ctrl+x t");
    sees(&mut app, "◌ the history of your other device: 500 of 2000 lines");
    press(&mut app, "esc");
    let effects = told(&mut app, task, Told::Ended(Ok(())));
    assert!(
        effects.iter().any(|it| matches!(it, Effect::Read(Read::History(LOBBY, Span::Newest)))),
        "what has come is read: {effects:?}"
    );
    let (mut app, _) = started_as(Vec::new(), crate::effect::History::BrokeOff);
    press(&mut app, "ctrl+x t");
    sees(&mut app, "the history of your other device is not whole");
}
