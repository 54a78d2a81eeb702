//! Blocks of code in colours: comments, literals and keywords of the languages people paste most.
//!
//! One pass without regular expressions, so that no code makes it slow. It knows words, not grammars.

mod languages;

use ratatui::style::Style;
use ratatui::text::Span;

use self::languages::Language;

/// How code looks, laid over the style of the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CodeLook {
    /// Words of the language.
    pub keyword: Style,
    /// Strings and numbers.
    pub literal: Style,
    /// Comments.
    pub comment: Style,
}

/// `code` in the colours of a language by the name that stands after the fence, such as `rust` or `py`. A language that
/// is not known has none.
pub(super) fn highlight(code: &str, name: &str, block: Style, look: &CodeLook) -> Vec<Span<'static>> {
    let Some(language) = languages::named(name) else { return vec![Span::styled(code.to_owned(), block)] };
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut rest = code;
    let mut before = None;
    while let Some((token, style, after)) = next(rest, before, language, look) {
        let style = block.patch(style);
        match spans.last_mut() {
            Some(last) if last.style == style => last.content.to_mut().push_str(token),
            _ => spans.push(Span::styled(token.to_owned(), style)),
        }
        before = token.chars().next_back();
        rest = after;
    }
    spans
}

/// Whether this, behind a fence, is the name of a language and nothing else.
pub(super) fn is_language(name: &str) -> bool {
    name.chars().all(char::is_alphanumeric) && languages::named(name).is_some()
}

/// The first token, its style, and what follows it.
fn next<'a>(
    code: &'a str,
    before: Option<char>,
    language: &Language,
    look: &CodeLook,
) -> Option<(&'a str, Style, &'a str)> {
    let first = code.chars().next()?;
    let (length, style) = if let Some(length) = comment(code, before, language) {
        (length, look.comment)
    } else if language.quotes.contains(first) {
        (string(code, first), look.literal)
    } else if first.is_alphabetic() || first == '_' {
        let length = run(code, |c| c.is_alphanumeric() || c == '_');
        let is_keyword = code.get(..length).is_some_and(|word| language.has_keyword(word));
        (length, if is_keyword { look.keyword } else { Style::new() })
    } else if first.is_ascii_digit() {
        (run(code, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')), look.literal)
    } else {
        (first.len_utf8(), Style::new())
    };
    let (token, after) = code.split_at_checked(length)?;
    Some((token, style, after))
}

/// The length of the comment that `code` begins with.
fn comment(code: &str, before: Option<char>, language: &Language) -> Option<usize> {
    if let Some((open, close)) = language.block_comment
        && let Some(inside) = code.strip_prefix(open)
    {
        return Some(inside.find(close).map_or(code.len(), |end| open.len() + end + close.len()));
    }
    // `$#` and `a#b` are no comments.
    let may = language.line_comment != "#" || before.is_none_or(char::is_whitespace);
    (may && code.starts_with(language.line_comment)).then(|| run(code, |c| c != '\n'))
}

/// The length of the string that `code` begins with: up to the same quote, or the end of the line.
fn string(code: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in code.char_indices().skip(1) {
        match c {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    code.len()
}

fn run(code: &str, belongs: impl Fn(char) -> bool) -> usize {
    code.find(|c| !belongs(c)).unwrap_or(code.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::style::{Color, Modifier};

    use super::*;

    fn look() -> CodeLook {
        CodeLook {
            keyword: Style::new().add_modifier(Modifier::BOLD),
            literal: Style::new().fg(Color::Green),
            comment: Style::new().fg(Color::Gray),
        }
    }

    /// The tokens of one kind.
    fn tokens(code: &str, name: &str, style: Style) -> Vec<String> {
        let spans = highlight(code, name, Style::new(), &look());
        spans.into_iter().filter(|span| span.style == style).map(|span| span.content.into_owned()).collect()
    }

    #[test]
    fn languages_have_their_words() {
        let CodeLook { keyword, literal, comment } = look();
        let rust = "fn main<'a>() { // let\n let x = \"a \\\" b\"; /* 1\n */ 0xff }";
        assert_eq!(tokens(rust, "rust", keyword), ["fn", "let"]);
        assert_eq!(tokens(rust, "rs", literal), ["\"a \\\" b\"", "0xff"]);
        assert_eq!(tokens(rust, "Rust,ignore", comment), ["// let", "/* 1\n */"]);
        assert_eq!(tokens("if [ $# -gt 1 ]; then # why\n", "sh", comment), ["# why"]);
        assert_eq!(tokens("SELECT a FROM b -- all", "sql", keyword), ["SELECT", "FROM"]);
        assert_eq!(tokens("{\"a\": true, \"b\": 1.5}", "json", literal), ["\"a\"", "\"b\"", "1.5"]);
        assert_eq!(tokens("letter = format", "rust", keyword), Vec::<String>::new());
    }

    #[test]
    fn a_string_ends_with_its_line() {
        assert_eq!(tokens("'open\nnext", "py", look().literal), ["'open"]);
        assert_eq!(tokens("'open\\\nnext", "py", look().literal), ["'open\\"]);
    }

    #[test]
    fn an_unknown_language_has_no_colours() {
        assert_eq!(highlight("fn 1", "klingon", Style::new(), &look()), [Span::raw("fn 1")]);
        assert_eq!(highlight("fn 1", "", Style::new(), &look()), [Span::raw("fn 1")]);
    }

    proptest! {
        #[test]
        fn no_code_loses_a_letter(code in "([a-z0-9_\"'`#/*\\\\\n -]|\\PC){0,80}", index in 0_usize..languages::ALL.len()) {
            let name = languages::ALL[index].names[0];
            let spans = highlight(&code, name, Style::new(), &look());
            prop_assert_eq!(spans.iter().map(|span| span.content.as_ref()).collect::<String>(), code);
        }
    }
}
