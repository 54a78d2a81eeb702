//! What a delivery costs our server as something grows: members of a room, rooms, the log, connections.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::compare::{Cell, median};
use crate::ledger::Pace;
use crate::machine;
use crate::peer::{Peer, Running, Seat, Stage, Tour, Town};
use crate::plot::{self, Series};
use crate::workload::{Figures, IN_ROOM, Outcome, SESSIONS, Span, Workload, converse};

/// Sessions that speak where rooms or the log grow, and with more rooms than so many of them may be in.
const PEOPLE: usize = 100;
const MANY_PEOPLE: usize = 500;
const MANY_ROOMS: usize = 20_000;
/// Rooms whose log grows.
const LONG_ROOMS: usize = 10;
/// Who hears what is said while connections grow.
const HEARERS: u32 = 100;
/// Messages of a speaker that are under way.
const WINDOW: u64 = 256;
/// The end costs so many times the beginning: more than linear in all.
const GROWN: f64 = 1.25;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Axis {
    Members,
    Rooms,
    History,
    Connections,
}

impl Axis {
    pub(crate) const ALL: [Self; 4] = [Self::Members, Self::Rooms, Self::History, Self::Connections];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Members => "members",
            Self::Rooms => "rooms",
            Self::History => "history",
            Self::Connections => "connections",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Members => "listeners in one room",
            Self::Rooms => "rooms of two, all spoken in",
            Self::History => "messages in the log",
            Self::Connections => "connections, 101 of them in the room that is spoken in",
        }
    }

    /// The figures, and how they read.
    fn figures(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Members => &[("us", "µs of CPU per delivery")],
            Self::Rooms => &[("us", "µs of CPU per delivery"), ("KB", "KB to the disk per message")],
            Self::History => &[
                ("us", "µs of CPU per delivery"),
                ("KB", "KB to the disk per message"),
                ("start", "ms until it listens"),
                ("MiB", "MiB after its start"),
            ],
            Self::Connections => &[("us", "µs of CPU per delivery"), ("KiB", "KiB of memory per connection")],
        }
    }

    /// The file of its plot, beside the document.
    fn plot(self) -> String {
        format!("pictures/growth-{}.svg", self.name())
    }
}

/// How far each axis goes.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    members: Vec<u64>,
    rooms: Vec<u64>,
    history: Vec<u64>,
    connections: Vec<u64>,
}

impl Plan {
    pub(crate) fn quick() -> Self {
        Self {
            rounds: 1,
            members: vec![10, 100, 1_000],
            rooms: vec![10, 100, 1_000],
            history: vec![1_000, 10_000, 100_000],
            connections: vec![500, 1_000],
        }
    }

    pub(crate) fn full() -> Self {
        Self {
            rounds: 3,
            members: vec![10, 30, 100, 300, 1_000],
            rooms: vec![10, 100, 1_000, 10_000],
            history: vec![1_000, 10_000, 100_000, 1_000_000],
            connections: vec![1_000, 2_000, 5_000],
        }
    }

    /// With the ends that take many minutes, or many gigabytes.
    pub(crate) fn long() -> Self {
        let mut plan = Self::full();
        // A room has 500 devices, each of which has four sessions: no room has more listeners than that.
        plan.members.push((IN_ROOM * SESSIONS) as u64);
        plan.rooms.push(100_000);
        plan.history.push(10_000_000);
        plan.connections.push(10_000);
        plan
    }

    /// Nothing but `axis`.
    pub(crate) fn only(mut self, axis: Axis) -> Self {
        for other in Axis::ALL.into_iter().filter(|other| *other != axis) {
            self.points_mut(other).clear();
        }
        self
    }

    fn points(&self, axis: Axis) -> &[u64] {
        match axis {
            Axis::Members => &self.members,
            Axis::Rooms => &self.rooms,
            Axis::History => &self.history,
            Axis::Connections => &self.connections,
        }
    }

    fn points_mut(&mut self, axis: Axis) -> &mut Vec<u64> {
        match axis {
            Axis::Members => &mut self.members,
            Axis::Rooms => &mut self.rooms,
            Axis::History => &mut self.history,
            Axis::Connections => &mut self.connections,
        }
    }

    /// Accounts that it needs.
    pub(crate) fn people(&self) -> usize {
        let connections = self.connections.iter().max().map_or(0, |most| *most as usize / SESSIONS);
        HEARERS as usize + 2 + connections.max(MANY_PEOPLE)
    }
}

/// What was measured at each point, by round.
#[derive(Default)]
pub(crate) struct Growth(Vec<(Axis, u64, Vec<Cell>)>);

