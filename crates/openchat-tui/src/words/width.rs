//! How many cells text takes, and text made to take no more.

use std::borrow::Cow;

use ratatui::buffer::CellWidth;
use unicode_segmentation::UnicodeSegmentation;

/// The cells that `text` takes when it is drawn: the sum of its clusters, each measured as the screen measures it.
/// Control characters are not drawn and take none.
pub fn width(text: &str) -> usize {
    text.graphemes(true).map(cells).sum()
}

/// The cells of one cluster.
pub(super) fn cells(cluster: &str) -> usize {
    if cluster.contains(char::is_control) { 0 } else { usize::from(cluster.cell_width()) }
}

/// `text` in at most `width` cells. What is cut off leaves a `…`.
pub fn truncate(text: &str, width: usize) -> Cow<'_, str> {
    if self::width(text) <= width {
        return Cow::Borrowed(text);
    }
    let Some(room) = width.checked_sub(1) else { return Cow::Borrowed("") };
    let mut used = 0;
    let fits = |cluster: &&str| {
        used += cells(cluster);
        used <= room
    };
    let mut out: String = text.graphemes(true).take_while(fits).collect();
    out.push('…');
    Cow::Owned(out)
}

/// `text` in exactly `width` cells: cut, or with spaces behind it.
pub fn pad(text: &str, width: usize) -> String {
    let mut out = truncate(text, width).into_owned();
    let missing = width.saturating_sub(self::width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clusters_are_measured_as_they_are_drawn() {
        for (text, cells) in [
            ("", 0),
            ("Grüße", 5),
            ("u\u{308}", 1),
            ("日本語", 6),
            ("👨‍👩‍👧‍👦", 2),
            ("👋🏽", 2),
            ("🇩🇪", 2),
            ("1️⃣", 2),
            ("❤️", 2),
            ("❤", 1),
            ("שלום", 4),
            ("مرحبا", 5),
            ("한국어", 6),
            ("\u{1b}[2J", 3),
        ] {
            assert_eq!(width(text), cells, "{text:?}");
        }
    }

    #[test]
    fn what_is_cut_off_leaves_a_sign() {
        assert_eq!(truncate("kitchen", 7), "kitchen");
        assert_eq!(truncate("kitchen", 4), "kit…");
        assert_eq!(truncate("日本語", 4), "日…");
        assert_eq!(truncate("kitchen", 1), "…");
        assert_eq!(truncate("kitchen", 0), "");
        assert_eq!(pad("日本語", 4), "日… ");
        assert_eq!(pad("ab", 4), "ab  ");
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_it_may_be(text in "\\PC*", limit in 0_usize..40) {
            prop_assert!(width(&truncate(&text, limit)) <= limit);
            prop_assert_eq!(width(&pad(&text, limit)), limit);
        }
    }
}
