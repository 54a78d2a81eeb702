//! Tests of the page on which two people compare, and of what is said when they see different codes.

use openchat_client::{Acquaintance, Comparing, Outcome, ShortCode};

use super::*;

const CODE: &str = "0012 3456 7890";

fn bob() -> Acquaintance {
    Acquaintance {
        person: person(1, "bob"),
        basis: openchat_client::Basis::FirstUse,
        first_seen: NOW,
        number: openchat_client::SafetyNumber::of(&ServerFingerprint([5; 32]), Uid([9; 16]), Uid([1; 16])),
        claimants: Vec::new(),
    }
}

fn stage(app: &mut App, stage: Comparing) {
    let event = Event::Comparison { room: LOBBY, with: person(1, "bob"), stage };
    app.handle(Incoming::Client(event), NOW);
}

/// Alice's page of Bob, with whom a code is being compared.
pub(super) fn with_a_code() -> App {
    let mut app = chatting();
    stage(&mut app, Comparing::Waiting);
    app.handle(Incoming::Answered(Then::ShowNumber, Ok(Answer::Acquaintance(Box::new(bob())))), NOW);
    stage(&mut app, Comparing::Code(ShortCode::of(1_234_567_890)));
    app
}

fn decided(effects: &[Effect]) -> Option<bool> {
    effects.iter().find_map(|effect| match effect {
        Effect::Ask(Ask::Decide { same, .. }, _) => Some(*same),
        _ => None,
    })
}

#[test]
fn one_thing_is_compared_at_a_time_and_answered_on_its_page() {
    for (key, same) in [("y", true), ("n", false)] {
        let mut app = with_a_code();
        for (width, height) in [(40, 12), (80, 24)] {
            let shown = picture(&mut app, width, height);
            assert_eq!(shown.matches(CODE).count(), 1, "{shown}");
            assert!(shown.contains("y  the codes are the same"), "{shown}");
            assert!(shown.contains("Esc: later") && shown.contains('╰'), "nothing covers it: {shown}");
            assert!(!shown.contains(&bob().number.to_string()[..11]), "{shown}");
        }
        assert_eq!(decided(&press(&mut app, key)), Some(same));
        assert!(chat(&app).overlay.is_none());
    }
}

#[test]
fn a_code_that_waits_for_its_answer_is_said_below_when_its_page_is_closed() {
    let mut app = with_a_code();
    press(&mut app, "esc");
    let shown = picture(&mut app, 110, 24);
    assert!(shown.contains(CODE) && shown.contains("/verify bob yes, or no"), "{shown}");
    stage(&mut app, Comparing::Ended(Outcome::TimedOut));
    app.handle(Incoming::Answered(Then::ShowNumber, Ok(Answer::Acquaintance(Box::new(bob())))), NOW);
    let shown = picture(&mut app, 80, 24);
    assert!(!shown.contains(CODE) && shown.contains(&bob().number.to_string()[..11]), "{shown}");
    assert_eq!(decided(&press(&mut app, "y")), None, "there is no code to answer");
}

#[test]
fn nobody_answers_a_code_by_what_they_are_writing() {
    let mut app = chatting();
    stage(&mut app, Comparing::Code(ShortCode::of(1_234_567_890)));
    assert!(picture(&mut app, 80, 24).contains(CODE));
    assert_eq!(decided(&press(&mut app, "y")), None);
    assert_eq!(chat(&app).composer.text(), "y");
}

#[test]
fn codes_that_differ_are_an_alarm_until_it_is_closed() {
    for outcome in [Outcome::Differs, Outcome::SaidToDiffer, Outcome::Broken] {
        let mut app = with_a_code();
        stage(&mut app, Comparing::Ended(outcome));
        for _ in 0..100 {
            app.handle(Incoming::Tick, Timestamp(NOW.0 + 3_600_000));
        }
        // Over the page that is still open, and on the smallest window.
        for (width, height) in [(40, 12), (80, 24)] {
            let shown = picture(&mut app, width, height);
            assert!(shown.contains("somebody may stand") && shown.contains("Esc closes this"), "{shown}");
        }
    }
}
