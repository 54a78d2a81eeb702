//! A terminal without a window: the binary runs in it as it does for a person, who types and reads the screen.

mod display;
mod keys;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use vt100::Screen;

use crate::binary::{Openchat, program};
use display::{Display, State};

pub use display::{contents, picture};

/// The cursor's mode: the only one that a shell wants switched on.
const CURSOR: u32 = 25;
/// "Where is the cursor?" Not every terminal answers, and who waits for the answer stands still.
const QUESTION: &[u8] = b"\x1b[6n";

/// A running binary and what its terminal shows; killed when it goes out of scope.
pub struct Terminal {
    process: Pid,
    wires: Option<Wires>,
    /// Open to the end: the modes of a terminal that nobody has open are forgotten.
    tty: File,
    modes_before: Termios,
    display: Arc<Display>,
}

/// The side of the terminal where a person sits.
struct Wires {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
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
        Self::open_with(home, profile, arguments, size, &[])
    }

    /// The same with more in its environment.
    pub fn open_with<S: AsRef<OsStr>>(
        home: &Openchat,
        profile: &str,
        arguments: &[S],
        size: (u16, u16),
        more: &[(&str, &str)],
    ) -> Self {
        let mut command = CommandBuilder::new(program());
        command.arg("--data");
        command.arg(home.folder());
        command.args(["--profile", profile]);
        command.args(arguments);
        Self::run(home, command, size, more)
    }

    /// A shell with job control, which knows the binary as `openchat` and has its data in `home`.
    pub fn shell(home: &Openchat) -> Self {
        let mut command = CommandBuilder::new("bash");
        command.args(["--norc", "--noprofile", "-i"]);
        let mut shell =
            Self::run(home, command, (24, 80), &[("PS1", "$ "), ("BASH_SILENCE_DEPRECATION_WARNING", "1")]);
        shell.sees("$");
        let (program, data) = (program(), home.folder().display().to_string());
        shell.enter(&format!("openchat() {{ command {} --data {data} \"$@\"; }}; clear", program.display()));
        shell
    }

    /// Any program in a terminal of `size`, with more in its environment.
    pub fn run(
        home: &Openchat,
        mut command: CommandBuilder,
        size: (u16, u16),
        more: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system().openpty(pty_size(size)).expect("a pseudo-terminal");
        let tty = open_tty(&pair.master.tty_name().expect("its name"));
        let modes_before = tcgetattr(&tty).expect("the modes of the terminal");
        environment(&mut command, home);
        more.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).expect("the binary starts");
        let id = child.process_id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
        let process = id.expect("a process id");
        let display = Arc::new(Display::new(size));
        read(pair.master.try_clone_reader().expect("its output"), Arc::clone(&display));
        await_end(child, Arc::clone(&display));
        await_stops(process, Arc::clone(&display));
        let keyboard = pair.master.take_writer().expect("its input");
        Self { process, wires: Some(Wires { master: pair.master, keyboard }), tty, modes_before, display }
    }

    /// Types characters.
    pub fn type_text(&mut self, text: &str) {
        let wires = self.wires.as_mut().expect("nobody has hung up");
        wires.keyboard.write_all(text.as_bytes()).expect("the terminal takes keys");
    }

    /// Presses one key: `enter`, `ctrl+t`, `alt+n`, `f1`, `esc`, `pageup`, `x`.
    #[track_caller]
    pub fn press(&mut self, key: &str) {
        let sequence =
            keys::sequence(key).unwrap_or_else(|| panic!("`{key}` is no key that a terminal sends"));
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

    /// The window gets or loses the focus, as terminals tell a program that asked.
    pub fn focus(&mut self, has_focus: bool) {
        self.type_text(if has_focus { "\x1b[I" } else { "\x1b[O" });
    }

    /// Makes the window `rows` high and `columns` wide. What is in its cells then is rubbish, until it is drawn anew.
    pub fn resize(&mut self, rows: u16, columns: u16) {
        // First what reads: the program draws for the new size as soon as it knows.
        self.display.change(|state| state.resize((rows, columns)));
        let wires = self.wires.as_ref().expect("nobody has hung up");
        wires.master.resize(pty_size((rows, columns))).expect("the terminal takes its size");
    }

    /// Something else writes to the terminal, over all of it.
    pub fn scribble(&self) {
        self.display.change(State::scribble);
    }

    /// Ends the connection to the terminal, as a lost SSH session or a closed window does.
    pub fn hang_up(&mut self) {
        // The reader is stuck in a call until there is something to read, and holds the line until then.
        self.display.change(|state| state.is_deaf = true);
        self.focus(true);
        drop(self.display.wait(|state| state.ended.is_some() || !state.is_deaf));
        // Dropped, the keyboard would type a line's end and an end of file, if there were such a key.
        let mut modes = tcgetattr(&self.tty).expect("the modes of the terminal");
        modes.special_codes[SpecialCodeIndex::VEOF] = 0;
        tcsetattr(&self.tty, OptionalActions::Now, &modes).expect("the terminal takes its modes");
        self.wires = None;
    }

    /// Waits until the screen is as it should be, and fails with the screen that there is instead.
    #[track_caller]
    pub fn wait_for(&self, is_so: impl Fn(&Screen) -> bool, what: &str) {
        let state = self.display.wait(|state| is_so(&state.shown));
        assert!(is_so(&state.shown), "{what}: never seen. The screen:\n{}", contents(&state.shown));
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

    /// Waits until the program has written these bytes, shown or not.
    #[track_caller]
    pub fn gets(&self, bytes: &str) {
        let state = self.display.wait(|state| state.has_written(bytes.as_bytes()));
        let has_written = state.has_written(bytes.as_bytes());
        assert!(has_written, "{bytes:?} was never written. The screen:\n{}", contents(&state.shown));
    }

    /// All that the program has written so far.
    pub fn output(&self) -> Vec<u8> {
        self.display.lock().output.clone()
    }

    /// What is on the screen, a line for each row but the empty ones at its end.
    pub fn screen(&self) -> String {
        contents(&self.display.lock().shown)
    }

    /// What is in every cell of the screen, with its colours.
    pub fn picture(&self) -> String {
        picture(&self.display.lock().shown)
    }

    /// Something made of the screen as it is now.
    pub fn look<T>(&self, at: impl FnOnce(&Screen) -> T) -> T {
        at(&self.display.lock().shown)
    }

    /// How many frames were finished so far.
    pub fn frames(&self) -> u64 {
        self.display.lock().frames
    }

    /// Whether the line discipline hands over keys as they come, without echo.
    pub fn is_raw(&self) -> bool {
        let modes = tcgetattr(&self.tty).expect("the modes of the terminal");
        modes.local_modes != self.modes_before.local_modes
    }

    /// The id of the program's process.
    pub fn process(&self) -> Pid {
        self.process
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: Signal) {
        let has_ended = self.display.lock().ended.is_some();
        assert!(!has_ended, "the program has ended before:\n{}", self.screen());
        kill_process(self.process, signal).expect("the signal is sent");
    }

    /// Another program sets the terminal to lines and echo, as shells do while they have it.
    pub fn takes_lines(&self) {
        tcsetattr(&self.tty, OptionalActions::Now, &self.modes_before).expect("the terminal takes its modes");
    }

    /// Waits until the program has stopped for the `times`th time, and asserts that a shell could use the terminal.
    #[track_caller]
    pub fn is_stopped(&self, times: u64) {
        self.has_stopped(times);
        self.is_for_a_shell();
    }

    /// Waits until the program has stopped for the `times`th time.
    #[track_caller]
    pub fn has_stopped(&self, times: u64) {
        let state = self.display.wait(|state| state.stops >= times);
        assert_eq!(state.stops, times, "the program does not stop. The screen:\n{}", contents(&state.shown));
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub fn end(&self) -> ExitStatus {
        let state = self.display.wait(|state| state.ended.is_some());
        let screen = contents(&state.shown);
        state.ended.clone().unwrap_or_else(|| panic!("the program does not end. The screen:\n{screen}"))
    }

    /// Asserts that the program has ended and left the terminal to the shell as it was.
    #[track_caller]
    pub fn is_given_back(&self) {
        self.end();
        self.is_for_a_shell();
    }

    /// Every mode that was switched on was switched off again, and the line discipline is as it was.
    #[track_caller]
    fn is_for_a_shell(&self) {
        let left_on = |state: &State| -> Vec<u32> {
            let modes = state.modes().into_iter().filter(|(mode, is_on)| *is_on == (*mode != CURSOR));
            modes.map(|(mode, _)| mode).collect()
        };
        // The last words of the program may still be on their way to the reader.
        let state = self.display.wait(|state| left_on(state).is_empty());
        assert!(
            left_on(&state).is_empty(),
            "modes that are not as a shell needs them: {:?}",
            left_on(&state)
        );
        drop(state);
        let (now, before) = (tcgetattr(&self.tty).expect("the modes of the terminal"), &self.modes_before);
        assert_eq!(now.local_modes, before.local_modes, "echo, lines and signals of the terminal");
        assert_eq!(now.input_modes, before.input_modes, "input of the terminal");
        assert_eq!(now.output_modes, before.output_modes, "output of the terminal");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let state = self.display.lock();
        if state.ended.is_none() {
            let _ = kill_process(self.process, Signal::KILL);
        }
        let is_screen = state.frames > 0;
        if is_screen && !std::thread::panicking() {
            assert!(!state.has_written(QUESTION), "the full screen waits for an answer of the terminal");
        }
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

/// Opens a terminal without making it the tester's own.
fn open_tty(path: &Path) -> File {
    let no_own_terminal = OFlags::NOCTTY.bits().try_into().expect("a small number");
    let opened = File::options().read(true).custom_flags(no_own_terminal).open(path);
    opened.expect("the terminal opens")
}

fn read(mut output: Box<dyn Read + Send>, display: Arc<Display>) {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            display.change(|state| state.write(&buffer[..length]));
            if display.lock().is_deaf {
                break;
            }
        }
        drop(output);
        display.change(|state| state.is_deaf = false);
    });
}

fn await_end(mut child: Box<dyn Child + Send + Sync>, display: Arc<Display>) {
    std::thread::spawn(move || {
        let status = child.wait().expect("the program is our child");
        display.change(|state| state.ended = Some(status));
    });
}

fn await_stops(process: Pid, display: Arc<Display>) {
    std::thread::spawn(move || {
        // An error: the program has ended.
        while let Ok(Some(status)) = waitid(WaitId::Pid(process), WaitIdOptions::STOPPED) {
            if status.stopped() {
                display.change(|state| state.stops += 1);
            }
        }
    });
}

fn pty_size((rows, cols): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}
