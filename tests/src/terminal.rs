//! A terminal without a window: the binary runs in it as it does for a person, who types and reads the screen.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{Termios, tcgetattr};
use vt100::{MouseProtocolMode, Parser, Screen};

use crate::binary::{Openchat, program};

/// How long a screen may take to become what it should be: keys are derived on a busy machine meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running binary and what its terminal shows; killed when it goes out of scope.
pub struct Terminal {
    process: Pid,
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    /// Open to the end: the modes of a terminal that nobody has open are forgotten.
    tty: File,
    modes_before: Termios,
    display: Arc<Display>,
}

/// What the threads that read and wait report.
struct Display {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: Parser,
    ended: Option<ExitStatus>,
}

impl Terminal {
    /// Starts the binary with the profile's name, in a terminal of 30 rows and 100 columns.
    pub fn open<S: AsRef<OsStr>>(home: &Openchat, profile: &str, arguments: &[S]) -> Self {
        Self::open_sized(home, profile, arguments, (30, 100))
    }

    /// The same in a terminal of `size`: rows and columns.
    pub fn open_sized<S: AsRef<OsStr>>(
        home: &Openchat,
        profile: &str,
        arguments: &[S],
        size: (u16, u16),
    ) -> Self {
        let pair = native_pty_system().openpty(pty_size(size)).expect("a pseudo-terminal");
        let tty = File::open(pair.master.tty_name().expect("its name")).expect("the terminal opens");
        let modes_before = tcgetattr(&tty).expect("the modes of the terminal");
        let mut command = CommandBuilder::new(program());
        environment(&mut command, home);
        command.arg("--data");
        command.arg(home.folder());
        command.args(["--profile", profile]);
        command.args(arguments);
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        let id = child.process_id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let (rows, columns) = cells(size);
        let state = State { parser: Parser::new(rows, columns, 0), ended: None };
        let display = Arc::new(Display { state: Mutex::new(state), changed: Condvar::new() });
        read(pair.master.try_clone_reader().expect("its output"), Arc::clone(&display));
        await_end(child, Arc::clone(&display));
        Self {
            process: id.expect("a process id"),
            keyboard: pair.master.take_writer().expect("its input"),
            master: pair.master,
            tty,
            modes_before,
            display,
        }
    }

    /// Types characters.
    pub fn type_text(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("the terminal takes keys");
    }

    /// Presses one key: `enter`, `ctrl+t`, `alt+n`, `f1`, `esc`, `pageup`, `x`.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        let sequence = sequence(key).unwrap_or_else(|| panic!("`{key}` is no key that a terminal sends"));
        self.type_text(&sequence);
    }

    /// Types a line and ends it.
    pub fn enter(&mut self, text: &str) {
        self.type_text(text);
        self.press("enter");
    }

    /// Pastes, as a terminal does for a program that asked to be told.
    pub fn paste(&mut self, text: &str) {
        self.type_text(&format!("\x1b[200~{text}\x1b[201~"));
    }

    /// Makes the window `rows` high and `columns` wide.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        let (high, wide) = cells((rows, columns));
        // First what reads: the program draws for the new size as soon as it knows.
        self.display.lock().parser.set_size(high, wide);
        self.master.resize(pty_size((rows, columns))).expect("the terminal takes its size");
    }

    /// Waits until the screen is as it should be, and fails with the screen that there is instead.
    #[track_caller]
    pub fn wait_for(&self, is_so: impl Fn(&Screen) -> bool, what: &str) {
        let state = self.display.wait(|state| is_so(state.parser.screen()));
        let screen = state.parser.screen();
        assert!(is_so(screen), "{what}: never seen. The screen:\n{}", contents(screen));
    }

    /// Waits until these words are on the screen.
    #[track_caller]
    pub fn sees(&self, words: &str) {
        self.wait_for(|screen| contents(screen).contains(words), words);
    }

    /// Waits until these words are no longer on the screen.
    #[track_caller]
    pub fn sees_no(&self, words: &str) {
        self.wait_for(|screen| !contents(screen).contains(words), &format!("a screen without `{words}`"));
    }

    /// What is on the screen, a line for each row but the empty ones at its end.
    pub fn screen(&self) -> String {
        contents(self.display.lock().parser.screen())
    }

    /// Something made of the screen as it is now.
    pub fn look<T>(&self, at: impl FnOnce(&Screen) -> T) -> T {
        at(self.display.lock().parser.screen())
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        let has_ended = self.display.lock().ended.is_some();
        assert!(!has_ended, "the program has ended before:\n{}", self.screen());
        kill_process(self.process, signal).expect("the signal is sent");
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub fn end(&self) -> ExitStatus {
        let state = self.display.wait(|state| state.ended.is_some());
        let screen = contents(state.parser.screen());
        state.ended.clone().unwrap_or_else(|| panic!("the program does not end. The screen:\n{screen}"))
    }

    /// Asserts that the program has ended and left the terminal to the shell as it was.
    #[track_caller]
    pub fn is_given_back(&self) {
        self.end();
        self.wait_for(is_for_a_shell, "a terminal as a shell needs it");
        let (now, before) = (tcgetattr(&self.tty).expect("the modes of the terminal"), &self.modes_before);
        assert_eq!(now.local_modes, before.local_modes, "echo, lines and signals of the terminal");
        assert_eq!(now.input_modes, before.input_modes, "input of the terminal");
        assert_eq!(now.output_modes, before.output_modes, "output of the terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.display.lock().ended.is_none() {
            let _ = kill_process(self.process, Signal::KILL);
        }
    }
}

