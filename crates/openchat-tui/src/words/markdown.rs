//! Markdown of messages (CommonMark and strikethrough) as styled lines: a line break is a line break, HTML is text.

mod inline;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd, TextMergeWithOffset};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use self::inline::Inline;
use super::code::{CodeLook, highlight, is_language};
use super::harmless::{harmless, harmless_line};
use super::width::width;
use super::wrap::{Margin, chop, wrap};

/// How each part of a message looks. Every style is laid over `text`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Words.
    pub text: Style,
    /// `**strong**`.
    pub strong: Style,
    /// `*emphasis*`.
    pub emphasis: Style,
    /// `` `code` `` among words.
    pub code: Style,
    /// Blocks of code.
    pub code_block: Style,
    /// What is in them, where the language is known.
    pub syntax: CodeLook,
    /// Quotes and the bar beside them; also rules and the signs of lists.
    pub quote: Style,
    /// Links and their targets.
    pub link: Style,
    /// `@name` of somebody else.
    pub mention: Style,
    /// `@name` of who reads.
    pub me: Style,
    /// Headings.
    pub heading: Style,
}

/// Whose names are mentions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readers<'a> {
    /// Who reads, without `@`; empty when nobody is to be marked.
    pub me: &'a str,
    /// Everybody else, without `@`.
    pub names: &'a [&'a str],
}

/// The lines of a message, each at most `width` cells (at least one) wide, made harmless.
///
/// Nothing that was written is hidden: what a link shows, where it leads and how it is titled are all on the screen, and
/// so are definitions of links, and words behind a fence that are no language. Where Markdown would show nothing of a
/// message, the message is shown as it was written.
pub fn render(markdown: &str, width: u16, look: &Look, readers: Readers<'_>) -> Vec<Line<'static>> {
    let mut sheet = Sheet::new(width, look, readers);
    let parser = Parser::new_ext(markdown, Options::ENABLE_STRIKETHROUGH).into_offset_iter();
    let mut shown = 0;
    for (event, range) in TextMergeWithOffset::new(parser) {
        if !is_container(&event) {
            if let Some(definitions) = markdown.get(shown..range.start).and_then(definitions) {
                sheet.verbatim(definitions);
            }
            shown = shown.max(range.end);
        }
        sheet.take(event);
    }
    sheet.end_block();
    if let Some(definitions) = markdown.get(shown..).and_then(definitions) {
        sheet.verbatim(definitions);
    }
    if sheet.lines.is_empty() && !markdown.trim().is_empty() {
        return wrap(&[Span::styled(harmless(markdown), look.text)], width, &Margin::default());
    }
    sheet.lines
}

/// Whether an event stands around others, so that its range says nothing of what is shown.
fn is_container(event: &Event<'_>) -> bool {
    matches!(
        event,
        Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::Item)
            | Event::End(_)
            | Event::SoftBreak
            | Event::HardBreak
    )
}

/// What stands between two blocks is blank, or signs of lists and quotes, or definitions of links: those are to be seen.
fn definitions(between: &str) -> Option<&str> {
    Some(between.trim()).filter(|between| between.contains("]:"))
}

/// A list that is open: the number of its next item, when it counts.
struct List {
    next: Option<u64>,
}

/// A block of code that is open.
#[derive(Default)]
struct Code {
    language: String,
    text: String,
}

/// What is written so far, and what is open.
struct Sheet<'a> {
    width: u16,
    look: &'a Look,
    lines: Vec<Line<'static>>,
    inline: Inline<'a>,
    /// The block of code that is open.
    code: Option<Code>,
    margin: Margin,
    /// For each quote and item that is open, the cells of its span in the margin, or 0 when there was no room for one.
    nesting: Vec<usize>,
    /// The sum of `nesting`.
    taken: usize,
    lists: Vec<List>,
    /// A block has ended, so that the next one is set apart by an empty line.
    gap: bool,
    /// There is a sign in the margin that no line has shown yet.
    waits: bool,
    /// All that is open are signs of items for which the margin had no room.
    only_signs: bool,
}

impl<'a> Sheet<'a> {
    fn new(width: u16, look: &'a Look, readers: Readers<'a>) -> Self {
        Self {
            width,
            look,
            lines: Vec::new(),
            inline: Inline::new(look, readers),
            code: None,
            margin: Margin::default(),
            nesting: Vec::new(),
            taken: 0,
            lists: Vec::new(),
            gap: false,
            waits: false,
            only_signs: false,
        }
    }