/// Measures all of `plan`. The town begins each axis as `fresh` has it.
pub(crate) async fn measure(plan: &Plan, stage: &Stage, fresh: &Path, span: Span) -> Result<Growth, String> {
    let mut growth = Growth::default();
    for axis in Axis::ALL {
        if plan.points(axis).is_empty() {
            continue;
        }
        restore(&stage.town, fresh)?;
        let people = match plan.points(axis).last() {
            Some(rooms) if axis == Axis::Rooms && *rooms as usize > MANY_ROOMS => MANY_PEOPLE,
            _ => PEOPLE,
        };
        let mut tour = Tour::new(&stage.town, people);
        for &at in plan.points(axis) {
            let mut cells = Vec::new();
            for round in 0..plan.rounds {
                let outcome = point(axis, at, stage, &mut tour, span).await;
                let disturbed =
                    outcome.as_ref().is_ok_and(|outcome| outcome.foreign > crate::compare::DISTURBED);
                let cell = Cell { outcome: outcome.map(|outcome| outcome.figures), disturbed };
                eprintln!(
                    "growth, round {}, {at} {}: {}",
                    round + 1,
                    axis.name(),
                    crate::compare::told(&cell)
                );
                cells.push(cell);
            }
            growth.0.push((axis, at, cells));
        }
    }
    restore(&stage.town, fresh)?;
    Ok(growth)
}

async fn point(axis: Axis, at: u64, stage: &Stage, tour: &mut Tour, span: Span) -> Result<Outcome, String> {
    match axis {
        Axis::Members => Workload::Saturated(at as u32).measure(Peer::OpenChat, stage, span).await,
        Axis::Rooms => {
            tour.fill(at as usize, 0).await?;
            let (process, _) = tour.serve().await?;
            tour.talk(&process, span).await
        }
        Axis::History => {
            tour.fill(LONG_ROOMS, at).await?;
            let (process, start) = tour.serve().await?;
            let memory = machine::memory(process.id()) as f64 / 1024.0;
            let mut outcome = tour.talk(&process, span).await?;
            outcome.figures.extend([("start", start.as_secs_f64() * 1e3), ("MiB", memory)]);
            Ok(outcome)
        }
        Axis::Connections => connected(at as u32, stage, span).await,
    }
}

/// One speaks and [`HEARERS`] hear, while the rest of so many connections only follow their rooms.
async fn connected(count: u32, stage: &Stage, span: Span) -> Result<Outcome, String> {
    let seats: Vec<Seat> = (0..count).map(seat).collect();
    let running = Rc::new(Running::start(Peer::OpenChat, stage, &seats).await?);
    let before = machine::memory(running.process.id());
    let pace = Pace::Saturated(WINDOW);
    let local = LocalSet::new();
    let talk = converse(&running, seats, pace, u64::from(HEARERS), span);
    let mut outcome = local.run_until(talk).await?;
    let memory = machine::memory(running.process.id()).saturating_sub(before);
    outcome.figures.insert("KiB", memory as f64 / f64::from(count));
    Ok(outcome)
}

fn seat(number: u32) -> Seat {
    let (device, room) = match number.checked_sub(HEARERS + 1) {
        None => (number as usize, 0),
        Some(idle) => {
            let device = idle as usize / SESSIONS;
            (HEARERS as usize + 1 + device, 1 + device / IN_ROOM)
        }
    };
    Seat { number, device, room, speaks: number == 0, hears: number > 0, acknowledged: false }
}

/// The town's database and files as they were.
fn restore(town: &Town, fresh: &Path) -> Result<(), String> {
    let home = town.folder();
    fs::remove_dir_all(home)
        .and_then(|()| copy(fresh, home))
        .map_err(|error| format!("{}: {error}", home.display()))
}

/// Copies the files of a folder that no server uses; a socket that it has left behind is none.
pub(crate) fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &to)?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

impl Growth {
    fn cells(&self) -> impl Iterator<Item = &Cell> {
        self.0.iter().flat_map(|(.., cells)| cells)
    }

    /// How many measurements there were, and how many were disturbed.
    pub(crate) fn disturbed(&self) -> (usize, usize) {
        (self.cells().count(), self.cells().filter(|cell| cell.disturbed).count())
    }

    fn series(&self, axis: Axis, figure: &str) -> Vec<(f64, f64)> {
        let points = self.0.iter().filter(|(of, ..)| *of == axis);
        let value = |cells: &[Cell]| {
            let figures = cells.iter().filter_map(|cell| cell.outcome.as_ref().ok());
            median(figures.filter_map(|figures: &Figures| figures.get(figure).copied()).collect())
        };
        points.filter_map(|(_, at, cells)| Some((*at as f64, value(cells)?))).collect()
    }

    fn axes(&self) -> impl Iterator<Item = Axis> {
        Axis::ALL.into_iter().filter(|axis| self.0.iter().any(|(of, ..)| of == axis))
    }

    /// Markdown: a table and a plot for each axis.
    pub(crate) fn markdown(&self) -> String {
        let mut out = String::new();
        for axis in self.axes() {
            self.table(axis, &mut out);
            _ = writeln!(out, "\n![What a delivery costs by {}]({})\n", axis.title(), axis.plot());
        }
        out
    }