impl Display {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something is so, or patience has ended.
    fn wait(&self, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_timeout_while(self.lock(), PATIENCE, |state| !is_so(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    fn change(&self, how: impl FnOnce(&mut State)) {
        how(&mut self.lock());
        self.changed.notify_all();
    }
}

/// Nothing of the tester's own terminal and settings reaches the program.
fn environment(command: &mut CommandBuilder, home: &Openchat) {
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    command.env("HOME", home.folder());
    command.cwd(home.folder());
}

fn read(mut output: Box<dyn Read + Send>, display: Arc<Display>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            display.change(|state| state.parser.process(&buffer[..length]));
        }
    });
}

fn await_end(mut child: Box<dyn Child + Send + Sync>, display: Arc<Display>) {
    std::thread::spawn(move || {
        let status = child.wait().expect("the program is our child");
        display.change(|state| state.ended = Some(status));
    });
}

fn contents(screen: &Screen) -> String {
    let (_, columns) = screen.size();
    let rows: Vec<_> = screen.rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect();
    rows.join("\n").trim_end().to_owned()
}

fn is_for_a_shell(screen: &Screen) -> bool {
    !screen.alternate_screen()
        && !screen.bracketed_paste()
        && !screen.hide_cursor()
        && screen.mouse_protocol_mode() == MouseProtocolMode::None
}

fn cells((rows, columns): (u16, u16)) -> (NonZeroU16, NonZeroU16) {
    let at_least_one = |number| NonZeroU16::new(number).expect("a window has rows and columns");
    (at_least_one(rows), at_least_one(columns))
}

fn pty_size((rows, cols): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

/// What xterm sends for a key.
fn sequence(key: &str) -> Option<String> {
    if let Some(rest) = key.strip_prefix("alt+") {
        return match letter(rest) {
            Some(letter) => Some(format!("\x1b[1;3{letter}")),
            None => Some(format!("\x1b{}", sequence(rest)?)),
        };
    }
    if let Some(rest) = key.strip_prefix("ctrl+") {
        return match (letter(rest), rest.as_bytes()) {
            (Some(letter), _) => Some(format!("\x1b[1;5{letter}")),
            (None, [byte @ b'a'..=b'z']) => Some(char::from(byte - b'a' + 1).to_string()),
            _ => None,
        };
    }
    let sequence = match key {
        "enter" => "\r",
        "tab" => "\t",
        "esc" => "\x1b",
        "backspace" => "\x7f",
        "space" => " ",
        "pageup" => "\x1b[5~",
        "pagedown" => "\x1b[6~",
        "f1" => "\x1bOP",
        "f2" => "\x1bOQ",
        _ => match letter(key) {
            Some(letter) => return Some(format!("\x1b[{letter}")),
            None if key.chars().count() == 1 => key,
            None => return None,
        },
    };
    Some(sequence.to_owned())
}

/// The last letter of the sequences of the arrow keys and their like.
fn letter(key: &str) -> Option<char> {
    Some(match key {
        "up" => 'A',
        "down" => 'B',
        "right" => 'C',
        "left" => 'D',
        "end" => 'F',
        "home" => 'H',
        _ => return None,
    })
}
