use proptest::prelude::*;
use ratatui::style::Color;

use super::*;

fn look() -> Look {
    let colour = |colour| Style::new().fg(colour);
    Look {
        text: Style::new(),
        strong: Style::new().add_modifier(Modifier::BOLD),
        emphasis: Style::new().add_modifier(Modifier::ITALIC),
        code: colour(Color::Yellow),
        code_block: colour(Color::Green),
        syntax: CodeLook { keyword: colour(Color::Magenta), ..CodeLook::default() },
        quote: colour(Color::Gray),
        link: colour(Color::Blue),
        mention: colour(Color::Cyan),
        me: colour(Color::Red),
        heading: Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
    }
}

const READERS: Readers<'_> = Readers { me: "ada", names: &["bob", "bob.b", "c-3po"] };

fn lines(markdown: &str, width: u16) -> Vec<String> {
    render(markdown, width, &look(), READERS).iter().map(ToString::to_string).collect()
}

/// The words that are drawn in exactly this style.
fn words_in(markdown: &str, style: Style) -> Vec<String> {
    let lines = render(markdown, 80, &look(), READERS);
    let spans = lines.into_iter().flat_map(|line| line.spans);
    spans.filter(|span| span.style == style).map(|span| span.content.into_owned()).collect()
}

#[test]
fn a_line_break_is_a_line_break() {
    assert_eq!(lines("one\ntwo  \nthree\\\nfour", 80), ["one", "two", "three", "four"]);
    assert_eq!(lines("one\n\n\n\ntwo", 80), ["one", "", "two"]);
    assert_eq!(lines("  one\r\ntwo", 80), ["one", "two"]);
}

#[test]
fn words_have_their_styles() {
    let look = look();
    let text = "**s** *e* ~~x~~ `c` ***b***";
    assert_eq!(lines(text, 80), ["s e x c b"]);
    assert_eq!(words_in(text, look.strong), ["s"]);
    assert_eq!(words_in(text, look.emphasis), ["e"]);
    assert_eq!(words_in(text, Style::new().add_modifier(Modifier::CROSSED_OUT)), ["x"]);
    assert_eq!(words_in(text, look.code), ["c"]);
    assert_eq!(words_in(text, look.strong.patch(look.emphasis)), ["b"]);
    assert_eq!(words_in("# Title **x**\ntext", look.heading), ["Title x"]);
    assert_eq!(lines("# Title\ntext", 80), ["Title", "", "text"]);
    assert_eq!(lines("#room is no title", 80), ["#room is no title"]);
}

#[test]
fn lists_are_nested_and_counted() {
    assert_eq!(lines("- a\n- b\n  - c\n    d\n- e", 80), ["• a", "• b", "  • c", "    d", "• e"]);
    assert_eq!(lines("9. a\n9. b", 80), ["9. a", "10. b"]);
    assert_eq!(lines("text\n- a b c\n\nmore", 5), ["text", "", "• a b", "  c", "", "more"]);
    assert_eq!(lines("- a\n\n- b", 80), ["• a", "", "• b"]);
    assert_eq!(lines("- a\n-\n- b", 80), ["• a", "• ", "• b"]);
    assert_eq!(lines("123456789. a", 80), ["123456789. a"]);
    assert_eq!(lines("123. a\n- b", 4), ["123.", "a", "", "• b"]);
}

#[test]
fn what_links_are_called_and_defined_as_is_shown() {
    assert_eq!(lines("[a](https://b.example \"c d\")", 80), ["a (https://b.example \"c d\")"]);
    assert_eq!(
        lines("[a]: https://b.example 'c'\n[a]: https://e.example 'f'\n\nsee [a]", 80),
        ["[a]: https://b.example 'c'", "[a]: https://e.example 'f'", "", "see a (https://b.example \"c\")"]
    );
    assert_eq!(lines("x\n\n[only]: /hidden", 80), ["x", "", "[only]: /hidden"]);
    assert_eq!(lines("```rust hidden words\nx\n```", 80), ["```rust hidden words", "", "x"]);
    assert_eq!(lines("```no-language\nx\n```", 80), ["```no-language", "", "x"]);
}

