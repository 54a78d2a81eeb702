//! The server of the demo: this very program, in a process of its own, so that it can be killed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use openchat_identity::InviteLink;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::failure::{Failure, Kind};

/// How long a start may take.
const START: Duration = Duration::from_secs(20);

pub(super) struct ServerProcess {
    child: Child,
    listen: SocketAddr,
    pub(super) fingerprint: String,
    invite: Option<String>,
}

impl ServerProcess {
    /// Starts a server with its data below `folder`, on a free port.
    pub(super) async fn start(folder: &Path) -> Result<Self, Failure> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
        let listen = free.map_err(|error| internal(format!("no free port: {error}")))?;
        Self::start_at(folder, listen).await
    }

    /// Starts the same server again, where its clients expect it.
    pub(super) async fn restart(self, folder: &Path) -> Result<Self, Failure> {
        Self::start_at(folder, self.listen).await
    }

    async fn start_at(folder: &Path, listen: SocketAddr) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|error| internal(format!("cannot find myself: {error}")))?;
        let mut child = Command::new(program)
            .arg("--data")
            .arg(folder)
            .args(["serve", "--json", "--listen", &listen.to_string()])
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| internal(format!("the server cannot be started: {error}")))?;
        let ready = match child.stdout.take() {
            Some(stdout) => tokio::time::timeout(START, BufReader::new(stdout).lines().next_line()).await,
            None => return Err(internal("the server has no standard output")),
        };
        let Ok(Ok(Some(line))) = ready else {
            return Err(internal("the server did not get ready; see its messages above"));
        };
        let line: serde_json::Value = serde_json::from_str(&line)
            .map_err(|error| internal(format!("the server said {line}: {error}")))?;
        let text = |key: &str| line.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        let fingerprint = text("fingerprint").ok_or_else(|| internal("the server told no fingerprint"))?;
        Ok(Self { child, listen, fingerprint, invite: text("invite") })
    }

    /// The invite for the first account.
    pub(super) fn take_invite(&mut self) -> Result<InviteLink, Failure> {
        let invite = self.invite.take().ok_or_else(|| internal("a new server makes an invite"))?;
        invite.parse().map_err(internal)
    }

    /// SIGKILL: nothing can be tidied up.
    pub(super) async fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill().await.map_err(|error| internal(format!("the server cannot be killed: {error}")))
    }

    /// SIGTERM, and the wait for the end.
    pub(super) async fn stop(mut self) -> Result<(), Failure> {
        let id =
            self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let id = id.ok_or_else(|| internal("the server has ended by itself"))?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM).map_err(internal)?;
        match self.child.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(internal(format!("the server ended with {status}"))),
            Err(error) => Err(internal(error)),
        }
    }
}

fn internal(what: impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Internal, what)
}