    fn table(&self, axis: Axis, out: &mut String) {
        let figures = axis.figures();
        let heads: Vec<_> = figures.iter().map(|(_, unit)| *unit).collect();
        _ = writeln!(
            out,
            "| {} | {} |\n|---|{}",
            axis.title(),
            heads.join(" | "),
            "---|".repeat(heads.len())
        );
        let series: Vec<_> = figures.iter().map(|(figure, _)| self.series(axis, figure)).collect();
        for (_, at, cells) in self.0.iter().filter(|(of, ..)| *of == axis) {
            let mark = if cells.iter().any(|cell| cell.disturbed) { " *" } else { "" };
            let value = |series: &Vec<(f64, f64)>| {
                let found = series.iter().find(|(there, _)| *there == *at as f64);
                found.map_or("failed".to_owned(), |(_, value)| format!("{value:.2}{mark}"))
            };
            let values: Vec<_> = series.iter().map(value).collect();
            _ = writeln!(out, "| {at} | {} |", values.join(" | "));
        }
        for cell in self.0.iter().filter(|(of, ..)| *of == axis).flat_map(|(.., cells)| cells) {
            if let Err(error) = &cell.outcome {
                _ = writeln!(out, "\nFailed: {}.", error.lines().next().unwrap_or_default());
            }
        }
        if let Some([(_, first), .., (_, last)]) = series.first().map(Vec::as_slice) {
            let verdict = match last / first {
                ratio if ratio > GROWN => "worse than linear",
                _ => "linear or better",
            };
            _ = writeln!(out, "\nThe last delivery costs {:.2} times the first: {verdict}.", last / first);
        }
    }

    /// Writes the plots beside the document at `path`.
    pub(crate) fn plot(&self, path: &Path) -> Result<(), String> {
        for axis in self.axes() {
            let series: Vec<Series> = axis
                .figures()
                .iter()
                .map(|(figure, name)| Series { name, points: self.series(axis, figure) })
                .collect();
            let file = path.with_file_name(axis.plot());
            fs::write(&file, plot::lines(axis.title(), &series))
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(())
    }
}

/// Measures one axis, and prints it.
pub(crate) fn run(axis: &str, options: &[&str]) -> Result<(), String> {
    let axis = Axis::ALL.into_iter().find(|it| it.name() == axis).ok_or("no such axis")?;
    let plan = match options {
        [] => Plan::full(),
        ["--quick"] => Plan::quick(),
        ["--long"] => Plan::long(),
        _ => return Err("there are --quick and --long".to_owned()),
    };
    let plan = plan.only(axis);
    let span = Span { warm: Duration::from_millis(300), measured: Duration::from_secs(1) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let (stage, fresh) = crate::compare::stage(plan.people()).await?;
        let growth = measure(&plan, &stage, &fresh, span).await?;
        println!("{}", growth.markdown());
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_sessions_than_a_device_may_have_and_no_room_more_devices() {
        let seats: Vec<Seat> = (0..10_000).map(seat).collect();
        let mut sessions = std::collections::BTreeMap::<usize, usize>::new();
        let mut devices = std::collections::BTreeMap::<usize, std::collections::BTreeSet<usize>>::new();
        for seat in &seats {
            *sessions.entry(seat.device).or_default() += 1;
            devices.entry(seat.room).or_default().insert(seat.device);
        }
        assert!(sessions.values().all(|count| *count <= SESSIONS));
        assert!(devices.values().all(|devices| devices.len() <= IN_ROOM + 1));
        assert_eq!(seats.iter().filter(|seat| seat.room == 0).count(), HEARERS as usize + 1);
        let people = Plan::long().people();
        assert!(sessions.len() <= people, "{} of {people}", sessions.len());
    }

    #[test]
    fn what_grows_is_said_to_grow() {
        let cell = |us: f64| Cell { outcome: Ok(Figures::from([("us", us)])), disturbed: false };
        let growth = Growth(vec![
            (Axis::Members, 10, vec![cell(2.0), cell(1.0), cell(9.0)]),
            (Axis::Members, 100, vec![cell(2.1)]),
            (Axis::Rooms, 10, vec![cell(1.0)]),
            (
                Axis::Rooms,
                100,
                vec![cell(1.5), Cell { outcome: Err("it broke".to_owned()), disturbed: false }],
            ),
        ]);
        let text = growth.markdown();
        assert!(text.contains("| 10 | 2.00 |"), "the median of rounds: {text}");
        assert!(text.contains("1.05 times the first: linear or better"), "{text}");
        assert!(text.contains("1.50 times the first: worse than linear"), "{text}");
        assert!(text.contains("Failed: it broke."), "{text}");
        assert!(text.contains("(pictures/growth-rooms.svg)") && !text.contains("growth-history"), "{text}");
    }
}
