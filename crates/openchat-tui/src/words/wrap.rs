//! Styled text broken into lines that fit, by clusters and the cells they take.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use super::width::{cells, width};

/// Cells between tab stops in code.
const TAB: usize = 4;

/// Stands for a cluster that is wider than a whole line.
const TOO_WIDE: &str = "\u{fffd}";

/// What stands at the left of each line: the bar of a quote, the sign of a list's item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Margin {
    /// Before the first line.
    pub first: Vec<Span<'static>>,
    /// Before every other line, as wide as `first`.
    pub rest: Vec<Span<'static>>,
}

impl Margin {
    fn width(&self) -> usize {
        [&self.first, &self.rest].into_iter().map(|side| spans_width(side)).max().unwrap_or(0)
    }
}

fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| width(&span.content)).sum()
}

/// Lines of at most `width` cells, at least one wide, broken between words. `\n` ends a line.
///
/// Spaces at a break are not drawn. A word that is longer than a line is broken where the line ends, and between
/// wide characters (Chinese, Japanese, Korean, emoji) a line may end anywhere. A margin that leaves no room is left out.
pub fn wrap(spans: &[Span<'_>], width: u16, margin: &Margin) -> Vec<Line<'static>> {
    let mut page = Page::new(width, margin);
    let mut word = Vec::new();
    for cluster in clusters(spans) {
        match kind(&cluster) {
            Kind::Letter => word.push(cluster),
            Kind::Wide => {
                page.word(&mut word);
                word.push(cluster);
                page.word(&mut word);
            }
            Kind::Space => {
                page.word(&mut word);
                page.space(cluster);
            }
            Kind::Break => {
                page.word(&mut word);
                page.end_line();
            }
        }
    }
    page.word(&mut word);
    page.finish()
}

/// Lines of at most `width` cells, at least one wide, broken only where they are full, with every space in its place.
/// For code.
pub fn chop(spans: &[Span<'_>], width: u16, margin: &Margin) -> Vec<Line<'static>> {
    let mut page = Page::new(width, margin);
    for cluster in clusters(spans) {
        match cluster.text {
            "\n" => page.end_line(),
            "\t" => {
                let blank = Cluster { text: " ", width: 1, style: cluster.style };
                (0..TAB - page.used % TAB).for_each(|_| page.put(&blank));
            }
            _ => page.put(&cluster),
        }
    }
    page.finish()
}

/// One character as a reader sees it.
#[derive(Clone)]
struct Cluster<'a> {
    text: &'a str,
    width: usize,
    style: Style,
}

enum Kind {
    Letter,
    Wide,
    Space,
    Break,
}

fn kind(cluster: &Cluster<'_>) -> Kind {
    match cluster.text {
        "\n" => Kind::Break,
        "\u{a0}" | "\u{202f}" => Kind::Letter,
        text if text.chars().all(char::is_whitespace) => Kind::Space,
        _ if cluster.width > 1 => Kind::Wide,
        _ => Kind::Letter,
    }
}

/// The clusters that are drawn, line breaks and tabs. One without width, such as a mark that lost its letter to another
/// style, would be drawn over its neighbour and is left out.
fn clusters<'a>(spans: &'a [Span<'_>]) -> impl Iterator<Item = Cluster<'a>> {
    spans.iter().flat_map(|span| {
        span.content.graphemes(true).filter_map(|text| match text {
            "\n" | "\r\n" => Some(Cluster { text: "\n", width: 0, style: span.style }),
            "\t" => Some(Cluster { text, width: 1, style: span.style }),
            _ => Some(Cluster { text, width: cells(text), style: span.style })
                .filter(|cluster| cluster.width > 0),
        })
    })
}

/// Lines that are being filled.
struct Page<'a> {
    margin: Option<&'a Margin>,
    room: usize,
    lines: Vec<Line<'static>>,
    spans: Vec<Span<'static>>,
    used: usize,
    spaces: Vec<Cluster<'a>>,
}

impl<'a> Page<'a> {
    fn new(width: u16, margin: &'a Margin) -> Self {
        let width = usize::from(width).max(1);
        let inner = width.saturating_sub(margin.width());
        let (margin, room) = if inner > 0 { (Some(margin), inner) } else { (None, width) };
        Self { margin, room, lines: Vec::new(), spans: Vec::new(), used: 0, spaces: Vec::new() }
    }

    /// A word, on the next line when this one has no room for it and for the spaces before it.
    fn word(&mut self, word: &mut Vec<Cluster<'a>>) {
        let length: usize = word.iter().map(|cluster| cluster.width).sum();
        if length == 0 {
            return;
        }
        let spaces = std::mem::take(&mut self.spaces);
        let gap: usize = spaces.iter().map(|cluster| cluster.width).sum();
        if self.used + gap + length <= self.room {
            spaces.iter().for_each(|space| self.put(space));
        } else if self.used > 0 {
            self.end_line();
        }
        word.drain(..).for_each(|cluster| self.put(&cluster));
    }

    /// A space; drawn when a word follows on the same line.
    fn space(&mut self, mut space: Cluster<'a>) {
        if space.text == "\t" {
            space.text = " ";
        }
        self.spaces.push(space);
    }

    fn put(&mut self, cluster: &Cluster<'_>) {
        let (text, width) =
            if cluster.width > self.room { (TOO_WIDE, 1) } else { (cluster.text, cluster.width) };
        if self.used + width > self.room {
            self.end_line();
        }
        self.used += width;
        match self.spans.last_mut() {
            Some(last) if last.style == cluster.style => last.content.to_mut().push_str(text),
            _ => self.spans.push(Span::styled(text.to_owned(), cluster.style)),
        }
    }

    fn end_line(&mut self) {
        let side = self.margin.map(|margin| if self.lines.is_empty() { &margin.first } else { &margin.rest });
        let mut spans = side.cloned().unwrap_or_default();
        spans.append(&mut self.spans);
        self.lines.push(Line::from(spans));
        self.used = 0;
        self.spaces.clear();
    }

    fn finish(mut self) -> Vec<Line<'static>> {
        if !self.spans.is_empty() || self.lines.is_empty() {
            self.end_line();
        }
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::style::Stylize;

    use super::*;

    fn wrapped(text: &str, width: u16) -> Vec<String> {
        wrap(&[Span::raw(text)], width, &Margin::default()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lines_end_between_words() {
        assert_eq!(wrapped("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrapped("one  two", 3), ["one", "two"]);
        assert_eq!(wrapped("a\n\nb\n", 9), ["a", "", "b"]);
        assert_eq!(wrapped("10\u{a0}km away", 6), ["10\u{a0}km", "away"]);
        assert_eq!(wrapped("", 9), [""]);
    }

    #[test]
    fn words_longer_than_a_line_are_broken() {
        assert_eq!(wrapped("an abcdefghij", 4), ["an", "abcd", "efgh", "ij"]);
    }

    #[test]
    fn wide_characters_are_two_cells_and_never_halved() {
        assert_eq!(wrapped("日本語です", 5), ["日本", "語で", "す"]);
        assert_eq!(wrapped("👨‍👩‍👧‍👦👋🏽", 3), ["👨‍👩‍👧‍👦", "👋🏽"]);
        assert_eq!(wrapped("a日b", 1), ["a", "\u{fffd}", "b"]);
    }

    #[test]
    fn right_to_left_words_keep_their_logical_order() {
        assert_eq!(wrapped("שלום עולם abc", 9), ["שלום עולם", "abc"]);
    }

    #[test]
    fn styles_stay_with_their_letters_and_words_may_have_several() {
        let spans = [Span::raw("one t"), "w".bold(), Span::raw("o three")];
        let lines = wrap(&spans, 7, &Margin::default());
        assert_eq!(lines[0], Line::from(vec![Span::raw("one t"), "w".bold(), Span::raw("o")]));
        assert_eq!(lines[1], Line::from("three"));
    }

    #[test]
    fn margins_are_on_every_line_and_go_when_there_is_no_room() {
        let margin = Margin { first: vec![Span::raw("1. ")], rest: vec![Span::raw("   ")] };
        let lines = |width| -> Vec<String> {
            wrap(&[Span::raw("aa bb")], width, &margin).iter().map(ToString::to_string).collect()
        };
        assert_eq!(lines(5), ["1. aa", "   bb"]);
        assert_eq!(lines(3), ["aa", "bb"]);
    }

    #[test]
    fn code_keeps_its_spaces_and_its_tab_stops() {
        let lines = chop(&[Span::raw("if x:\n\ty  = 1\na\tb")], 8, &Margin::default());
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["if x:", "    y  =", " 1", "a   b"]);
    }

    #[test]
    fn a_mark_without_its_letter_is_not_drawn_over_another() {
        let spans = [Span::raw("❤"), "\u{fe0f}x".bold()];
        assert_eq!(wrap(&spans, 9, &Margin::default())[0], Line::from(vec![Span::raw("❤"), "x".bold()]));
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_it_may_be(texts in prop::collection::vec(any::<String>(), 0..4), width in 0_u16..60) {
            let spans: Vec<Span> = texts
                .iter()
                .enumerate()
                .map(|(i, text)| if i % 2 == 0 { Span::raw(text.as_str()) } else { text.as_str().bold() })
                .collect();
            let margin = Margin { first: vec![Span::raw("• ")], rest: vec![Span::raw("  ")] };
            for line in wrap(&spans, width, &margin).into_iter().chain(chop(&spans, width, &margin)) {
                prop_assert!(spans_width(&line.spans) <= usize::from(width.max(1)), "{line:?}");
                prop_assert!(!line.to_string().contains(char::is_control), "{line:?}");
            }
        }

        #[test]
        fn no_word_is_lost(text in "([a-zé日 \n]|👋🏽){0,60}", width in 2_u16..30) {
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&wrapped(&text, width).concat()), letters(&text));
        }
    }
}
