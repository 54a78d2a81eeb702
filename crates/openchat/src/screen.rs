//! `openchat`: the full screen, for people at a terminal that can show it. Elsewhere the line client does the same.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use openchat_client::{ClientError, ErrorKind};
use openchat_protocol::{RoomName, ServerFingerprint};
use openchat_tui::settings::Settings;
use openchat_tui::{Door, Host, Hosted, Resumed, Setup};

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{serve, session, terminal};

/// Whether there is a terminal at both ends that can show more than lines.
pub(crate) fn is_possible() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    !is_dumb && std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// `openchat` without a command: back to the profile that is there, or the first steps.
pub(crate) async fn open(context: &Context) -> Result<(), Failure> {
    let door = match openchat_client::exists(&context.folders.profile()) {
        true => Door::Unlock,
        false => Door::FirstRun,
    };
    let door = match (door, &context.password_file) {
        (Door::Unlock, Some(_)) => {
            let (client, events) = session::open(context)?;
            Door::Opened(client, events)
        }
        (door, _) => door,
    };
    show(context, door, None).await
}

/// Shows the screen until its user leaves.
pub(crate) async fn show(context: &Context, door: Door, room: Option<RoomName>) -> Result<(), Failure> {
    show_hosting(context, door, room, serve::Place::default(), None).await
}

/// The same, where a server that is started has its `place`, or one runs already. It ends with the screen.
pub(crate) async fn show_hosting(
    context: &Context,
    door: Door,
    room: Option<RoomName>,
    place: serve::Place,
    hosted: Option<serve::Hosted>,
) -> Result<(), Failure> {
    terminal::claim_signals();
    let running: Running = Arc::new(Mutex::new(hosted));
    let host = Starter { context: context.clone(), place, running: Arc::clone(&running) };
    let setup = Setup {
        folder: context.folders.profile(),
        profile: context.folders.profile_name().to_owned(),
        door,
        host: Box::new(host),
        room,
        settings: settings(context)?,
    };
    let outcome = openchat_tui::run(setup).await;
    let hosted = running.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(hosted) = hosted {
        hosted.running.stop().await;
    }
    outcome.map_err(|error| {
        Failure::new(Kind::Internal, error).help("openchat chat (the line client needs less of a terminal)")
    })
}

fn settings(context: &Context) -> Result<Settings, Failure> {
    let path = settings_path(context);
    Settings::load(&path).map_err(|error| {
        Failure::new(Kind::Usage, format!("{} is not usable: {error}", path.display()))
            .help("correct the file, or move it away")
    })
}

/// `screen.toml` beside the data with `--data`, else in `$XDG_CONFIG_HOME/openchat` or `~/.config/openchat`.
fn settings_path(context: &Context) -> PathBuf {
    context.folders.settings().join("screen.toml")
}

type Running = Arc<Mutex<Option<serve::Hosted>>>;

/// Starts a server in this process.
struct Starter {
    context: Context,
    place: serve::Place,
    running: Running,
}

impl Host for Starter {
    fn start(&mut self) -> Pin<Box<dyn Future<Output = Result<Hosted, ClientError>> + Send + '_>> {
        Box::pin(async move {
            // Started by an attempt whose second half failed: it is the same server still.
            let mut hosted = match take(&self.running) {
                Some(hosted) => hosted,
                None => {
                    serve::host(&self.context, &self.place).await.map_err(|failure| as_client(&failure))?
                }
            };
            serve::keep(&self.context, &self.place).map_err(|failure| as_client(&failure))?;
            let made = vec![
                listens(&hosted),
                format!("its keys and database are in {}", hosted.folder.display()),
                format!("your key and history are in {}", self.context.folders.profile().display()),
            ];
            let invite = hosted.invite.take();
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(hosted);
            Ok(Hosted { invite, made })
        })
    }

    fn resume(
        &mut self,
        server: ServerFingerprint,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Resumed>, ClientError>> + Send + '_>> {
        Box::pin(async move {
            if let Some(hosted) = &*self.running.lock().unwrap_or_else(PoisonError::into_inner) {
                return Ok(Some(Resumed { at: hosted.nearby(), told: Vec::new() }));
            }
            if !serve::is_here(&self.context, server) {
                return Ok(None);
            }
            match serve::host(&self.context, &self.place).await {
                Ok(hosted) => {
                    let resumed = Resumed { at: hosted.nearby(), told: vec![listens(&hosted)] };
                    *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(hosted);
                    Ok(Some(resumed))
                }
                Err(_) if serve::is_run_elsewhere(&self.context) => Ok(None),
                Err(failure) => Err(as_client(&failure)),
            }
        })
    }

    fn last_word(&self) -> Option<&'static str> {
        let runs = self.running.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        runs.then_some("openchat: your server stands still too, for everybody, until you type fg (or bg)")
    }
}

fn listens(hosted: &serve::Hosted) -> String {
    format!("your server listens on {}", hosted.running.addr())
}

fn take(running: &Running) -> Option<serve::Hosted> {
    running.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// A failure as the screen shows it.
fn as_client(failure: &Failure) -> ClientError {
    let error = ClientError::new(ErrorKind::Usage, failure.what());
    match failure.advice() {
        Some(advice) => error.with_help(advice),
        None => error,
    }
}
