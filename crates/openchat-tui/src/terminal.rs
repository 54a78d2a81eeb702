//! The terminal: taken for the screen, and always given back as it was.

use std::io::{self, Stdout, Write, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste, EnableFocusChange,
    EnableMouseCapture,
};
use crossterm::execute;
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;

/// The terminal while the screen has it.
pub(crate) struct Screen {
    terminal: ratatui::Terminal<CrosstermBackend<Output>>,
    mouse: bool,
    /// What the terminal shows is not what was drawn last.
    is_strange: bool,
    /// Somebody else has the terminal: the shell, after this process was stopped.
    is_away: bool,
}

impl Screen {
    /// Takes the terminal. It is given back when this is dropped, and also when the program panics.
    pub(crate) fn take(mouse: bool) -> io::Result<Self> {
        restore_on_panic();
        IS_SHOWN.store(true, Ordering::SeqCst);
        let terminal = ratatui::Terminal::new(CrosstermBackend::new(Output(stdout())))?;
        // A program that was killed may have left its picture where the screen begins.
        let mut screen = Self { terminal, mouse, is_strange: true, is_away: false };
        screen.enter()?;
        Ok(screen)
    }

    fn enter(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        let mut out = Output(stdout());
        execute!(out, EnterAlternateScreen, EnableBracketedPaste, EnableFocusChange)?;
        if self.mouse {
            execute!(out, EnableMouseCapture)?;
        }
        Ok(())
    }

    /// Draws one picture: terminals that can show it in one piece.
    pub(crate) fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if self.is_away {
            return Ok(());
        }
        self.draw_once(render).or_else(unless_gone)
    }

    fn draw_once(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        let mut out = Output(stdout());
        execute!(out, BeginSynchronizedUpdate)?;
        if std::mem::take(&mut self.is_strange) {
            // Not `Terminal::clear`, which asks the terminal for its cursor and fails where nobody answers.
            self.terminal = ratatui::Terminal::new(CrosstermBackend::new(Output(stdout())))?;
            execute!(out, Clear(ClearType::All))?;
        }
        let drawn = self.terminal.draw(render).map(drop);
        execute!(out, EndSynchronizedUpdate)?;
        drawn
    }

    /// The next picture is drawn from nothing: somebody else has written to the terminal, or its size has changed. Two
    /// changes within one frame can end at the old size, with rows lost that nobody would draw again.
    pub(crate) fn draw_anew(&mut self) {
        self.is_strange = true;
    }

    /// Sends an escape sequence that shows nothing: clipboard, bell, notification.
    pub(crate) fn send(&mut self, sequence: &str) -> io::Result<()> {
        if self.is_away {
            return Ok(());
        }
        let mut out = Output(stdout());
        out.write_all(sequence.as_bytes())?;
        out.flush()
    }

    /// Gives the terminal back and stops this process as Ctrl-Z does, until the shell continues it. `word` is for whoever
    /// looks at the shell meanwhile.
    pub(crate) fn stop(&mut self, word: Option<&str>) -> io::Result<()> {
        restore();
        self.is_away = true;
        if let Some(word) = word {
            // Nobody may be there to read it.
            let _ = writeln!(stdout(), "{word}");
        }
        // Refused, the screen simply goes on.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        self.come_back()
    }

    /// This process was continued: in front of the shell it takes the terminal again, behind it the terminal is left alone.
    pub(crate) fn come_back(&mut self) -> io::Result<()> {
        self.is_away = !is_in_front();
        if self.is_away {
            return Ok(());
        }
        self.draw_anew();
        // The shell has set modes of its own, and they are not the ones to go back to.
        disable_raw_mode().and_then(|()| self.enter()).or_else(unless_gone)
    }

    /// Whether somebody else has the terminal.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away
    }

    /// Gives the terminal to somebody else for a while, and draws anew afterwards.
    pub(crate) fn lend<T>(&mut self, to: impl FnOnce() -> T) -> io::Result<T> {
        restore();
        let outcome = to();
        self.enter()?;
        self.draw_anew();
        Ok(outcome)
    }
}

/// Standard output. That a terminal is gone is told by a signal, and the loop ends in order; a picture that nobody sees is
/// no failure before. (ratatui would complain to the same terminal, in vain, and panic over that.)
struct Output(Stdout);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).or_else(|error| unless_gone(error).map(|()| bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().or_else(unless_gone)
    }
}

/// The error is not always the terminal's own: its size is looked for elsewhere when it has none. And a process whose
/// terminal hangs up is continued as well, so that it may want the terminal back before it hears of the end.
fn unless_gone(error: io::Error) -> io::Result<()> {
    let gone = rustix::io::Errno::IO;
    let is_gone = error.raw_os_error() == Some(gone.raw_os_error())
        || rustix::termios::tcgetwinsize(stdout()) == Err(gone);
    if is_gone { Ok(()) } else { Err(error) }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Whoever changes a terminal from behind the shell is stopped for it.
        if !self.is_away {
            restore();
        }
        IS_SHOWN.store(false, Ordering::SeqCst);
        let said = std::mem::take(&mut *late_words());
        // Standard error may be gone with the terminal.
        let _ = io::stderr().write_all(said.as_bytes());
    }
}

/// Undoes all that [`Screen::enter`] may have done. A terminal that is gone needs nothing.
fn restore() {
    let _ = execute!(
        stdout(),
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableFocusChange,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        crossterm::cursor::Show
    );
    let _ = disable_raw_mode();
}

static IS_SHOWN: AtomicBool = AtomicBool::new(false);
/// What panics elsewhere had to say while the screen was shown.
static LATE: Mutex<String> = Mutex::new(String::new());

fn late_words() -> MutexGuard<'static, String> {
    LATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A panic of this thread ends the screen: the terminal is given back before its words. One of another thread ends a task,
/// over which the screen goes on: its words wait until the end, for they would tear the picture.
fn restore_on_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let (before, screen) = (std::panic::take_hook(), std::thread::current().id());
        std::panic::set_hook(Box::new(move |panic| match IS_SHOWN.load(Ordering::SeqCst) {
            true if std::thread::current().id() != screen => {
                late_words().push_str(&format!("{panic}\n"));
            }
            is_shown => {
                if is_shown {
                    restore();
                }
                before(panic);
            }
        }));
    });
}

/// Whether the terminal takes its keys for this process. Where there is no job control, always.
fn is_in_front() -> bool {
    rustix::termios::tcgetpgrp(stdin()).map_or(true, |group| group == rustix::process::getpgrp())
}
