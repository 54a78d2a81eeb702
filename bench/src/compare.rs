//! The comparison: every workload on every peer, in rounds that alternate between the peers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::certificate::Certificate;
use crate::peer::{Peer, Stage, Town};
use crate::raw::{self, Raw};
use crate::workload::{Figures, Outcome, SESSIONS, Span, Workload};
use crate::{client, growth, machine, report};

/// Others may take so many cores before a measurement is disturbed.
pub(crate) const DISTURBED: f64 = 0.2;

/// How much is measured.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) span: Span,
    pub(crate) workloads: Vec<Workload>,
    /// Disturbed measurements that are made again, at most.
    pub(crate) repeats: usize,
    pub(crate) client: client::Plan,
    pub(crate) growth: growth::Plan,
    /// Connections to Prosody at most: it takes a minute for a thousand.
    pub(crate) patience: usize,
}

impl Plan {
    /// Whether `peer` is measured so.
    fn includes(&self, workload: Workload, peer: Peer) -> bool {
        workload.suits(peer) && (peer != Peer::Prosody || workload.seats() <= self.patience)
    }

    /// Under five minutes.
    pub(crate) fn quick() -> Self {
        use Workload::{CatchUp, Idle, Kept, Login, Paced, Rooms, Saturated};
        Self {
            rounds: 1,
            span: Span { warm: Duration::from_millis(300), measured: Duration::from_secs(1) },
            workloads: vec![
                Saturated(100),
                Saturated(1000),
                Paced(1000),
                Rooms,
                Idle(1000),
                Login(200),
                Kept(1),
                Kept(100),
                CatchUp(10_000),
            ],
            repeats: 5,
            client: client::Plan::quick(),
            growth: growth::Plan::quick(),
            patience: 200,
        }
    }

    pub(crate) fn full() -> Self {
        use Workload::{CatchUp, Idle, Kept, Login, Paced, Rooms, Saturated};
        Self {
            rounds: 3,
            span: Span { warm: Duration::from_millis(500), measured: Duration::from_secs(2) },
            workloads: vec![
                Saturated(10),
                Saturated(100),
                Saturated(1000),
                Paced(10),
                Paced(100),
                Paced(1000),
                Rooms,
                Idle(1000),
                Idle(5000),
                Idle(10_000),
                Login(500),
                Kept(1),
                Kept(100),
                CatchUp(20_000),
            ],
            repeats: 40,
            client: client::Plan::full(),
            growth: growth::Plan::full(),
            patience: 1001,
        }
    }

    /// Devices that the largest workload needs.
    fn people(&self) -> usize {
        let needed = |workload: &Workload| match workload {
            Workload::Idle(count) => *count as usize / SESSIONS + 1,
            _ => 500,
        };
        self.workloads.iter().map(needed).max().unwrap_or(1).max(self.growth.people())
    }
}

/// All that was measured.
pub(crate) struct Results {
    pub(crate) workloads: Vec<Workload>,
    pub(crate) cells: BTreeMap<(Workload, Peer), Vec<Cell>>,
    pub(crate) raw: Vec<Raw>,
    pub(crate) client: client::Costs,
    pub(crate) growth: growth::Growth,
    /// Each peer with its version; without one it is not installed.
    pub(crate) versions: Vec<(Peer, Option<String>)>,
    pub(crate) rounds: usize,
    pub(crate) span: Span,
    pub(crate) machine: String,
    pub(crate) took: Duration,
}

/// One measurement.
pub(crate) struct Cell {
    pub(crate) outcome: Result<Figures, String>,
    pub(crate) disturbed: bool,
}

