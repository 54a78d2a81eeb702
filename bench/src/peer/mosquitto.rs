//! MQTT 3.1.1: topics for rooms, QoS 0; QoS 1 where messages are to be acknowledged.

use super::{Client, News, Seat, Speech};
use crate::link::Link;
use crate::text;

const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const SUBACK: u8 = 0x90;

struct Mqtt {
    seat: u32,
    topic: String,
    acknowledged: bool,
}

pub(super) async fn connect(mut link: Link, seat: Seat) -> Result<Client, String> {
    // Protocol level 4, a clean session, no keep-alive.
    let mut hello = field(b"MQTT");
    hello.extend_from_slice(&[4, 2, 0, 0]);
    hello.extend_from_slice(&field(format!("c{}", seat.number).as_bytes()));
    let body = link.ask(&packet(0x10, &hello), |bytes| answer(bytes, CONNACK)).await?;
    if body.get(1) != Some(&0) {
        return Err(format!("refused: {body:?}"));
    }
    let topic = format!("r{}", seat.room);
    if seat.hears {
        let mut subscribe = vec![0, 1];
        subscribe.extend_from_slice(&field(topic.as_bytes()));
        subscribe.push(0);
        link.ask(&packet(0x82, &subscribe), |bytes| answer(bytes, SUBACK)).await?;
    }
    let speech = Mqtt { seat: seat.number, topic, acknowledged: seat.acknowledged };
    Ok(Client { link, speech: Box::new(speech) })
}

fn answer(bytes: &[u8], kind: u8) -> Result<Option<(Vec<u8>, usize)>, String> {
    let Some((first, body, length)) = take(bytes)? else { return Ok(None) };
    if first & 0xf0 == kind { Ok(Some((body.to_vec(), length))) } else { Err(format!("packet {first:#x}")) }
}

fn field(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut left = body.len();
    loop {
        let low = (left & 0x7f) as u8;
        left >>= 7;
        packet.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// A packet's first byte, its body, and its length.
type Packet<'a> = (u8, &'a [u8], usize);

/// The first whole packet.
fn take(bytes: &[u8]) -> Result<Option<Packet<'_>>, String> {
    let mut length = 0;
    for at in 1..=4 {
        let Some(byte) = bytes.get(at) else { return Ok(None) };
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            let end = at + 1 + length;
            return Ok(bytes.get(at + 1..end).map(|body| (bytes[0], body, end)));
        }
    }
    Err("a packet without an end".to_owned())
}

impl Speech for Mqtt {
    fn say(&mut self, number: u64, out: &mut Vec<u8>) {
        let mut body = field(self.topic.as_bytes());
        if self.acknowledged {
            // Packet identifiers are not 0.
            body.extend_from_slice(&((number % 0xffff) as u16 + 1).to_be_bytes());
        }
        text::put(self.seat, number, text::LENGTH, &mut body);
        out.extend_from_slice(&packet(PUBLISH | (u8::from(self.acknowledged) << 1), &body));
    }

    fn hear(&mut self, bytes: &[u8], news: &mut News) -> Result<usize, String> {
        let mut taken = 0;
        while let Some((first, body, length)) = take(&bytes[taken..])? {
            match first & 0xf0 {
                PUBLISH => {
                    let topic = body.first_chunk::<2>().map_or(0, |length| u16::from_be_bytes(*length));
                    news.messages.push(text::read(body.get(2 + usize::from(topic)..).unwrap_or_default())?);
                }
                PUBACK => news.accepted += 1,
                _ => return Err(format!("an unexpected packet: {first:#x}")),
            }
            taken += length;
        }
        Ok(taken)
    }
}
