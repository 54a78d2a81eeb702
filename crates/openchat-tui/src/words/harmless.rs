//! Others' words made harmless: nothing in them steers a terminal, turns the reading order, or is there unseen.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// Stands where something was that must not reach a terminal.
const REPLACEMENT: char = '\u{fffd}';

/// Marks on one character. Scripts that stack them need half of that; more climb over the lines above.
const MARKS: usize = 8;

/// Characters in one cluster. The longest emoji has ten; chains without end would be as wide as the screen.
const CLUSTER: usize = 16;

/// Others' words, fit to be shown.
///
/// Control characters (C0, C1, DEL), bidirectional controls, separators of lines and paragraphs, and invisible
/// characters become `�`. Line breaks and tabs stay; `\r\n` is a line break. Joiners and variation selectors stay where
/// an emoji or a script needs them; elsewhere they are dropped without a trace, as are hints where a word may be broken.
/// A character has at most eight marks. Doing it twice changes nothing more.
pub fn harmless(text: &str) -> String {
    let seen = visible(text);
    if seen.is_ascii() {
        return seen;
    }
    seen.graphemes(true).map(bounded).collect()
}

/// [`harmless()`], and on one line: line breaks and tabs become spaces. For names, titles and reasons.
pub fn harmless_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let next = rest.clone().next();
        if (c == '\r' && next == Some('\n')) || is_break_hint(c) {
            continue;
        }
        let keep = match c {
            '\u{200c}' | '\u{200d}' => joins(&out, c, next),
            '\u{fe00}'..='\u{fe0f}' => selects(&out, c, next),
            _ => true,
        };
        if keep {
            out.push(if is_steering(c) || is_unseen(c) { REPLACEMENT } else { c });
        }
    }
    out
}

fn is_steering(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
            | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// What no font draws and no script needs: fillers, invisible operators, formats of musical scores and shorthand, and
/// the rest of the plane of tags, where whole messages can be hidden behind one emoji.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{2061}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}' | '\u{3164}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0080}'..='\u{e0fff}')
}

/// Soft hyphen, zero-width space, word joiner: text that is copied from pages is full of them.
fn is_break_hint(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}')
}

/// Whether a joiner or non-joiner stands between two characters that are drawn differently with it.
fn joins(before: &str, joiner: char, next: Option<char>) -> bool {
    let mut before = before.chars().rev();
    let (Some(last), Some(next)) = (before.next(), next) else { return false };
    let emoji = joiner == '\u{200d}' && is_emoji(next) && {
        let base = if last == '\u{fe0f}' { before.next() } else { Some(last) };
        base.is_some_and(is_emoji)
    };
    emoji || (is_of_a_joining_script(last) && is_of_a_joining_script(next))
}

/// Whether a variation selector makes text or an emoji of the character before it, or is part of a key (`1️⃣`).
fn selects(before: &str, selector: char, next: Option<char>) -> bool {
    let key =
        |c: char| matches!(c, '0'..='9' | '#' | '*') && selector == '\u{fe0f}' && next == Some('\u{20e3}');
    matches!(selector, '\u{fe0e}' | '\u{fe0f}')
        && before.chars().next_back().is_some_and(|c| is_emoji(c) || key(c))
}

/// The blocks that emoji are in.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}'
        | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// The blocks of scripts that write with joiners: from Hebrew and Arabic to those of India and its neighbours, Khmer,
/// Mongolian, Tifinagh, and presentation forms of Arabic.
fn is_of_a_joining_script(c: char) -> bool {
    matches!(c,
        '\u{0591}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1700}'..='\u{18af}' | '\u{1900}'..='\u{1cff}'
        | '\u{2d30}'..='\u{2d7f}' | '\u{a800}'..='\u{abff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10a00}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}')
}

/// One cluster with no more marks and characters than it may have. What is cut from a chain leaves a `�`.
fn bounded(cluster: &str) -> String {
    let mut marks = 0_usize;
    let mut kept = cluster.chars().filter(|c| {
        marks += usize::from(is_mark(*c));
        !is_mark(*c) || marks <= MARKS
    });
    let mut out: String = kept.by_ref().take(CLUSTER).collect();
    out.extend(kept.next().map(|_| REPLACEMENT));
    out
}

fn is_mark(c: char) -> bool {
    !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0e}' | '\u{fe0f}' | '\n' | '\t')
        && c.width().unwrap_or(0) == 0
}

#[cfg(test)]
mod tests;
