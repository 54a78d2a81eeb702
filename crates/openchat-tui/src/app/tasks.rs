//! What takes a while: asked of the server, or waiting for a connection; and what has failed, until it is seen.

use openchat_client::{Command as Ask, ConnectionState};
use openchat_protocol::Timestamp;

use super::chat::Chat;
use super::overlay::Overlay;
use crate::effect::{Effect, Then};

/// Failures that are kept; the oldest go first.
const FAILURES: usize = 20;

/// Which task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(u64);

/// Something that takes a while.
#[derive(Debug)]
pub struct Task {
    /// Which.
    pub id: TaskId,
    /// What, in words: `joining #games`.
    pub what: String,
    /// When it was begun, or when it failed.
    pub since: Timestamp,
    /// How it stands.
    pub state: TaskState,
}

/// How a task stands.
#[derive(Debug)]
pub enum TaskState {
    /// It is asked when there is a connection.
    Waiting(Box<(Ask, Then)>),
    /// It was asked and is not answered.
    Running,
    /// It came to nothing: why.
    Failed(String),
}

/// All tasks, the oldest first.
#[derive(Debug, Default)]
pub struct Tasks {
    /// In the order in which they were begun.
    pub list: Vec<Task>,
    /// The row that is chosen in the panel.
    pub chosen: usize,
    next: u64,
}

impl Tasks {
    pub(super) fn add(&mut self, what: String, since: Timestamp, state: TaskState) -> TaskId {
        let id = TaskId(self.next);
        self.next += 1;
        self.list.push(Task { id, what, since, state });
        id
    }

    /// Something that was no task has failed.
    pub(super) fn add_failure(&mut self, what: &str, why: String, now: Timestamp) {
        let is_known = |task: &Task| matches!(&task.state, TaskState::Failed(known) if *known == why);
        if !self.list.iter().any(is_known) {
            self.add(what.to_owned(), now, TaskState::Failed(why));
        }
        self.forget_old();
    }

    /// It is over. Nothing when nobody waits for it any more.
    pub(super) fn end(&mut self, id: TaskId) -> Option<Task> {
        let at = self.list.iter().position(|task| task.id == id)?;
        Some(self.list.remove(at))
    }

    /// It has failed, and stays until it is seen.
    pub(super) fn fail(&mut self, id: TaskId, why: String, now: Timestamp) {
        if let Some(task) = self.list.iter_mut().find(|task| task.id == id) {
            task.state = TaskState::Failed(why);
            task.since = now;
        }
        self.forget_old();
    }

    fn forget_old(&mut self) {
        let surplus = self.failures().count().saturating_sub(FAILURES);
        for _ in 0..surplus {
            let oldest = self.failures().next().map(|task| task.id);
            self.list.retain(|task| Some(task.id) != oldest);
        }
    }

    /// It goes on under other words: how far it is.
    pub(super) fn rename(&mut self, id: TaskId, what: String) {
        if let Some(task) = self.list.iter_mut().find(|task| task.id == id) {
            task.what = what;
        }
    }

    /// Whether it came to nothing, and that was not seen yet.
    pub(super) fn has_failed(&self, id: TaskId) -> bool {
        self.failures().any(|task| task.id == id)
    }

    /// Whether this is still waited for.
    pub(super) fn has(&self, id: TaskId) -> bool {
        self.list.iter().any(|task| task.id == id)
    }

    /// What has failed and was not seen.
    pub fn failures(&self) -> impl Iterator<Item = &Task> {
        self.list.iter().filter(|task| matches!(task.state, TaskState::Failed(_)))
    }

    /// What goes on.
    pub fn going_on(&self) -> impl Iterator<Item = &Task> {
        self.list.iter().filter(|task| !matches!(task.state, TaskState::Failed(_)))
    }

    /// All failures were looked at.
    pub(super) fn see(&mut self) {
        self.list.retain(|task| !matches!(task.state, TaskState::Failed(_)));
        self.chosen = 0;
    }
}

impl Chat {
    /// Begins what the server has to answer. Without a connection it waits for one.
    pub(super) fn begin(&mut self, what: impl Into<String>, ask: Ask, then: Then, out: &mut Vec<Effect>) {
        let what = what.into();
        // Where there will be no connection any more, the client says so.
        if matches!(self.connection, ConnectionState::Online | ConnectionState::Ended(_)) {
            self.begin_now(what, ask, then, out);
        } else {
            self.tell(format!("{what}: when there is a connection; F3 shows what waits"));
            self.tasks.add(what, self.now, TaskState::Waiting(Box::new((ask, then))));
        }
    }

    /// Begins what somebody wants to see now: without a connection the client refuses it.
    pub(super) fn begin_now(&mut self, what: impl Into<String>, ask: Ask, then: Then, out: &mut Vec<Effect>) {
        let id = self.tasks.add(what.into(), self.now, TaskState::Running);
        out.push(Effect::Ask(ask, Then::Task(id, Box::new(then))));
    }

    /// There is a connection: what has waited for it is asked.
    pub(super) fn go_on(&mut self, out: &mut Vec<Effect>) {
        for task in &mut self.tasks.list {
            if let TaskState::Waiting(_) = task.state
                && let TaskState::Waiting(asked) = std::mem::replace(&mut task.state, TaskState::Running)
            {
                let (ask, then) = *asked;
                out.push(Effect::Ask(ask, Then::Task(task.id, Box::new(then))));
            }
        }
    }

    pub(super) fn show_tasks(&mut self) {
        self.notice = None;
        self.tasks.chosen = 0;
        self.overlay = Some(Overlay::Tasks);
    }

    /// The chosen task is given up, or the failure forgotten.
    pub(super) fn give_up_chosen(&mut self, out: &mut Vec<Effect>) {
        let Some(id) = self.tasks.list.get(self.tasks.chosen).map(|task| task.id) else { return };
        let Some(task) = self.tasks.end(id) else { return };
        self.tasks.chosen = self.tasks.chosen.min(self.tasks.list.len().saturating_sub(1));
        match task.state {
            TaskState::Waiting(_) => self.tell(format!("given up: {}", task.what)),
            TaskState::Running => {
                out.push(Effect::GiveUp(id));
                self.linking_given_up(id);
                self.tell(format!(
                    "not waited for any more: {}; what the server has heard of already may still happen",
                    task.what
                ));
            }
            TaskState::Failed(_) => {}
        }
    }
}
