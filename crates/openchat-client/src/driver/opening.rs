//! The start: rooms are opened one after the other, and what is on the disk is read meanwhile.
//!
//! The first picture needs the disk and no key of a room. The engine needs all rooms, for it decides for all of them: so
//! commands and the connection wait for the last one, and whoever looks something up waits for none.

use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::Driver;
use crate::engine::OpenRoom;
use crate::error::{ClientError, ErrorKind};
use crate::event::ConnectionState;
use crate::handle::Job;
use crate::vault::RoomRecord;

#[cfg(test)]
mod tests;

/// How the start ends.
pub(super) enum Opening {
    /// The engine has all rooms.
    Done,
    /// The client is stopped, and whoever stopped it is to be told.
    Stopped(Option<oneshot::Sender<()>>),
}

/// Nobody wants anything of this client any more.
struct Stop(Option<oneshot::Sender<()>>);

impl Driver {
    /// Gives the engine its rooms. Where one cannot be read, the vault is damaged: nothing is said or received, and what
    /// can be read is shown.
    pub(super) async fn open_rooms(&mut self) -> Opening {
        while let Some(record) = self.unopened.pop() {
            match self.open_room(record).await {
                Ok(Ok(room)) => self.engine.add(room),
                Ok(Err(error)) => return Opening::Stopped(self.show_only(&error).await),
                Err(Stop(stopper)) => return Opening::Stopped(stopper),
            }
        }
        Opening::Done
    }

    /// Opens one room on another thread, for that of a large one takes long.
    async fn open_room(&mut self, record: RoomRecord) -> Result<Result<OpenRoom, ClientError>, Stop> {
        let loaded = match self.vault.load_room(record) {
            Ok(loaded) => loaded,
            Err(error) => return Ok(Err(error.into())),
        };
        let device = self.engine.device();
        let mut opened = spawn_blocking(move || OpenRoom::of(loaded, &device));
        loop {
            // A queue that has ended says so again and again.
            let listens = self.held.is_empty() || !self.outside.jobs.is_closed();
            tokio::select! {
                biased;
                job = self.outside.jobs.recv(), if listens => self.hold(job)?,
                opened = &mut opened => {
                    let failed = |_| ClientError::new(ErrorKind::Internal, "a room could not be opened");
                    return Ok(opened.map_err(failed));
                }
            }
        }
    }

    /// Does what the engine has no part in. The rest waits, in its order; the end, too, when it comes behind something.
    fn hold(&mut self, job: Option<Job>) -> Result<(), Stop> {
        match job {
            Some(Job::Stop(done)) if self.held.is_empty() => return Err(Stop(Some(done))),
            None if self.held.is_empty() => return Err(Stop(None)),
            Some(job @ (Job::Command(..) | Job::Stop(_))) => self.held.push_back(job),
            Some(job) => self.handle_job(job),
            None => {}
        }
        Ok(())
    }

    /// Answers every command with `why`, until it is stopped.
    async fn show_only(&mut self, why: &ClientError) -> Option<oneshot::Sender<()>> {
        self.tell(ConnectionState::Ended(why.clone()));
        loop {
            match super::next_job(&mut self.held, &mut self.outside.jobs).await? {
                Job::Stop(done) => return Some(done),
                // Whoever asked may have gone.
                Job::Command(_, answer) => drop(answer.send(Err(why.clone()))),
                job => self.handle_job(job),
            }
        }
    }
}
