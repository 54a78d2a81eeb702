//! What Tab makes of the word in front of the cursor: a command, a room, a person.

use openchat_client::{Member, RoomOverview};

use crate::commands::COMMANDS;

/// A row of completions that Tab goes through.
pub(super) struct Completion {
    candidates: Vec<String>,
    next: usize,
}

impl Completion {
    /// What `word` may become; nothing when there is nothing.
    pub(super) fn of(
        word: &str,
        line_start: bool,
        rooms: &[RoomOverview],
        members: &[Member],
    ) -> Option<Self> {
        let mut candidates: Vec<String> = match word.chars().next() {
            Some('/') if line_start => {
                let names = COMMANDS.iter().map(|command| format!("/{}", command.name));
                beginning(names, word)
            }
            Some('#') => beginning(rooms.iter().map(|room| format!("#{}", room.name)), word),
            Some('@') => beginning(people(members).map(|name| format!("@{name}")), word),
            Some(_) => beginning(people(members).chain(rooms.iter().map(|room| room.name.to_string())), word),
            None => Vec::new(),
        };
        candidates.sort();
        candidates.dedup();
        (!candidates.is_empty()).then_some(Self { candidates, next: 0 })
    }

    /// The next one, around and around, with the space that follows a word.
    pub(super) fn next(&mut self) -> Option<String> {
        let candidate = self.candidates.get(self.next)?;
        self.next = (self.next + 1) % self.candidates.len();
        Some(candidate.clone())
    }

    /// Whether `word` is what the last step has written.
    pub(super) fn wrote(&self, word: &str) -> bool {
        self.candidates.iter().any(|candidate| candidate == word)
    }
}

fn people(members: &[Member]) -> impl Iterator<Item = String> {
    members
        .iter()
        .filter(|member| !member.is_me)
        .filter_map(|member| Some(member.person.name.as_ref()?.to_string()))
}

fn beginning(all: impl Iterator<Item = String>, word: &str) -> Vec<String> {
    let word = word.to_ascii_lowercase();
    all.filter(|candidate| candidate.starts_with(&word)).collect()
}
