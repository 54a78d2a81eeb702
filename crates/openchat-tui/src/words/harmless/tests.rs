use proptest::prelude::*;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Paragraph, Widget};

use super::*;
use crate::words::{Look, Readers, render};

/// A name, and what somebody sends.
const ATTACKS: &[(&str, &str)] = &[
    ("clear the screen", "\u{1b}[2J"),
    ("eight-bit CSI", "\u{9b}31m"),
    ("title by OSC", "\u{1b}]0;root@host\u{7}"),
    ("clipboard by OSC 52", "\u{1b}]52;c;cm0gLXJmIC8=\u{1b}\\"),
    ("eight-bit OSC and ST", "\u{9d}0;x\u{9c}"),
    ("link by OSC 8", "\u{1b}]8;;https://evil.example\u{1b}\\https://bank.example\u{1b}]8;;\u{1b}\\"),
    ("device control string", "\u{90}$qm\u{9c}"),
    ("answer back", "\u{5}"),
    ("bell", "\u{7}"),
    ("backspaces", "rm -rf /\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}\u{8}hello"),
    ("carriage return", "you owe me\rI owe you"),
    ("delete", "a\u{7f}"),
    ("nothing", "a\0b"),
    ("next line", "a\u{85}b"),
    ("shift out", "\u{e}lqk"),
    ("right-to-left override", "annex\u{202e}gpj.exe"),
    ("right-to-left embedding", "\u{202b}a\u{202c}"),
    ("isolate without end", "\u{2067}and 100 owed"),
    ("right-to-left mark", "a\u{200f}1"),
    ("Arabic letter mark", "a\u{61c}1"),
    ("line separator", "a\u{2028}<ada> b"),
    ("paragraph separator", "a\u{2029}b"),
    ("byte order mark", "\u{feff}a"),
    ("tags", "a\u{e0041}\u{e0042}"),
    ("a language tag", "\u{e0001}\u{e0065}\u{e006e}"),
    ("bytes behind an emoji", "😀\u{e0148}\u{e0155}\u{e0158}"),
    ("invisible operators", "a\u{2062}\u{2063}\u{2064}b"),
    ("Mongolian vowel separator", "a\u{180e}b"),
    ("a name of Hangul fillers", "\u{3164}\u{3164}\u{115f}\u{1160}\u{ffa0}"),
    ("combining grapheme joiner", "a\u{34f}b"),
    ("old format characters", "a\u{206a}\u{206f}b"),
    ("interlinear annotation", "\u{fff9}a\u{fffa}b\u{fffb}"),
    ("entities of Markdown", "&#27;[2J &#x9b;31m &#x202e;txt &#7; &#127; &#xE0041;"),
    ("an entity in a link", "[a](https://x.example/&#27;]0;x&#7;&#x202e;)"),
    ("a control in code", "`a\u{1b}[2J` \n\n```\n\u{1b}[2J\r\u{9b}\n```"),
    ("an override in code", "`a\u{202e}b`"),
    (
        "an override in a block of code",
        "```rust\nlet a = 1; /*\u{202e} { \u{2066}if admin\u{2069} \u{2066}*/\n```",
    ),
    ("an override in a heading", "# a\u{202e}b"),
    ("a control in HTML", "<b title='\u{1b}[2J'>\u{202e}</b>"),
    ("a control in an info string", "```\u{1b}[2J\na\n```"),
];

/// What Markdown takes for a line break, or does not show.
const MARKDOWN_TAKES: &[&str] = &["carriage return", "a control in an info string"];

/// What is left out without a trace.
const TRACELESS: &[(&str, &str, &str)] = &[
    ("zero-width space", "pay\u{200b}pal", "paypal"),
    ("word joiner", "a\u{2060}b", "ab"),
    ("soft hyphen", "Donau\u{ad}dampf", "Donaudampf"),
    ("a joiner between letters", "a\u{200d}b\u{200c}c", "abc"),
    ("a joiner behind an emoji", "👩\u{200d}a \u{200d}👩", "👩a 👩"),
    ("joiners that count", "م\u{200c}\u{200c}\u{200d}\u{200c}ن", "م\u{200c}ن"),
    ("a selector on a letter", "a\u{fe0f}b\u{fe01}", "ab"),
    ("many selectors", "❤\u{fe0f}\u{fe0f}\u{fe0e}", "❤\u{fe0e}"),
    ("a wide digit", "1\u{fe0f}2", "12"),
    ("line breaks of another system", "a\r\nb", "a\nb"),
];

fn is_bad(c: char) -> bool {
    is_steering(c) || is_unseen(c) || is_break_hint(c)
}

