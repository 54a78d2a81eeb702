//! The slash commands: their table, and what a written line means.

use openchat_protocol::names::NameError;
use openchat_protocol::{RoomName, UserName};

use crate::settings::Notify;
use crate::theme::Theme;

/// A command as help, picker and completion show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Without its slash.
    pub name: &'static str,
    /// What follows it; empty when nothing does.
    pub argument: &'static str,
    /// What it does.
    pub help: &'static str,
}

const fn listed(name: &'static str, argument: &'static str, help: &'static str) -> Listed {
    Listed { name, argument, help }
}

/// All commands.
pub const COMMANDS: &[Listed] = &[
    listed("create", "[private] NAME", "make a room"),
    listed("join", "NAME", "go into a room by its name"),
    listed("list", "", "all rooms on the server"),
    listed("invite", "", "a link and a QR code for a new friend"),
    listed("add", "NAME", "bring somebody into this room"),
    listed("remove", "NAME", "put somebody out of this room"),
    listed("leave", "", "leave this room for good"),
    listed("who", "", "who is here, on how many devices"),
    listed("info", "", "this room: keys, members, encryption"),
    listed("log", "", "how the keys of this room have changed"),
    listed("rotate", "", "new keys for this device, now"),
    listed("read", "", "everything here is read"),
    listed("notify", "all|mentions|none", "what to be told of in this room"),
    listed("theme", "[NAME]", "the colours"),
    listed("keys", "emacs|vim", "the keys"),
    listed("menu", "", "create, join, list"),
    listed("help", "", "what works here"),
    listed("quit", "", "end the program"),
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
    /// Show who is here.
    Who,
    /// Make an invite link.
    Invite,
    /// What is known of this room.
    Info,
    /// How the keys have changed.
    Log,
    /// New keys.
    Rotate,
    /// Everything is read.
    Read,
    /// What to be told of in this room.
    Notify(Notify),
    /// Choose a theme from a list, or this one.
    Theme(Option<&'static str>),
    /// Choose the keys.
    Keys(crate::keymap::Scheme),
    /// The start menu.
    Menu,
    /// Show what works here.
    Help,
    /// An empty line.
    Nothing,
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
    /// Reads what was written. `//` at the beginning says `/`; a `:` by itself is only a colon.
    pub fn parse(text: &str) -> Result<Self, CommandError> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(Self::Nothing);
        }
        if matches!(trimmed, ":q" | ":q!" | ":quit") {
            return Ok(Self::Close);
        }
        if let Some(rest) = trimmed.strip_prefix("//") {
            return Ok(Self::Say(format!("/{rest}")));
        }
        match trimmed.strip_prefix('/') {
            // A path, or a regular expression: who wants a command does not write a second slash.
            Some(command) if !command.split_whitespace().next().is_some_and(|word| word.contains('/')) => {
                Self::named(command)
            }
            _ => Ok(Self::Say(text.trim_end().to_owned())),
        }
    }

    fn named(text: &str) -> Result<Self, CommandError> {
        let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        Ok(match command {
            "create" => Self::create(rest)?,
            "join" => Self::Join(name(rest, "join", "NAME")?),
            "list" | "rooms" => Self::List,
            "quit" | "exit" => Self::Quit,
            "leave" => Self::Leave,
            "add" => Self::Add(name(rest, "add", "NAME")?),
            "remove" | "kick" => Self::Remove(name(rest, "remove", "NAME")?),
            "who" | "members" => Self::Who,
            "invite" => Self::Invite,
            "info" => Self::Info,
            "log" => Self::Log,
            "rotate" => Self::Rotate,
            "read" => Self::Read,
            "notify" => Self::Notify(Notify::named(rest).ok_or_else(|| choice(rest, Notify::NAMES))?),
            "theme" if rest.is_empty() => Self::Theme(None),
            "theme" => Self::Theme(Some(
                Theme::NAMES.iter().find(|name| **name == rest).ok_or_else(|| choice(rest, Theme::NAMES))?,
            )),
            "keys" => match rest {
                "emacs" => Self::Keys(crate::keymap::Scheme::Emacs),
                "vim" => Self::Keys(crate::keymap::Scheme::Vim),
                _ => return Err(choice(rest, &["emacs", "vim"])),
            },
            "menu" => Self::Menu,
            "help" | "h" | "?" => Self::Help,
            _ => {
                return Err(CommandError::Unknown {
                    name: command.chars().take(40).collect(),
                    meant: openchat_client::nearest(command, COMMANDS.iter().map(|it| it.name))
                        .and_then(|meant| COMMANDS.iter().find(|it| it.name == meant))
                        .map(|it| it.name),
                });
            }
        })
    }

    fn create(rest: &str) -> Result<Self, CommandError> {
        match rest.split_once(char::is_whitespace) {
            Some(("private", rest)) => {
                Ok(Self::Create { name: name(rest.trim(), "create private", "NAME")?, private: true })
            }
            _ => Ok(Self::Create { name: name(rest, "create", "NAME")?, private: false }),
        }
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
                _ => "somebody",
            };
            let line = format!("/{} {argument}", command.name);
            assert!(Command::parse(&line).is_ok(), "{line}: {:?}", Command::parse(&line));
        }
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
