//! A screen as a picture: SVG with plain boxes and text, which every browser shows alike.

use std::fmt::Write;

use vt100::{Cell, Color, Screen};

/// Pixels of one cell.
const WIDE: u32 = 9;
const HIGH: u32 = 19;
/// Pixels around the cells.
const MARGIN: u32 = 12;
/// Any of these; the cells keep their places in each, for every run of text is given its length.
const FONTS: &str = "'DejaVu Sans Mono','Menlo','Consolas','Noto Sans Mono CJK SC',monospace";
/// The sixteen colours that themes of terminals change, as xterm has them, a little softer.
const SIXTEEN: [&str; 16] = [
    "#1d1f21", "#cc4444", "#5fa35f", "#c9a83a", "#4f7fd0", "#a866b8", "#3f9fa8", "#c8ccd0", "#6b7178",
    "#f06a6a", "#86d186", "#ecd06f", "#86aef5", "#d193e0", "#6fd0d8", "#ffffff",
];

/// The colours of a terminal where a program sets none.
#[derive(Debug, Clone, Copy)]
pub struct Ground {
    /// Of text.
    pub ink: &'static str,
    /// Behind it.
    pub paper: &'static str,
}

/// Light on dark.
pub const DARK: Ground = Ground { ink: "#d8dadd", paper: "#16181b" };
/// Dark on light.
pub const LIGHT: Ground = Ground { ink: "#24272b", paper: "#fbfaf7" };

/// How some cells look.
#[derive(PartialEq, Clone)]
struct Look {
    ink: String,
    paper: String,
    bold: bool,
    faint: bool,
    slanted: bool,
    underlined: bool,
}

/// The picture of a screen, with these words for those who cannot see it.
pub fn svg(screen: &Screen, ground: Ground, title: &str) -> String {
    let (rows, columns) = screen.size();
    let width = u32::from(columns.get()) * WIDE + 2 * MARGIN;
    let height = u32::from(rows.get()) * HIGH + 2 * MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"{FONTS}\" font-size=\"15\">\n<title>{}</title>\n\
         <rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{}\"/>\n",
        escaped(title),
        ground.paper
    );
    for row in 0..rows.get() {
        row_of(screen, row, columns.get(), ground, &mut out);
    }
    out.push_str("</svg>\n");
    out
}

/// Boxes first: text of one run may reach a little into the next one.
fn row_of(screen: &Screen, row: u16, columns: u16, ground: Ground, out: &mut String) {
    let runs = runs(screen, row, columns, ground);
    let y = u32::from(row) * HIGH + MARGIN;
    for (column, cells, _, look) in runs.iter().filter(|run| run.3.paper != ground.paper) {
        let (x, width) = (u32::from(*column) * WIDE + MARGIN, u32::from(*cells) * WIDE);
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HIGH}\" fill=\"{}\"/>",
            look.paper
        );
    }
    for (column, cells, text, look) in runs.iter().filter(|run| !run.2.trim().is_empty()) {
        let (x, length) = (u32::from(*column) * WIDE + MARGIN, u32::from(*cells) * WIDE);
        if text == "│" {
            // Without gaps, however high the letters of the font are.
            let middle = x + WIDE / 2;
            let _ = writeln!(
                out,
                "<rect x=\"{middle}\" y=\"{y}\" width=\"1\" height=\"{HIGH}\" fill=\"{}\"/>",
                look.ink
            );
            continue;
        }
        let mut style = String::new();
        for (is_so, words) in [
            (look.bold, " font-weight=\"bold\""),
            (look.faint, " opacity=\"0.7\""),
            (look.slanted, " font-style=\"italic\""),
            (look.underlined, " text-decoration=\"underline\""),
        ] {
            if is_so {
                style.push_str(words);
            }
        }
        let _ = writeln!(
            out,
            "<text x=\"{x}\" y=\"{}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\" \
             fill=\"{}\"{style}>{}</text>",
            y + 14,
            look.ink,
            escaped(text)
        );
    }
}

/// Neighbours of one look: where they begin, how many cells they take, what stands there. Words and gaps apart, so that
/// every word stands in its place whatever the font is.
fn runs(screen: &Screen, row: u16, columns: u16, ground: Ground) -> Vec<(u16, u16, String, Look)> {
    let mut runs: Vec<(u16, u16, String, Look)> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let (look, cells) = (look(cell, ground), if cell.is_wide() { 2 } else { 1 });
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let is_simple = text.is_ascii();
        match runs.last_mut() {
            Some((_, length, before, same))
                if *same == look
                    && is_simple
                    && before.is_ascii()
                    && (text == " ") == before.ends_with(' ') =>
            {
                *length += cells;
                before.push_str(text);
            }
            _ => runs.push((column, cells, text.to_owned(), look)),
        }
    }
    runs
}

fn look(cell: &Cell, ground: Ground) -> Look {
    let (mut ink, mut paper) = (
        colour(cell.fgcolor()).unwrap_or(ground.ink.into()),
        colour(cell.bgcolor()).unwrap_or(ground.paper.into()),
    );
    if cell.inverse() {
        std::mem::swap(&mut ink, &mut paper);
    }
    Look {
        ink,
        paper,
        bold: cell.bold(),
        faint: cell.dim(),
        slanted: cell.italic(),
        underlined: cell.underline(),
    }
}

/// A colour that a program has set.
fn colour(colour: Color) -> Option<String> {
    match colour {
        Color::Default => None,
        Color::Rgb(red, green, blue) => Some(format!("#{red:02x}{green:02x}{blue:02x}")),
        Color::Idx(index) => Some(match SIXTEEN.get(usize::from(index)) {
            Some(named) => (*named).to_owned(),
            None => fixed(index),
        }),
    }
}

/// The cube of six and the greys, as xterm has them.
fn fixed(index: u8) -> String {
    if let Some(grey) = index.checked_sub(232) {
        let level = 8 + 10 * grey;
        return format!("#{level:02x}{level:02x}{level:02x}");
    }
    let index = index - 16;
    let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
    let (red, green, blue) = (level(index / 36), level(index / 6 % 6), level(index % 6));
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_xterms() {
        assert_eq!(colour(Color::Idx(16)).unwrap(), "#000000");
        assert_eq!(colour(Color::Idx(231)).unwrap(), "#ffffff");
        assert_eq!(colour(Color::Idx(232)).unwrap(), "#080808");
        assert_eq!(colour(Color::Idx(208)).unwrap(), "#ff8700");
        assert_eq!(colour(Color::Default), None);
    }

    #[test]
    fn a_word_stands_where_its_cells_are() {
        let size = |number| std::num::NonZeroU16::new(number).unwrap();
        let mut parser = vt100::Parser::new(size(2), size(20), 0);
        parser.process("\x1b[1ma<b\x1b[0m 宽 \x1b[7mx".as_bytes());
        let picture = svg(parser.screen(), DARK, "a & b");
        assert!(picture.contains("<title>a &amp; b</title>"));
        assert!(picture.contains("font-weight=\"bold\">a&lt;b</text>"), "{picture}");
        assert!(picture.contains("x=\"48\" y=\"26\" textLength=\"18\""), "{picture}");
        assert!(
            picture.contains(&format!(
                "<rect x=\"75\" y=\"12\" width=\"9\" height=\"19\" fill=\"{}\"/>",
                DARK.ink
            ))
        );
    }
}
