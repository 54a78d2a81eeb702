//! XMPP: rooms of a multi-user chat (XEP-0045) with an archive. What the room sends back is what it has kept.

use std::fs;
use std::path::Path;

use data_encoding::BASE64;

use super::{Client, News, Seat, Speech, until};
use crate::link::Link;
use crate::text;

const PASSWORD: &str = "password";
const STREAM: &str = "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' \
                      xmlns:stream='http://etherx.jabber.org/streams'>";

struct Xmpp {
    seat: u32,
    room: String,
    hears: bool,
    acknowledged: bool,
}

/// Accounts as Prosody's own storage has them.
pub(super) fn write_accounts(folder: &Path, seats: &[Seat]) -> Result<(), String> {
    let accounts = folder.join("data/localhost/accounts");
    fs::create_dir_all(&accounts).map_err(|error| error.to_string())?;
    seats.iter().try_for_each(|seat| {
        let account = format!("return {{ [\"password\"] = \"{PASSWORD}\"; }};\n");
        fs::write(accounts.join(format!("u{}.dat", seat.number)), account).map_err(|error| error.to_string())
    })
}

pub(super) async fn connect(mut link: Link, seat: Seat) -> Result<Client, String> {
    let number = seat.number;
    let proof = BASE64.encode(format!("\0u{number}\0{PASSWORD}").as_bytes());
    ask(&mut link, STREAM, b"</stream:features>").await?;
    let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{proof}</auth>");
    ask(&mut link, &auth, b"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>").await?;
    ask(&mut link, STREAM, b"</stream:features>").await?;
    let bind = "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>";
    ask(&mut link, bind, b"</iq>").await?;
    let room = format!("r{}@rooms.localhost", seat.room);
    if seat.hears || seat.speaks {
        let join = format!(
            "<presence to='{room}/u{number}'><x xmlns='http://jabber.org/protocol/muc'>\
             <history maxstanzas='0'/></x></presence>"
        );
        // The subject of the room ends what a joiner is told.
        ask(&mut link, &join, b"</subject></message>").await?;
    }
    let Seat { hears, acknowledged, .. } = seat;
    Ok(Client { link, speech: Box::new(Xmpp { seat: number, room, hears, acknowledged }) })
}

async fn ask(link: &mut Link, question: &str, end: &[u8]) -> Result<(), String> {
    link.ask(question.as_bytes(), |bytes| {
        if bytes.windows(8).any(|part| part == b"<failure") || bytes.windows(6).any(|part| part == b"<error")
        {
            return Err(String::from_utf8_lossy(bytes).into_owned());
        }
        // A room without a subject says so with an empty one.
        let found = until(bytes, end).or_else(|| match end {
            b"</subject></message>" => until(bytes, b"<subject/></message>"),
            _ => None,
        });
        Ok(found.map(|(_, length)| ((), length)))
    })
    .await
}

impl Speech for Xmpp {
    fn say(&mut self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("<message to='{}' type='groupchat'><body>", self.room).as_bytes());
        text::put(self.seat, number, text::LENGTH, out);
        out.extend_from_slice(b"</body></message>");
    }

    fn hear(&mut self, bytes: &[u8], news: &mut News) -> Result<usize, String> {
        let mut taken = 0;
        while let Some((stanza, length)) = until(&bytes[taken..], b"</message>") {
            if let Some((_, start)) = until(stanza, b"<body>") {
                let message = text::read(&stanza[start..])?;
                match (self.acknowledged, self.hears) {
                    (true, _) => news.accepted += 1,
                    (false, true) => news.messages.push(message),
                    (false, false) => {}
                }
            }
            taken += length;
        }
        Ok(taken)
    }
}
