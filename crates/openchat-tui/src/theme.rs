//! Colours: named themes, and how a name always gets the same one. No meaning rests on colour alone.

use openchat_protocol::Uid;
use ratatui::style::{Color, Modifier, Style};

/// The styles of everything on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Its name in the settings.
    pub name: &'static str,
    /// Words.
    pub text: Style,
    /// What is of lesser weight: times, announcements, hints.
    pub quiet: Style,
    /// Titles and what is new.
    pub strong: Style,
    /// The room that is open, the row that is chosen.
    pub chosen: Style,
    /// Lines between panes.
    pub border: Style,
    /// The status line.
    pub status: Style,
    /// What is well.
    pub good: Style,
    /// What needs care.
    pub warning: Style,
    /// What must not be overlooked.
    pub alarm: Style,
    /// The reader's own name.
    pub mention: Style,
    /// Code.
    pub code: Style,
    /// Links.
    pub link: Style,
    /// Colours of people; empty where there are none.
    people: &'static [Color],
}

/// A colour as it is usually written.
const fn rgb(hex: u32) -> Color {
    let [_, red, green, blue] = hex.to_be_bytes();
    Color::Rgb(red, green, blue)
}

const DARK_PEOPLE: &[Color] = &[
    rgb(0x7ab8ff),
    rgb(0xffa657),
    rgb(0x8bd58b),
    rgb(0xd7a0ff),
    rgb(0xff9ab0),
    rgb(0x5fd7d0),
    rgb(0xe0cf6a),
    rgb(0xb5bdff),
];
const LIGHT_PEOPLE: &[Color] = &[
    rgb(0x0a56a8),
    rgb(0x9a4a00),
    rgb(0x1c6e2c),
    rgb(0x762ba8),
    rgb(0xa81e4c),
    rgb(0x696b),
    rgb(0x6b5a00),
    rgb(0x3c42a8),
];
const SIXTEEN_PEOPLE: &[Color] = &[
    Color::Cyan,
    Color::Yellow,
    Color::Green,
    Color::Magenta,
    Color::Blue,
    Color::LightRed,
    Color::LightCyan,
    Color::LightGreen,
];

const fn fg(colour: Color) -> Style {
    Style::new().fg(colour)
}

const fn bold(style: Style) -> Style {
    style.add_modifier(Modifier::BOLD)
}

const fn underlined(style: Style) -> Style {
    style.add_modifier(Modifier::UNDERLINED)
}

