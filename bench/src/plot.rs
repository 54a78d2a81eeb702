//! Pictures: bars of what one delivery costs each server, and lines of what grows.

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

/// What is drawn over something that grows.
pub(crate) struct Series<'a> {
    /// What is measured, with its unit.
    pub(crate) name: &'a str,
    /// By place, in order.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Height of the picture of one series, and of what surrounds the lines in it.
const PANEL: f64 = 190.0;
const ABOVE: f64 = 34.0;
const BELOW: f64 = 40.0;
const MARGIN: f64 = 60.0;

/// A picture for each series below the other: the places logarithmic, the values from 0.
pub(crate) fn lines(places: &str, series: &[Series]) -> String {
    let mut out = String::new();
    let height = PANEL * series.len() as f64;
    _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 {height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>"
    );
    for (row, series) in series.iter().enumerate() {
        panel(places, series, PANEL * row as f64, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

fn panel(places: &str, Series { name, points }: &Series, top: f64, out: &mut String) {
    let (Some((first, _)), Some((last, _))) = (points.first(), points.last()) else { return };
    let most = points.iter().map(|(_, value)| *value).fold(f64::MIN_POSITIVE, f64::max) * 1.2;
    let floor = top + PANEL - BELOW;
    // With one place only it stands at the left.
    let span = (last / first).log10().max(f64::MIN_POSITIVE);
    let x = |place: f64| MARGIN + (place / first).log10() / span * (600.0 - 2.0 * MARGIN);
    let y = |value: f64| floor - value / most * (PANEL - ABOVE - BELOW);
    let text = |out: &mut String, x: f64, y: f64, anchor: &str, text: &str| {
        _ = writeln!(
            out,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222222\">{text}</text>"
        );
    };
    text(out, MARGIN, top + 18.0, "start", name);
    text(out, 600.0 - MARGIN, top + PANEL - 8.0, "end", &format!("{places} (logarithmic)"));
    _ = writeln!(
        out,
        "<line x1=\"{MARGIN}\" y1=\"{floor:.1}\" x2=\"{:.1}\" y2=\"{floor:.1}\" stroke=\"#888888\"/>",
        600.0 - MARGIN
    );
    let path: Vec<_> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
    _ = writeln!(
        out,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
        path.join(" "),
        COLOURS[0]
    );
    for (at, value) in points {
        let (x, y) = (x(*at), y(*value));
        _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{}\"/>", COLOURS[0]);
        text(out, x, y - 7.0, "middle", &format!("{value:.2}"));
        text(out, x, floor + 14.0, "middle", &format!("{at}"));
    }
}

fn position(cost: f64) -> f64 {
    let (first, last) = SCALE;
    let share = (cost.clamp(first, last) / first).log10() / (last / first).log10();
    LEFT + share * (WIDTH - LEFT - 130.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_series_is_drawn_with_all_its_points() {
        let points = vec![(10.0, 1.0), (100.0, 2.0), (1000.0, 4.0)];
        let picture = lines(
            "rooms",
            &[Series { name: "µs", points }, Series { name: "MiB", points: vec![(10.0, 3.0)] }],
        );
        assert_eq!(picture.matches("<circle").count(), 4);
        assert_eq!(picture.matches("<polyline").count(), 2);
        assert!(
            picture.contains("cx=\"60.0\"")
                && picture.contains("cx=\"300.0\"")
                && picture.contains("cx=\"540.0\"")
        );
        assert!(!picture.contains("NaN"), "{picture}");
    }
}
