//! A client that was away: how fast it gets what it has missed.

use std::rc::Rc;
use std::time::Duration;

use super::{Outcome, busy, limited};
use crate::machine::Watch;
use crate::peer::{News, Running, Seat};

const PATIENCE: Duration = Duration::from_secs(120);
/// Messages that wait for their acknowledgement.
const UNDER_WAY: u64 = 64;

pub(super) async fn run(running: &Rc<Running>, seats: &[Seat], messages: u64) -> Result<Outcome, String> {
    let (speaker, listener) = (seats.first().ok_or("nobody")?, seats.get(1).ok_or("nobody")?);
    let speaker = Seat { acknowledged: true, ..*speaker };
    limited("what is to be caught up with is not said", PATIENCE, say(running, speaker, messages)).await?;
    let watch = Watch::start(running.process.id());
    limited("what was missed is not heard", PATIENCE, hear(running, *listener, messages)).await?;
    let seen = watch.stop();
    let mut figures = busy(&seen);
    figures.insert("rate", messages as f64 / seen.time.as_secs_f64());
    figures.insert("us", seen.server.as_secs_f64() * 1e6 / messages as f64);
    Ok(Outcome { figures, foreign: seen.foreign })
}

async fn say(running: &Running, seat: Seat, messages: u64) -> Result<(), String> {
    let mut client = running.connect(seat).await?;
    let (mut sent, mut accepted, mut news) = (0, 0, News::default());
    while accepted < messages {
        while sent < messages && sent - accepted < UNDER_WAY {
            client.speech.say(sent, &mut client.link.output);
            sent += 1;
        }
        client.link.next(|bytes| client.speech.hear(bytes, &mut news)).await?;
        accepted += std::mem::take(&mut news.accepted);
    }
    Ok(())
}

async fn hear(running: &Running, seat: Seat, messages: u64) -> Result<(), String> {
    let mut client = running.connect(seat).await?;
    let (mut next, mut news) = (0, News::default());
    while next < messages {
        client.link.next(|bytes| client.speech.hear(bytes, &mut news)).await?;
        for (_, number) in news.messages.drain(..) {
            if number != next {
                return Err(format!("message {number} where {next} was next"));
            }
            next += 1;
        }
    }
    Ok(())
}