    fn take(&mut self, event: Event<'_>) {
        // Lists within lists without words are one row of signs.
        self.only_signs &= matches!(event, Event::Start(Tag::List(_) | Tag::Item));
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.text.push_str(&text),
                None => self.inline.words(&harmless(&text)),
            },
            Event::Code(text) => self.inline.code(&harmless(&text)),
            Event::Html(text) | Event::InlineHtml(text) => self.inline.words(&harmless(&text)),
            Event::SoftBreak | Event::HardBreak => self.inline.line_break(),
            Event::Rule => self.rule(),
            // Extensions that are not asked for.
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::FootnoteReference(text) => {
                self.inline.words(&harmless(&text));
            }
            Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.end_block();
                self.inline.push(self.look.heading);
            }
            Tag::BlockQuote(_) => {
                self.end_block();
                self.open("▎ ", "▎ ");
                self.inline.push(self.look.quote);
            }
            Tag::CodeBlock(kind) => {
                self.end_block();
                let language = match kind {
                    CodeBlockKind::Fenced(info) => info.into_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some(Code { language, text: String::new() });
            }
            Tag::List(next) => {
                self.end_words();
                self.lists.push(List { next });
            }
            Tag::Item => self.start_item(),
            Tag::Emphasis => self.inline.push(self.look.emphasis),
            Tag::Strong => self.inline.push(self.look.strong),
            Tag::Strikethrough => self.inline.push(Style::new().add_modifier(Modifier::CROSSED_OUT)),
            Tag::Link { dest_url, title, .. } | Tag::Image { dest_url, title, .. } => {
                self.inline.start_link(harmless_line(&dest_url), harmless_line(&title));
            }
            _ => self.end_block(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.inline.pop();
                self.end_paragraph();
            }
            TagEnd::BlockQuote(_) => {
                self.end_block();
                self.inline.pop();
                self.close();
                self.gap = true;
            }
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::List(_) => {
                self.lists.pop();
                self.gap |= self.lists.is_empty();
            }
            TagEnd::Item => {
                self.end_block();
                self.close();
            }
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => self.inline.pop(),
            TagEnd::Link | TagEnd::Image => self.inline.end_link(),
            _ => self.end_paragraph(),
        }
    }

    fn start_item(&mut self) {
        self.end_words();
        let sign = match self.lists.last_mut().and_then(|list| list.next.as_mut()) {
            Some(number) => {
                let sign = format!("{number}. ");
                *number = number.saturating_add(1);
                sign
            }
            None => "• ".to_owned(),
        };
        if !self.open(&sign, &" ".repeat(width(&sign))) {
            self.inline.words(&sign);
            self.only_signs = true;
        }
    }

    fn end_words(&mut self) {
        if !self.only_signs {
            self.end_block();
        }
    }

    /// Puts something into the margin, for as long as half of the width is left for words.
    fn open(&mut self, first: &str, rest: &str) -> bool {
        let cells = width(first);
        let fits = self.taken + cells <= usize::from(self.width) / 2;
        if fits {
            let style = self.look.text.patch(self.look.quote);
            self.set_apart();
            self.margin.first.push(Span::styled(first.to_owned(), style));
            self.margin.rest.push(Span::styled(rest.to_owned(), style));
        }
        self.waits |= fits;
        let cells = if fits { cells } else { 0 };
        self.nesting.push(cells);
        self.taken += cells;
        fits
    }

    fn close(&mut self) {
        if self.waits {
            self.add(vec![Line::from(self.margin.first.clone())]);
        }
        let cells = self.nesting.pop().unwrap_or(0);
        self.taken = self.taken.saturating_sub(cells);
        if cells > 0 {
            self.margin.rest.pop();
            self.margin.first.clone_from(&self.margin.rest);
        }
    }

    /// Ends what has no end of its own, such as the words of an item without paragraphs.
    fn end_block(&mut self) {
        if let Some(spans) = self.inline.finish() {
            self.set_apart();
            let lines = wrap(&spans, self.width, &self.margin);
            self.add(lines);
        }
    }

    fn end_paragraph(&mut self) {
        self.end_block();
        self.gap = true;
    }

    fn end_code(&mut self) {
        let Code { language, text } = self.code.take().unwrap_or_default();
        let style = self.look.text.patch(self.look.code_block);
        if !language.is_empty() && !is_language(&language) {
            self.verbatim(&format!("```{language}"));
        }
        let spans = highlight(&harmless(&text), &language, style, &self.look.syntax);
        self.set_apart();
        let lines = chop(&spans, self.width, &self.margin);
        self.add(lines);
        self.gap = true;
    }

    /// A paragraph that is shown as it was written.
    fn verbatim(&mut self, text: &str) {
        self.end_block();
        let style = self.look.text.patch(self.look.quote);
        self.set_apart();
        let lines = wrap(&[Span::styled(harmless(text), style)], self.width, &self.margin);
        self.add(lines);
        self.gap = true;
    }

    fn rule(&mut self) {
        self.end_block();
        self.set_apart();
        let rule = "─".repeat(usize::from(self.width).saturating_sub(self.taken).max(1));
        let style = self.look.text.patch(self.look.quote);
        let lines = chop(&[Span::styled(rule, style)], self.width, &self.margin);
        self.add(lines);
        self.gap = true;
    }

    /// An empty line before a block that follows another.
    fn set_apart(&mut self) {
        if std::mem::take(&mut self.gap) && !self.lines.is_empty() {
            self.lines.push(Line::from(self.margin.rest.clone()));
        }
    }

    fn add(&mut self, lines: Vec<Line<'static>>) {
        self.lines.extend(lines);
        self.waits = false;
        self.margin.first.clone_from(&self.margin.rest);
    }
}

#[cfg(test)]
mod tests;
