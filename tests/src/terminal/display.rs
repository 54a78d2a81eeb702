//! What a terminal shows: whole frames only, and all that was ever written to it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portable_pty::ExitStatus;
use vt100::{Parser, Screen};

/// How long a screen may take to become what it should be: keys are derived on a busy machine meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);
/// Synchronised update: what follows is shown when it is whole.
const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";
/// What stands in cells after a resize, where terminals leave what they like.
const RUBBISH: &str = "▒";

/// What the threads that read and wait report.
pub(super) struct Display {
    state: Mutex<State>,
    changed: Condvar,
}

/// All that is known of the terminal and of the program in it.
pub(super) struct State {
    parser: Parser,
    /// As it was when the last frame was whole.
    pub(super) shown: Screen,
    /// How many frames were finished.
    pub(super) frames: u64,
    is_in_frame: bool,
    /// Bytes that may be the first half of a sequence that begins or ends a frame.
    held: Vec<u8>,
    /// All that was written.
    pub(super) output: Vec<u8>,
    pub(super) ended: Option<ExitStatus>,
    /// How often the program was stopped.
    pub(super) stops: u64,
    /// Nobody reads the terminal any more, or shall.
    pub(super) is_deaf: bool,
}

impl Display {
    pub(super) fn new(size: (u16, u16)) -> Self {
        let (rows, columns) = cells(size);
        let parser = Parser::new(rows, columns, 0);
        let state = State {
            shown: parser.screen().clone(),
            parser,
            frames: 0,
            is_in_frame: false,
            held: Vec::new(),
            output: Vec::new(),
            ended: None,
            stops: 0,
            is_deaf: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is so, or patience has ended.
    pub(super) fn wait(&self, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| !is_so(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    pub(super) fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.lock());
        self.changed.notify_all();
    }
}

impl State {
    /// The program has written.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
        let mut rest = std::mem::take(&mut self.held);
        rest.extend_from_slice(bytes);
        let mut rest = rest.as_slice();
        loop {
            let sign = if self.is_in_frame { FRAME_ENDS } else { FRAME_BEGINS };
            let Some(at) = rest.windows(sign.len()).position(|window| window == sign) else { break };
            let (piece, after) = rest.split_at(at + sign.len());
            self.parser.process(piece);
            if self.is_in_frame {
                self.frames += 1;
                self.shown = self.parser.screen().clone();
            }
            self.is_in_frame = !self.is_in_frame;
            rest = after;
        }
        let sign = if self.is_in_frame { FRAME_ENDS } else { FRAME_BEGINS };
        let held = (1..sign.len()).rev().find(|length| rest.ends_with(&sign[..*length])).unwrap_or(0);
        let (now, later) = rest.split_at(rest.len() - held);
        self.parser.process(now);
        self.held = later.to_vec();
        if !self.is_in_frame {
            self.shown = self.parser.screen().clone();
        }
    }

    /// The window has another size, and something in every cell that the program did not write.
    pub(super) fn resize(&mut self, size: (u16, u16)) {
        let (rows, columns) = cells(size);
        self.parser.set_size(rows, columns);
        self.scribble();
    }

    /// Something else than the program writes to the terminal.
    pub(super) fn scribble(&mut self) {
        let (rows, columns) = self.parser.screen().size();
        for row in 1..=rows.get() {
            let rubbish = RUBBISH.repeat(columns.get().into());
            self.parser.process(format!("\x1b[{row};1H{rubbish}").as_bytes());
        }
        self.shown = self.parser.screen().clone();
    }

    /// The private modes that the program has switched (DECSET, DECRST), and how they are now.
    pub(super) fn modes(&self) -> BTreeMap<u32, bool> {
        let mut modes = BTreeMap::new();
        for piece in self.output.split(|byte| *byte == 0x1b) {
            let Some(rest) = piece.strip_prefix(b"[?") else { continue };
            let length = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b';').count();
            let (numbers, after) = rest.split_at(length);
            let is_on = match after.first() {
                Some(b'h') => true,
                Some(b'l') => false,
                _ => continue,
            };
            let numbers = std::str::from_utf8(numbers).expect("digits");
            modes.extend(numbers.split(';').filter_map(|number| Some((number.parse().ok()?, is_on))));
        }
        modes
    }

    /// Whether these bytes were written.
    pub(super) fn has_written(&self, bytes: &[u8]) -> bool {
        self.output.windows(bytes.len()).any(|window| window == bytes)
    }
}

/// The characters of a screen, a line for each row but the empty ones at its end.
pub fn contents(screen: &Screen) -> String {
    let (_, columns) = screen.size();
    let rows: Vec<_> = screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect();
    rows.join("\n").trim_end().to_owned()
}

/// What is in every cell of a screen, with its colours; not where the cursor is.
pub fn picture(screen: &Screen) -> String {
    let (rows, columns) = screen.size();
    let places = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
    let cells = places.filter_map(|(row, column)| screen.cell(row, column)).map(|cell| {
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let look = (cell.bold(), cell.dim(), cell.italic(), cell.underline(), cell.inverse());
        format!("{text:?} {:?} {:?} {look:?}\n", cell.fgcolor(), cell.bgcolor())
    });
    cells.collect()
}

fn cells((rows, columns): (u16, u16)) -> (NonZeroU16, NonZeroU16) {
    let at_least_one = |number| NonZeroU16::new(number).expect("a window has rows and columns");
    (at_least_one(rows), at_least_one(columns))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_frames_are_seen() {
        let mut state = Display::new((2, 10)).state.into_inner().unwrap();
        state.write(b"shell\r\n");
        assert_eq!(contents(&state.shown), "shell");
        state.write(b"\x1b[?20");
        state.write(b"26h\x1b[2J\x1b[Hpict");
        assert_eq!((contents(&state.shown).as_str(), state.frames), ("shell", 0));
        state.write(b"ure\x1b[?2026");
        assert_eq!(contents(&state.shown), "shell");
        state.write(b"l\x1b[?2026h\x1b[Hhalf");
        assert_eq!((contents(&state.shown).as_str(), state.frames), ("picture", 1));
    }

    #[test]
    fn modes_are_as_they_were_switched_last() {
        let mut state = Display::new((2, 10)).state.into_inner().unwrap();
        state.write(b"\x1b[?1049h\x1b[?1000;1006h\x1b[?25l\x1b[?1049l");
        let modes: Vec<_> = state.modes().into_iter().collect();
        assert_eq!(modes, [(25, false), (1000, true), (1006, true), (1049, false)]);
    }
}
