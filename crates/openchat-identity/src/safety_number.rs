//! Safety numbers: sixty digits that two people compare to know that each has the other's true identity key.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use openchat_protocol::{ServerFingerprint, Uid};

const DOMAIN: &[u8] = b"OpenChat safety number v1\0";
const SCHEME: &str = "OPENCHAT-SAFETY:";
/// Groups for each of the two people, of [`WIDTH`] digits, from five bytes each.
const GROUPS: usize = 6;
const WIDTH: usize = 5;

/// What two people compare, the same for both: thirty digits of each identity, the smaller ones first. Each half stands
/// for one key alone, so whoever wants two people to see the same digits has to find a second key with the same half:
/// 2^99 attempts. (A hash over both keys at once could be met from both sides, in the square root of that.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafetyNumber([[u8; GROUPS * WIDTH]; 2]);

/// Text that is no safety number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a safety number has 60 digits, and this has not")]
pub struct SafetyNumberError;

impl SafetyNumber {
    /// The number of two identities on one server, whichever is named first. An identifier is the hash of its key.
    pub fn of(server: &ServerFingerprint, one: Uid, other: Uid) -> Self {
        let mut halves = [half(server, one), half(server, other)];
        halves.sort_unstable();
        Self(halves)
    }

    /// What a QR code shows: digits and capitals alone, which makes it small.
    pub fn to_code(&self) -> String {
        format!("{SCHEME}{}", self.digits().collect::<String>())
    }

    fn digits(&self) -> impl Iterator<Item = char> {
        self.0.iter().flatten().map(|digit| char::from(b'0' + digit))
    }
}

/// Groups of five digits.
impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, digit) in self.digits().enumerate() {
            if index > 0 && index % WIDTH == 0 {
                f.write_str(" ")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

/// Digits with spaces anywhere, or what a QR code of one says.
impl FromStr for SafetyNumber {
    type Err = SafetyNumberError;

    fn from_str(text: &str) -> Result<Self, SafetyNumberError> {
        let text = text.trim();
        let text = text.strip_prefix(SCHEME).unwrap_or(text);
        let digit =
            |c: char| c.to_digit(10).and_then(|digit| u8::try_from(digit).ok()).ok_or(SafetyNumberError);
        let digits: Vec<u8> =
            text.chars().filter(|c| !c.is_whitespace()).map(digit).collect::<Result<_, _>>()?;
        let (one, rest) = digits.split_first_chunk().ok_or(SafetyNumberError)?;
        let other = rest.try_into().map_err(|_| SafetyNumberError)?;
        Ok(Self([*one, other]))
    }
}

fn half(server: &ServerFingerprint, uid: Uid) -> [u8; GROUPS * WIDTH] {
    let hash = digest(&SHA256, &[DOMAIN, server.as_bytes(), uid.as_bytes()].concat());
    let mut digits = [0; GROUPS * WIDTH];
    for (group, bytes) in digits.chunks_mut(WIDTH).zip(hash.as_ref().chunks(5)) {
        // 2^40 is so much larger than 10^5 that no digit is noticeably more frequent.
        let mut number = bytes.iter().fold(0, |number: u64, byte| (number << 8) | u64::from(*byte));
        for digit in group.iter_mut().rev() {
            *digit = u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: ServerFingerprint = ServerFingerprint([7; 32]);

    #[test]
    fn both_people_see_the_same_number_and_nobody_else_does() {
        let (alice, bob, eve) = (Uid([1; 16]), Uid([2; 16]), Uid([3; 16]));
        let number = SafetyNumber::of(&SERVER, alice, bob);
        assert_eq!(number, SafetyNumber::of(&SERVER, bob, alice));
        assert_ne!(number, SafetyNumber::of(&SERVER, alice, eve));
        assert_ne!(number, SafetyNumber::of(&SERVER, eve, bob));
        assert_ne!(number, SafetyNumber::of(&ServerFingerprint([8; 32]), alice, bob));
    }

    /// People have numbers on paper: these digits stay.
    #[test]
    fn the_digits_are_fixed() {
        let number = SafetyNumber::of(&SERVER, Uid([1; 16]), Uid([2; 16]));
        let digits = "29940 76815 85319 44184 37545 94848 70307 37325 68971 55151 17676 81814";
        assert_eq!(number.to_string(), digits);
        assert_eq!(number.to_string().parse(), Ok(number));
        assert_eq!(number.to_code().parse(), Ok(number));
        assert_eq!(format!(" {number}\n").parse(), Ok(number));
    }

    #[test]
    fn what_has_not_sixty_digits_is_no_number() {
        let number = SafetyNumber::of(&SERVER, Uid([1; 16]), Uid([2; 16])).to_string();
        for text in ["", "12345", &number[1..], &format!("{number}1"), &number.replace('0', "O")] {
            assert_eq!(text.parse::<SafetyNumber>(), Err(SafetyNumberError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_or_an_error(text in "(OPENCHAT-SAFETY:)?[0-9 ]{55,75}") {
            if let Ok(number) = text.parse::<SafetyNumber>() {
                prop_assert_eq!(number.to_code().parse(), Ok(number));
            }
        }
    }
}
