//! Printing above the line that is being typed, without ever waiting for the editor.
//!
//! The editor takes one text at a time, and none while keys come in. What it has left when a line is ended, it takes
//! with the next one; and who prints more waits until then. So that is a thread of its own: whoever has to ask for that
//! next line would else wait for ever.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use rustyline::ExternalPrinter;

/// A queue of texts, and the thread that prints them in their order.
pub(super) struct Printer {
    texts: mpsc::Sender<String>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Texts that are not printed yet.
    waiting: usize,
    /// The editor was asked for a line, and has not given it yet.
    is_reading: bool,
    /// The first of them was handed to an editor that was reading: it may be stuck there until that reads again.
    is_held: bool,
}

/// Tells the printer that the editor has given the line that it was asked for.
pub(super) struct LineEnd(Arc<Shared>);

impl Printer {
    pub(super) fn start(mut editor: impl ExternalPrinter + Send + 'static) -> Self {
        let shared = Arc::new(Shared::default());
        let (texts, queue) = mpsc::channel::<String>();
        let its = Arc::clone(&shared);
        std::thread::spawn(move || {
            for text in queue {
                its.change(|state| state.is_held = state.is_reading);
                // A terminal that is gone is noticed by the reading side.
                drop(editor.print(text));
                its.change(|state| {
                    state.is_held = false;
                    state.waiting -= 1;
                });
            }
        });
        Self { texts, shared }
    }

    pub(super) fn line_end(&self) -> LineEnd {
        LineEnd(Arc::clone(&self.shared))
    }

    pub(super) fn print(&self, text: String) {
        self.shared.change(|state| state.waiting += 1);
        // The thread ends with this.
        drop(self.texts.send(text));
    }

    /// The editor is asked for a line now. First all that it does not hold is printed, so that its prompt comes after it.
    pub(super) fn ask(&self) {
        self.settle().is_reading = true;
    }

    fn settle(&self) -> MutexGuard<'_, State> {
        let is_busy = |state: &mut State| state.waiting > 0 && !state.is_held;
        self.shared.changed.wait_while(self.shared.lock(), is_busy).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Printer {
    /// What was printed before the end is seen.
    fn drop(&mut self) {
        drop(self.settle());
    }
}

impl LineEnd {
    pub(super) fn reached(&self) {
        self.0.change(|state| state.is_reading = false);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
    use std::time::Duration;

    use super::*;

    /// The way into an editor that reads: it has space for one text.
    struct Editor(SyncSender<String>);

    impl ExternalPrinter for Editor {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            self.0.send(text).map_err(|_| rustyline::error::ReadlineError::Eof)
        }
    }

    fn printer() -> (Printer, Receiver<String>) {
        let (editor, taken) = sync_channel(1);
        (Printer::start(Editor(editor)), taken)
    }

    fn print(printer: &Printer, texts: &[&str]) {
        texts.iter().for_each(|text| printer.print((*text).to_owned()));
    }

    #[test]
    fn what_an_editor_has_left_keeps_nobody_from_asking_for_the_next_line() {
        let (printer, taken) = printer();
        printer.ask();
        print(&printer, &["one", "two", "three"]);
        // It has the first, the thread is stuck with the second, and the person presses Enter.
        let is_early = |state: &mut State| state.waiting > 2 || !state.is_held;
        drop(printer.shared.changed.wait_while(printer.shared.lock(), is_early).unwrap());
        printer.line_end().reached();
        print(&printer, &["four"]);
        printer.ask();
        assert_eq!(taken.iter().take(4).collect::<Vec<_>>(), ["one", "two", "three", "four"]);
    }

    #[test]
    fn what_nobody_holds_is_printed_before_the_next_line_is_asked_for_and_before_the_end() {
        let (printer, taken) = printer();
        let reader = std::thread::spawn(move || taken.iter().collect::<Vec<_>>());
        print(&printer, &["one", "two"]);
        printer.ask();
        assert_eq!(printer.shared.lock().waiting, 0);
        printer.line_end().reached();
        print(&printer, &["three"]);
        drop(printer);
        assert_eq!(reader.join().unwrap(), ["one", "two", "three"]);
    }

    #[test]
    fn an_end_waits_for_no_editor() {
        let (printer, taken) = printer();
        printer.ask();
        print(&printer, &["one", "two", "three"]);
        let (done, is_done) = sync_channel(1);
        std::thread::spawn(move || {
            drop(printer);
            done.send(()).unwrap();
        });
        is_done.recv_timeout(Duration::from_secs(60)).unwrap();
        drop(taken);
    }
}
