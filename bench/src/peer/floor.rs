//! The bare servers and the Python original: frames of a big-endian u32 length; the first one says room and whether it
//! hears, and is answered.

use super::{Client, News, Seat, Speech};
use crate::link::Link;
use crate::{frame, text};

struct Frames {
    seat: u32,
    length: usize,
}

pub(super) async fn connect(mut link: Link, seat: Seat) -> Result<Client, String> {
    let mut hello = (seat.room as u32).to_be_bytes().to_vec();
    hello.push(u8::from(seat.hears));
    let mut question = Vec::new();
    frame::put(&hello, &mut question);
    link.ask(&question, |bytes| Ok(frame::take(bytes).map(|(_, length)| ((), length)))).await?;
    Ok(Client { link, speech: Box::new(Frames { seat: seat.number, length: frame::sealed_length() }) })
}

impl Speech for Frames {
    fn say(&mut self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.length as u32).to_be_bytes());
        text::put(self.seat, number, self.length, out);
    }

    fn hear(&mut self, bytes: &[u8], news: &mut News) -> Result<usize, String> {
        let mut taken = 0;
        while let Some((text, length)) = frame::take(&bytes[taken..]) {
            news.messages.push(text::read(text)?);
            taken += length;
        }
        Ok(taken)
    }
}
