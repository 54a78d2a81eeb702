//! A screen as a picture: SVG in which every character keeps its cell, whatever font draws it.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

/// Width of a cell in pixels.
const WIDE: f32 = 8.4;
/// Height of a cell in pixels.
const HIGH: f32 = 18.0;
/// Where characters stand, from the top of their cell, in pixels.
const BASE: f32 = 13.5;
/// Space around the cells, in pixels.
const EDGE: f32 = 16.0;
/// Height of the bar at the top of the window, in pixels.
const BAR: f32 = 34.0;

const PAPER: &str = "#16181d";
const INK: &str = "#d7dae0";
/// The sixteen colours that a terminal names.
const NAMED: [&str; 16] = [
    "#24272e", "#f07178", "#a5d6a7", "#f2cc8f", "#82aaff", "#c792ea", "#80cbc4", "#d7dae0", "#6b7280",
    "#ff8b92", "#c3e88d", "#ffdd99", "#9cc4ff", "#ddb3ff", "#a3f0e6", "#ffffff",
];

/// How a run of cells is painted.
#[derive(Debug, Clone, PartialEq)]
struct Look {
    ink: String,
    paper: String,
    bold: bool,
    italic: bool,
    underline: bool,
    dim: bool,
}

/// A run of cells in one row that look alike.
struct Run {
    column: u16,
    columns: u16,
    text: String,
    look: Look,
}

/// Draws a window with the screen in it.
pub fn svg(screen: &Screen, title: &str) -> String {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let width = f32::from(columns) * WIDE + 2.0 * EDGE;
    let height = f32::from(rows) * HIGH + BAR + EDGE;
    let mut picture = String::new();
    frame(&mut picture, (width, height), title);
    for row in 0..rows {
        let runs = runs(screen, row, columns);
        runs.iter().for_each(|run| paper(&mut picture, run, row));
        runs.iter().for_each(|run| characters(&mut picture, run, row));
    }
    picture.push_str("</svg>\n");
    picture
}

fn frame(picture: &mut String, (width, height): (f32, f32), title: &str) {
    let middle = width / 2.0;
    push(
        picture,
        format_args!(
            r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0}" height="{height:.0}" viewBox="0 0 {width:.1} {height:.1}" role="img" aria-label="{title}">
<style>text{{font-family:ui-monospace,"JetBrains Mono","SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:14px;white-space:pre}}</style>
<rect x="0.5" y="0.5" width="{:.1}" height="{:.1}" rx="10" fill="{PAPER}" stroke="#363a45"/>
<circle cx="20" cy="17" r="5.5" fill="#f07178"/><circle cx="39" cy="17" r="5.5" fill="#f2cc8f"/><circle cx="58" cy="17" r="5.5" fill="#a5d6a7"/>
<text x="{middle:.1}" y="21.5" text-anchor="middle" fill="#8b92a0" style="font-size:13px">{title}</text>"##,
            width - 1.0,
            height - 1.0,
            title = escaped(title),
        ),
    );
}

fn runs(screen: &Screen, row: u16, columns: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let (look, columns) = (look(cell), if cell.is_wide() { 2 } else { 1 });
        // Only plain letters share a run: the width of the others depends on the font.
        let is_plain = |text: &str| text.is_ascii();
        match runs.last_mut() {
            Some(run) if run.look == look && is_plain(&run.text) && is_plain(text) => {
                run.text.push_str(text);
                run.columns += columns;
            }
            _ => runs.push(Run { column, columns, text: text.to_owned(), look }),
        }
    }
    runs
}

fn look(cell: &Cell) -> Look {
    let (mut ink, mut paper) = (colour(cell.fgcolor(), INK), colour(cell.bgcolor(), PAPER));
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut paper);
    }
    Look {
        ink,
        paper,
        bold: cell.bold(),
        italic: cell.italic(),
        underline: cell.underline(),
        dim: cell.dim(),
    }
}

