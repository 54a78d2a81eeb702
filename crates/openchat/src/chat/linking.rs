//! Another device is linked while one talks, and the history of another device comes.

use std::pin::pin;
use std::time::{Duration, Instant};

use openchat_client::{ClientError, ClientHandle, HistoryTransfer, LinkStep};
use openchat_tui::effect::Told;
use openchat_tui::phrases;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Chat, Guarded};
use crate::failure::Failure;
use crate::{invite, link, text};

/// Between two words about the history.
const PAUSE: Duration = Duration::from_secs(5);

/// Something that goes on beside the talk; it ends with this.
pub(super) struct Errand {
    words: mpsc::UnboundedReceiver<Told>,
    work: JoinHandle<()>,
    /// What is to be carried to the new device, until it is there.
    link: Option<String>,
    /// When it was last said how far it is.
    told: Instant,
}

impl Errand {
    fn begin<F>(work: impl FnOnce(mpsc::UnboundedSender<Told>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // A word for a page of history at most, and the talk waits for none of them.
        let (sender, words) = mpsc::unbounded_channel();
        Self { words, work: tokio::spawn(work(sender)), link: None, told: Instant::now() }
    }

    /// Another device is linked.
    pub(super) fn link(client: ClientHandle) -> Self {
        Self::begin(async move |sender| {
            let outcome = linked(&client, &sender).await;
            // Nobody may listen any more.
            let _ = sender.send(Told::Ended(outcome));
        })
    }

    /// The history comes.
    pub(super) fn take_history(client: ClientHandle, history: HistoryTransfer) -> Self {
        Self::begin(async move |sender| {
            let tell = |step| drop(sender.send(Told::Step(step)));
            let outcome = pin!(history.run(&client, tell)).await;
            let _ = sender.send(Told::Ended(outcome));
        })
    }

    fn is_due(&mut self) -> bool {
        let is_due = self.told.elapsed() >= PAUSE;
        if is_due {
            self.told = Instant::now();
        }
        is_due
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.work.abort();
    }
}

/// What an errand says next; never anything when there is none.
pub(super) async fn next_word(errand: &mut Option<Errand>) -> Told {
    let word = match errand {
        Some(errand) => errand.words.recv().await,
        None => None,
    };
    match word {
        Some(word) => word,
        None => std::future::pending().await,
    }
}

async fn linked(client: &ClientHandle, sender: &mpsc::UnboundedSender<Told>) -> Result<(), ClientError> {
    let linking = client.link().await?;
    let _ = sender.send(Told::Link { link: linking.link(), is_local: linking.is_local() });
    linking.run(|step| drop(sender.send(Told::Step(step)))).await.map(drop)
}

impl Chat {
    /// `/link`: asks for the password, or shows the link again.
    pub(super) fn link(&mut self) -> Result<(), Failure> {
        match self.linking.as_ref().map(|errand| errand.link.clone()) {
            None => self.ask_for_password(Guarded::Link)?,
            Some(Some(link)) => self.print(&link),
            Some(None) => self.print("A device is being linked; /link stop ends that."),
        }
        Ok(())
    }

    /// `/link stop`.
    pub(super) fn stop_link(&mut self) {
        match self.linking.take() {
            Some(_) => self.print("No device is linked any more; one that is there stays."),
            None => self.print("No device is being linked."),
        }
    }

    /// How the linking of another device goes.
    pub(super) fn show_linking(&mut self, told: Told) {
        match told {
            Told::Link { link, is_local } => {
                self.print(&format!("{link}\n{}", link::MEANING));
                if is_local {
                    self.print(&text::styled(text::WARNING, invite::LOCAL));
                }
                self.print(
                    "It is waited for while you talk: /link shows the link again, /link stop ends it.",
                );
                if let Some(errand) = &mut self.linking {
                    errand.link = Some(link);
                }
            }
            Told::Step(LinkStep::WrongCode { left }) => {
                self.print(&text::styled(text::WARNING, format_args!("!! {}", phrases::wrong_code(left))));
            }
            Told::Step(LinkStep::Enrolled(did)) => {
                if let Some(errand) = &mut self.linking {
                    errand.link = None;
                }
                self.whisper(&format!("your new device {did} is there; rooms and history follow"));
            }
            Told::Step(LinkStep::Rooms { reached, all }) => {
                self.whisper(&phrases::rooms_reached(reached, all));
            }
            Told::Step(LinkStep::History { done, total }) => {
                if self.linking.as_mut().is_some_and(Errand::is_due) {
                    self.whisper(&format!("the history for your new device: {done} of {total} lines"));
                }
            }
            Told::Ended(outcome) => {
                self.linking = None;
                match outcome {
                    Ok(()) => self.whisper("your new device has all that was said in your rooms"),
                    Err(error) => self.print(&text::styled(text::WARNING, Failure::from(error))),
                }
            }
        }
    }

    /// How the history of another device comes.
    pub(super) async fn show_taking(&mut self, told: Told) {
        match told {
            Told::Step(LinkStep::History { done, total }) => {
                if self.taking.as_mut().is_some_and(Errand::is_due) {
                    self.whisper(&format!("the history of your other device: {done} of {total} lines"));
                }
            }
            Told::Ended(outcome) => {
                self.taking = None;
                match outcome {
                    Ok(()) => {
                        self.whisper("all that was said before is here: it is shown when you enter a room");
                    }
                    Err(error) => self.print(&text::styled(text::WARNING, Failure::from(error))),
                }
            }
            Told::Link { .. } | Told::Step(_) => {}
        }
    }

    fn whisper(&mut self, words: &str) {
        self.print(&text::styled(text::QUIET, format_args!("-- {words}")));
    }
}
