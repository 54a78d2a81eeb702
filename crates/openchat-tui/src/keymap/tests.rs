//! Tests of keys: every row can be read and typed, and people's own bindings are checked.

use super::*;

fn keys(text: &str) -> Vec<Chord> {
    Chord::sequence(text).unwrap()
}

#[test]
fn every_row_of_both_schemes_can_be_read_and_typed() {
    for scheme in [Scheme::Emacs, Scheme::Vim] {
        let keymap = Keymap::new(scheme);
        keymap.check().unwrap();
        assert!(keymap.bindings.len() > schemes::rows(), "{scheme:?}: a row was not read");
        for binding in &keymap.bindings {
            assert_eq!(
                keymap.look_up(binding.mode, &binding.keys),
                Lookup::Act(binding.action),
                "{binding:?}"
            );
        }
    }
}

#[test]
fn a_prefix_shows_what_may_follow() {
    let keymap = Keymap::new(Scheme::Emacs);
    let Lookup::More(next) = keymap.look_up(Mode::Compose, &keys("ctrl+x")) else { panic!("no prefix") };
    assert!(next.contains(&(keys("m")[0], Some(Action::Members))));
    assert_eq!(keymap.look_up(Mode::Compose, &keys("ctrl+x ctrl+y")), Lookup::Unbound);
    assert_eq!(keymap.look_up(Mode::Compose, &keys("m")), Lookup::Unbound, "letters are written");
}

#[test]
fn people_change_keys_by_name_and_are_told_what_is_wrong() {
    let mut keymap = Keymap::new(Scheme::Emacs);
    keymap.bind(Mode::Compose, "ctrl+k", "picker").unwrap();
    assert_eq!(keymap.look_up(Mode::Compose, &keys("ctrl+k")), Lookup::Act(Action::Picker));
    keymap.bind(Mode::Compose, "ctrl+t", "none").unwrap();
    assert_eq!(keymap.look_up(Mode::Compose, &keys("ctrl+t")), Lookup::Unbound);
    let error = keymap.bind(Mode::Compose, "ctrl+k", "piker").unwrap_err();
    assert!(error.to_string().contains("did you mean `picker`?"), "{error}");
    assert!(keymap.bind(Mode::Compose, "hyper+k", "picker").is_err());
    keymap.bind(Mode::Compose, "ctrl+x", "picker").unwrap();
    let error = keymap.check().unwrap_err();
    assert!(matches!(&error, BindError::Hidden { shorter, .. } if shorter == "ctrl+x"), "{error}");
}

#[test]
fn keys_are_written_as_they_are_read() {
    for text in ["ctrl+x m", "alt+enter", "f12", "G", "space", "+", "ctrl++", "shift+tab", "é"] {
        assert_eq!(chord::written(&keys(text)), text);
    }
}
