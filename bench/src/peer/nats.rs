//! NATS: subjects for rooms; JetStream with its acknowledgements where messages are to be kept.

use super::{Client, News, Seat, Speech, until};
use crate::link::Link;
use crate::text;

struct Nats {
    seat: u32,
    subject: String,
    /// Where acknowledgements of the stream go, when they are wanted.
    inbox: Option<String>,
}

pub(super) async fn connect(mut link: Link, seat: Seat) -> Result<Client, String> {
    let hello = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":true}\r\nPING\r\n";
    link.ask(hello, pong).await?;
    let subject = match seat.acknowledged {
        true => format!("kept.{}", seat.number),
        false => format!("room.{}", seat.room),
    };
    let inbox = seat.acknowledged.then(|| format!("ack.{}", seat.number));
    let mut question = String::new();
    if seat.hears {
        question += &format!("SUB {subject} 1\r\n");
    }
    if let Some(inbox) = &inbox {
        question += &format!("SUB {inbox} 2\r\n");
    }
    link.ask(format!("{question}PING\r\n").as_bytes(), pong).await?;
    if let Some(inbox) = &inbox {
        make_stream(&mut link, inbox).await?;
    }
    Ok(Client { link, speech: Box::new(Nats { seat: seat.number, subject, inbox }) })
}

fn pong(bytes: &[u8]) -> Result<Option<((), usize)>, String> {
    if bytes.starts_with(b"-ERR") {
        return Err(String::from_utf8_lossy(bytes).into_owned());
    }
    Ok(until(bytes, b"PONG\r\n").map(|(_, length)| ((), length)))
}

/// Making a stream that is there already, as it is, is answered like making it.
async fn make_stream(link: &mut Link, inbox: &str) -> Result<(), String> {
    let stream = r#"{"name":"KEPT","subjects":["kept.*"],"storage":"file","retention":"limits"}"#;
    let length = stream.len();
    let question = format!("PUB $JS.API.STREAM.CREATE.KEPT {inbox} {length}\r\n{stream}\r\n");
    link.ask(question.as_bytes(), |bytes| match message(bytes)? {
        Some((text, _)) if text.windows(7).any(|part| part == b"\"error\"") => {
            Err(String::from_utf8_lossy(text).into_owned())
        }
        found => Ok(found.map(|(_, length)| ((), length))),
    })
    .await
}

/// The first MSG with its payload, and where it ends.
fn message(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, String> {
    let Some((head, start)) = until(bytes, b"\r\n") else { return Ok(None) };
    let length = head.rsplit(|byte| *byte == b' ').next().and_then(|digits| std::str::from_utf8(digits).ok());
    let length: usize = length
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| format!("an unexpected line: {}", String::from_utf8_lossy(head)))?;
    Ok(bytes.get(start..start + length + 2).map(|payload| (&payload[..length], start + length + 2)))
}

impl Speech for Nats {
    fn say(&mut self, number: u64, out: &mut Vec<u8>) {
        let inbox = self.inbox.as_ref().map_or(String::new(), |inbox| format!("{inbox} "));
        out.extend_from_slice(format!("PUB {} {inbox}{}\r\n", self.subject, text::LENGTH).as_bytes());
        text::put(self.seat, number, text::LENGTH, out);
        out.extend_from_slice(b"\r\n");
    }

    fn hear(&mut self, bytes: &[u8], news: &mut News) -> Result<usize, String> {
        let mut taken = 0;
        loop {
            let rest = &bytes[taken..];
            if rest.starts_with(b"MSG ") {
                let Some((payload, length)) = message(rest)? else { return Ok(taken) };
                match &self.inbox {
                    Some(_) => acknowledged(payload, news)?,
                    None => news.messages.push(text::read(payload)?),
                }
                taken += length;
            } else {
                let Some((line, length)) = until(rest, b"\r\n") else { return Ok(taken) };
                match line {
                    b"PING" => news.reply.extend_from_slice(b"PONG\r\n"),
                    line if line.starts_with(b"-ERR") => {
                        return Err(String::from_utf8_lossy(line).into_owned());
                    }
                    _ => {}
                }
                taken += length;
            }
        }
    }
}

fn acknowledged(payload: &[u8], news: &mut News) -> Result<(), String> {
    if payload.starts_with(b"{\"stream\"") {
        news.accepted += 1;
        return Ok(());
    }
    Err(format!("not kept: {}", String::from_utf8_lossy(payload)))
}