impl Results {
    /// The median over the rounds.
    pub(crate) fn median(&self, workload: Workload, peer: Peer, figure: &str) -> Option<f64> {
        let cells = self.cells.get(&(workload, peer))?;
        let figures = cells.iter().filter_map(|cell| cell.outcome.as_ref().ok());
        median(figures.filter_map(|figures| figures.get(figure).copied()).collect())
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Measures everything, and writes the result into the marked part of the document `path`.
pub(crate) fn run(plan: Plan, path: &str) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let results = runtime.map_err(|error| error.to_string())?.block_on(measure(plan))?;
    report::write(&results, path)
}

async fn measure(plan: Plan) -> Result<Results, String> {
    let start = Instant::now();
    let versions: Vec<_> = Peer::ALL.into_iter().map(|peer| (peer, version(peer))).collect();
    let (stage, fresh) = stage(plan.people()).await?;
    let (mut cells, mut raw, mut repeats) = (BTreeMap::new(), Vec::new(), plan.repeats);
    for round in 1..=plan.rounds {
        raw.push(raw::measure(stage.folder.path(), plan.span.measured / 2)?);
        for &workload in &plan.workloads {
            for &(peer, _) in
                versions.iter().filter(|(peer, version)| version.is_some() && plan.includes(workload, *peer))
            {
                let cell = one(workload, peer, &stage, plan.span, &mut repeats).await;
                eprintln!("round {round}, {}, {}: {}", workload.name(), peer.name(), told(&cell));
                cells.entry((workload, peer)).or_insert_with(Vec::new).push(cell);
            }
        }
    }
    let client = client::measure(&plan.client)?;
    let growth = growth::measure(&plan.growth, &stage, &fresh, plan.span).await?;
    let Plan { workloads, rounds, span, .. } = plan;
    let machine = machine::description();
    Ok(Results {
        workloads,
        cells,
        raw,
        client,
        growth,
        versions,
        rounds,
        span,
        machine,
        took: start.elapsed(),
    })
}

/// Measures one workload on one peer, to look at the server meanwhile: for so many seconds.
pub(crate) fn single(peer: &str, workload: &str, seconds: u64) -> Result<(), String> {
    let peer = Peer::ALL.into_iter().find(|it| it.name() == peer).ok_or("no such peer")?;
    let span = Span { warm: Duration::from_millis(500), measured: Duration::from_secs(seconds) };
    let plan = Plan { span, ..Plan::full() };
    let workload = plan.workloads.iter().find(|it| it.name() == workload).ok_or("no such workload")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        let (stage, _) = stage(plan.people()).await?;
        println!("{}", told(&one(*workload, peer, &stage, span, &mut 0).await));
        Ok(())
    })
}

/// Where the servers are, with so many accounts on ours, and a copy of our server's folder as it is then.
pub(crate) async fn stage(people: usize) -> Result<(Stage, PathBuf), String> {
    let folder = folder()?;
    eprintln!("==> making {people} accounts");
    let town = Town::found(&folder.path().join("home"), people).await?;
    let fresh = folder.path().join("fresh");
    growth::copy(town.folder(), &fresh).map_err(|error| format!("{}: {error}", fresh.display()))?;
    Ok((Stage { folder, certificate: Certificate::make(), town: Rc::new(town) }, fresh))
}

/// One measurement; again while others disturb it and `repeats` are left.
async fn one(workload: Workload, peer: Peer, stage: &Stage, span: Span, repeats: &mut usize) -> Cell {
    loop {
        let outcome = workload.measure(peer, stage, span).await;
        let disturbed = outcome.as_ref().is_ok_and(|Outcome { foreign, .. }| *foreign > DISTURBED);
        if !disturbed || *repeats == 0 {
            return Cell { outcome: outcome.map(|outcome| outcome.figures), disturbed };
        }
        *repeats -= 1;
    }
}

pub(crate) fn told(cell: &Cell) -> String {
    let mark = if cell.disturbed { " (disturbed)" } else { "" };
    match &cell.outcome {
        Ok(figures) => {
            let figures: Vec<_> = figures.iter().map(|(name, value)| format!("{name} {value:.2}")).collect();
            format!("{}{mark}", figures.join(", "))
        }
        Err(error) => format!("failed: {}", error.lines().next().unwrap_or_default()),
    }
}

/// Near the binary: on a disk, as a server's folder is.
pub(crate) fn folder() -> Result<TempDir, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let near = own.parent().ok_or("no folder")?;
    tempfile::Builder::new().prefix("bench-").tempdir_in(near).map_err(|error| error.to_string())
}

/// The first number with dots in what the program says about itself.
fn version(peer: Peer) -> Option<String> {
    let Some([program, argument]) = peer.version_command() else {
        return Some(env!("CARGO_PKG_VERSION").to_owned());
    };
    let output = Command::new(program).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let words = said.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '.'));
    let number = |word: &&str| {
        let word = word.trim_start_matches('v');
        word.contains('.') && word.chars().all(|letter| letter.is_ascii_digit() || letter == '.')
    };
    words.into_iter().find(number).map(|word| word.trim_matches(['v', '.']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }
}
