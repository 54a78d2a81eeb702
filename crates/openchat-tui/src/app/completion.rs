//! What Tab makes of the word in front of the cursor: a command or what follows it, a room, a person, an emoji.

use openchat_client::{Member, RoomOverview};

use super::chat::Chat;
use crate::commands::{COMMANDS, Listed, Works};
use crate::effect::{Effect, Read};
use crate::saving::files;

/// Emoji that are offered for one word.
const EMOJI: usize = 24;
/// Letters after the colon from which on emoji are offered: `:D` and `:x` are none.
const LETTERS: usize = 2;

/// A row of completions that Tab goes through.
#[derive(Debug)]
pub struct Completion {
    candidates: Vec<Candidate>,
    /// Which of them Tab has written; none yet while they are only offered.
    written: Option<usize>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Candidate {
    /// What takes the place of the word.
    pub word: String,
    /// What is shown of it besides: what a command does, how an emoji is called.
    pub detail: String,
}

impl Completion {
    /// What the word in front of the cursor may become; nothing when there is nothing.
    pub(super) fn of(before: &str, rooms: &[RoomOverview], members: &[Member]) -> Option<Self> {
        let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        let line_start = before.trim_start() == word;
        let plain = |word: String| Candidate { word, detail: String::new() };
        let mut candidates: Vec<Candidate> = match (argument(before), word.chars().next()) {
            (Some(listed), _) => arguments(listed, rooms, members, word).into_iter().map(plain).collect(),
            (None, Some('/')) if line_start => {
                let names = COMMANDS.iter().filter(|it| format!("/{}", it.name).starts_with(word));
                names
                    .map(|it| Candidate { word: format!("/{}", it.name), detail: it.help.to_owned() })
                    .collect()
            }
            (None, Some('#')) => beginning(rooms.iter().map(|room| format!("#{}", room.name)), word),
            (None, Some('@')) => beginning(people(members).map(|name| format!("@{name}")), word),
            (None, Some(':')) => return Self::new(emoji(word)),
            (None, Some(_)) => {
                beginning(people(members).chain(rooms.iter().map(|room| room.name.to_string())), word)
            }
            (None, None) => Vec::new(),
        };
        candidates.sort();
        candidates.dedup();
        Self::new(candidates)
    }

    fn new(candidates: Vec<Candidate>) -> Option<Self> {
        (!candidates.is_empty()).then_some(Self { candidates, written: None })
    }

    /// All of them, in the order in which Tab goes through them.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// Which of them Tab has written.
    pub fn written(&self) -> Option<usize> {
        self.written
    }

    /// The next one, around and around.
    fn next(&mut self) -> Option<String> {
        let next = self.written.map_or(0, |written| (written + 1) % self.candidates.len());
        self.written = Some(next);
        self.candidates.get(next).map(|candidate| candidate.word.clone())
    }

    /// Whether `word` is what the last step has written.
    fn wrote(&self, word: &str) -> bool {
        self.written.and_then(|it| self.candidates.get(it)).is_some_and(|candidate| candidate.word == word)
    }
}

/// The command whose argument is being written.
fn argument(before: &str) -> Option<&'static Listed> {
    let (command, _) = before.trim_start().strip_prefix('/')?.split_once(char::is_whitespace)?;
    COMMANDS.iter().find(|it| it.name == command || it.aliases.contains(&command))
}

fn takes_a_file(listed: &Listed) -> bool {
    listed.argument == "FILE"
}

/// What the last word of a line may become in the line client, which knows commands, emoji and files.
pub fn in_lines(before: &str) -> Vec<String> {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    if argument(before).is_some_and(takes_a_file) {
        return files(word);
    }
    let is_for_lines = |word: &str| {
        let listed = |it: &&Listed| word.strip_prefix('/') == Some(it.name);
        COMMANDS.iter().find(listed).is_none_or(|it| it.works != Works::OnScreen)
    };
    let all = Completion::of(before, &[], &[]).map(|completion| completion.candidates).unwrap_or_default();
    all.into_iter().map(|candidate| candidate.word).filter(|word| is_for_lines(word)).collect()
}

