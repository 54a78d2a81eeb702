//! What is asked of a server, and what is measured meanwhile.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use crate::ledger::{Ledger, Pace};
use crate::machine::{self, Seen, Watch};
use crate::peer::{Client, Peer, Running, Seat, Stage};

mod catch_up;
mod talk;

pub(crate) use talk::run as converse;

/// For one measurement, with its connections and its end.
const PATIENCE: Duration = Duration::from_secs(120);
/// Sessions that one device may have.
pub(crate) const SESSIONS: usize = 4;
/// Devices that may be in one room, less the speaker.
pub(crate) const IN_ROOM: usize = 499;

/// One workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workload {
    /// One speaks, so many hear; as fast as it goes.
    Saturated(u32),
    /// The same at 20 messages a second.
    Paced(u32),
    /// 100 rooms of 10 who all speak.
    Rooms,
    /// So many connections that are logged in.
    Idle(u32),
    /// Connections and logins.
    Login(u32),
    /// So many speakers, each in a room of its own and heard by nobody; what counts is what is acknowledged as kept.
    Kept(u32),
    /// A client that comes back to so many messages.
    CatchUp(u32),
}

/// How long a workload runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) warm: Duration,
    pub(crate) measured: Duration,
}

/// What was measured, by name.
pub(crate) type Figures = BTreeMap<&'static str, f64>;

/// One measurement.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) figures: Figures,
    /// Cores that others kept busy.
    pub(crate) foreign: f64,
}

impl Workload {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Saturated(listeners) => format!("1×{listeners} saturated"),
            Self::Paced(listeners) => format!("1×{listeners} at 20/s"),
            Self::Rooms => "100×10 all sending".to_owned(),
            Self::Idle(count) => format!("{count} idle connections"),
            Self::Login(count) => format!("{count} logins"),
            Self::Kept(1) => "durable, 1 sender".to_owned(),
            Self::Kept(senders) => format!("durable, {senders} senders"),
            Self::CatchUp(messages) => format!("catch-up of {messages} messages"),
        }
    }

    /// Whether `peer` does what is asked.
    pub(crate) fn suits(self, peer: Peer) -> bool {
        match self {
            Self::Kept(_) => {
                matches!(peer, Peer::OpenChat | Peer::Nats | Peer::Mosquitto | Peer::Prosody)
            }
            Self::CatchUp(_) => peer == Peer::OpenChat,
            _ => true,
        }
    }

    /// Connections at a time.
    pub(crate) fn seats(self) -> usize {
        match self {
            Self::Saturated(listeners) | Self::Paced(listeners) => listeners as usize + 1,
            Self::Rooms => 1000,
            Self::Idle(count) | Self::Login(count) | Self::Kept(count) => count as usize,
            Self::CatchUp(_) => 2,
        }
    }

    fn taken(self) -> Vec<Seat> {
        let seat = |number: u32| Seat {
            number,
            device: number as usize,
            room: 0,
            speaks: false,
            hears: false,
            acknowledged: false,
        };
        let numbers = 0..self.seats() as u32;
        match self {
            // The speaker has a device of its own; listeners share theirs where a room has fewer devices.
            Self::Saturated(_) | Self::Paced(_) | Self::CatchUp(_) => numbers
                .map(|number| match number {
                    0 => Seat { speaks: true, ..seat(0) },
                    _ => Seat { device: 1 + (number as usize - 1) % IN_ROOM, hears: true, ..seat(number) },
                })
                .collect(),
            Self::Rooms => numbers
                .map(|number| Seat {
                    device: number as usize % 500,
                    room: number as usize / 10,
                    speaks: true,
                    hears: true,
                    ..seat(number)
                })
                .collect(),
            Self::Idle(_) => numbers
                .map(|number| {
                    let device = number as usize / SESSIONS;
                    Seat { device, room: device / IN_ROOM, ..seat(number) }
                })
                .collect(),
            Self::Login(_) => {
                numbers.map(|number| Seat { device: number as usize % IN_ROOM, ..seat(number) }).collect()
            }
            Self::Kept(_) => numbers
                .map(|number| Seat {
                    room: number as usize,
                    speaks: true,
                    acknowledged: true,
                    ..seat(number)
                })
                .collect(),
        }
    }

    /// Starts `peer` anew and measures it once. Gives up when it takes far too long.
    pub(crate) async fn measure(self, peer: Peer, stage: &Stage, span: Span) -> Result<Outcome, String> {
        limited("the whole measurement", PATIENCE, self.measure_at_length(peer, stage, span)).await
    }

    async fn measure_at_length(self, peer: Peer, stage: &Stage, span: Span) -> Result<Outcome, String> {
        let mut seats = self.taken();
        // What is heard by everybody is not by who only logs in. MQTT, NATS and IRC have no idle client without a
        // subscription, and ours follows its rooms: so idle ones do.
        if matches!(self, Self::Idle(_)) {
            for seat in &mut seats {
                seat.hears = true;
                if peer != Peer::OpenChat {
                    // Of its own: a channel of thousands is told of each who comes.
                    seat.room = seat.number as usize;
                }
            }
        }
        let running = Rc::new(Running::start(peer, stage, &seats).await?);
        let local = LocalSet::new();
        local
            .run_until(async {
                match self {
                    Self::Saturated(listeners) => {
                        let pace = Pace::Saturated(peer.window());
                        talk::run(&running, seats, pace, u64::from(listeners), span).await
                    }
                    Self::Paced(listeners) => {
                        let pace = Pace::Every(Duration::from_millis(50));
                        talk::run(&running, seats, pace, u64::from(listeners), span).await
                    }
                    Self::Rooms => {
                        let listeners = if peer.echoes() { 10 } else { 9 };
                        let pace = Pace::Saturated(peer.window().div_ceil(64));
                        talk::run(&running, seats, pace, listeners, span).await
                    }
                    Self::Kept(1) => talk::run(&running, seats, Pace::Saturated(1), 1, span).await,
                    Self::Kept(_) => {
                        let pace = Pace::Saturated(peer.window().div_ceil(25));
                        talk::run(&running, seats, pace, 1, span).await
                    }
                    Self::Idle(_) => idle(&running, seats).await,
                    Self::Login(_) => log_in(&running, seats).await,
                    Self::CatchUp(messages) => catch_up::run(&running, &seats, u64::from(messages)).await,
                }
            })
            .await
    }
}

