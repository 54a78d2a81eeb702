//! Padmé padding: hides the length of a message at a cost of at most 12 % (Nikitin et al., PETS 2019, §4).
//!
//! The padding is inside the encryption and thus authenticated: 0x80, then zeros (ISO/IEC 7816-4).

const MARK: u8 = 0x80;

/// Short messages all look alike: most of a conversation is shorter than this.
const SHORTEST: usize = 256;

/// `plain`, padded to a length that only tells its order of magnitude.
pub(crate) fn pad(mut plain: Vec<u8>) -> Vec<u8> {
    plain.push(MARK);
    plain.resize(padme(plain.len()).max(SHORTEST), 0);
    plain
}

/// What was padded.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    let (plain, rest) = padded.split_at_checked(end)?;
    (rest.first() == Some(&MARK) && padded.len() == padme(end + 1).max(SHORTEST)).then_some(plain)
}

/// The next length whose low bits are zero: as many of them as leaves the exponent's own length of bits.
fn padme(length: usize) -> usize {
    let Some(exponent) = length.checked_ilog2() else { return length };
    let Some(precision) = exponent.checked_ilog2() else { return length };
    let mask = (1usize << (exponent - precision - 1)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_those_of_the_paper() {
        for (length, padded) in
            [(0, 0), (1, 1), (9, 10), (100, 104), (1000, 1024), (10_000, 10_240), (65_537, 67_584)]
        {
            assert_eq!(padme(length), padded, "{length}");
        }
    }

    #[test]
    fn other_padding_is_refused() {
        let padded = pad(b"text".to_vec());
        assert_eq!(unpad(&padded), Some(&b"text"[..]));
        assert_eq!(unpad(&padded[..255]), None, "too short");
        assert_eq!(unpad(&[&padded[..], &[0]].concat()), None, "too long");
        assert_eq!(unpad(&[0; 256]), None, "no mark");
        assert_eq!(unpad(&[]), None);
    }

    proptest! {
        #[test]
        fn padding_comes_off_and_costs_little(plain in prop::collection::vec(any::<u8>(), 0..5000)) {
            let padded = pad(plain.clone());
            prop_assert_eq!(unpad(&padded), Some(&plain[..]));
            prop_assert!(padded.len() <= SHORTEST.max((plain.len() + 1) * 112 / 100 + 1));
        }
    }
}
