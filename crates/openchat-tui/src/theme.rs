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

const DARK_PEOPLE: &[Color] = &[
    Color::Rgb(0x7a, 0xb8, 0xff),
    Color::Rgb(0xff, 0xa6, 0x57),
    Color::Rgb(0x8b, 0xd5, 0x8b),
    Color::Rgb(0xd7, 0xa0, 0xff),
    Color::Rgb(0xff, 0x9a, 0xb0),
    Color::Rgb(0x5f, 0xd7, 0xd0),
    Color::Rgb(0xe0, 0xcf, 0x6a),
    Color::Rgb(0xb5, 0xbd, 0xff),
];
const LIGHT_PEOPLE: &[Color] = &[
    Color::Rgb(0x0a, 0x56, 0xa8),
    Color::Rgb(0x9a, 0x4a, 0x00),
    Color::Rgb(0x1c, 0x6e, 0x2c),
    Color::Rgb(0x76, 0x2b, 0xa8),
    Color::Rgb(0xa8, 0x1e, 0x4c),
    Color::Rgb(0x00, 0x69, 0x6b),
    Color::Rgb(0x6b, 0x5a, 0x00),
    Color::Rgb(0x3c, 0x42, 0xa8),
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
        let colour = |rgb: [u8; 3]| Color::Rgb(rgb[0], rgb[1], rgb[2]);
        Self {
            name: "dark",
            text: Style::new(),
            quiet: Style::new().fg(colour([0x8a, 0x92, 0x9e])),
            strong: Style::new().add_modifier(Modifier::BOLD),
            chosen: Style::new().bg(colour([0x2b, 0x3a, 0x4f])).fg(Color::White).add_modifier(Modifier::BOLD),
            border: Style::new().fg(colour([0x4a, 0x52, 0x5e])),
            status: Style::new().bg(colour([0x23, 0x29, 0x31])).fg(colour([0xc6, 0xcd, 0xd6])),
            good: Style::new().fg(colour([0x8b, 0xd5, 0x8b])),
            warning: Style::new().fg(colour([0xff, 0xc0, 0x5c])).add_modifier(Modifier::BOLD),
            alarm: Style::new().bg(colour([0x8c, 0x1d, 0x18])).fg(Color::White).add_modifier(Modifier::BOLD),
            mention: Style::new().fg(colour([0xff, 0xd7, 0x5f])).add_modifier(Modifier::BOLD),
            code: Style::new().fg(colour([0xd0, 0xd7, 0xe2])).bg(colour([0x23, 0x29, 0x31])),
            link: Style::new().fg(colour([0x7a, 0xb8, 0xff])).add_modifier(Modifier::UNDERLINED),
            people: DARK_PEOPLE,
        }
    }

    /// For light backgrounds.
    pub fn light() -> Self {
        let colour = |rgb: [u8; 3]| Color::Rgb(rgb[0], rgb[1], rgb[2]);
        Self {
            name: "light",
            quiet: Style::new().fg(colour([0x5c, 0x63, 0x6d])),
            chosen: Style::new().bg(colour([0xcf, 0xdf, 0xf5])).fg(Color::Black).add_modifier(Modifier::BOLD),
            border: Style::new().fg(colour([0xb4, 0xba, 0xc2])),
            status: Style::new().bg(colour([0xe6, 0xe9, 0xed])).fg(colour([0x2a, 0x2f, 0x36])),
            good: Style::new().fg(colour([0x1c, 0x6e, 0x2c])),
            warning: Style::new().fg(colour([0x9a, 0x4a, 0x00])).add_modifier(Modifier::BOLD),
            mention: Style::new().fg(colour([0xa8, 0x1e, 0x4c])).add_modifier(Modifier::BOLD),
            code: Style::new().fg(colour([0x2a, 0x2f, 0x36])).bg(colour([0xe6, 0xe9, 0xed])),
            link: Style::new().fg(colour([0x0a, 0x56, 0xa8])).add_modifier(Modifier::UNDERLINED),
            people: LIGHT_PEOPLE,
            ..Self::dark()
        }
    }

    /// White on black, and nothing faint.
    pub fn contrast() -> Self {
        let base = Style::new().fg(Color::White).bg(Color::Black);
        let bold = base.add_modifier(Modifier::BOLD);
        Self {
            name: "contrast",
            text: base,
            quiet: base,
            strong: bold,
            chosen: Style::new().fg(Color::Black).bg(Color::White).add_modifier(Modifier::BOLD),
            border: base,
            status: Style::new().fg(Color::Black).bg(Color::White),
            good: bold,
            warning: bold.fg(Color::LightYellow),
            alarm: Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
            mention: Style::new().fg(Color::Black).bg(Color::LightYellow).add_modifier(Modifier::BOLD),
            code: base.fg(Color::LightCyan),
            link: base.add_modifier(Modifier::UNDERLINED),
            people: &[Color::White],
        }
    }

    /// The terminal's own sixteen colours.
    pub fn sixteen() -> Self {
        Self {
            name: "sixteen",
            text: Style::new(),
            quiet: Style::new().add_modifier(Modifier::DIM),
            strong: Style::new().add_modifier(Modifier::BOLD),
            chosen: Style::new().add_modifier(Modifier::REVERSED.union(Modifier::BOLD)),
            border: Style::new().add_modifier(Modifier::DIM),
            status: Style::new().add_modifier(Modifier::REVERSED),
            good: Style::new().fg(Color::Green),
            warning: Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
            alarm: Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
            mention: Style::new().fg(Color::Yellow).add_modifier(Modifier::BOLD),
            code: Style::new().fg(Color::Cyan),
            link: Style::new().fg(Color::Blue).add_modifier(Modifier::UNDERLINED),
            people: SIXTEEN_PEOPLE,
        }
    }

    /// No colours: weight, underline and reversal only.
    pub fn plain() -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Self {
            name: "plain",
            good: Style::new(),
            warning: bold,
            alarm: Style::new().add_modifier(Modifier::REVERSED.union(Modifier::BOLD)),
            mention: Style::new().add_modifier(Modifier::REVERSED),
            code: Style::new(),
            link: Style::new().add_modifier(Modifier::UNDERLINED),
            people: &[],
            ..Self::sixteen()
        }
    }

    /// The style of somebody's name: the same for the same identity, in every room and on every day.
    pub fn person(&self, uid: Uid) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let number =
            uid.0.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(*byte)));
        match number.checked_rem(self.people.len()).and_then(|index| self.people.get(index)) {
            Some(colour) => self.text.patch(bold.fg(*colour)),
            None => bold,
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
