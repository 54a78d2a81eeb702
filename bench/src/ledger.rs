//! What was said and what was heard: nothing may be lost, repeated or out of order. It also says who may speak.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::peer::{Client, News, Seat};

/// When speakers speak.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As soon as fewer than so many of a speaker's messages are under way.
    Saturated(u64),
    /// One in so much time.
    Every(Duration),
}

/// The account of one workload on one server.
pub(crate) struct Ledger {
    pace: Pace,
    /// How many hear each message, by its sender. Where messages are acknowledged: one.
    listeners: u64,
    /// Seats in a room, each room's in a row.
    per_room: u32,
    /// How far a message may come before an earlier one of its sender.
    ahead: u64,
    speakers: Vec<Speaker>,
    over: Cell<bool>,
    latencies: RefCell<Vec<Duration>>,
    timed: Cell<bool>,
    failure: RefCell<Option<String>>,
    changed: Notify,
}

#[derive(Default)]
struct Speaker {
    sent: Cell<u64>,
    delivered: Cell<u64>,
    allowed: Cell<u64>,
    sent_at: RefCell<Vec<Instant>>,
    wake: Notify,
}

/// What one seat has heard of one speaker in its room.
#[derive(Clone, Default)]
struct Heard {
    /// Every number below was heard.
    next: u64,
    /// And these.
    ahead: BTreeSet<u64>,
}

impl Heard {
    /// Takes down `number`, which may be so far `ahead` of those before it.
    fn note(&mut self, number: u64, ahead: u64) -> Result<(), String> {
        if number == self.next && self.ahead.is_empty() {
            self.next += 1;
            return Ok(());
        }
        if number < self.next || number > self.next + ahead || !self.ahead.insert(number) {
            return Err(format!("message {number} where {} was next", self.next));
        }
        while self.ahead.remove(&self.next) {
            self.next += 1;
        }
        Ok(())
    }
}

impl Ledger {
    pub(crate) fn new(pace: Pace, listeners: u64, per_room: u32, ahead: u64, seats: usize) -> Self {
        Self {
            pace,
            listeners,
            per_room,
            ahead,
            speakers: std::iter::repeat_with(Speaker::default).take(seats).collect(),
            over: Cell::new(false),
            latencies: RefCell::default(),
            timed: Cell::new(false),
            failure: RefCell::default(),
            changed: Notify::new(),
        }
    }

    fn speaker(&self, seat: u32) -> &Speaker {
        &self.speakers[seat as usize]
    }

    /// Says what `seat` may say now.
    fn speak(&self, seat: Seat, client: &mut Client) {
        let speaker = self.speaker(seat.number);
        let under_way = speaker.sent.get() - speaker.delivered.get() / self.listeners;
        let free = match self.pace {
            _ if self.over.get() => 0,
            // Half a window at once, so that what can be gathered is gathered, by every server alike.
            Pace::Saturated(window) if under_way <= window / 2 => window - under_way,
            Pace::Saturated(_) => 0,
            Pace::Every(_) => speaker.allowed.get() - speaker.sent.get(),
        };
        for _ in 0..free {
            client.speech.say(speaker.sent.get(), &mut client.link.output);
            speaker.sent.set(speaker.sent.get() + 1);
            if matches!(self.pace, Pace::Every(_)) {
                speaker.sent_at.borrow_mut().push(Instant::now());
            }
        }
    }

    /// Takes down what `seat` has heard.
    fn note(&self, seat: Seat, heard: &mut [Heard], news: &mut News) -> Result<(), String> {
        if news.accepted > 0 {
            self.delivered(seat.number, std::mem::take(&mut news.accepted));
        }
        let first = seat.number / self.per_room * self.per_room;
        for (sender, number) in news.messages.drain(..) {
            let heard = sender.checked_sub(first).and_then(|place| heard.get_mut(place as usize));
            heard.ok_or("a message of another room")?.note(number, self.ahead)?;
            self.delivered(sender, 1);
            if let Pace::Every(_) = self.pace
                && self.timed.get()
            {
                let sent_at = self.speaker(sender).sent_at.borrow().get(number as usize).copied();
                self.latencies.borrow_mut().extend(sent_at.map(|sent| sent.elapsed()));
            }
        }
        Ok(())
    }

