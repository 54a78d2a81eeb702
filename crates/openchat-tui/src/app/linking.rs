//! Another device is linked from within the chat, and the history of another device comes.

use openchat_client::{ErrorKind, LinkStep, Span};
use openchat_protocol::Did;

use super::chat::Chat;
use super::entrance::{Secret, sentence};
use super::overlay::Overlay;
use super::tasks::{TaskId, TaskState};
use crate::effect::{Effect, History, Read, Told};
use crate::phrases;

/// A task in which another device is linked, or gives its history to this one.
#[derive(Debug)]
pub(super) struct Linking {
    task: TaskId,
    /// What is to be carried to the new device, until it is there, and whether it leads to this machine only.
    link: Option<(String, bool)>,
    /// The new device, once it is one.
    device: Option<Did>,
}

impl Chat {
    /// `/link`: asks for the password, or shows the link again.
    pub(super) fn show_link(&mut self) {
        match self.under_way().map(|linking| linking.link.clone()) {
            None => self.overlay = Some(Overlay::LinkPassword(Secret::default())),
            Some(Some((link, is_local))) => self.overlay = Some(Overlay::Link(link, is_local)),
            Some(None) => self.tell("a device is being linked: F3 shows how far it is, and x gives it up"),
        }
    }

    /// `/link stop`.
    pub(super) fn stop_link(&mut self, out: &mut Vec<Effect>) {
        match self.under_way().map(|linking| linking.task) {
            Some(task) => {
                out.push(Effect::GiveUp(task));
                self.tasks.end(task);
                self.linking_given_up(task);
                self.tell("no device is linked any more; one that is there stays");
            }
            None => self.tell("no device is being linked"),
        }
    }

    /// The password was typed.
    pub(super) fn link(&mut self, out: &mut Vec<Effect>) {
        let Some(Overlay::LinkPassword(password)) = self.overlay.take() else { return };
        let task =
            self.tasks.add("making a link for another device".to_owned(), self.now, TaskState::Running);
        self.linking = Some(Linking { task, link: None, device: None });
        out.push(Effect::Link(task, password.password()));
    }

    /// What a device that was just linked does first; or what is to be done when that came to nothing.
    pub(super) fn begin_history(&mut self, history: History, out: &mut Vec<Effect>) {
        match history {
            History::Whole => {}
            History::Waits => {
                let what = "taking the history of your other device".to_owned();
                let task = self.tasks.add(what, self.now, TaskState::Running);
                out.push(Effect::TakeHistory(task));
                // Rooms come by themselves: there is nothing to choose, and what is typed is meant for them.
                self.overlay = None;
                self.tell(
                    "this machine is a device of yours now; rooms and history follow, F3 shows how far",
                );
            }
            History::BrokeOff => {
                let what = "the history of your other device is not whole";
                self.tasks.add_failure(what, phrases::HISTORY_BROKE_OFF.to_owned(), self.now);
            }
        }
    }

    /// How it goes; nothing when nobody waits for it any more.
    pub(super) fn handle_linking(&mut self, task: TaskId, told: Told, out: &mut Vec<Effect>) {
        if !self.tasks.has(task) {
            return;
        }
        let gives = self.under_way().is_some_and(|linking| linking.task == task);
        match told {
            Told::Link { link, is_local } => {
                self.tasks.rename(task, "waiting for your new device; /link shows the link again".to_owned());
                if let Some(linking) = &mut self.linking {
                    linking.link = Some((link.clone(), is_local));
                }
                self.overlay = Some(Overlay::Link(link, is_local));
            }
            Told::Step(step) => self.handle_link_step(task, step),
            Told::Ended(Ok(())) => {
                self.tasks.end(task);
                self.tell(if gives {
                    "your new device has all that was said in your rooms"
                } else {
                    "all that was said before is here"
                });
                self.end_linking(gives, out);
            }
            Told::Ended(Err(error)) => {
                let why = match error.kind() {
                    ErrorKind::WrongPassword => "this is not your password: /link asks again".to_owned(),
                    _ => sentence(&error),
                };
                let why = match self.linking.as_ref().and_then(|linking| linking.device).filter(|_| gives) {
                    Some(did) => format!("{did} is your device, but lacks some of the history: {why}"),
                    None => why,
                };
                self.tasks.fail(task, why.clone(), self.now);
                self.end_linking(gives, out);
                self.warn_of(why);
            }
        }
    }

    fn handle_link_step(&mut self, task: TaskId, step: LinkStep) {
        match step {
            LinkStep::WrongCode { left } => self.warn_of(phrases::wrong_code(left)),
            LinkStep::Enrolled(did) => {
                if let Some(linking) = &mut self.linking {
                    (linking.link, linking.device) = (None, Some(did));
                }
                self.close_link();
                self.tasks.rename(task, format!("your new device {did} comes into your rooms"));
                self.tell(format!(
                    "your new device {did} is there; rooms and history follow, F3 shows how far"
                ));
            }
            LinkStep::Rooms { reached, all } => {
                self.tell(phrases::rooms_reached(reached, all));
            }
            LinkStep::History { done, total } => {
                let gives = self.under_way().is_some_and(|linking| linking.task == task);
                let way = if gives { "for your new device" } else { "of your other device" };
                self.tasks.rename(task, format!("the history {way}: {done} of {total} lines"));
                self.rooms_are_old |= !gives;
            }
        }
    }

    fn end_linking(&mut self, gives: bool, out: &mut Vec<Effect>) {
        if gives {
            self.linking = None;
            self.close_link();
            return;
        }
        // What has come lies before the lines that are shown.
        self.rooms_are_old = true;
        for timeline in self.timelines() {
            timeline.loading = true;
            out.push(Effect::Read(Read::History(timeline.room, Span::Newest)));
        }
    }

    /// Whoever gives the task up in its list does not look at its link any more.
    pub(super) fn linking_given_up(&mut self, task: TaskId) {
        if self.linking.as_ref().is_some_and(|linking| linking.task == task) {
            self.linking = None;
            self.close_link();
        }
    }

    fn close_link(&mut self) {
        if matches!(self.overlay, Some(Overlay::Link(..))) {
            self.overlay = None;
        }
    }

    fn under_way(&self) -> Option<&Linking> {
        self.linking
            .as_ref()
            .filter(|linking| self.tasks.has(linking.task) && !self.tasks.has_failed(linking.task))
    }
}
