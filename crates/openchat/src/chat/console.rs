//! Lines in, lines out: a line editor at a terminal, plain lines on a pipe. What is printed never tears what is typed.

use std::io::{BufRead, IsTerminal, Write};

use anstream::ColorChoice;
use openchat_tui::app::completion::in_lines;
use rustix::termios::tcgetwinsize;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::Validator;
use rustyline::{Editor, Helper};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::printer::{LineEnd, Printer};
use crate::failure::{Failure, Kind};
use crate::{ask, terminal, text};

/// Lines typed ahead of the program.
const TYPED_AHEAD: usize = 64;

/// What comes from the keyboard or the pipe.
pub(crate) enum Input {
    /// A line without its end.
    Line(String),
    /// What was typed unseen, when a secret was asked for.
    Secret(Zeroizing<String>),
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Where the person, or the script, sits.
pub(crate) struct Console {
    lines: mpsc::Receiver<Input>,
    output: Output,
    /// The editor changes the terminal, and may be waiting for a key when the program ends.
    _changed: Option<terminal::Changed>,
}

enum Output {
    /// The editor prints above the line that is being typed, and asks for the next line when it gets a prompt.
    Editor {
        printer: Printer,
        prompts: std::sync::mpsc::Sender<Wanted>,
    },
    Plain,
}

/// What the person is asked for.
enum Wanted {
    /// A line.
    Line(String),
    /// A line that is not shown, nor kept.
    Secret(String),
}

impl Console {
    /// An editor when both ends are a terminal, else plain lines.
    pub(crate) fn open() -> Result<Self, Failure> {
        if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
            Self::editor()
        } else {
            Ok(Self::plain())
        }
    }

    /// Whether what is typed stays visible by itself.
    pub(crate) fn shows_typing(&self) -> bool {
        matches!(self.output, Output::Editor { .. })
    }

    /// Prints one line or several.
    pub(crate) fn print(&self, text: &str) {
        match &self.output {
            Output::Editor { printer, .. } => {
                // Each time: windows change.
                let columns = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
                let text = if columns == 0 { text.to_owned() } else { text::wrapped(text, columns) };
                printer.print(format!("{}\n", for_terminal(&text)));
            }
            Output::Plain => {
                let mut out = std::io::stdout().lock();
                drop(writeln!(out, "{}", anstream::adapter::strip_str(text)).and_then(|()| out.flush()));
            }
        }
    }

    /// Asks for the next line.
    pub(crate) fn prompt(&self, prompt: &str) {
        self.ask(Wanted::Line(prompt.to_owned()));
    }

    /// Asks for a line that is not shown. A pipe has none.
    pub(crate) fn ask_secret(&self, prompt: &str) {
        self.ask(Wanted::Secret(prompt.to_owned()));
    }

    fn ask(&self, wanted: Wanted) {
        if let Output::Editor { printer, prompts } = &self.output {
            printer.ask();
            // The editor's thread ends only with the input, which is seen as `Input::End`.
            drop(prompts.send(wanted));
        }
    }

    /// The next line. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Input {
        self.lines.recv().await.unwrap_or(Input::End)
    }

    fn editor() -> Result<Self, Failure> {
        let failed = |error: ReadlineError| {
            Failure::new(Kind::Internal, format!("the line editor cannot start: {error}"))
        };
        let changed = Some(terminal::Changed::new());
        let mut editor = LineEditor::new().map_err(failed)?;
        editor.set_helper(Some(Tab));
        let printer = Printer::start(editor.create_external_printer().map_err(failed)?);
        let line_end = printer.line_end();
        let (typed, lines) = mpsc::channel(TYPED_AHEAD);
        let (prompts, asked) = std::sync::mpsc::channel();
        std::thread::spawn(move || edit(&mut editor, &asked, &line_end, &typed));
        Ok(Self { lines, output: Output::Editor { printer, prompts }, _changed: changed })
    }

    fn plain() -> Self {
        let (typed, lines) = mpsc::channel(TYPED_AHEAD);
        std::thread::spawn(move || {
            // Bytes that are no UTF-8 become `\u{fffd}`: a line is never lost for them.
            for line in std::io::stdin().lock().split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                if typed.blocking_send(Input::Line(line)).is_err() {
                    return;
                }
            }
        });
        Self { lines, output: Output::Plain, _changed: None }
    }
}

type LineEditor = Editor<Tab, DefaultHistory>;

/// What the Tab key completes.
struct Tab;

impl Helper for Tab {}
impl Hinter for Tab {
    type Hint = String;
}
impl Highlighter for Tab {}
impl Validator for Tab {}

impl Completer for Tab {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &rustyline::Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let before = line.get(..at).unwrap_or(line);
        let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        Ok((before.len() - word.len(), in_lines(before)))
    }
}

/// One line for each prompt, until the input ends or nobody asks any more.
fn edit(
    editor: &mut LineEditor,
    asked: &std::sync::mpsc::Receiver<Wanted>,
    line_end: &LineEnd,
    typed: &mpsc::Sender<Input>,
) {
    while let Ok(wanted) = asked.recv() {
        let input = match wanted {
            Wanted::Line(prompt) => line(editor, &prompt),
            Wanted::Secret(prompt) => ask::unseen(&prompt).map_or(Input::Interrupt, Input::Secret),
        };
        line_end.reached();
        let ended = matches!(input, Input::End);
        if typed.blocking_send(input).is_err() || ended {
            return;
        }
    }
}

fn line(editor: &mut LineEditor, prompt: &str) -> Input {
    match editor.readline(prompt) {
        Ok(line) => {
            // History is a comfort: a line that cannot be kept is still sent.
            let _ = editor.add_history_entry(line.as_str());
            Input::Line(line)
        }
        Err(ReadlineError::Interrupted) => Input::Interrupt,
        Err(_) => Input::End,
    }
}

/// Without colours where `NO_COLOR` or the terminal wants none.
fn for_terminal(text: &str) -> String {
    match anstream::AutoStream::choice(&std::io::stdout()) {
        ColorChoice::Never => anstream::adapter::strip_str(text).to_string(),
        _ => text.to_owned(),
    }
}
