//! Speakers and listeners: what is delivered, at what cost, and how late.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::timeout;

use super::{Figures, Outcome, Span, busy, connect, limited};
use crate::ledger::{Ledger, Pace};
use crate::machine::Watch;
use crate::peer::{Running, Seat};

/// What was said must have been heard by then.
const SETTLING: Duration = Duration::from_secs(60);

/// Speakers speak at `pace`, each message to so many `listeners`.
pub(crate) async fn run(
    running: &Rc<Running>,
    seats: Vec<Seat>,
    pace: Pace,
    listeners: u64,
    span: Span,
) -> Result<Outcome, String> {
    // The other rooms are of the same size, or nobody speaks there.
    let per_room = seats.iter().filter(|seat| seat.room == 0).count() as u32;
    let ledger = Rc::new(Ledger::new(pace, listeners, per_room, running.peer.ahead(), seats.len()));
    // Listeners first, in their rooms before anything is said.
    let (speakers, others): (Vec<_>, Vec<_>) = seats.into_iter().partition(|seat| seat.speaks);
    let live = |seat, client| {
        let ledger = Rc::clone(&ledger);
        tokio::task::spawn_local(async move { ledger.live(seat, client).await });
    };
    connect(running, others, live).await?;
    let waiting = std::cell::RefCell::new(Vec::new());
    connect(running, speakers, |seat, client| waiting.borrow_mut().push((seat, client))).await?;
    // What the server spends from the first word until the last has been heard is what all deliveries cost.
    let whole = Watch::start(running.process.id());
    waiting.into_inner().into_iter().for_each(|(seat, client)| live(seat, client));
    let pacer = Rc::clone(&ledger);
    let pacer = tokio::task::spawn_local(async move { pacer.run_pace().await });

    let outcome = measured(running, &ledger, pace, listeners, span).await;
    pacer.abort();
    ledger.end();
    let mut outcome = outcome?;
    limited("what was said is not heard", SETTLING, ledger.settled()).await?;
    let spent = whole.stop().server;
    outcome.figures.insert("us", spent.as_secs_f64() * 1e6 / ledger.total().max(1) as f64);
    Ok(outcome)
}

async fn measured(
    running: &Running,
    ledger: &Ledger,
    pace: Pace,
    listeners: u64,
    span: Span,
) -> Result<Outcome, String> {
    pass(ledger, span.warm).await?;
    ledger.time(true);
    let (before, sent) = (ledger.total(), ledger.sent());
    let watch = Watch::start(running.process.id());
    pass(ledger, span.measured).await?;
    let seen = watch.stop();
    ledger.time(false);
    let (delivered, sent) = (ledger.total() - before, ledger.sent() - sent);
    let mut figures = busy(&seen);
    figures.insert("rate", delivered as f64 / seen.time.as_secs_f64());
    if let Pace::Every(_) = pace {
        // Fewer than were said in that time: it does not keep up.
        figures.insert("kept up", delivered as f64 / (sent * listeners).max(1) as f64);
        latencies(ledger, &mut figures);
    }
    Ok(Outcome { figures, foreign: seen.foreign })
}

async fn pass(ledger: &Ledger, time: Duration) -> Result<(), String> {
    timeout(time, ledger.failed()).await.map_or(Ok(()), Err)
}

fn latencies(ledger: &Ledger, figures: &mut Figures) {
    let mut times = ledger.take_latencies();
    times.sort_unstable();
    let at =
        |share: f64| times.get((times.len() as f64 * share) as usize).map_or(0.0, |t| t.as_secs_f64() * 1e3);
    figures.insert("p50", at(0.5));
    figures.insert("p99", at(0.99));
}