/// Everything that could be on the screen for these words, each way of drawing them, Markdown last.
fn screens(words: &str) -> Vec<Buffer> {
    let area = Rect::new(0, 0, 24, 12);
    let drawn = |text: Text<'static>| {
        let mut screen = Buffer::empty(area);
        Paragraph::new(text).render(area, &mut screen);
        screen
    };
    let mut lines = Buffer::empty(area);
    lines.set_line(0, 0, &Line::from(harmless(words)), area.width);
    lines.set_span(0, 1, &Span::raw(harmless_line(words)), area.width);
    let markdown = render(words, area.width, &Look::default(), Readers::default());
    vec![lines, drawn(Text::from(harmless(words))), drawn(Text::from(markdown))]
}

fn assert_harmless(name: &str, words: &str) {
    assert!(!harmless(words).chars().any(is_bad), "{name}");
    assert!(!harmless_line(words).contains(char::is_control), "{name}");
    for screen in screens(words) {
        for cell in screen.content() {
            assert!(
                !cell.symbol().chars().any(|c| c.is_control() || is_bad(c)),
                "{name}: {:?}",
                cell.symbol()
            );
        }
    }
}

#[test]
fn no_attack_reaches_a_cell_of_the_screen() {
    for (name, attack) in ATTACKS {
        assert_harmless(name, attack);
        let shown = screens(attack).pop().unwrap();
        let shown: String = shown.content().iter().map(Cell::symbol).collect();
        assert!(
            shown.contains(REPLACEMENT) || MARKDOWN_TAKES.contains(name),
            "{name} leaves no trace: {shown:?}"
        );
    }
    for (name, attack, expected) in TRACELESS {
        assert_harmless(name, attack);
        assert_eq!(harmless(attack), *expected, "{name}");
    }
}

#[test]
fn what_people_write_stays_as_it_is() {
    for words in [
        "Grüße 👋🏽 שלום\n\tx",
        "👨‍👩‍👧‍👦 🏳️‍🌈 ❤️‍🔥 👩🏽‍🚀 🧔‍♂️ ☎︎ 🇩🇪",
        "می‌خواهم",
        "क्‍ष র‍্য",
        "ශ්‍රී ලංකා",
        "พูดไทยได้ 日本語 が 한국어",
        "u\u{308}\u{304} Z\u{338}",
        "\u{5d1}\u{5bc}\u{5b0}\u{5e8}\u{5b5}\u{5d0}\u{5e9}\u{5c1}\u{5b4}\u{596}\u{5d9}\u{5ea}",
    ] {
        assert_eq!(harmless(words), words);
    }
}

#[test]
fn what_terminals_measure_in_their_own_ways_is_said_otherwise() {
    for (words, shown) in [
        ("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}", "한글"),
        ("\u{ac00}\u{11a8}", "각"),
        ("\u{1100}\u{1100}\u{1161}\u{11a8}\u{11a8}", "\u{fffd}각\u{fffd}"),
        ("\u{1100}1", "\u{fffd}1"),
        ("🇩🇪🇩", "🇩🇪D"),
        ("1️⃣ ☺️ ⚠️ ✓️ ❤️", "1\u{20e3} ☺ ⚠ ✓ ❤"),
    ] {
        assert_eq!(harmless(words), shown);
    }
}

#[test]
fn marks_do_not_climb_over_other_lines() {
    let zalgo = format!("a{}b", "\u{335}\u{301}".repeat(50));
    assert_eq!(harmless(&zalgo), format!("a{}b", "\u{335}\u{301}".repeat(4)));
}

#[test]
fn a_chain_without_end_is_cut() {
    for chain in ["\u{1100}".repeat(500), "क\u{94d}".repeat(500), "👩\u{200d}".repeat(500)] {
        let shown = harmless(&chain);
        assert!(shown.ends_with(REPLACEMENT) && shown.chars().count() <= CLUSTER + 1, "{shown:?}");
    }
}

#[test]
fn a_name_is_on_one_line() {
    assert_eq!(harmless_line("a\nb\r\nc\td"), "a b c d");
}

/// Any text, rich in what matters here.
fn words() -> impl Strategy<Value = String> {
    let special = prop::sample::select(vec![
        '\u{1b}',
        '\r',
        '\n',
        '\t',
        '\u{200c}',
        '\u{200d}',
        '\u{fe0f}',
        '\u{fe0e}',
        '\u{301}',
        '\u{20e3}',
        '\u{94d}',
        '\u{915}',
        '\u{1100}',
        '\u{1161}',
        '\u{11a8}',
        '\u{645}',
        '👩',
        '🏽',
        '🇩',
        '❤',
        '1',
        '\u{202e}',
        '\u{e0041}',
    ]);
    prop::collection::vec(prop_oneof![3 => special, 1 => any::<char>()], 0..60)
        .prop_map(|chars| chars.into_iter().collect())
}

proptest! {
    #[test]
    fn any_words_are_harmless(words in words()) {
        assert_harmless("any", &words);
    }

    #[test]
    fn harmless_words_stay_as_they_are(words in words()) {
        let once = harmless(&words);
        prop_assert_eq!(harmless(&once), once);
    }
}