impl Theme {
    /// The names of all themes.
    pub const NAMES: &'static [&'static str] = &["dark", "light", "contrast", "sixteen", "plain"];

    /// The theme of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dark" => Self::dark(),
            "light" => Self::light(),
            "contrast" => Self::contrast(),
            "sixteen" => Self::sixteen(),
            "plain" => Self::plain(),
            _ => return None,
        })
    }

    /// What suits a terminal whose environment says this.
    pub fn suited(no_color: bool, color_term: Option<&str>, term: Option<&str>) -> Self {
        let many = matches!(color_term, Some("truecolor" | "24bit"));
        match term {
            _ if no_color => Self::plain(),
            _ if many => Self::dark(),
            Some(term) if term.contains("direct") => Self::dark(),
            _ => Self::sixteen(),
        }
    }

    /// For dark backgrounds.
    pub fn dark() -> Self {
        let (bar, good, link) = (rgb(0x232931), rgb(0x8bd58b), rgb(0x7ab8ff));
        Self {
            name: "dark",
            text: Style::new(),
            quiet: fg(rgb(0x8a929e)),
            strong: bold(Style::new()),
            chosen: bold(fg(Color::White).bg(rgb(0x2b3a4f))),
            border: fg(rgb(0x4a525e)),
            status: fg(rgb(0xc6cdd6)).bg(bar),
            good: fg(good),
            warning: bold(fg(rgb(0xffc05c))),
            alarm: bold(fg(Color::White).bg(rgb(0x8c1d18))),
            mention: bold(fg(rgb(0xffd75f))),
            code: fg(rgb(0xd0d7e2)).bg(bar),
            link: underlined(fg(link)),
            people: DARK_PEOPLE,
        }
    }

    /// For light backgrounds.
    pub fn light() -> Self {
        let (ink, bar) = (rgb(0x2a2f36), rgb(0xe6e9ed));
        Self {
            name: "light",
            quiet: fg(rgb(0x5c636d)),
            chosen: bold(fg(Color::Black).bg(rgb(0xcfdff5))),
            border: fg(rgb(0xb4bac2)),
            status: fg(ink).bg(bar),
            good: fg(rgb(0x1c6e2c)),
            warning: bold(fg(rgb(0x9a4a00))),
            mention: bold(fg(rgb(0xa81e4c))),
            code: fg(ink).bg(bar),
            link: underlined(fg(rgb(0x0a56a8))),
            people: LIGHT_PEOPLE,
            ..Self::dark()
        }
    }

    /// White on black, and nothing faint.
    pub fn contrast() -> Self {
        let base = fg(Color::White).bg(Color::Black);
        let reversed = fg(Color::Black).bg(Color::White);
        Self {
            name: "contrast",
            text: base,
            quiet: base,
            strong: bold(base),
            chosen: bold(reversed),
            border: base,
            status: reversed,
            good: bold(base),
            warning: bold(base.fg(Color::LightYellow)),
            alarm: bold(base.bg(Color::Red)),
            mention: bold(reversed.bg(Color::LightYellow)),
            code: base.fg(Color::LightCyan),
            link: underlined(base),
            people: &[Color::White],
        }
    }

    /// The terminal's own sixteen colours.
    pub fn sixteen() -> Self {
        let dim = Style::new().add_modifier(Modifier::DIM);
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        Self {
            name: "sixteen",
            text: Style::new(),
            quiet: dim,
            strong: bold(Style::new()),
            chosen: bold(reversed),
            border: dim,
            status: reversed,
            good: fg(Color::Green),
            warning: bold(fg(Color::Yellow)),
            alarm: bold(fg(Color::White).bg(Color::Red)),
            mention: bold(fg(Color::Yellow)),
            code: fg(Color::Cyan),
            link: underlined(fg(Color::Blue)),
            people: SIXTEEN_PEOPLE,
        }
    }

    /// No colours: weight, underline and reversal only.
    pub fn plain() -> Self {
        let reversed = Style::new().add_modifier(Modifier::REVERSED);
        Self {
            name: "plain",
            good: Style::new(),
            warning: bold(Style::new()),
            alarm: bold(reversed),
            mention: reversed,
            code: Style::new(),
            link: underlined(Style::new()),
            people: &[],
            ..Self::sixteen()
        }
    }

    /// The style of somebody's name: the same for the same identity, in every room and on every day.
    pub fn person(&self, uid: Uid) -> Style {
        let name = bold(Style::new());
        let number =
            uid.0.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        match number.checked_rem(self.people.len()).and_then(|index| self.people.get(index)) {
            Some(colour) => self.text.patch(name.fg(*colour)),
            None => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_theme() {
        for name in Theme::NAMES {
            assert_eq!(Theme::named(name).map(|theme| theme.name), Some(*name));
        }
        assert_eq!(Theme::named("sepia"), None);
    }

    #[test]
    fn the_terminal_gets_no_more_than_it_shows() {
        assert_eq!(Theme::suited(true, Some("truecolor"), None).name, "plain");
        assert_eq!(Theme::suited(false, Some("truecolor"), None).name, "dark");
        assert_eq!(Theme::suited(false, None, Some("xterm-256color")).name, "sixteen");
    }

    #[test]
    fn somebody_keeps_a_colour_and_without_colours_there_are_none() {
        let uid = Uid([7; 16]);
        assert_eq!(Theme::dark().person(uid), Theme::dark().person(uid));
        assert_eq!(Theme::plain().person(uid).fg, None);
    }
}
