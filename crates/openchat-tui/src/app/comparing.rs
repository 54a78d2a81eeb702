//! Comparisons that are under way: the code is on the page of the two people while that is open, else it is said below.

use openchat_client::{Acquaintance, Command as Ask, Comparing, Outcome, Person, ShortCode};

use super::chat::Chat;
use super::overlay::Overlay;
use crate::effect::{Effect, Then};
use crate::phrases;

/// How long a comparison is told of, as it lives.
const LIFE: std::time::Duration = std::time::Duration::from_secs(600);

/// A comparison with somebody has come this far.
pub(super) fn handle(chat: &mut Chat, with: &Person, stage: Comparing) {
    chat.codes.retain(|(person, _)| person.uid != with.uid);
    match stage {
        Comparing::Code(code) => {
            chat.codes.push((with.clone(), code));
            let page = match &chat.overlay {
                Some(Overlay::Number(known)) => Some(known.as_ref()),
                _ => None,
            };
            // Said once: there, or below.
            match page.is_some_and(|known| is_about(known, with)) {
                true => chat.notice = None,
                false => tell(chat, with, stage),
            }
        }
        Comparing::Ended(Outcome::Differs | Outcome::SaidToDiffer | Outcome::Broken) => {
            chat.notice = None;
            chat.alarms.push(phrases::comparing(with, stage).0);
        }
        _ => tell(chat, with, stage),
    }
}

fn tell(chat: &mut Chat, with: &Person, stage: Comparing) {
    let (words, is_warning) = phrases::comparing(with, stage);
    match is_warning {
        true => chat.warn_of(words),
        false => chat.tell(words),
    }
    // Long enough to be read out, and typed by the other one.
    let until = chat.now.plus(LIFE);
    if let Some(notice) = chat.notice.as_mut().filter(|_| !matches!(stage, Comparing::Ended(_))) {
        notice.until = until;
    }
}

fn is_about(known: &Acquaintance, person: &Person) -> bool {
    known.person.uid == person.uid || known.claimants.iter().any(|(uid, _)| *uid == person.uid)
}

impl Chat {
    /// The code that is being compared with somebody, under whichever of their keys.
    pub fn code_with(&self, known: &Acquaintance) -> Option<&(Person, ShortCode)> {
        self.codes.iter().find(|(person, _)| is_about(known, person))
    }

    /// What the person has found on the page of a code.
    pub(super) fn answer_code(&mut self, same: bool, out: &mut Vec<Effect>) {
        let Some(Overlay::Number(known)) = &self.overlay else { return };
        let compared = self.code_with(known).and_then(|_| known.person.name.clone());
        if let Some(name) = compared {
            out.push(Effect::Ask(Ask::Decide { name, same }, Then::Nothing));
            self.overlay = None;
        }
    }

    /// Says the code that its page has shown, and how it is answered.
    pub(super) fn tell_code(&mut self, known: &Acquaintance) {
        if let Some((with, code)) = self.code_with(known).cloned() {
            tell(self, &with, Comparing::Code(code));
        }
    }
}
