//! The devices of this user on the screen.

use openchat_client::OwnDevice;
use openchat_protocol::Did;

use super::*;

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

/// Nothing lies in front of the chat.
fn app_is_free(app: &mut App) -> bool {
    !picture(app, 110, 24).contains("Your password")
}

#[test]
fn the_link_of_a_device_is_no_invite_and_says_where_it_goes() {
    let link = "openchat://host:1/link#x.123456-abcd-efgh";
    let refused = entrance::link(link).unwrap_err();
    assert!(refused.contains("openchat join"), "{refused}");
}
