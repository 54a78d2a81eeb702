//! Bars on a logarithmic scale: what one delivery costs each server.

use std::fmt::Write;

use crate::compare::Results;
use crate::peer::Peer;
use crate::workload::Workload;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 150.0;
const BAR: f64 = 12.0;
const GAP: f64 = 18.0;
/// µs at the left end and at the right end.
const SCALE: (f64, f64) = (0.1, 1000.0);
const COLOURS: [&str; 8] =
    ["#0b6e4f", "#9aa5b1", "#c3cad2", "#27639e", "#c05621", "#7b4ea3", "#b83280", "#8a7500"];

/// The picture.
pub(crate) fn svg(results: &Results) -> String {
    let is_drawn = |workload: &Workload| {
        matches!(workload, Workload::Saturated(_) | Workload::Paced(100..) | Workload::Rooms)
    };
    let workloads: Vec<Workload> = results.workloads.iter().copied().filter(is_drawn).collect();
    let group = Peer::ALL.len() as f64 * BAR + GAP;
    let height = 70.0 + group * workloads.len() as f64;
    let mut out = String::new();
    _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
    );
    let text = |out: &mut String, x: f64, y: f64, anchor: &str, text: &str| {
        _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222222\">{text}</text>"
        );
    };
    text(
        &mut out,
        LEFT,
        20.0,
        "start",
        "µs of the server's CPU for one delivery (logarithmic; shorter is better)",
    );
    for power in -1..=3 {
        let (at, mark) = (position(10_f64.powi(power)), 10_f64.powi(power));
        _ = writeln!(
            out,
            "<line x1=\"{at:.1}\" y1=\"44\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>",
            height - 10.0
        );
        text(&mut out, at, 40.0, "middle", &format!("{mark}"));
    }
    for (row, &workload) in workloads.iter().enumerate() {
        let top = 52.0 + group * row as f64;
        text(&mut out, 8.0, top + group / 2.0, "start", &workload.name());
        for (place, peer) in Peer::ALL.into_iter().enumerate() {
            let Some(cost) = results.median(workload, peer, "us") else { continue };
            let y = top + place as f64 * BAR;
            let end = position(cost);
            _ = writeln!(
                out,
                "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
                end - LEFT,
                BAR - 2.0,
                COLOURS[place % COLOURS.len()]
            );
            text(&mut out, end + 4.0, y + BAR - 3.0, "start", &format!("{} {cost:.2}", peer.name()));
        }
    }
    out.push_str("</svg>\n");
    out
}

fn position(cost: f64) -> f64 {
    let (first, last) = SCALE;
    let share = (cost.clamp(first, last) / first).log10() / (last / first).log10();
    LEFT + share * (WIDTH - LEFT - 130.0)
}
