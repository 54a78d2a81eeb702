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
}

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

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $shortest:literal, $longest:literal, $prefix:literal) => {
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
                // Once more after lower-casing: UTS 39 maps `0` to `O`.
                skeleton(&skeleton(&self.0).collect::<String>().to_lowercase()).collect()
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            /// Accepts the name with or without its sign in front.
            fn from_str(text: &str) -> Result<Self, NameError> {
                let text = text.strip_prefix($prefix).unwrap_or(text);
                check(text, $shortest, $longest).map(|()| Self(text.to_owned()))
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
                check(text, $shortest, $longest).map_err(|error| decode::Error::message(error.to_string()))?;
                Ok(Self(text.to_owned()))
            }
        }
    };
}

name! {
    /// A user's name on one server.
    UserName, 3, 32, '@'
}
name! {
    /// A room's name on one server, written with `#` in front when people see it.
    RoomName, 1, 64, '#'
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