/// What may follow a command.
fn arguments(listed: &Listed, rooms: &[RoomOverview], members: &[Member], word: &str) -> Vec<String> {
    let all: Vec<String> = match (listed.name, listed.argument) {
        (_, "FILE") => Vec::new(),
        ("theme", _) => crate::theme::Theme::NAMES.iter().map(|name| (*name).to_owned()).collect(),
        ("create", _) => vec!["private".to_owned()],
        ("join", _) => rooms.iter().map(|room| format!("#{}", room.name)).collect(),
        ("add" | "remove", _) => people(members).collect(),
        (_, choices) if choices.contains('|') => choices.split('|').map(str::to_owned).collect(),
        _ => people(members).chain(rooms.iter().map(|room| format!("#{}", room.name))).collect(),
    };
    let bare = word.trim_start_matches(['#', '@']).to_ascii_lowercase();
    all.into_iter().filter(|it| it.trim_start_matches('#').starts_with(&bare)).collect()
}

/// Emoji by their names: those whose name begins like this first, then those that contain it.
fn emoji(word: &str) -> Vec<Candidate> {
    let name = word.trim_matches(':').to_ascii_lowercase();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-');
    if name.len() < LETTERS || !name.chars().all(is_name) {
        return Vec::new();
    }
    let named = emojis::iter().flat_map(|emoji| emoji.shortcodes().map(move |code| (code, emoji)));
    let mut named: Vec<_> = named.filter(|(code, _)| code.contains(&name)).collect();
    named.sort_by_key(|(code, _)| (*code != name, !code.starts_with(&name), code.len(), *code));
    let mut candidates: Vec<Candidate> = Vec::new();
    for (code, emoji) in named {
        if candidates.len() == EMOJI {
            break;
        }
        if !candidates.iter().any(|candidate| candidate.word == emoji.as_str()) {
            candidates.push(Candidate { word: emoji.as_str().to_owned(), detail: code.to_owned() });
        }
    }
    candidates
}

fn people(members: &[Member]) -> impl Iterator<Item = String> {
    members
        .iter()
        .filter(|member| !member.is_me)
        .filter_map(|member| Some(member.person.name.as_ref()?.to_string()))
}

fn beginning(all: impl Iterator<Item = String>, word: &str) -> Vec<Candidate> {
    let word = word.to_ascii_lowercase();
    let all = all.filter(|candidate| candidate.starts_with(&word));
    all.map(|word| Candidate { word, detail: String::new() }).collect()
}

impl Chat {
    /// Tab: the next completion.
    pub(super) fn complete(&mut self, out: &mut Vec<Effect>) {
        let word = self.composer.word();
        let is_file = argument(&self.composer.before()).is_some_and(takes_a_file);
        // Behind a folder, Tab looks into it.
        let goes_on = self.completion.as_ref().is_some_and(|completion| completion.wrote(&word))
            && !(is_file && word.ends_with('/'));
        if is_file && !goes_on {
            out.push(Effect::Read(Read::Files(word)));
            return;
        }
        if !goes_on {
            self.completion = Completion::of(&self.composer.before(), &self.rooms, &self.members);
        }
        self.write_next(&word);
    }

    /// What there is on the disk for the word, if it is still the word.
    pub(super) fn complete_files(&mut self, word: &str, files: Vec<String>) {
        if self.composer.word() == word {
            let plain = |word| Candidate { word, detail: String::new() };
            self.completion = Completion::new(files.into_iter().map(plain).collect());
            self.write_next(word);
        }
    }

    fn write_next(&mut self, word: &str) {
        match self.completion.as_mut().and_then(Completion::next) {
            Some(candidate) => {
                self.composer.replace_word(&candidate);
                self.draft_is_new = true;
            }
            None if word.is_empty() => {}
            None => self.tell("nothing begins like this"),
        }
    }

    /// What is being written is offered completions while it begins with a sign: a command, a room, a person, an emoji.
    pub(super) fn offer_completions(&mut self) {
        let before = self.composer.before();
        let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        let is_offered = match word.chars().next() {
            Some('/') => before.trim_start() == word,
            Some('#' | '@') => word.len() > 1,
            Some(':') => true,
            _ => argument(&before).is_some_and(|listed| listed.argument.contains('|')),
        };
        self.completion = is_offered.then(|| Completion::of(&before, &self.rooms, &self.members)).flatten();
    }
}
