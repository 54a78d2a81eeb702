//! The result as Markdown, between two marks of a document that people write, and its plot beside it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::compare::{Cell, Results, median};
use crate::peer::Peer;
use crate::plot;
use crate::workload::Workload;

const BEGIN: &str = "<!-- cargo xtask bench writes from here -->";
const END: &str = "<!-- to here -->";
/// The file of the plot, beside the document.
const PLOT: &str = "pictures/performance.svg";
/// A core that is so busy is what limits.
const FULL: f64 = 0.9;

/// Puts the tables into the document at `path`, and the plot beside it.
pub(crate) fn write(results: &Results, path: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{path}: {error}");
    let document = fs::read_to_string(path).map_err(failed)?;
    let parts = document.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = parts.ok_or_else(|| format!("{path} has no `{BEGIN}` and `{END}`"))?;
    let text = markdown(results);
    fs::write(path, format!("{before}{BEGIN}\n\n{text}\n{END}{after}")).map_err(failed)?;
    let plot = Path::new(path).with_file_name(PLOT);
    fs::write(&plot, plot::svg(results)).map_err(|error| format!("{}: {error}", plot.display()))?;
    results.growth.plot(Path::new(path))?;
    println!("{text}");
    Ok(())
}

/// What is compared of a workload: the figure's name, and how it reads.
pub(crate) fn cost(workload: Workload) -> (&'static str, &'static str) {
    match workload {
        Workload::Saturated(_) | Workload::Paced(_) | Workload::Rooms => ("us", "µs of CPU per delivery"),
        Workload::Idle(_) => ("KiB", "KiB of memory per connection"),
        Workload::Login(_) => ("ms", "ms of CPU per connection and login"),
        Workload::Kept(_) => ("rate", "acknowledged/s"),
        Workload::CatchUp(_) => ("rate", "messages/s"),
    }
}

fn markdown(results: &Results) -> String {
    let mut out = String::new();
    ratios(results, &mut out);
    figures(results, &mut out);
    lateness(results, &mut out);
    disk(results, &mut out);
    clients(results, &mut out);
    growth(results, &mut out);
    conditions(results, &mut out);
    out
}

fn shown(results: &Results) -> Vec<Peer> {
    results.versions.iter().map(|(peer, _)| *peer).collect()
}

fn head(first: &str, peers: &[Peer], out: &mut String) {
    let names: Vec<_> = peers.iter().map(|peer| peer.name()).collect();
    _ = writeln!(out, "| {first} | {} |", names.join(" | "));
    _ = writeln!(out, "|---|{}", "---|".repeat(peers.len()));
}

/// A table with a row for each workload and a column for each peer.
fn table(
    results: &Results,
    first: &str,
    peers: &[Peer],
    workloads: &[Workload],
    cell: impl Fn(Workload, Peer) -> String,
    out: &mut String,
) {
    head(first, peers, out);
    for &workload in workloads {
        let cells = peers.iter().map(|&peer| match installed(results, peer) {
            true => cell(workload, peer),
            false => "not installed".to_owned(),
        });
        let cells: Vec<_> = cells.collect();
        _ = writeln!(out, "| {} | {} |", workload.name(), cells.join(" | "));
    }
    out.push('\n');
}

fn installed(results: &Results, peer: Peer) -> bool {
    results.versions.iter().any(|(named, version)| *named == peer && version.is_some())
}

fn ratios(results: &Results, out: &mut String) {
    _ = writeln!(
        out,
        "OpenChat's cost divided by the peer's, medians of {} interleaved rounds: below 1, OpenChat needs less. For what is \
         counted by the second it is the peer's rate divided by OpenChat's. `*`: disturbed by other work on this machine in \
         at least half of the rounds, for one of the two.\n",
        results.rounds
    );
    let peers: Vec<_> = shown(results).into_iter().filter(|peer| *peer != Peer::OpenChat).collect();
    let workloads: Vec<_> = results
        .workloads
        .iter()
        .copied()
        .filter(|workload| !matches!(workload, Workload::CatchUp(_)))
        .collect();
    let cell = |workload: Workload, peer: Peer| {
        let (figure, _) = cost(workload);
        let (ours, theirs) =
            (results.median(workload, Peer::OpenChat, figure), results.median(workload, peer, figure));
        let Some((ours, theirs)) = ours.zip(theirs) else { return failure(results, workload, peer) };
        let ratio = if figure == "rate" { theirs / ours } else { ours / theirs };
        let disturbed =
            is_disturbed(results, workload, peer) || is_disturbed(results, workload, Peer::OpenChat);
        format!("{ratio:.2}{}", if disturbed { " *" } else { "" })
    };
    table(results, "OpenChat ÷ peer", &peers, &workloads, cell, out);
    _ = writeln!(out, "![What a delivery costs each server]({PLOT})\n");
}

/// Why there is no figure.
fn failure(results: &Results, workload: Workload, peer: Peer) -> String {
    if !workload.suits(peer) {
        return "–".to_owned();
    }
    let cells = results.cells.get(&(workload, peer)).map(Vec::as_slice).unwrap_or_default();
    if cells.iter().any(|cell| cell.outcome.is_err()) { "failed".to_owned() } else { "not run".to_owned() }
}

