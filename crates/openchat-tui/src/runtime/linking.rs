//! A device is linked, or takes its history, off the loop.

use futures_util::future::abortable;
use openchat_client::{ClientError, ClientHandle, LinkStep, Password};
use tokio::sync::mpsc;

use super::Runtime;
use super::entering::Message;
use crate::app::tasks::TaskId;
use crate::effect::{Incoming, Told};

/// Where a task says how it goes.
struct Teller {
    task: TaskId,
    sender: mpsc::Sender<Message>,
}

impl Runtime {
    /// Shows a link for a new device and gives it what it needs.
    pub(super) fn link(&mut self, task: TaskId, password: Password) {
        let Some((client, _)) = &self.client else { return };
        let (client, teller) = (client.clone(), self.teller(task));
        self.begin(task, async move { link(&client, password, &teller).await });
    }

    /// Takes the history that the other device waits to give.
    pub(super) fn take_history(&mut self, task: TaskId) {
        let (Some((client, _)), Some(history)) = (&self.client, self.history.take()) else { return };
        let (client, teller) = (client.clone(), self.teller(task));
        self.begin(task, async move { history.run(&client, |step| teller.step(step)).await });
    }

    fn teller(&self, task: TaskId) -> Teller {
        Teller { task, sender: self.sender.clone() }
    }

    fn begin(&mut self, task: TaskId, work: impl Future<Output = Result<(), ClientError>> + Send + 'static) {
        let (work, handle) = abortable(work);
        self.tasks.insert(task, handle);
        self.asked.push(Box::pin(async move {
            let outcome = work.await.ok()?;
            Some(Incoming::Linking(task, Told::Ended(outcome)))
        }));
    }
}

impl Teller {
    /// What the person is to know: it waits for the loop.
    async fn tell(&self, told: Told) {
        // The screen may have ended.
        let _ = self.sender.send(Message::Linking(self.task, told)).await;
    }

    /// A step; how far it is, is told with the next one when the loop is behind.
    fn step(&self, step: LinkStep) {
        let _ = self.sender.try_send(Message::Linking(self.task, Told::Step(step)));
    }
}

async fn link(client: &ClientHandle, password: Password, teller: &Teller) -> Result<(), ClientError> {
    client.check_password(password).await?;
    let linking = client.link().await?;
    teller.tell(Told::Link { link: linking.link(), is_local: linking.is_local() }).await;
    linking.run(|step| teller.step(step)).await.map(drop)
}
