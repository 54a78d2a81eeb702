//! QR codes in half blocks, two modules to a cell.

use qrcode::{EcLevel, QrCode};
use ratatui::style::{Color, Style};
use ratatui::text::Line;

/// Light modules around the code, as ISO/IEC 18004 asks.
const QUIET: usize = 4;

/// What a code is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Black on white, whatever the background is. The colours are of the fixed cube of 256, which no theme changes.
    Colours,
    /// Light modules are blocks in the colour of the text: right for light text on a dark background.
    Uncoloured,
}

/// The lines of the code for `text`, quiet zone included, or nothing when it is too long for any code (2953 bytes).
pub fn lines(text: &str, paint: Paint) -> Option<Vec<Line<'static>>> {
    // The screen is clean: the lowest level of correction makes the smallest code.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let dark = modules(&code);
    let style = match paint {
        Paint::Colours => Style::new().fg(Color::Indexed(16)).bg(Color::Indexed(231)),
        Paint::Uncoloured => Style::new(),
    };
    let light_row = vec![false; code.width() + 2 * QUIET];
    let row = |pair: &[Vec<bool>]| {
        let upper = pair.first().unwrap_or(&light_row);
        let lower = pair.get(1).unwrap_or(&light_row);
        let cells = upper.iter().zip(lower).map(|(upper, lower)| match paint {
            Paint::Colours => block(*upper, *lower),
            Paint::Uncoloured => block(!upper, !lower),
        });
        Line::styled(cells.collect::<String>(), style)
    };
    Some(dark.chunks(2).map(row).collect())
}

/// Which modules are dark, row by row, quiet zone included.
fn modules(code: &QrCode) -> Vec<Vec<bool>> {
    let width = code.width();
    let quiet = vec![false; width + 2 * QUIET];
    let side = [false; QUIET];
    let colours = code.to_colors();
    let rows = colours.chunks(width).map(|row| {
        let dark = row.iter().map(|module| *module == qrcode::Color::Dark);
        side.into_iter().chain(dark).chain(side).collect()
    });
    let around = std::iter::repeat_n(quiet, QUIET);
    around.clone().chain(rows).chain(around).collect()
}

fn block(upper: bool, lower: bool) -> char {
    match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::text::Text;
    use ratatui::widgets::Widget;

    use super::*;

    const INVITE: &str = "openchat://chat.example:7443/join/2KQ7-T5NA-11XV-9B0D#abcdefghijklmnop";

    /// What a camera sees: for each module whether it is light, from the cells of a screen with this background.
    fn seen(lines: &[Line<'static>], (foreground, background): (bool, bool)) -> Vec<Vec<bool>> {
        let area = Rect::new(0, 0, lines[0].width().try_into().unwrap(), lines.len().try_into().unwrap());
        let mut screen = Buffer::empty(area);
        Text::from(lines.to_vec()).render(area, &mut screen);
        let mut rows = vec![Vec::new(); lines.len() * 2];
        for y in 0..area.height {
            for x in 0..area.width {
                let cell = &screen[(x, y)];
                let light = |colour, unset| match colour {
                    Color::Indexed(16) => false,
                    Color::Indexed(231) => true,
                    _ => unset,
                };
                let (ink, paper) = (light(cell.fg, foreground), light(cell.bg, background));
                let (upper, lower) = match cell.symbol() {
                    "█" => (ink, ink),
                    "▀" => (ink, paper),
                    "▄" => (paper, ink),
                    " " => (paper, paper),
                    other => panic!("{other:?} in a code"),
                };
                rows[usize::from(y) * 2].push(upper);
                rows[usize::from(y) * 2 + 1].push(lower);
            }
        }
        rows
    }

    fn assert_shows_the_code(seen: &[Vec<bool>]) {
        let code = QrCode::with_error_correction_level(INVITE, EcLevel::L).unwrap();
        let (width, side) = (code.width(), code.width() + 2 * QUIET);
        assert!(seen.iter().all(|row| row.len() == side));
        assert!(seen.len() >= side);
        for (y, row) in seen.iter().take(side).enumerate() {
            for (x, light) in row.iter().enumerate() {
                let inside = (QUIET..QUIET + width).contains(&x) && (QUIET..QUIET + width).contains(&y);
                let dark = inside && code[(x - QUIET, y - QUIET)] == qrcode::Color::Dark;
                assert_eq!(*light, !dark, "module {x}, {y}");
            }
        }
    }

    #[test]
    fn a_code_in_colours_is_the_code_on_every_background() {
        let lines = lines(INVITE, Paint::Colours).unwrap();
        for terminal in [(true, false), (false, true)] {
            assert_shows_the_code(&seen(&lines, terminal));
        }
    }

    #[test]
    fn a_code_without_colours_is_the_code_on_a_dark_background() {
        let lines = lines(INVITE, Paint::Uncoloured).unwrap();
        assert_eq!(lines[0].style, Style::new());
        assert_shows_the_code(&seen(&lines, (true, false)));
    }

    #[test]
    fn what_fits_no_code_has_none() {
        assert!(lines(&"x".repeat(2953), Paint::Colours).is_some());
        assert!(lines(&"x".repeat(2954), Paint::Colours).is_none());
    }
}