fn colour(colour: Color, otherwise: &str) -> String {
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    match colour {
        Color::Default => otherwise.to_owned(),
        Color::Idx(named @ 0..16) => NAMED[usize::from(named)].to_owned(),
        Color::Idx(cube @ 16..232) => {
            let cube = cube - 16;
            hexadecimal(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        Color::Idx(grey) => hexadecimal(8 + 10 * (grey - 232), 8 + 10 * (grey - 232), 8 + 10 * (grey - 232)),
        Color::Rgb(red, green, blue) => hexadecimal(red, green, blue),
    }
}

fn hexadecimal(red: u8, green: u8, blue: u8) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn corner(column: u16, row: u16) -> (f32, f32) {
    (EDGE + f32::from(column) * WIDE, BAR + f32::from(row) * HIGH)
}

fn paper(picture: &mut String, run: &Run, row: u16) {
    if run.look.paper != PAPER {
        rectangle(picture, run, row, (0.0, 1.0), &run.look.paper);
    }
}

/// A part of the run's cells, from and to in shares of their height.
fn rectangle(picture: &mut String, run: &Run, row: u16, (from, to): (f32, f32), colour: &str) {
    let (x, y) = corner(run.column, row);
    let (width, y, height) = (f32::from(run.columns) * WIDE, y + from * HIGH, (to - from) * HIGH);
    push(
        picture,
        format_args!(
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" fill="{colour}" shape-rendering="crispEdges"/>"#
        ),
    );
}

fn characters(picture: &mut String, run: &Run, row: u16) {
    match run.text.as_str() {
        "█" => rectangle(picture, run, row, (0.0, 1.0), &run.look.ink),
        "▀" => rectangle(picture, run, row, (0.0, 0.5), &run.look.ink),
        "▄" => rectangle(picture, run, row, (0.5, 1.0), &run.look.ink),
        text => match strokes(text) {
            Some(path) => stroke(picture, run, row, path),
            None if text.trim().is_empty() && !run.look.underline => {}
            None => words(picture, run, row),
        },
    }
}

/// The lines of a frame from cell to cell, in a square of 2 by 2.
fn strokes(text: &str) -> Option<&'static str> {
    Some(match text {
        "─" => "M0 1H2",
        "│" => "M1 0V2",
        "┌" => "M2 1H1V2",
        "┐" => "M0 1H1V2",
        "└" => "M1 0V1H2",
        "┘" => "M1 0V1H0",
        "╭" => "M2 1Q1 1 1 2",
        "╮" => "M0 1Q1 1 1 2",
        "╰" => "M1 0Q1 1 2 1",
        "╯" => "M1 0Q1 1 0 1",
        "├" => "M1 0V2M1 1H2",
        "┤" => "M1 0V2M1 1H0",
        "┬" => "M0 1H2M1 1V2",
        "┴" => "M0 1H2M1 0V1",
        "┼" => "M0 1H2M1 0V2",
        _ => return None,
    })
}

fn stroke(picture: &mut String, run: &Run, row: u16, path: &str) {
    let (x, y) = corner(run.column, row);
    push(
        picture,
        format_args!(
            r#"<path transform="translate({x:.1} {y:.1}) scale({:.2} {:.2})" d="{path}" fill="none" stroke="{}" vector-effect="non-scaling-stroke"/>"#,
            WIDE / 2.0,
            HIGH / 2.0,
            run.look.ink,
        ),
    );
}

fn words(picture: &mut String, run: &Run, row: u16) {
    let leading = run.text.chars().take_while(|c| *c == ' ').count();
    let text = if run.look.underline { run.text.as_str() } else { run.text.trim() };
    let leading = if run.look.underline { 0 } else { u16::try_from(leading).unwrap_or(0) };
    let columns =
        if text.is_ascii() { u16::try_from(text.len()).unwrap_or(run.columns) } else { run.columns };
    let (x, y) = corner(run.column + leading, row);
    let look = &run.look;
    let mut style = String::new();
    for (is_so, attribute) in [
        (look.bold, r#" font-weight="bold""#),
        (look.italic, r#" font-style="italic""#),
        (look.underline, r#" text-decoration="underline""#),
        (look.dim, r#" opacity="0.65""#),
    ] {
        style.push_str(if is_so { attribute } else { "" });
    }
    push(
        picture,
        format_args!(
            r#"<text x="{x:.1}" y="{:.1}" textLength="{:.1}" lengthAdjust="spacingAndGlyphs" fill="{}"{style} xml:space="preserve">{}</text>"#,
            y + BASE,
            f32::from(columns) * WIDE,
            look.ink,
            escaped(text),
        ),
    );
}

fn push(picture: &mut String, element: std::fmt::Arguments<'_>) {
    let written = writeln!(picture, "{element}");
    written.expect("a string takes everything");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn picture(output: &str) -> String {
        let size = |number| NonZeroU16::new(number).unwrap();
        let mut parser = vt100::Parser::new(size(2), size(20), 0);
        parser.process(output.as_bytes());
        svg(parser.screen(), "a <title>")
    }

    #[test]
    fn characters_keep_their_cells() {
        let picture = picture("ab \x1b[1;31mcd\x1b[m");
        assert!(
            picture.contains(r##"textLength="16.8" lengthAdjust="spacingAndGlyphs" fill="#d7dae0""##),
            "{picture}"
        );
        let bold = r##"<text x="41.2" y="47.5" textLength="16.8" lengthAdjust="spacingAndGlyphs" fill="#f07178" font-weight="bold""##;
        assert!(picture.contains(bold), "{picture}");
    }

    #[test]
    fn reverse_cells_have_paper_of_their_own() {
        let picture = picture("\x1b[7mx\x1b[m");
        assert!(picture.contains(r##"height="18.0" fill="#d7dae0""##), "{picture}");
        assert!(picture.contains(r##"fill="#16181d" xml:space"##), "{picture}");
    }

    #[test]
    fn words_cannot_end_the_picture() {
        let picture = picture("</svg>&");
        assert_eq!(picture.matches("</svg>").count(), 1, "{picture}");
        assert!(picture.contains("&lt;/svg&gt;&amp;"), "{picture}");
        assert!(picture.contains("a &lt;title&gt;"), "{picture}");
    }
}