    fn delivered(&self, sender: u32, count: u64) {
        let speaker = self.speaker(sender);
        let delivered = speaker.delivered.get() + count;
        speaker.delivered.set(delivered);
        let under_way = speaker.sent.get().saturating_sub(delivered / self.listeners);
        let waits = match self.pace {
            Pace::Saturated(window) => under_way <= window / 2,
            Pace::Every(_) => false,
        };
        if waits && !self.over.get() {
            speaker.wake.notify_one();
        }
        if self.over.get() && under_way == 0 {
            self.changed.notify_one();
        }
    }

    /// Lets speakers speak at their pace, until the end.
    pub(crate) async fn run_pace(&self) {
        let Pace::Every(period) = self.pace else { return std::future::pending().await };
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            for speaker in &self.speakers {
                speaker.allowed.set(speaker.allowed.get() + 1);
                speaker.wake.notify_one();
            }
        }
    }

    /// All that was delivered, or accepted, so far.
    pub(crate) fn total(&self) -> u64 {
        self.speakers.iter().map(|speaker| speaker.delivered.get()).sum()
    }

    pub(crate) fn sent(&self) -> u64 {
        self.speakers.iter().map(|speaker| speaker.sent.get()).sum()
    }

    /// From now on latencies count, or do not.
    pub(crate) fn time(&self, timed: bool) {
        self.timed.set(timed);
    }

    pub(crate) fn take_latencies(&self) -> Vec<Duration> {
        std::mem::take(&mut self.latencies.borrow_mut())
    }

    /// Nothing more is said.
    pub(crate) fn end(&self) {
        self.over.set(true);
    }

    /// Waits until all that was said has been heard by everybody, once.
    pub(crate) async fn settled(&self) -> Result<(), String> {
        loop {
            self.check()?;
            let open = |speaker: &&Speaker| speaker.delivered.get() != speaker.sent.get() * self.listeners;
            if !self.speakers.iter().any(|speaker| open(&speaker)) {
                return Ok(());
            }
            self.changed.notified().await;
        }
    }

    /// What has gone wrong, if anything has.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.failure.borrow().clone().map_or(Ok(()), Err)
    }

    /// Waits until something has gone wrong.
    pub(crate) async fn failed(&self) -> String {
        loop {
            if let Err(error) = self.check() {
                return error;
            }
            self.changed.notified().await;
        }
    }

    /// Keeps `client` speaking and hearing.
    pub(crate) async fn live(&self, seat: Seat, mut client: Client) {
        let (mut news, mut heard) = (News::default(), vec![Heard::default(); self.per_room as usize]);
        loop {
            if seat.speaks {
                self.speak(seat, &mut client);
            }
            let Client { link, speech } = &mut client;
            tokio::select! {
                biased;
                arrived = link.next(|bytes| speech.hear(bytes, &mut news)) => {
                    let noted = arrived.and_then(|()| self.note(seat, &mut heard, &mut news));
                    if let Err(error) = noted {
                        self.failure.borrow_mut().get_or_insert(format!("seat {}: {error}", seat.number));
                        self.changed.notify_one();
                        return;
                    }
                    link.output.append(&mut news.reply);
                }
                () = self.speaker(seat.number).wake.notified(), if seat.speaks => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_repeated_or_out_of_order_is_noticed() {
        let mut strict = Heard::default();
        assert!(strict.note(0, 0).is_ok() && strict.note(1, 0).is_ok());
        assert!(strict.clone().note(1, 0).is_err(), "repeated");
        assert!(strict.clone().note(3, 0).is_err(), "lost, or out of order");
        let mut pipelined = Heard::default();
        assert!(pipelined.note(2, 2).is_ok() && pipelined.note(0, 2).is_ok());
        assert!(pipelined.clone().note(2, 2).is_err(), "repeated");
        assert!(pipelined.note(4, 2).is_err(), "too far ahead");
        assert!(pipelined.note(1, 2).is_ok());
        assert_eq!(pipelined.next, 3);
    }
}
