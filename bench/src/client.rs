//! What a client spends on messages and changes of a room: the MLS library by itself, our layer on it, and that with
//! engine and vault. The same operations on all, in one thread, whose CPU time is what counts.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use openchat_protocol::limits;

use crate::compare::median;
use crate::machine::own_cpu;
use crate::person::Outcome;

mod library;
mod profile;
mod room;

/// Devices that one commit brings into a room: as many as a commit carries Welcomes.
const AT_ONCE: usize = limits::WELCOMES;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Seal,
    Open,
    /// The same, a page of a log at a time.
    OpenPage,
    Add,
    TakeAdd,
    Update,
    TakeUpdate,
    Remove,
    TakeRemove,
    Join,
    TakeJoin,
}

impl Operation {
    const ALL: [Self; 11] = [
        Self::Seal,
        Self::Open,
        Self::OpenPage,
        Self::Add,
        Self::TakeAdd,
        Self::Update,
        Self::TakeUpdate,
        Self::Remove,
        Self::TakeRemove,
        Self::Join,
        Self::TakeJoin,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal a message",
            Self::Open => "open a message",
            Self::OpenPage => "open a message, pages of 256",
            Self::Add => "add a device",
            Self::TakeAdd => "follow an addition",
            Self::Update => "change own keys",
            Self::TakeUpdate => "follow new keys",
            Self::Remove => "remove a device",
            Self::TakeRemove => "follow a removal",
            Self::Join => "come in from outside",
            Self::TakeJoin => "follow who came in",
        }
    }
}

/// Who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    /// `mls-rs` by itself.
    Library,
    /// `openchat-e2ee`.
    Room,
    /// The same with what a client writes to its vault; where records are read, the client's engine does it.
    Vault,
}

/// CPU time of operations, and how often they were done.
#[derive(Debug, Default)]
struct Spent(BTreeMap<Operation, (Duration, u32)>);

impl Spent {
    /// Does `work` once.
    fn on<T>(&mut self, operation: Operation, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
        self.on_many(operation, 1, work)
    }

    /// `work` does the operation so many times.
    fn on_many<T>(
        &mut self,
        operation: Operation,
        times: usize,
        work: impl FnOnce() -> Outcome<T>,
    ) -> Outcome<T> {
        let (done, time) = timed(work);
        self.note(operation, times as u32, time);
        done
    }

    fn note(&mut self, operation: Operation, times: u32, time: Duration) {
        let (sum, count) = self.0.entry(operation).or_default();
        (*sum, *count) = (*sum + time, *count + times);
    }
}

/// What `work` does, and the CPU time that it takes.
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = own_cpu();
    let done = work();
    (done, own_cpu().saturating_sub(start))
}

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Devices in a room.
    pub(crate) sizes: Vec<u32>,
    /// Rounds, in each of which everybody does everything.
    pub(crate) rounds: usize,
    /// Messages in a round.
    pub(crate) messages: u64,
    /// Changes of each kind in a round.
    pub(crate) changes: u32,
}

impl Plan {
    pub(crate) fn quick() -> Self {
        Self { sizes: vec![2, 10, 100, 400], rounds: 1, messages: 512, changes: 2 }
    }

    pub(crate) fn full() -> Self {
        Self { rounds: 3, messages: 2048, changes: 5, ..Self::quick() }
    }
}

/// µs of CPU for one operation in a room of so many devices, in each round.
#[derive(Debug, Default)]
pub(crate) struct Costs(BTreeMap<(Operation, u32, Layer), Vec<f64>>);

/// Measures all of it.
pub(crate) fn measure(plan: &Plan) -> Result<Costs, String> {
    let mut costs = Costs::default();
    for &devices in &plan.sizes {
        eprintln!("==> what a client spends in a room of {devices} devices");
        costs.add(plan, devices).map_err(|error| format!("a room of {devices} devices: {error}"))?;
    }
    Ok(costs)
}

