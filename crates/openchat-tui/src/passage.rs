//! How an escape sequence reaches the terminal: directly, or through tmux.

/// What stands between the program and the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Passage {
    /// Nothing.
    #[default]
    Direct,
    /// tmux, which passes on what is wrapped for it when its option `allow-passthrough` is on.
    Tmux,
}

impl Passage {
    /// As the environment tells.
    pub fn of_environment() -> Self {
        if std::env::var_os("TMUX").is_some() { Self::Tmux } else { Self::Direct }
    }

    /// An operating system command with this content, which must have no control characters.
    pub(crate) fn command(self, content: &str) -> String {
        debug_assert!(!content.contains(char::is_control), "the content would end the sequence");
        match self {
            Self::Direct => format!("\u{1b}]{content}\u{1b}\\"),
            // Within the wrapping every ESC is doubled.
            Self::Tmux => format!("\u{1b}Ptmux;\u{1b}\u{1b}]{content}\u{1b}\u{1b}\\\u{1b}\\"),
        }
    }
}
