//! Others' words made harmless: nothing in them steers a terminal, turns the reading order, or is there unseen.

use std::borrow::Cow;

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
/// A character has at most eight marks. Where terminals do not agree how many cells something takes, and it can be said
/// otherwise, it is: parts of Hangul syllables are composed, or become `�` alone; half a flag is its letter; what is a
/// text character by itself stays one. Doing it twice changes nothing more.
pub fn harmless(text: &str) -> String {
    let seen = visible(text);
    if seen.is_ascii() {
        return seen;
    }
    seen.graphemes(true).map(certain).map(|cluster| bounded(&cluster)).collect()
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
            '\u{fe0e}' | '\u{fe0f}' => selects(&out, c, next, rest.clone().nth(1)),
            '\u{fe00}'..='\u{fe0d}' => false,
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

/// Whether a variation selector makes text of an emoji, or is a part of one of several characters. One that would only
/// make a text character wider is left out: terminals do not agree on that.
fn selects(before: &str, selector: char, next: Option<char>, after: Option<char>) -> bool {
    let mut before = before.chars().rev();
    let Some(base) = before.next().filter(|c| is_emoji(*c)) else { return false };
    let is_joined =
        (next == Some('\u{200d}') && after.is_some_and(is_emoji)) || before.next() == Some('\u{200d}');
    selector == '\u{fe0e}' || is_joined || base.width() == Some(2)
}

/// The blocks that emoji are in, without the halves of flags.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{a9}' | '\u{ae}' | '\u{203c}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{21ff}'
        | '\u{2300}'..='\u{27bf}' | '\u{2900}'..='\u{297f}' | '\u{2b00}'..='\u{2bff}' | '\u{3030}' | '\u{303d}'
        | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1f1e5}' | '\u{1f200}'..='\u{1faff}')
}

/// The blocks of scripts that write with joiners: from Hebrew and Arabic to those of India and its neighbours, Khmer,
/// Mongolian, Tifinagh, and presentation forms of Arabic.
fn is_of_a_joining_script(c: char) -> bool {
    matches!(c,
        '\u{0591}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1700}'..='\u{18af}' | '\u{1900}'..='\u{1cff}'
        | '\u{2d30}'..='\u{2d7f}' | '\u{a800}'..='\u{abff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10a00}'..='\u{11fff}' | '\u{1e900}'..='\u{1e95f}')
}

/// One cluster so that every terminal takes the same cells for it, where that can be said otherwise.
fn certain(cluster: &str) -> Cow<'_, str> {
    let mut halves = cluster.chars();
    match (halves.next(), halves.next()) {
        // Alone; two of them are a flag.
        (Some(half @ '\u{1f1e6}'..='\u{1f1ff}'), second) if second.is_none_or(|c| !is_regional(c)) => {
            let letter = char::from_u32(u32::from('A') + u32::from(half) - 0x1f1e6).unwrap_or(REPLACEMENT);
            Cow::Owned(std::iter::once(letter).chain(cluster.chars().skip(1)).collect())
        }
        _ if cluster.chars().any(is_jamo) => Cow::Owned(syllables(cluster)),
        _ => Cow::Borrowed(cluster),
    }
}

fn is_regional(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

fn is_jamo(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{11ff}' | '\u{a960}'..='\u{a97f}' | '\u{d7b0}'..='\u{d7ff}')
}

/// Parts of Hangul syllables composed, as in the Unicode Standard, section 3.12; what is left over becomes `�`.
fn syllables(cluster: &str) -> String {
    let mut out: Vec<char> = Vec::new();
    for c in cluster.chars() {
        match out.last().and_then(|last| composed(*last, c)) {
            Some(syllable) => drop(out.pop().map(|_| out.push(syllable))),
            None => out.push(c),
        }
    }
    out.into_iter().map(|c| if is_jamo(c) { REPLACEMENT } else { c }).collect()
}

fn composed(last: char, next: char) -> Option<char> {
    const SYLLABLES: u32 = 0xac00;
    let (from, to) = (u32::from(last), u32::from(next));
    match (last, next) {
        ('\u{1100}'..='\u{1112}', '\u{1161}'..='\u{1175}') => {
            char::from_u32(SYLLABLES + ((from - 0x1100) * 21 + (to - 0x1161)) * 28)
        }
        ('\u{ac00}'..='\u{d7a3}', '\u{11a8}'..='\u{11c2}') if (from - SYLLABLES).is_multiple_of(28) => {
            char::from_u32(from + (to - 0x11a7))
        }
        _ => None,
    }
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