/// Connects everybody; each is given to `live` at once, so that nobody is left unheard.
async fn connect(running: &Rc<Running>, seats: Vec<Seat>, live: impl Fn(Seat, Client)) -> Result<(), String> {
    let connecting = stream::iter(seats).map(|seat| {
        let running = Rc::clone(running);
        async move { running.connect(seat).await.map(|client| (seat, client)) }
    });
    let mut connected = connecting.buffer_unordered(running.peer.at_once());
    while let Some((seat, client)) = connected.try_next().await? {
        live(seat, client);
    }
    Ok(())
}

/// Memory of connections that do nothing.
async fn idle(running: &Rc<Running>, seats: Vec<Seat>) -> Result<Outcome, String> {
    let count = seats.len() as f64;
    let pid = running.process.id();
    // One first, so that what is made once is there.
    let mut seats = seats.into_iter();
    let first = seats.next().ok_or("nobody")?;
    let rest: Vec<Seat> = seats.collect();
    let ledger = Rc::new(Ledger::new(Pace::Saturated(0), 1, 1, 0, rest.len() + 1));
    let live = |seat, client| {
        let ledger = Rc::clone(&ledger);
        tokio::task::spawn_local(async move { ledger.live(seat, client).await });
    };
    connect(running, vec![first], live).await?;
    let before = machine::memory(pid);
    let watch = Watch::start(pid);
    connect(running, rest, live).await?;
    // What a login leaves to do is done by then.
    sleep(Duration::from_secs(1)).await;
    ledger.check()?;
    let seen = watch.stop();
    let memory = machine::memory(pid).saturating_sub(before) as f64 / (count - 1.0);
    Ok(Outcome { figures: Figures::from([("KiB", memory)]), foreign: seen.foreign })
}

/// CPU time of connections and logins.
async fn log_in(running: &Rc<Running>, seats: Vec<Seat>) -> Result<Outcome, String> {
    let count = seats.len() as f64;
    let watch = Watch::start(running.process.id());
    let clients = std::cell::RefCell::new(Vec::new());
    connect(running, seats, |_, client| clients.borrow_mut().push(client)).await?;
    let seen = watch.stop();
    let mut figures = busy(&seen);
    figures.insert("rate", count / seen.time.as_secs_f64());
    figures.insert("ms", seen.server.as_secs_f64() * 1e3 / count);
    Ok(Outcome { figures, foreign: seen.foreign })
}

/// How busy both ends were.
pub(crate) fn busy(seen: &Seen) -> Figures {
    let share = |cpu: Duration| cpu.as_secs_f64() / seen.time.as_secs_f64();
    Figures::from([("server", share(seen.server)), ("generator", share(seen.own))])
}

async fn limited<T>(
    what: &str,
    patience: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    timeout(patience, work)
        .await
        .unwrap_or_else(|_| Err(format!("{what}: not after {} s", patience.as_secs())))
}