fn is_disturbed(results: &Results, workload: Workload, peer: Peer) -> bool {
    let cells = results.cells.get(&(workload, peer)).map(Vec::as_slice).unwrap_or_default();
    let disturbed = cells.iter().filter(|cell| cell.disturbed).count();
    disturbed > 0 && disturbed * 2 >= cells.len()
}

fn figures(results: &Results, out: &mut String) {
    out.push_str(
        "The figures: what each second brought, and what one cost the server. `s`: the server's core was the limit; \
         `g`: the generator's; neither: the window of what may be under way, the disk, or the pace.\n\n",
    );
    let cell = |workload: Workload, peer: Peer| {
        let of = |figure| results.median(workload, peer, figure);
        let limit = match (of("server"), of("generator")) {
            (Some(server), _) if server >= FULL => " s",
            (_, Some(generator)) if generator >= FULL => " g",
            _ => "",
        };
        let disturbed = if is_disturbed(results, workload, peer) { " *" } else { "" };
        let text = match (of("rate"), of("us"), of("ms"), of("KiB")) {
            (_, _, _, Some(memory)) => format!("{memory:.1} KiB"),
            (Some(rate), _, Some(time), _) => format!("{}/s; {time:.2} ms", short(rate)),
            (Some(rate), Some(time), ..) => format!("{}/s; {time:.2} µs", short(rate)),
            _ => return failure(results, workload, peer),
        };
        format!("{text}{limit}{disturbed}")
    };
    table(results, "", &shown(results), &results.workloads, cell, out);
}

/// A rate in three digits.
fn short(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate if rate >= 1e4 => format!("{:.0} k", rate / 1e3),
        rate if rate >= 1e3 => format!("{:.1} k", rate / 1e3),
        rate => format!("{rate:.0}"),
    }
}

fn lateness(results: &Results, out: &mut String) {
    let paced: Vec<_> =
        results.workloads.iter().copied().filter(|workload| matches!(workload, Workload::Paced(_))).collect();
    if paced.is_empty() {
        return;
    }
    out.push_str("From the sender's program to each listener's, p50 / p99 in ms:\n\n");
    let cell = |workload: Workload, peer: Peer| {
        let of = |figure| results.median(workload, peer, figure);
        match (of("p50"), of("p99")) {
            (Some(_), Some(_)) if of("kept up").is_some_and(|share| share < FULL) => {
                "did not keep up".to_owned()
            }
            (Some(middle), Some(late)) => format!("{middle:.1} / {late:.1}"),
            _ => failure(results, workload, peer),
        }
    };
    table(results, "", &shown(results), &paced, cell, out);
}

fn disk(results: &Results, out: &mut String) {
    let rows = median(results.raw.iter().map(|raw| raw.rows).collect()).unwrap_or(0.0);
    let syncs = median(results.raw.iter().map(|raw| raw.syncs).collect()).unwrap_or(0.0);
    _ = writeln!(
        out,
        "The disk by itself in the same run: {}/s rows of 500 bytes into an SQLite log that is only appended to (WAL, \
         synchronous=FULL, 100 in a transaction), {}/s writes with fdatasync. NATS and mosquitto acknowledge without \
         fsync; Prosody's archive is `sqlite_tune = \"safe\"`.\n",
        short(rows),
        short(syncs)
    );
}

fn clients(results: &Results, out: &mut String) {
    _ = writeln!(
        out,
        "What a client spends, by the devices in the room, and how many times what the library spends alone:\n\n{}",
        results.client.table()
    );
}

fn growth(results: &Results, out: &mut String) {
    let (all, disturbed) = results.growth.disturbed();
    _ = writeln!(
        out,
        "What a delivery costs our server as something grows, and what else grows with it ({disturbed} of {all} \
         measurements disturbed, `*`):\n\n{}",
        results.growth.markdown()
    );
}

fn conditions(results: &Results, out: &mut String) {
    let all: Vec<&Cell> = results.cells.values().flatten().collect();
    let disturbed = all.iter().filter(|cell| cell.disturbed).count();
    let versions = results.versions.iter().filter_map(|(peer, version)| {
        peer.version_command()?;
        Some(format!("{} {}", peer.name(), version.as_deref().unwrap_or("not installed")))
    });
    let versions: Vec<_> = versions.collect();
    _ = writeln!(
        out,
        "Machine: {}. Server on core 0, generator on core 1, loopback, TLS 1.3. {}. Configurations: `bench/peers/`. \
         {} rounds of {:.1} s each after {:.1} s; {disturbed} of {} measurements stayed disturbed (others had more than 0.2 \
         cores); {:.0} minutes in all.",
        results.machine,
        versions.join(", "),
        results.rounds,
        results.span.measured.as_secs_f64(),
        results.span.warm.as_secs_f64(),
        all.len(),
        results.took.as_secs_f64() / 60.0
    );
    let failed = results.cells.iter().flat_map(|((workload, peer), cells)| {
        let errors = cells.iter().filter_map(|cell| cell.outcome.as_ref().err());
        errors.map(|error| (workload.name(), peer.name(), error.lines().next().unwrap_or_default()))
    });
    for (workload, peer, error) in failed {
        _ = writeln!(out, "\nFailed: {workload}, {peer}: {error}.");
    }
}
