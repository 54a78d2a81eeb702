//! The servers that are compared: how each is started, logged in to, spoken to and heard.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use openchat_tests::free_address;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tempfile::TempDir;

use crate::certificate::{self, Certificate};
use crate::link::Link;
use crate::process::Process;

mod floor;
mod inspircd;
mod mosquitto;
mod nats;
pub(crate) mod openchat;
mod prosody;

pub(crate) use openchat::{Host, Tour, Town};

/// A server that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    OpenChat,
    /// A bare broadcaster that gathers what one round brings.
    Floor1,
    /// A bare broadcaster that writes each message by itself.
    Floor0,
    Nats,
    Inspircd,
    Mosquitto,
    Prosody,
    /// The structure of the Python program that OpenChat grew out of.
    Original,
}

impl Peer {
    pub(crate) const ALL: [Self; 8] = [
        Self::OpenChat,
        Self::Floor1,
        Self::Floor0,
        Self::Nats,
        Self::Inspircd,
        Self::Mosquitto,
        Self::Prosody,
        Self::Original,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenChat => "openchat",
            Self::Floor1 => "floor1",
            Self::Floor0 => "floor0",
            Self::Nats => "nats-server",
            Self::Inspircd => "inspircd",
            Self::Mosquitto => "mosquitto",
            Self::Prosody => "prosody",
            Self::Original => "python original",
        }
    }

    /// The command that prints its version, if it is a program of others.
    pub(crate) fn version_command(self) -> Option<[&'static str; 2]> {
        match self {
            Self::Nats => Some(["nats-server", "--version"]),
            Self::Inspircd => Some(["inspircd", "--version"]),
            Self::Mosquitto => Some(["mosquitto", "-h"]),
            Self::Prosody => Some(["prosodyctl", "about"]),
            Self::Original => Some(["/usr/bin/python3", "--version"]),
            Self::OpenChat | Self::Floor1 | Self::Floor0 => None,
        }
    }

    /// Connections to make at once.
    pub(crate) fn at_once(self) -> usize {
        // inspircd lets in who has come once a second.
        if self == Self::Inspircd { 256 } else { 8 }
    }

    /// How far a message may come before an earlier one of the same speaker. OpenChat orders what a connection asks at
    /// once as it likes, up to 64 requests (R1); its clients wait for each answer.
    pub(crate) fn ahead(self) -> u64 {
        if self == Self::OpenChat { 64 } else { 0 }
    }

    /// Messages that a speaker may have under way where as many as possible are. Enough to keep every server busy, and
    /// few enough that the slowest delivers them in the end.
    pub(crate) fn window(self) -> u64 {
        if self == Self::Prosody { 16 } else { 256 }
    }

    /// Whether whoever speaks hears it too.
    pub(crate) fn echoes(self) -> bool {
        self != Self::Inspircd
    }
}

/// Somebody's place in a workload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seat {
    /// Counted through all rooms; stands in every message as the sender.
    pub(crate) number: u32,
    /// Whose device it is, where there are devices: some have several connections.
    pub(crate) device: usize,
    pub(crate) room: usize,
    pub(crate) speaks: bool,
    pub(crate) hears: bool,
    /// Each message is to be acknowledged as kept.
    pub(crate) acknowledged: bool,
}

/// What has come over a link.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Messages, by sender and number.
    pub(crate) messages: Vec<(u32, u64)>,
    /// Messages of our own that the server has taken.
    pub(crate) accepted: u64,
    /// What the protocol wants answered.
    pub(crate) reply: Vec<u8>,
}

/// One protocol on one connection.
pub(crate) trait Speech {
    /// Message `number` of this seat.
    fn say(&mut self, number: u64, out: &mut Vec<u8>);

    /// Reads what is whole of `bytes`; returns its length.
    fn hear(&mut self, bytes: &[u8], news: &mut News) -> Result<usize, String>;
}

/// A seat that is taken: connected, logged in, and in its room.
pub(crate) struct Client {
    pub(crate) link: Link,
    pub(crate) speech: Box<dyn Speech>,
}

/// A server that runs.
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) process: Process,
    place: Place,
}

/// What the clients of a running server need to know.
enum Place {
    OpenChat(openchat::Host),
    Other { tls: Arc<ClientConfig>, _folder: TempDir },
}

