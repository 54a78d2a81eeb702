//! Words within a block: their styles, links with their targets, bare addresses, and who is mentioned.

use ratatui::style::{Modifier, Style};
use ratatui::text::Span;

use super::{Look, Readers};

/// The words of the block that is open.
pub(super) struct Inline<'a> {
    look: &'a Look,
    readers: Readers<'a>,
    /// The style of what comes next is the last; the first is that of the message.
    styles: Vec<Style>,
    spans: Vec<Span<'static>>,
    links: Vec<Link>,
}

/// A link that is open: where it leads, and what it shows so far.
struct Link {
    target: String,
    title: String,
    shown: String,
}

impl<'a> Inline<'a> {
    pub(super) fn new(look: &'a Look, readers: Readers<'a>) -> Self {
        Self { look, readers, styles: Vec::new(), spans: Vec::new(), links: Vec::new() }
    }

    fn style(&self) -> Style {
        self.styles.last().copied().unwrap_or(self.look.text)
    }

    /// Lays a style over the words that follow, until [`Inline::pop`].
    pub(super) fn push(&mut self, style: Style) {
        self.styles.push(self.style().patch(style));
    }

    pub(super) fn pop(&mut self) {
        self.styles.pop();
    }

    pub(super) fn words(&mut self, text: &str) {
        self.note(text);
        if !self.links.is_empty() {
            self.spans.push(Span::styled(text.to_owned(), self.style()));
            return;
        }
        let mut rest = text;
        while let Some((start, end, style)) = self.next_mark(rest) {
            let (before, marked) = rest.split_at(start);
            let (marked, after) = marked.split_at(end - start);
            self.spans.push(Span::styled(before.to_owned(), self.style()));
            self.spans.push(Span::styled(marked.to_owned(), self.style().patch(style)));
            if !marked.starts_with('@') {
                self.warn(marked);
            }
            rest = after;
        }
        self.spans.push(Span::styled(rest.to_owned(), self.style()));
    }

    pub(super) fn code(&mut self, text: &str) {
        self.note(text);
        self.spans.push(Span::styled(text.to_owned(), self.style().patch(self.look.code)));
    }

    pub(super) fn line_break(&mut self) {
        self.note(" ");
        self.spans.push(Span::raw("\n"));
    }

    pub(super) fn start_link(&mut self, target: String, title: String) {
        self.push(self.look.link.add_modifier(Modifier::UNDERLINED));
        self.links.push(Link { target, title, shown: String::new() });
    }

    /// Where a link leads is shown unless its text says exactly that. Its title, which other programs show under the
    /// mouse, is shown too.
    pub(super) fn end_link(&mut self) {
        self.pop();
        let Some(Link { target, title, shown }) = self.links.pop() else { return };
        let is_told = shown == target || Some(shown.as_str()) == target.strip_prefix("mailto:");
        let mut told = Vec::new();
        if !is_told {
            told.push(target.clone());
        }
        if !title.is_empty() {
            told.push(format!("\"{title}\""));
        }
        if !told.is_empty() {
            let style = self.style().patch(self.look.link);
            self.spans.push(Span::styled(format!(" ({})", told.join(" ")), style));
        }
        self.warn(&target);
    }

    /// Says of an address that it may not lead where it seems to.
    fn warn(&mut self, target: &str) {
        if let Some(warning) = strangeness(target) {
            let style = self.style().patch(self.look.me);
            self.spans.push(Span::styled(format!(" (!) {warning}"), style));
        }
    }

    /// The words of the block, which ends, or nothing when it has none.
    pub(super) fn finish(&mut self) -> Option<Vec<Span<'static>>> {
        let mut spans = std::mem::take(&mut self.spans);
        while spans.last().is_some_and(|span| span.content.trim().is_empty()) {
            spans.pop();
        }
        if spans.is_empty() { None } else { Some(spans) }
    }

    /// Remembers what a link shows; what an image within it shows is the image's alone.
    fn note(&mut self, text: &str) {
        if let Some(link) = self.links.last_mut() {
            link.shown.push_str(text);
        }
    }

    /// Where in `text` the next address or mention is, and its style.
    fn next_mark(&self, text: &str) -> Option<(usize, usize, Style)> {
        let mut before = None;
        for (start, c) in text.char_indices() {
            let rest = text.get(start..)?;
            let found = match c {
                _ if before.is_some_and(is_of_a_word) => None,
                '@' => self.mention(rest),
                'h' | 'H' => address(rest).map(|length| (length, self.look.link)),
                _ => None,
            };
            if let Some((length, style)) = found {
                return Some((start, start + length, style));
            }
            before = Some(c);
        }
        None
    }

    /// The length of the mention that `text` begins with, and its style.
    fn mention(&self, text: &str) -> Option<(usize, Style)> {
        let name = text.strip_prefix('@')?;
        let end = name.find(|c: char| !is_of_a_name(c)).unwrap_or(name.len());
        let mut name = name.get(..end)?;
        // `@ada.` at the end of a sentence is `@ada`, unless somebody is called `ada.`.
        loop {
            let is = |other: &str| !other.is_empty() && other.eq_ignore_ascii_case(name);
            if is(self.readers.me) {
                return Some((name.len() + 1, self.look.me));
            }
            if self.readers.names.iter().any(|other| is(other)) {
                return Some((name.len() + 1, self.look.mention));
            }
            name = name.strip_suffix(['.', '_', '-'])?;
        }
    }
}

/// What is to be said of an address whose host is not what it seems: letters that look like others, or a name before an
/// `@` that looks like a host.
fn strangeness(target: &str) -> Option<String> {
    let (_, rest) = target.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let (user, host) =
        authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let is_strange = |label: &str| !label.is_ascii() || label.to_ascii_lowercase().starts_with("xn--");
    if host.contains('%') || host.split('.').any(is_strange) {
        return Some("letters in the host that may only look like others".to_owned());
    }
    user.map(|_| format!("leads to {host}"))
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || is_of_a_name(c)
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// The length of the address that `text` begins with: up to a space, without what ends a sentence or a bracket.
fn address(text: &str) -> Option<usize> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))?;
    let end = text.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"')).unwrap_or(text.len());
    let mut found = text.get(..end)?;
    let mut unopened = [('(', ')'), ('[', ']')].map(|(open, close)| {
        (close, found.matches(close).count().saturating_sub(found.matches(open).count()))
    });
    while let Some(last) = found.chars().next_back() {
        match unopened.iter_mut().find(|(close, more)| *close == last && *more > 0) {
            Some((_, more)) => *more -= 1,
            None if matches!(last, '.' | ',' | ':' | ';' | '!' | '?' | '\'') => {}
            None => break,
        }
        found = found.strip_suffix(last)?;
    }
    (found.len() > scheme.len()).then_some(found.len())
}
