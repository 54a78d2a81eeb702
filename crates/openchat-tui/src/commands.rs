//! The slash commands of both clients, the full screen and the lines: one table, and what a written line means.

use openchat_protocol::names::NameError;
use openchat_protocol::{RoomName, UserName};

use crate::keymap::Scheme;
use crate::settings::Notify;
use crate::theme::Theme;

/// A command as help, picker and completion show it, and as both clients read it.
#[derive(Debug, Clone, Copy)]
pub struct Listed {
    /// Without its slash.
    pub name: &'static str,
    /// Other words for the same.
    pub aliases: &'static [&'static str],
    /// What follows it; empty when nothing does.
    pub argument: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Where it makes sense.
    pub works: Works,
    /// Reads what follows the name.
    read: Reader,
}

/// Where a command makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Works {
    /// In both clients, in a room and outside.
    Anywhere,
    /// In both clients, in a room.
    InRoom,
    /// On the full screen: lines have nothing that it could change.
    OnScreen,
}

type Reader = fn(&str) -> Result<Command, CommandError>;

const fn row(
    names: (&'static str, &'static [&'static str]),
    argument: &'static str,
    help: &'static str,
    works: Works,
    read: Reader,
) -> Listed {
    Listed { name: names.0, aliases: names.1, argument, help, works, read }
}

use Works::{Anywhere, InRoom, OnScreen};

/// All commands. The numbers are those of the menu that this program has always begun with.
pub const COMMANDS: &[Listed] = &[
    row(("create", &["c", "1"]), "[private] NAME", "make a room", Anywhere, create),
    row(("join", &["j", "2"]), "NAME", "go into a room by its name", Anywhere, |rest| {
        name(rest, "join", "NAME").map(Command::Join)
    }),
    row(("list", &["l", "3", "rooms"]), "", "all rooms on the server", Anywhere, |_| Ok(Command::List)),
    row(("invite", &[]), "", "a link for a new friend", Anywhere, |_| Ok(Command::Invite)),
    row(("add", &[]), "NAME", "bring somebody into this room", InRoom, |rest| {
        name(rest, "add", "NAME").map(Command::Add)
    }),
    row(("remove", &["kick"]), "NAME", "put somebody out of this room", InRoom, |rest| {
        name(rest, "remove", "NAME").map(Command::Remove)
    }),
    row(("leave", &[]), "", "leave this room for good", InRoom, |_| Ok(Command::Leave)),
    row(("who", &["members"]), "", "who is here, on how many devices", InRoom, |_| Ok(Command::Who)),
    row(("verify", &[]), "NAME [yes|no|NUMBER]", "compare keys with somebody", Anywhere, verify),
    row(("accept", &[]), "NAME", "take the changed key of somebody", Anywhere, |rest| {
        name(rest, "accept", "NAME").map(Command::Accept)
    }),
    row(("trust", &[]), "", "whose keys are known, and what that rests on", Anywhere, |_| Ok(Command::Trust)),
    row(("devices", &[]), "[revoke ID]", "your devices; put one out", Anywhere, devices),
    row(("link", &[]), "[stop]", "one more device of yours, by a link", Anywhere, |rest| match rest {
        "" => Ok(Command::Link),
        "stop" => Ok(Command::StopLink),
        _ => Err(choice(rest, &["stop"])),
    }),
    row(("veto", &[]), "", "object to a new key for your name", Anywhere, |_| Ok(Command::Veto)),
    row(("search", &["find"]), "[WORDS]", "look for words in all messages of all rooms", Anywhere, |rest| {
        Ok(Command::Search(rest.to_owned()))
    }),
    row(("again", &["retry"]), "", "send again what could not be sent here", InRoom, |_| Ok(Command::Again)),
    row(("discard", &[]), "", "forget what could not be sent here", InRoom, |_| Ok(Command::Discard)),
    row(("info", &[]), "", "this room: keys, members, encryption", InRoom, |_| Ok(Command::Info)),
    row(("log", &[]), "", "how the keys of this room have changed", InRoom, |_| Ok(Command::Log)),
    row(("save", &[]), "FILE", "write what is here of this room to a new file", InRoom, |rest| match rest {
        "" => Err(CommandError::Missing("save", "FILE")),
        file => Ok(Command::Save(file.to_owned())),
    }),
    row(("rotate", &[]), "", "new keys for this device, now", InRoom, |_| Ok(Command::Rotate)),
    row(("read", &[]), "", "everything here is read", InRoom, |_| Ok(Command::Read)),
    row(("notify", &[]), "all|mentions|none", "what to be told of in this room", InRoom, notify),
    row(("split", &[]), "[ROOM]", "another room beside this one", OnScreen, |rest| match rest {
        "" => Ok(Command::Split(None)),
        rest => name(rest, "split", "[ROOM]").map(|name| Command::Split(Some(name))),
    }),
    row(("unsplit", &["only"]), "", "only this room", OnScreen, |_| Ok(Command::Unsplit)),
    row(("theme", &[]), "[NAME]", "the colours", OnScreen, theme),
    row(("keys", &[]), "emacs|vim", "the keys", OnScreen, keys),
    row(("tasks", &[]), "", "what goes on, and what has failed", OnScreen, |_| Ok(Command::Tasks)),
    row(("menu", &[]), "", "create, join, list", Anywhere, |_| Ok(Command::Menu)),
    row(("help", &["h", "?"]), "", "what works here", Anywhere, |_| Ok(Command::Help)),
    row(("quit", &["exit"]), "", "end the program", Anywhere, |_| Ok(Command::Quit)),
];

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a room.
    Create {
        /// Its name.
        name: RoomName,
        /// Not listed.
        private: bool,
    },
    /// Go into a room, joining it if need be.
    Join(RoomName),
    /// Show the server's rooms.
    List,
    /// Say something here.
    Say(String),
    /// To the menu; from there: end.
    Close,
    /// End the program.
    Quit,
    /// Leave the room for good.
    Leave,
    /// Add someone to this room.
    Add(UserName),
    /// Remove someone from this room.
    Remove(UserName),
    /// Look for these words everywhere.
    Search(String),
    /// Show who is here.
    Who,
    /// Compare keys with someone.
    Verify(UserName, Verify),
    /// Take the changed key of someone.
    Accept(UserName),
    /// Show whose keys are known.
    Trust,
    /// Show the devices of this user.
    Devices,
    /// Put out the device whose identifier begins so.
    Revoke(String),
    /// Link another device, or show its link again.
    Link,
    /// No device is to be linked any more.
    StopLink,
    /// Object to another key for the own name.
    Veto,
    /// Make an invite link.
    Invite,
    /// Send again what could not be sent here.
    Again,
    /// Forget what could not be sent here.
    Discard,
    /// What is known of this room.
    Info,
    /// How the keys have changed.
    Log,
    /// Write the room's history to this file.
    Save(String),
    /// New keys.
    Rotate,
    /// Everything is read.
    Read,
    /// What to be told of in this room.
    Notify(Notify),
    /// Put this room, or the next one, beside the open one.
    Split(Option<RoomName>),
    /// Show one room only.
    Unsplit,
    /// Choose a theme from a list, or this one.
    Theme(Option<&'static str>),
    /// Choose the keys.
    Keys(Scheme),
    /// What goes on, and what has failed.
    Tasks,
    /// The start menu.
    Menu,
    /// Show what works here.
    Help,
    /// An empty line.
    Nothing,
}

/// What of a comparison is written.
#[derive(Debug, PartialEq, Eq)]
pub enum Verify {
    /// It begins, or goes on.
    Begin,
    /// What the other one's program shows.
    Number(String),
    /// The codes are the same, or not.
    Decide(bool),
}

/// A line that means nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such command.
    #[error("there is no command /{name}{}", meant.map_or(String::new(), |it| format!(": did you mean /{it}?")))]
    Unknown {
        /// What was written.
        name: String,
        /// What may have been meant.
        meant: Option<&'static str>,
    },
    /// A command without what must follow it.
    #[error("which one? write /{0} {1}")]
    Missing(&'static str, &'static str),
    /// A name that is none.
    #[error("`{text}` is no name: {why}")]
    Name {
        /// What was written.
        text: String,
        /// Why it is none.
        why: NameError,
    },
    /// Nothing to say it in, or to do it to.
    #[error("you are in no room: create one, join one, or list them")]
    Nowhere,
    /// Lines cannot show it.
    #[error("/{0} is for the full screen (openchat)")]
    OnScreen(&'static str),
    /// A word that is none of those there are.
    #[error("`{text}` is none of {choices}")]
    Choice {
        /// What was written.
        text: String,
        /// What there is.
        choices: String,
    },
}

impl Command {
    /// Reads what was written on the full screen. `//` at the beginning says `/`; a `:` by itself is only a colon.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let trimmed = text.trim();
        match Written::of(trimmed) {
            Written::Nothing => Ok(Self::Nothing),
            Written::Close => Ok(Self::Close),
            Written::Slash(words) => Ok(Self::Say(words)),
            Written::Command(command) => listed(command).and_then(|(listed, rest)| (listed.read)(rest)),
            Written::Words => Ok(Self::Say(text.trim_end().to_owned())),
        }
    }

    /// Reads a command line of the full screen, where `:` begins a command as `/` does.
    pub fn parse_command_line(text: &str) -> Result<Self, CommandError> {
        match (Written::of(text.trim()), text.trim().strip_prefix(':')) {
            (Written::Words, Some("")) => Ok(Self::Nothing),
            (Written::Words, Some(command)) => {
                listed(command.trim()).and_then(|(listed, rest)| (listed.read)(rest))
            }
            _ => Self::parse(text),
        }
    }

    /// Reads a line typed in the line client, in a room or in its menu, where commands need no sign. There `:` begins a
    /// command as `/` does.
    pub fn parse_line(line: &str, in_room: bool) -> Result<Self, CommandError> {
        let trimmed = line.trim();
        match Written::of(trimmed) {
            Written::Nothing => Ok(Self::Nothing),
            Written::Close => Ok(Self::Close),
            Written::Slash(words) if in_room => Ok(Self::Say(words)),
            Written::Slash(_) => Err(CommandError::Nowhere),
            Written::Command(command) => Self::named_in_lines(command, in_room),
            Written::Words => match trimmed.strip_prefix(':') {
                // `:)` and `:-D` are no commands.
                Some(command) if command.starts_with(|c: char| c.is_ascii_lowercase()) => {
                    Self::named_in_lines(command, in_room)
                }
                _ if in_room => Ok(Self::Say(line.trim_end().to_owned())),
                _ if trimmed == "q" => Ok(Self::Close),
                _ => Self::named_in_lines(trimmed, in_room),
            },
        }
    }

    fn named_in_lines(text: &str, in_room: bool) -> Result<Self, CommandError> {
        let (listed, rest) = listed(text)?;
        match listed.works {
            OnScreen => Err(CommandError::OnScreen(listed.name)),
            InRoom if !in_room => Err(CommandError::Nowhere),
            _ => (listed.read)(rest),
        }
    }
}

/// What is written, before the table is asked.
enum Written<'a> {
    Nothing,
    Close,
    /// Words that begin with a slash.
    Slash(String),
    /// A command without its slash.
    Command(&'a str),
    Words,
}

impl<'a> Written<'a> {
    fn of(trimmed: &'a str) -> Self {
        if trimmed.is_empty() {
            return Self::Nothing;
        }
        if matches!(trimmed, ":q" | ":q!" | ":quit") {
            return Self::Close;
        }
        if let Some(rest) = trimmed.strip_prefix("//") {
            return Self::Slash(format!("/{rest}"));
        }
        match trimmed.strip_prefix('/') {
            // A path, or a regular expression: who wants a command does not write a second slash.
            Some(command) if !command.split_whitespace().next().is_some_and(|word| word.contains('/')) => {
                Self::Command(command)
            }
            _ => Self::Words,
        }
    }
}

/// The command that `text` begins with, and the rest of it.
fn listed(text: &str) -> Result<(&'static Listed, &str), CommandError> {
    let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let is_it = |listed: &&Listed| listed.name == command || listed.aliases.contains(&command);
    match COMMANDS.iter().find(is_it) {
        Some(listed) => Ok((listed, rest.trim())),
        None => Err(CommandError::Unknown {
            name: command.chars().take(40).collect(),
            meant: openchat_client::nearest(command, COMMANDS.iter().map(|it| it.name)),
        }),
    }
}

fn create(rest: &str) -> Result<Command, CommandError> {
    match rest.split_once(char::is_whitespace) {
        Some(("private", rest)) => {
            Ok(Command::Create { name: name(rest.trim(), "create private", "NAME")?, private: true })
        }
        _ => Ok(Command::Create { name: name(rest, "create", "NAME")?, private: false }),
    }
}

fn verify(rest: &str) -> Result<Command, CommandError> {
    let (who, how) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let how = match how.trim() {
        "" => Verify::Begin,
        "yes" => Verify::Decide(true),
        "no" => Verify::Decide(false),
        code => Verify::Number(code.to_owned()),
    };
    Ok(Command::Verify(name(who, "verify", "NAME")?, how))
}

fn notify(rest: &str) -> Result<Command, CommandError> {
    Notify::named(rest).map(Command::Notify).ok_or_else(|| choice(rest, Notify::NAMES))
}

fn devices(rest: &str) -> Result<Command, CommandError> {
    match rest.split_once(char::is_whitespace).unwrap_or((rest, "")) {
        ("", _) => Ok(Command::Devices),
        ("revoke", "") => Err(CommandError::Missing("devices revoke", "ID")),
        ("revoke", id) => Ok(Command::Revoke(id.trim().chars().take(40).collect())),
        _ => Err(choice(rest, &["revoke ID"])),
    }
}

fn theme(rest: &str) -> Result<Command, CommandError> {
    if rest.is_empty() {
        return Ok(Command::Theme(None));
    }
    let named = Theme::NAMES.iter().find(|name| **name == rest);
    named.map(|name| Command::Theme(Some(name))).ok_or_else(|| choice(rest, Theme::NAMES))
}

fn keys(rest: &str) -> Result<Command, CommandError> {
    match rest {
        "emacs" => Ok(Command::Keys(Scheme::Emacs)),
        "vim" => Ok(Command::Keys(Scheme::Vim)),
        _ => Err(choice(rest, &["emacs", "vim"])),
    }
}

fn choice(text: &str, choices: &[&str]) -> CommandError {
    CommandError::Choice { text: text.chars().take(40).collect(), choices: choices.join(", ") }
}

fn name<T: std::str::FromStr<Err = NameError>>(
    text: &str,
    command: &'static str,
    argument: &'static str,
) -> Result<T, CommandError> {
    if text.is_empty() {
        return Err(CommandError::Missing(command, argument));
    }
    text.parse().map_err(|why| CommandError::Name { text: text.chars().take(80).collect(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_command_is_one() {
        for command in COMMANDS {
            let argument = match command.argument {
                "" | "[NAME]" => "",
                "all|mentions|none" => "all",
                "emacs|vim" => "vim",
                "[revoke ID]" => "revoke 4zq7",
                "[stop]" => "stop",
                _ => "carol",
            };
            let line = format!("/{} {argument}", command.name);
            assert!(Command::parse(&line).is_ok(), "{line}: {:?}", Command::parse(&line));
        }
    }

    #[test]
    fn a_word_means_one_command() {
        let words = COMMANDS.iter().flat_map(|it| std::iter::once(&it.name).chain(it.aliases));
        let mut words: Vec<_> = words.collect();
        let all = words.len();
        words.sort();
        words.dedup();
        assert_eq!(words.len(), all);
    }

    fn line(text: &str, in_room: bool) -> Command {
        Command::parse_line(text, in_room).unwrap()
    }

    #[test]
    fn in_lines_the_menu_takes_numbers_and_words() {
        let create = Command::Create { name: "lobby".parse().unwrap(), private: false };
        for text in ["1 lobby", "create #lobby", "/create lobby", " c  lobby "] {
            assert_eq!(line(text, false), create, "{text}");
        }
        assert_eq!(line("2 lobby", false), Command::Join("lobby".parse().unwrap()));
        assert_eq!(line("3", false), Command::List);
        assert_eq!(line(":q", false), Command::Close);
        assert_eq!(line("q", false), Command::Close);
        assert_eq!(line("quit", false), Command::Quit);
    }

    #[test]
    fn in_lines_a_room_hears_words_and_commands_have_a_sign() {
        assert_eq!(line("join us", true), Command::Say("join us".into()));
        assert_eq!(line("q", true), Command::Say("q".into()));
        assert_eq!(line("//etc/hosts", true), Command::Say("/etc/hosts".into()));
        assert_eq!(line("/etc/hosts", true), Command::Say("/etc/hosts".into()));
        assert_eq!(line("/add @bob", true), Command::Add("bob".parse().unwrap()));
        assert_eq!(line(":help", true), Command::Help);
        assert_eq!(line(":-)", true), Command::Say(":-)".into()));
        assert_eq!(line("   ", true), Command::Nothing);
        let verify = |how| Command::Verify("bob".parse().unwrap(), how);
        assert_eq!(line("/verify bob", true), verify(Verify::Begin));
        assert_eq!(line("/verify bob no", true), verify(Verify::Decide(false)));
        assert_eq!(line("/verify @bob 12345 6", true), verify(Verify::Number("12345 6".into())));
        let private = Command::Create { name: "ops".parse().unwrap(), private: true };
        assert_eq!(line("/create private ops", true), private);
    }

    #[test]
    fn lines_take_every_command_that_is_not_the_screens_own() {
        for command in COMMANDS {
            let argument = match command.argument {
                "all|mentions|none" => "all",
                "[revoke ID]" | "[stop]" => "",
                _ => "carol",
            };
            let in_room = Command::parse_line(&format!("/{} {argument}", command.name), true);
            let outside = Command::parse_line(&format!("/{} {argument}", command.name), false);
            match command.works {
                Anywhere => assert!(in_room.is_ok() && outside.is_ok(), "{}", command.name),
                InRoom => {
                    assert!(in_room.is_ok(), "{}", command.name);
                    assert_eq!(outside, Err(CommandError::Nowhere), "{}", command.name);
                }
                OnScreen => assert_eq!(in_room, Err(CommandError::OnScreen(command.name))),
            }
        }
        assert!(Command::parse_line("hello", false).is_err());
        assert_eq!(Command::parse_line("//x", false), Err(CommandError::Nowhere));
    }

    #[test]
    fn words_are_said_and_slashes_can_be() {
        assert_eq!(Command::parse("join us  "), Ok(Command::Say("join us".into())));
        assert_eq!(Command::parse("//join us"), Ok(Command::Say("/join us".into())));
        assert_eq!(Command::parse("/etc/hosts is wrong"), Ok(Command::Say("/etc/hosts is wrong".into())));
        assert_eq!(Command::parse(":q"), Ok(Command::Close));
        assert_eq!(Command::parse(":)"), Ok(Command::Say(":)".into())));
        assert_eq!(Command::parse("  "), Ok(Command::Nothing));
    }

    #[test]
    fn what_means_nothing_says_what_would() {
        for (line, expected) in [
            ("/jion lobby", "did you mean /join?"),
            ("/join", "write /join NAME"),
            ("/join Lob by", "is no name"),
            ("/theme drak", "none of dark, light"),
            ("/notify loud", "none of all, mentions"),
        ] {
            let error = Command::parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