/// The same, and prints it.
pub(crate) fn run(plan: &Plan) -> Result<(), String> {
    println!("{}", measure(plan)?.table());
    Ok(())
}

impl Costs {
    fn add(&mut self, plan: &Plan, devices: u32) -> Outcome<()> {
        let mut library = library::Library::of(devices)?;
        let mut room = room::Room::of(devices)?;
        for _ in 0..plan.rounds {
            let mut alone = Spent::default();
            library.talk(plan.messages, &mut alone)?;
            for _ in 0..plan.changes {
                library.change(&mut alone)?;
            }
            self.note(devices, Layer::Library, alone);
            let mut spent = room::Layers::default();
            room.talk(plan.messages, &mut spent)?;
            for _ in 0..plan.changes {
                room.change(&mut spent)?;
            }
            self.note(devices, Layer::Room, spent.room);
            self.note(devices, Layer::Vault, spent.vault);
        }
        // Who has followed all changes can read what is said after them.
        library.talk(1, &mut Spent::default())?;
        room.talk(1, &mut room::Layers::default())
    }

    fn note(&mut self, devices: u32, layer: Layer, spent: Spent) {
        for (operation, (time, count)) in spent.0 {
            let each = time.as_secs_f64() * 1e6 / f64::from(count);
            self.0.entry((operation, devices, layer)).or_default().push(each);
        }
    }

    fn median(&self, operation: Operation, devices: u32, layer: Layer) -> Option<f64> {
        median(self.0.get(&(operation, devices, layer))?.clone())
    }

    /// Markdown: what each layer takes, and how many times what the library takes.
    pub(crate) fn table(&self) -> String {
        let mut sizes: Vec<u32> = self.0.keys().map(|(_, devices, _)| *devices).collect();
        sizes.sort_unstable();
        sizes.dedup();
        let mut out =
            String::from("| µs of CPU | devices | mls-rs alone | our layer | with engine and vault |\n");
        out.push_str("|---|---|---|---|---|\n");
        for operation in Operation::ALL {
            for &devices in &sizes {
                let of = |layer| self.median(operation, devices, layer);
                let alone_as = if operation == Operation::OpenPage { Operation::Open } else { operation };
                let alone = self.median(alone_as, devices, Layer::Library);
                let ratio = |cost: Option<f64>| match (cost, alone) {
                    (Some(cost), Some(alone)) => format!("{}; {:.2}×", digits(cost), cost / alone),
                    _ => "–".to_owned(),
                };
                _ = writeln!(
                    out,
                    "| {} | {devices} | {} | {} | {} |",
                    operation.name(),
                    of(Layer::Library).map_or("–".to_owned(), digits),
                    ratio(of(Layer::Room)),
                    ratio(of(Layer::Vault))
                );
            }
        }
        out
    }
}

/// Three digits, or all of them.
fn digits(cost: f64) -> String {
    match cost {
        cost if cost < 10.0 => format!("{cost:.2}"),
        cost if cost < 100.0 => format!("{cost:.1}"),
        cost => format!("{cost:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation of every layer, with what it checks.
    #[test]
    fn each_layer_seals_opens_and_follows_every_change() {
        let plan = Plan { sizes: vec![2, 3], rounds: 1, messages: 3, changes: 1 };
        let costs = measure(&plan).unwrap();
        for operation in Operation::ALL {
            let layers = match operation {
                Operation::OpenPage => &[Layer::Vault][..],
                _ => &[Layer::Library, Layer::Room, Layer::Vault][..],
            };
            for (layer, devices) in layers.iter().flat_map(|layer| [(layer, 2), (layer, 3)]) {
                let cost = costs.median(operation, devices, *layer);
                assert!(cost.is_some_and(|cost| cost > 0.0), "{operation:?}, {layer:?}: {cost:?}");
            }
        }
        assert_eq!(costs.table().lines().count(), 2 + 2 * Operation::ALL.len());
    }
}
