//! The message that every peer carries: 200 characters, of which the first 20 say whose and which it is.

/// Bytes of what a person says.
pub(crate) const LENGTH: usize = 200;
/// Digits of the sender, then of the number.
const SENDER: usize = 8;
const DIGITS: usize = 20;

/// Message `number` of `sender`, in `length` bytes.
pub(crate) fn put(sender: u32, number: u64, length: usize, out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + length, b'x');
    let digits = &mut out[start..start + DIGITS];
    write(u64::from(sender), &mut digits[..SENDER]);
    write(number, &mut digits[SENDER..]);
}

/// Whose message it is, and which.
pub(crate) fn read(text: &[u8]) -> Result<(u32, u64), String> {
    let digits = text.get(..DIGITS).filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let digits = digits.ok_or_else(|| format!("no message of ours: {}", String::from_utf8_lossy(text)))?;
    let number = |digits: &[u8]| digits.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Ok((number(&digits[..SENDER]) as u32, number(&digits[SENDER..])))
}

fn write(mut number: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_says_whose_and_which_it_is() {
        let mut out = vec![7];
        put(31, 1_234_567_890, LENGTH, &mut out);
        assert_eq!(out.len(), 1 + LENGTH);
        assert_eq!(read(&out[1..]), Ok((31, 1_234_567_890)));
        assert!(read(b"hello").is_err());
    }
}
