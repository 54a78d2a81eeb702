//! Passwords: never shown, wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

/// Below this many characters a password is called short.
const SHORT: usize = 12;

/// What protects a key file. The bytes are UTF-8 as typed, as OpenSSL and Python take them.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes over `text`, which is wiped with it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// What to tell somebody who has just chosen this password; nothing when it looks strong enough.
    pub fn hint(&self) -> Option<&'static str> {
        let mut kinds: Vec<char> = self.0.chars().collect();
        let length = kinds.len();
        kinds.sort_unstable();
        kinds.dedup();
        match (length, kinds.len()) {
            (0, _) => Some("an empty password protects nothing"),
            (1..SHORT, _) => {
                Some("short passwords are guessed quickly: four or more random words are better")
            }
            (_, ..6) => {
                Some("so few different characters are guessed quickly: use four or more random words")
            }
            _ => None,
        }
    }

    /// For key derivation only.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(format!("{:?}", Password::new("hunter2")), "Password(..)");
    }

    #[test]
    fn weak_passwords_get_a_hint() {
        for weak in ["", "hunter2", "aaaaaaaaaaaaaaaa", "äöüäöüäöüäöü"] {
            assert!(Password::new(weak).hint().is_some(), "{weak}");
        }
        assert!(Password::new("correct horse battery staple").hint().is_none());
    }
}
