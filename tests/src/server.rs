//! A server process that a story owns: its port, its end, and its SIGKILL.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::binary::Openchat;
use crate::lines::Lines;

/// A running `openchat serve`; killed when it goes out of scope.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it says its fingerprint is.
    pub fingerprint: String,
    /// The link for the first account, while there is none.
    pub invite: Option<String>,
}

impl ServerProcess {
    /// Starts a server on a free port with its data in `home`.
    pub fn start(home: &Openchat) -> Self {
        Self::start_at(home, free_address(), &[])
    }

    /// The same, with its log of this level in `log`.
    pub fn start_with_log(home: &Openchat, level: &str, log: &Path) -> Self {
        let address = free_address();
        let mut command = home.command("default", &["serve", "--json", "--listen", &address.to_string()]);
        command.env("RUST_LOG", level).env_remove("NO_COLOR").stderr(File::create(log).expect("a log file"));
        Self::spawn(command, address)
    }

    /// Starts a server where its clients expect it.
    pub fn start_at(home: &Openchat, address: SocketAddr, more: &[&str]) -> Self {
        let listen = address.to_string();
        let mut arguments = vec!["serve", "--json", "--listen", &listen];
        arguments.extend(more);
        let mut command = home.command("default", &arguments);
        command.env("RUST_LOG", "warn");
        Self::spawn(command, address)
    }

    /// Starts a server by this command, which is to print one line of JSON and to listen on `address`.
    pub fn spawn(mut command: Command, address: SocketAddr) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        let lines = Lines::of(child.stdout.take().expect("its standard output"));
        let line = lines.next().expect("the server is ready in time").expect("a line from the server");
        let ready: serde_json::Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("the server said `{line}`: {error}"));
        let text = |key: &str| ready[key].as_str().map(str::to_owned);
        Self {
            child,
            address,
            fingerprint: text("fingerprint").expect("a fingerprint"),
            invite: text("invite"),
        }
    }

    /// SIGKILL.
    pub fn kill(mut self) -> SocketAddr {
        self.child.kill().expect("the server is killed");
        self.child.wait().expect("the server has ended");
        self.address
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The link for the first account.
    #[track_caller]
    pub fn first_invite(&self) -> String {
        self.invite.clone().expect("a new server makes an invite")
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Already ended after `kill`: both calls then only report that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server in a fresh folder with these people on it. The first one has come by the server's invite, and the others by
/// hers.
#[track_caller]
pub fn people(names: &[&str]) -> (Openchat, ServerProcess) {
    let home = Openchat::new();
    let server = ServerProcess::start(&home);
    let mut link = server.first_invite();
    for (index, name) in names.iter().enumerate() {
        home.join(name, &link);
        if index + 1 < names.len() {
            link = home.run(names[0], &["invite"]).ok().trim().to_owned();
        }
    }
    (home, server)
}

/// Ports below those that the system gives to connections: none of these takes the port of a server that is started anew.
const PORTS: Range<u32> = 10_000..30_000;

/// An address at which nothing listens now, and which nobody else in this process gets.
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    // Processes begin at places of their own.
    let begin = std::process::id().wrapping_mul(97);
    (0..count)
        .find_map(|_| {
            let place = begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % count;
            let address = (Ipv4Addr::LOCALHOST, u16::try_from(PORTS.start + place).ok()?);
            TcpListener::bind(address).ok()?.local_addr().ok()
        })
        .expect("a free port")
}
