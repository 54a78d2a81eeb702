//! IRC: channels for rooms. Whoever speaks is in the channel, and does not hear itself.

use super::{Client, News, Seat, Speech, until};
use crate::link::Link;
use crate::text;

struct Irc {
    seat: u32,
    channel: String,
    hears: bool,
}

pub(super) async fn connect(mut link: Link, seat: Seat) -> Result<Client, String> {
    let number = seat.number;
    let hello = format!("NICK u{number}\r\nUSER u{number} 0 * :u{number}\r\n");
    registered(&mut link, hello).await?;
    let channel = format!("#r{}", seat.room);
    link.ask(format!("JOIN {channel}\r\n").as_bytes(), |bytes| numeric(bytes, b" 366 ")).await?;
    Ok(Client { link, speech: Box::new(Irc { seat: number, channel, hears: seat.hears }) })
}

/// Until the end of the welcome (422: there is no message of the day), with an answer to every PING before.
async fn registered(link: &mut Link, hello: String) -> Result<(), String> {
    let mut question = hello;
    loop {
        let ping = link.ask(question.as_bytes(), |bytes| {
            let Some((line, length)) = until(bytes, b"\r\n") else { return Ok(None) };
            Ok(Some((String::from_utf8_lossy(line).into_owned(), length)))
        });
        let line = ping.await?;
        question = match line.strip_prefix("PING ") {
            Some(cookie) => format!("PONG {cookie}\r\n"),
            None if line.contains(" 422 ") || line.contains(" 376 ") => return Ok(()),
            None if line.starts_with("ERROR") => return Err(line),
            None => String::new(),
        };
    }
}

fn numeric(bytes: &[u8], wanted: &[u8]) -> Result<Option<((), usize)>, String> {
    let mut taken = 0;
    while let Some((line, length)) = until(&bytes[taken..], b"\r\n") {
        taken += length;
        if line.starts_with(b"ERROR") {
            return Err(String::from_utf8_lossy(line).into_owned());
        }
        if line.windows(wanted.len()).any(|part| part == wanted) {
            return Ok(Some(((), taken)));
        }
    }
    Ok(None)
}

impl Speech for Irc {
    fn say(&mut self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(b"PRIVMSG ");
        out.extend_from_slice(self.channel.as_bytes());
        out.extend_from_slice(b" :");
        text::put(self.seat, number, text::LENGTH, out);
        out.extend_from_slice(b"\r\n");
    }

    fn hear(&mut self, bytes: &[u8], news: &mut News) -> Result<usize, String> {
        let mut taken = 0;
        while let Some((line, length)) = until(&bytes[taken..], b"\r\n") {
            taken += length;
            // `:nick!user@host COMMAND ...`
            let mut words = line.splitn(4, |byte| *byte == b' ');
            let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            match (first, second) {
                (b"PING", cookie) => {
                    news.reply.extend_from_slice(b"PONG ");
                    news.reply.extend_from_slice(cookie);
                    news.reply.extend_from_slice(b"\r\n");
                }
                (b"ERROR", _) => return Err(String::from_utf8_lossy(line).into_owned()),
                (_, b"PRIVMSG") if self.hears => {
                    let text = words.nth(1).and_then(|text| text.strip_prefix(b":")).unwrap_or_default();
                    news.messages.push(text::read(text)?);
                }
                _ => {}
            }
        }
        Ok(taken)
    }
}