#[test]
fn addresses_that_only_look_right_are_marked() {
    for (text, expected) in [
        ("https://exаmple.org/x", "(!) letters in the host"),
        ("[x](https://xn--exmple-4nf.org)", "(!) letters in the host"),
        ("https://bank.example@evil.example/", "(!) leads to evil.example"),
        ("<https://例え.example>", "(!) letters in the host"),
    ] {
        assert!(lines(text, 200).concat().contains(expected), "{text}: {:?}", lines(text, 200));
    }
    for text in
        ["https://example.org/@ada", "https://example.org/é?a@b", "mailto:a@b.example", "see é.example"]
    {
        assert!(!lines(text, 200).concat().contains("(!)"), "{text}");
    }
}

#[test]
fn quotes_have_a_bar() {
    let quotes = ["▎ one two", "▎ ", "▎ ▎ three", "", "four"];
    assert_eq!(lines("> one two\n> > three\n\nfour", 9), quotes);
    assert_eq!(lines("a\n>\n\nb", 80), ["a", "", "▎ ", "", "b"]);
    assert_eq!(lines("> - a\n> - b", 80), ["▎ • a", "▎ • b"]);
}

#[test]
fn code_is_as_it_was_written() {
    let code = "```rust\nfn  a() {\n\t*b*\n}\n\n\n```\nafter";
    assert_eq!(lines(code, 80), ["fn  a() {", "    *b*", "}", "", "", "", "after"]);
    assert_eq!(lines("    one\n      two", 80), ["one", "  two"]);
    assert_eq!(lines("```\nabcdef", 4), ["abcd", "ef"]);
    assert_eq!(words_in("```\n@ada https://x.example\n```", look().code_block), ["@ada https://x.example"]);
    assert_eq!(words_in("```rust\nlet x;\n```", Style::new().fg(Color::Magenta)), ["let"]);
    assert_eq!(words_in("`@ada`", look().code), ["@ada"]);
}

#[test]
fn a_link_cannot_lie() {
    for (markdown, shown) in [
        ("[the bank](https://evil.example)", "the bank (https://evil.example)"),
        ("[https://bank.example](https://evil.example)", "https://bank.example (https://evil.example)"),
        ("[https://x.example](https://x.example)", "https://x.example"),
        ("<https://x.example>", "https://x.example"),
        ("<a@x.example>", "a@x.example"),
        ("[](https://evil.example)", " (https://evil.example)"),
        ("![a cat](https://x.example/cat)", "a cat (https://x.example/cat)"),
        ("[![a](b)](c)", "a (b) (c)"),
        ("[a](javascript:alert(1))", "a (javascript:alert(1))"),
    ] {
        assert_eq!(lines(markdown, 80), [shown], "{markdown}");
    }
    let link = look().link.add_modifier(Modifier::UNDERLINED);
    assert_eq!(words_in("[a *b*](c)", link), ["a "]);
}

#[test]
fn bare_addresses_are_links() {
    let found = |text: &str| words_in(text, look().link);
    assert_eq!(found("see https://x.example/a?b=c."), ["https://x.example/a?b=c"]);
    assert_eq!(found("(HTTP://x.example/a_(b))"), ["HTTP://x.example/a_(b)"]);
    assert_eq!(found("https://日本.example/é, then"), ["https://日本.example/é"]);
    assert!(found("https:// http://, xhttps://y").is_empty());
    assert_eq!(lines("https://x.example/a.", 80), ["https://x.example/a."]);
}

#[test]
fn mentions_are_of_people_who_are_there() {
    let text = "@bob, @ada! @Bob.b. x@bob @bobby @c-3po-; @nobody @";
    assert_eq!(words_in(text, look().mention), ["@bob", "@Bob.b", "@c-3po"]);
    assert_eq!(words_in(text, look().me), ["@ada"]);
    let nobody = render("@ @. @-", 80, &look(), Readers::default());
    assert_eq!(nobody, [Line::from("@ @. @-")]);
}

