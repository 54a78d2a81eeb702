//! Names of users and rooms: ASCII, checked once, then a type. Look-alikes share a skeleton (UTS 39).

use std::fmt;
use std::str::FromStr;

use minicbor::decode::{self, Decoder};
use minicbor::encode::{self, Encoder, Write};
use minicbor::{Decode, Encode};
use unicode_security::confusable_detection::skeleton;

/// Why a name is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Shorter than the shortest name.
    #[error("a name has at least {0} characters")]
    TooShort(usize),
    /// Longer than the longest name.
    #[error("a name has at most {0} characters")]
    TooLong(usize),
    /// The first character is no letter a-z.
    #[error("a name begins with a letter from a to z")]
    Start,
    /// A character that no name has.
    #[error("a name has no `{0}`: use a-z, 0-9, dot, underscore and hyphen")]
    Character(char),
    /// Something of a name that would only be seen by who looks for it.
    #[error("a person's name ends with a letter or a digit, and has no two signs in a row")]
    Signs,
    /// A word by which programs speak of themselves or of whoever reads.
    #[error("nobody may be called `{0}`, as if a program said it: take another name")]
    Reserved(String),
}

/// What no person is called: programs say it of the reader, of all, or of themselves.
const RESERVED: &[&str] = &[
    "you",
    "yourself",
    "everybody",
    "everyone",
    "anybody",
    "nobody",
    "somebody",
    "here",
    "all",
    "server",
    "system",
    "openchat",
];

fn check(text: &str, shortest: usize, longest: usize) -> Result<(), NameError> {
    if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '.' | '_' | '-')) {
        return Err(NameError::Character(bad));
    }
    match text.len() {
        length if length < shortest => Err(NameError::TooShort(shortest)),
        length if length > longest => Err(NameError::TooLong(longest)),
        _ if !text.starts_with(|c: char| c.is_ascii_lowercase()) => Err(NameError::Start),
        _ => Ok(()),
    }
}

fn check_user(text: &str) -> Result<(), NameError> {
    check(text, 3, 32)?;
    let is_sign = |c: char| !c.is_ascii_alphanumeric();
    let mut neighbours = text.chars().zip(text.chars().skip(1));
    if text.ends_with(is_sign) || neighbours.any(|(one, next)| is_sign(one) && is_sign(next)) {
        return Err(NameError::Signs);
    }
    let skeleton = skeleton_of(text);
    match RESERVED.iter().find(|reserved| skeleton_of(reserved) == skeleton) {
        Some(reserved) => Err(NameError::Reserved((*reserved).to_owned())),
        None => Ok(()),
    }
}

fn check_room(text: &str) -> Result<(), NameError> {
    check(text, 1, 64)
}

fn skeleton_of(name: &str) -> String {
    // Once more after lower-casing: UTS 39 maps `0` to `O`.
    skeleton(&skeleton(name).collect::<String>().to_lowercase()).collect()
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The name without any sign in front.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// What all look-alikes of this name have in common; unique per server.
            pub fn skeleton(&self) -> String {
                skeleton_of(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            /// Accepts the name with or without its sign in front.
            fn from_str(text: &str) -> Result<Self, NameError> {
                let text = text.strip_prefix($prefix).unwrap_or(text);
                $check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
                let text = d.str()?;
                $check(text).map_err(|error| decode::Error::message(error.to_string()))?;
                Ok(Self(text.to_owned()))
            }
        }
    };
}

name! {
    /// A user's name on one server.
    UserName, check_user, '@'
}
name! {
    /// A room's name on one server, written with `#` in front when people see it.
    RoomName, check_room, '#'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["bob", "a.b-c_9", &"x".repeat(32)] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        for bad in
            ["", "al", "9lives", "-dash", "Alice", "аlice", "a b", "bob\n", "\u{1b}[31m", &"x".repeat(33)]
        {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
        assert_eq!("#lobby".parse::<RoomName>(), "lobby".parse::<RoomName>());
    }

    #[test]
    fn nobody_is_called_as_if_a_program_said_it() {
        for bad in ["you", "y0u", "server", "openchat", "nob0dy", "a11"] {
            assert!(matches!(bad.parse::<UserName>(), Err(NameError::Reserved(_))), "{bad}");
        }
        for bad in ["alice-", "alice_", "alice.", "al..ice", "al.-ice"] {
            assert_eq!(bad.parse::<UserName>(), Err(NameError::Signs), "{bad}");
        }
        for good in ["yours", "al-ice", "a.b-c_9", "server-admin"] {
            assert!(good.parse::<UserName>().is_ok(), "{good}");
        }
        assert!("server".parse::<RoomName>().is_ok());
    }

    #[test]
    fn look_alikes_share_a_skeleton() {
        let skeleton = |name: &str| name.parse::<UserName>().unwrap().skeleton();
        for (one, other) in [("rnike", "mike"), ("al1ce", "allce"), ("b0b", "bob"), ("vvalt", "vvalt")] {
            assert_eq!(skeleton(one), skeleton(other), "{one} {other}");
        }
        assert_ne!(skeleton("alice"), skeleton("alicia"));
    }

    #[test]
    fn the_wire_cannot_carry_a_bad_name() {
        let bytes = crate::codec::encode(&"Not A Name");
        assert!(crate::codec::decode::<UserName>(&bytes).is_err());
    }
}
