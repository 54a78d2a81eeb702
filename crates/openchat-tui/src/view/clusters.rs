//! Characters that terminals draw wider than they are measured, such as families of emoji, spoil the cells behind them:
//! those are drawn again whenever they may have been.

use ratatui::buffer::{Buffer, CellDiffOption, CellWidth};
use unicode_width::UnicodeWidthChar;

/// Has the cells behind every such character written in every picture: a cell that is as before is left out otherwise.
///
/// `spoilt_rows` are those of the last picture that had something which terminals draw in their own ways: a part of it may
/// lie in any cell there, so that all of them are written. They become those of this picture.
pub(super) fn redraw_behind(buffer: &mut Buffer, spoilt_rows: &mut Vec<u16>) {
    let area = buffer.area;
    let before = std::mem::take(spoilt_rows);
    for y in area.top()..area.bottom() {
        let mut spoilt = if before.contains(&y) { area.right() } else { 0 };
        for x in area.left()..area.right() {
            let Some(cell) = buffer.cell_mut((x, y)) else { continue };
            if x < spoilt {
                cell.set_diff_option(CellDiffOption::AlwaysUpdate);
            }
            let drawn = drawn_width(cell.symbol());
            if drawn > cell.cell_width() {
                // One more: half of a wide character may lie there.
                spoilt = spoilt.max(x.saturating_add(drawn).saturating_add(1));
            }
            if cell.cell_width() > 1 && cell.symbol().chars().nth(1).is_some() && !spoilt_rows.ends_with(&[y])
            {
                spoilt_rows.push(y);
            }
        }
    }
}

/// The cells that a terminal takes which knows single characters only.
fn drawn_width(symbol: &str) -> u16 {
    let cells: usize = symbol.chars().filter_map(UnicodeWidthChar::width).sum();
    u16::try_from(cells).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn what_is_behind_a_family_is_written_again() {
        let area = Rect::new(0, 0, 12, 1);
        let mut before = Buffer::empty(area);
        before.set_string(0, 0, "12 behind it", Style::new());
        let mut after = before.clone();
        after.set_string(0, 0, "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467}", Style::new());
        let mut spoilt = Vec::new();
        redraw_behind(&mut after, &mut spoilt);
        let written: String = before.diff_iter(&after).map(|(.., cell)| cell.symbol()).collect();
        assert_eq!(written, "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467} behi");
        // When it is gone, what a terminal has made of it is written over.
        let mut gone = Buffer::empty(area);
        redraw_behind(&mut gone, &mut spoilt);
        assert_eq!(after.diff_iter(&gone).count(), 12);
        assert!(spoilt.is_empty());
    }
}
