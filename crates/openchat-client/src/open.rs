//! Opening a profile: the lock, the vault, and the thread on which the client runs.

use std::path::Path;
use std::thread;

use openchat_identity::Password;
use tokio::runtime;
use tokio::sync::{broadcast, mpsc, watch};

use crate::driver::{Driver, Outside};
use crate::error::{ClientError, ErrorKind};
use crate::event::ConnectionState;
use crate::folder::ProfileFolder;
use crate::handle::{COMMANDS, ClientHandle, EVENTS, Events};
use crate::vault::Vault;

/// Whether `folder` holds a profile that can be opened.
pub fn exists(folder: &Path) -> bool {
    Vault::exists(folder)
}

/// Opens the profile in `folder` and starts its client, which connects by itself and again and again. Returns before it
/// is connected, and before its rooms' keys are open: everything on disk can be read at once, and commands wait a moment.
/// Blocks for a fraction of a second.
///
/// # Errors
///
/// What is wrong with the folder, the password or this device's keys. Why a room cannot be read shows later, in
/// [`ConnectionState::Ended`] and in the answer to each command.
pub fn open(folder: &Path, password: &Password) -> Result<(ClientHandle, Events), ClientError> {
    if !exists(folder) {
        return Err(crate::vault::VaultError::Missing(folder.to_owned()).into());
    }
    let folder = ProfileFolder::lock(folder)?;
    let vault = Vault::open(folder.path(), password)?;
    if !vault.credentials()?.enrolled {
        let message = format!("the profile in {} was begun and not finished", folder.path().display());
        return Err(ClientError::new(ErrorKind::NotFound, message)
            .with_help("run the same command again, `openchat join LINK` or `openchat recovery restore FILE`, with the same password"));
    }
    let (sender, jobs) = mpsc::channel(COMMANDS);
    let events = broadcast::Sender::new(EVENTS);
    let (connection, state) = watch::channel(ConnectionState::Connecting);
    let handle = ClientHandle::new(sender, state, events.downgrade());
    let listener = handle.events();
    let driver = Driver::new(folder, vault, Outside { jobs, events, connection })?;
    start(driver)?;
    Ok((handle, listener))
}

fn start(driver: Driver) -> Result<(), ClientError> {
    let failed =
        |error: std::io::Error| ClientError::new(ErrorKind::Internal, format!("cannot start: {error}"));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let run = move || {
        let stopper = runtime.block_on(driver.run());
        // Without waiting for the system's resolver, which knows no end.
        runtime.shutdown_background();
        if let Some(stopper) = stopper {
            // Whoever stopped the client may be gone as well.
            let _ = stopper.send(());
        }
    };
    thread::Builder::new().name("openchat-client".to_owned()).spawn(run).map(drop).map_err(failed)
}