/// What all servers of one run share.
pub(crate) struct Stage {
    /// Where their folders are made.
    pub(crate) folder: TempDir,
    pub(crate) certificate: Certificate,
    /// People with accounts on our server.
    pub(crate) town: Rc<Town>,
}

impl Running {
    /// Starts `peer`, for rooms with these seats.
    pub(crate) async fn start(peer: Peer, stage: &Stage, seats: &[Seat]) -> Result<Self, String> {
        if peer == Peer::OpenChat {
            let (process, host) = openchat::start(&stage.town, seats).await?;
            return Ok(Self { peer, process, place: Place::OpenChat(host) });
        }
        let folder = TempDir::new_in(stage.folder.path()).map_err(|error| error.to_string())?;
        let process = start_other(peer, stage, folder.path(), seats).await?;
        let tls = match peer {
            Peer::Floor0 | Peer::Floor1 => stage.certificate.mutual(),
            _ => stage.certificate.client(),
        };
        Ok(Self { peer, process, place: Place::Other { tls, _folder: folder } })
    }

    /// Connects, logs in, and takes the seat.
    pub(crate) async fn connect(&self, seat: Seat) -> Result<Client, String> {
        let Self { peer, process, place } = self;
        let client = match place {
            Place::OpenChat(host) => host.connect(process.address, seat).await,
            Place::Other { tls, .. } => {
                let open = Link::open(process.address, tls, localhost(), *peer == Peer::Nats);
                let link = open.await.map_err(|error| format!("{}: {error}", peer.name()))?;
                match peer {
                    Peer::Nats => nats::connect(link, seat).await,
                    Peer::Inspircd => inspircd::connect(link, seat).await,
                    Peer::Mosquitto => mosquitto::connect(link, seat).await,
                    Peer::Prosody => prosody::connect(link, seat).await,
                    _ => floor::connect(link, seat).await,
                }
            }
        };
        client.map_err(|error| format!("{}: {error}", peer.name()))
    }
}

async fn start_other(peer: Peer, stage: &Stage, folder: &Path, seats: &[Seat]) -> Result<Process, String> {
    let address = free_address();
    stage.certificate.write(folder)?;
    let write = |name: &str, text: &str| {
        let text = text
            .replace("{port}", &address.port().to_string())
            .replace("{folder}", &folder.display().to_string());
        std::fs::write(folder.join(name), text).map_err(|error| format!("cannot write {name}: {error}"))
    };
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let (own, port) = (own.display().to_string(), address.port().to_string());
    let command = match peer {
        Peer::Nats => {
            write("nats.conf", include_str!("../../peers/nats.conf"))?;
            vec!["nats-server", "--config", "nats.conf"]
        }
        Peer::Inspircd => {
            write("inspircd.conf", include_str!("../../peers/inspircd.conf"))?;
            vec!["inspircd", "--nofork", "--runasroot", "--config", "inspircd.conf"]
        }
        Peer::Mosquitto => {
            write("mosquitto.conf", include_str!("../../peers/mosquitto.conf"))?;
            vec!["mosquitto", "--config-file", "mosquitto.conf"]
        }
        Peer::Prosody => {
            write("prosody.cfg.lua", include_str!("../../peers/prosody.cfg.lua"))?;
            prosody::write_accounts(folder, seats)?;
            vec!["prosody", "-F", "--config", "prosody.cfg.lua"]
        }
        Peer::Original => {
            write("original.py", include_str!("../../peers/original.py"))?;
            vec!["/usr/bin/python3", "original.py", &port]
        }
        Peer::Floor1 => vec![&own, "floor1", &port],
        Peer::Floor0 => vec![&own, "floor0", &port],
        Peer::OpenChat => unreachable!("it is started otherwise"),
    };
    Process::start(&command, folder, address).await
}

fn localhost() -> ServerName<'static> {
    ServerName::try_from(certificate::NAME).expect("a DNS name")
}

/// The length of what ends with `end`, and the part before.
fn until<'a>(bytes: &'a [u8], end: &[u8]) -> Option<(&'a [u8], usize)> {
    let at = bytes.windows(end.len()).position(|window| window == end)?;
    Some((&bytes[..at], at + end.len()))
}