#[test]
fn html_is_text() {
    assert_eq!(lines("a <b>c</b> <!-- d -->", 80), ["a <b>c</b> <!-- d -->"]);
    assert_eq!(lines("<script>\nx\n</script>", 80), ["<script>", "x", "</script>"]);
}

#[test]
fn nothing_can_be_said_unseen() {
    assert_eq!(lines("[a]: https://x.example \"hidden\"", 80), ["[a]: https://x.example \"hidden\""]);
    assert_eq!(lines("", 80), Vec::<String>::new());
    assert_eq!(lines(" \n ", 80), Vec::<String>::new());
}

#[test]
fn margins_leave_room_for_words() {
    let deep = format!("{}word", "> ".repeat(500));
    let lines = lines(&deep, 20);
    assert_eq!(lines, [format!("{}word", "▎ ".repeat(5))]);
}

/// The longest message that there is, of each shape that a careless reader of Markdown takes the square of the time for.
#[test]
fn a_large_message_made_to_be_slow_is_not() {
    for shape in [
        "![a",
        "> ",
        "- ",
        "1. ",
        "> - ",
        "> a\n",
        "- a\n > ",
        "[",
        "[a](",
        "[a]: b\n",
        "*a_",
        "***a** ",
        "~~a",
        "`",
        "` `` ",
        "http://)",
        "@",
        "@a.",
        "<",
        "<a ",
        "<!--",
        "\\",
        "&",
        "```\n",
        "```rust\n\"/*'",
        "a\n",
        "a\u{301}",
        "👩\u{200d}",
    ] {
        let text = shape.repeat((64 << 10) / shape.len());
        let start = std::time::Instant::now();
        assert!(!render(&text, 80, &look(), READERS).is_empty(), "{shape:?}");
        // A hundred times what it takes without optimization.
        assert!(start.elapsed().as_secs() < 60, "{shape:?} took {:?}", start.elapsed());
    }
}

/// Text rich in the signs of Markdown.
fn markdown() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "*",
        "**",
        "_",
        "~~",
        "`",
        "```",
        "\n",
        "\n\n",
        "> ",
        "- ",
        "1. ",
        "# ",
        "    ",
        "\t",
        "[",
        "](",
        ")",
        "![",
        "<",
        ">",
        "<b>",
        "@ada",
        "@bob",
        "https://x.example/",
        "---",
        "\\",
        "&#27;",
        "&#x202e;",
        "&amp;",
        "日本",
        "👩‍🚀",
        "שלום",
        "word",
        " ",
        "\u{301}",
        "\u{1b}[2J",
        "\r",
        "|",
    ]);
    let part = prop_oneof![6 => part.prop_map(str::to_owned), 1 => any::<String>()];
    prop::collection::vec(part, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Wherever a word stands among signs that mean something, it is on the screen.
    #[test]
    fn no_word_is_hidden(
        before in "([\\[\\]():<>!*_`~#>\"'=\n -]|1[.]|https://|```|a){0,14}",
        behind in "([\\[\\]():<>!*_`~#>\"'=\n -]|1[.]|https://|```|a){0,14}",
    ) {
        let text = format!("{before}needle{behind}");
        let shown = lines(&text, 500).concat();
        prop_assert!(shown.contains("needle"), "{text:?}: {shown:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn any_message_fits_and_steers_nothing(text in markdown(), limit in 1_u16..200) {
        for line in render(&text, limit, &look(), READERS) {
            let cells: usize = line.spans.iter().map(|span| width(&span.content)).sum();
            prop_assert!(cells <= usize::from(limit), "{cells} > {limit}: {line:?}");
            prop_assert!(line.width() <= usize::from(limit), "{line:?}");
            let words = line.to_string();
            prop_assert!(!words.contains(|c: char| c.is_control() || c == '\u{202e}'), "{words:?}");
        }
    }
}
