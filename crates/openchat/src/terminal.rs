//! The terminal as it was found: whatever changes it, and whatever ends the program, it is given back like that.

use std::io::{self, Stdout, Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use rustix::io::Errno;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use zeroize::Zeroizing;

/// What a shell expects of a process that a signal has ended: 128 and the number of the signal.
const BY_SIGNAL: i32 = 128;
/// The longest line that a terminal gives (`MAX_CANON` of Linux), in bytes.
const LONGEST_LINE: usize = 4096;
/// Ends what the line editor asks of the terminal: to mark what is pasted.
const PASTE_AS_TYPED: &str = "\x1b[?2004l";

/// The modes that were found, while they are changed.
static FOUND: Mutex<Option<Termios>> = Mutex::new(None);
/// Somebody else listens to signals and ends the program in order.
static IS_CLAIMED: AtomicBool = AtomicBool::new(false);

/// While this lives, the terminal may be changed; afterwards it is as before.
#[derive(Debug)]
pub(crate) struct Changed;

impl Changed {
    /// Remembers how the terminal is. Nothing happens where there is none.
    pub(crate) fn new() -> Self {
        listen();
        let mut found = found();
        *found = found.take().or_else(|| tcgetattr(stdin()).ok());
        Self
    }

    /// The same, and what is typed is not shown, but for the end of the line.
    pub(crate) fn without_echo() -> Self {
        let changed = Self::new();
        if let Some(mut modes) = found().clone() {
            modes.local_modes.remove(LocalModes::ECHO);
            modes.local_modes.insert(LocalModes::ECHONL);
            // Where that cannot be, whoever reads the password says so.
            let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        }
        changed
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        give_back();
    }
}

/// One line from the terminal, which edits it; no buffer keeps a copy of it.
pub(crate) fn read_line() -> io::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new([0; LONGEST_LINE]);
    let length = loop {
        match rustix::io::read(stdin(), line.as_mut_slice()) {
            Err(Errno::INTR) => {}
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => break read?,
        }
    };
    let typed = line.get(..length).and_then(|line| std::str::from_utf8(line).ok());
    let typed = typed.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Zeroizing::new(typed.trim_end_matches(['\n', '\r']).to_owned()))
}

/// From here on the caller sees to it that signals end the program.
pub(crate) fn claim_signals() {
    IS_CLAIMED.store(true, Ordering::SeqCst);
}

fn found() -> MutexGuard<'static, Option<Termios>> {
    FOUND.lock().unwrap_or_else(PoisonError::into_inner)
}

fn give_back() {
    if let Some(modes) = found().take() {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &modes);
        let _ = tell(&mut stdout());
    }
}

fn tell(terminal: &mut Stdout) -> io::Result<()> {
    terminal.write_all(PASTE_AS_TYPED.as_bytes())?;
    terminal.flush()
}

/// Signals end the program as they would without this, after the terminal is given back.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without it the terminal is only given back at an end in order.
        let Ok(mut signals) = Signals::new([SIGHUP, SIGINT, SIGTERM]) else { return };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if !IS_CLAIMED.load(Ordering::SeqCst) {
                    give_back();
                    std::process::exit(BY_SIGNAL + signal);
                }
            }
        });
    });
}
