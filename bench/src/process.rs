//! A server as a process of its own, on the server's core, in a folder of its own.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// The core of whichever server is measured.
const SERVER_CORE: &str = "0";
/// From the start of a server to its first connection.
const STARTING: Duration = Duration::from_secs(30);

/// Between two looks whether it listens: what a server's start is measured to.
const GLANCE: Duration = Duration::from_millis(2);

/// A running server; killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Process {
    /// Starts a command in `folder`, with what it says in `log` there. It is ready when it listens on `address`.
    pub(crate) async fn start(command: &[&str], folder: &Path, address: SocketAddr) -> Result<Self, String> {
        let log = folder.join("log");
        let unwritable = |error| format!("cannot write {}: {error}", log.display());
        // One file, opened once: what is said on either way follows what was said before.
        let said = File::create(&log).map_err(unwritable)?;
        let child = Command::new("taskset")
            .args(["--cpu-list", SERVER_CORE])
            .args(command)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(said.try_clone().map_err(unwritable)?)
            .stderr(said)
            .spawn()
            .map_err(|error| format!("cannot start taskset (of util-linux): {error}"))?;
        let mut process = Self { child, address };
        match process.listens().await {
            Ok(()) => Ok(process),
            Err(error) => {
                let said = std::fs::read_to_string(&log).unwrap_or_default();
                Err(format!("{}: {error}\n{said}", command.join(" ")))
            }
        }
    }

    async fn listens(&mut self) -> Result<(), String> {
        let until = Instant::now() + STARTING;
        while TcpStream::connect(self.address).await.is_err() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended: {status}"));
            }
            if Instant::now() > until {
                return Err(format!("it does not listen after {} s", STARTING.as_secs()));
            }
            sleep(GLANCE).await;
        }
        Ok(())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both only report that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
