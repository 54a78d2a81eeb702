//! What a typed line means.

use openchat_protocol::names::NameError;
use openchat_protocol::{RoomName, UserName};

use crate::failure::{Failure, Kind};

/// One thing to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Make a room.
    Create { name: RoomName, private: bool },
    /// Go into a room, joining it if need be.
    Join(RoomName),
    /// Show the server's rooms.
    List,
    /// Say something here.
    Say(String),
    /// Back to the menu; in the menu: end.
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
    /// Show the commands.
    Help,
    /// An empty line.
    Nothing,
}

/// A line that means nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// No such command.
    #[error("there is no command `{0}`: type /help")]
    Unknown(String),
    /// A command without its name.
    #[error("which one? type {0}")]
    Missing(&'static str),
    /// A name that is none.
    #[error("`{text}` is no name: {why}")]
    Name { text: String, why: NameError },
    /// Only in a room.
    #[error("you are in no room: create one, join one, or list them")]
    Nowhere,
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        Self::new(Kind::Usage, error)
    }
}

impl Command {
    /// Reads a line typed in a room, or in the menu.
    pub(crate) fn parse(line: &str, in_room: bool) -> Result<Self, CommandError> {
        let trimmed = line.trim();
        if trimmed.is_empty() {
            return Ok(Self::Nothing);
        }
        if let Some(text) = trimmed.strip_prefix("//") {
            return Self::say(&format!("/{text}"), in_room);
        }
        match trimmed.strip_prefix(['/', ':']) {
            Some(command) => Self::named(command),
            None if in_room => Self::say(line.trim_end(), in_room),
            None => Self::named(trimmed),
        }
    }

    fn say(text: &str, in_room: bool) -> Result<Self, CommandError> {
        if in_room { Ok(Self::Say(text.to_owned())) } else { Err(CommandError::Nowhere) }
    }

    fn named(text: &str) -> Result<Self, CommandError> {
        let (command, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        Ok(match command {
            "1" | "c" | "create" => Self::create(rest)?,
            "2" | "j" | "join" => Self::Join(name(rest, "join NAME")?),
            "3" | "l" | "list" | "rooms" => Self::List,
            "q" | "quit" | "exit" => Self::Quit,
            "leave" => Self::Leave,
            "add" => Self::Add(name(rest, "/add NAME")?),
            "remove" | "kick" => Self::Remove(name(rest, "/remove NAME")?),
            "who" => Self::Who,
            "invite" => Self::Invite,
            "h" | "?" | "help" => Self::Help,
            _ => return Err(CommandError::Unknown(command.chars().take(40).collect())),
        })
    }

    fn create(rest: &str) -> Result<Self, CommandError> {
        match rest.split_once(char::is_whitespace) {
            Some(("private", rest)) => {
                Ok(Self::Create { name: name(rest.trim(), "create private NAME")?, private: true })
            }
            _ => Ok(Self::Create { name: name(rest, "create NAME")?, private: false }),
        }
    }
}

fn name<T: std::str::FromStr<Err = NameError>>(text: &str, usage: &'static str) -> Result<T, CommandError> {
    if text.is_empty() {
        return Err(CommandError::Missing(usage));
    }
    text.parse().map_err(|why| CommandError::Name { text: text.chars().take(80).collect(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str, in_room: bool) -> Command {
        Command::parse(line, in_room).unwrap()
    }

    #[test]
    fn the_menu_takes_numbers_and_words() {
        let create = Command::Create { name: "lobby".parse().unwrap(), private: false };
        for line in ["1 lobby", "create #lobby", "/create lobby", " c  lobby "] {
            assert_eq!(parse(line, false), create, "{line}");
        }
        assert_eq!(parse("2 lobby", false), Command::Join("lobby".parse().unwrap()));
        assert_eq!(parse("3", false), Command::List);
        assert_eq!(parse(":q", false), Command::Quit);
    }

    #[test]
    fn in_a_room_words_are_said_and_commands_have_a_sign() {
        assert_eq!(parse("join us", true), Command::Say("join us".into()));
        assert_eq!(parse("//etc/hosts", true), Command::Say("/etc/hosts".into()));
        assert_eq!(parse("/add @bob", true), Command::Add("bob".parse().unwrap()));
        assert_eq!(parse("   ", true), Command::Nothing);
        let private = Command::Create { name: "ops".parse().unwrap(), private: true };
        assert_eq!(parse("/create private ops", true), private);
    }

    #[test]
    fn what_means_nothing_says_what_would() {
        assert_eq!(Command::parse("hello", false), Err(CommandError::Unknown("hello".into())));
        assert_eq!(Command::parse("//x", false), Err(CommandError::Nowhere));
        assert!(matches!(Command::parse("join", false), Err(CommandError::Missing(_))));
        assert!(matches!(Command::parse("/join Lobby!", true), Err(CommandError::Name { .. })));
    }
}
