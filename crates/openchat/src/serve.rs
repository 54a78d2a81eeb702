//! `openchat serve`: the server alone, until it is told to stop.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use openchat_identity::{Authority, InviteLink};
use openchat_protocol::{Address, ServerFingerprint, Timestamp};
use openchat_server::{Config, Running, Server};
use openchat_store::{OpenError, SqliteStore, Store};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::text::clock;
use crate::{output, terminal};

/// Before what is kept of the first start.
const KEPT: &str = "# As the server was started first. What the command line says goes before this.\n";

#[derive(Args)]
#[command(
    after_help = "Example:\n  openchat serve --address chat.example.org:7443\n\nThe first start makes the server's keys and prints an invite for the first account."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print one line of JSON instead of text when ready
    #[arg(long)]
    json: bool,
    /// Log as JSON lines
    #[arg(long)]
    log_json: bool,
}

/// Where a server listens and how it is reached.
#[derive(Args, Default)]
pub(crate) struct Place {
    /// Listen here [default: 0.0.0.0:7443]
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// How others reach this server; stands in invite links [default: this machine's address]
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
    /// The configuration file [default: server.toml in the server's folder, if there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The database is an older copy: for so long, take back what users hold, and nothing new [default: 600]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "600")]
    restored: Option<u32>,
}

/// A server that runs in this process.
pub(crate) struct Hosted {
    pub(crate) running: Running,
    pub(crate) fingerprint: ServerFingerprint,
    /// For the first account, while there is none.
    pub(crate) invite: Option<InviteLink>,
    /// What was made by this start.
    pub(crate) is_new: bool,
    /// Where authority and database are.
    pub(crate) folder: PathBuf,
    /// Until when it takes back what was lost since the copy of its database was made.
    pub(crate) takes_back_until: Option<Timestamp>,
}

impl Hosted {
    /// Where this machine itself reaches it.
    pub(crate) fn nearby(&self) -> SocketAddr {
        let address = self.running.addr();
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        SocketAddr::new(ip, address.port())
    }
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), Failure> {
    start_log(arguments.log_json);
    let hosted = host(context, &arguments.place).await?;
    let outcome = match announce(&hosted, arguments.json) {
        Ok(()) => wait_for_signal().await,
        Err(failure) => Err(failure),
    };
    hosted.running.stop().await;
    outcome
}

/// Says that the server is ready, and how the first account is made.
fn announce(hosted: &Hosted, json: bool) -> Result<(), Failure> {
    if json {
        return output::line(json!({
            "listening": hosted.running.addr().to_string(),
            "fingerprint": hosted.fingerprint.to_string(),
            "invite": hosted.invite.as_ref().map(ToString::to_string),
        }));
    }
    tell(hosted)?;
    match &hosted.invite {
        Some(invite) => {
            output::line("There is no account yet. The first one is made with")?;
            output::line(format_args!("  openchat join '{invite}'"))
        }
        None => Ok(()),
    }
}

/// Opens or makes authority and database, and starts the server.
pub(crate) async fn host(context: &Context, place: &Place) -> Result<Hosted, Failure> {
    let config = configuration(context, place)?;
    let folder = config.data_dir.clone();
    let now = Timestamp::now();
    let authority_folder = config.authority_folder();
    let is_new = !authority_folder.exists();
    if place.restored.is_some() && is_new {
        let what = format!("there is no server to have been restored in {}", folder.display());
        return Err(Failure::new(Kind::Usage, what).help("put the copy of its folder there first"));
    }
    let authority = Authority::open_or_create(&authority_folder, now)?;
    let fingerprint = authority.fingerprint();
    let store: Arc<dyn Store> = Arc::new(database(place, &folder.join("server.db"), now)?);
    let mut running = Server::start(&config, authority, Arc::clone(&store)).await?;
    if let Err(error) = running.open_admin_door(&folder) {
        // Nobody but the operator misses it.
        tracing::warn!(%error, "`openchat admin` does not reach this server");
    }
    let token = Server::bootstrap_invite(store.as_ref(), now).await?;
    let (host, port) = advertised(config.address.as_ref(), running.addr());
    let invite = token.map(|token| InviteLink { host, port, server: fingerprint, inviter: None, token });
    let takes_back_until = store.takes_back_until().filter(|until| *until > now);
    Ok(Hosted { running, fingerprint, invite, is_new, folder, takes_back_until })
}

/// The database, in a new life if its host says that it was restored.
fn database(place: &Place, path: &Path, now: Timestamp) -> Result<SqliteStore, Failure> {
    let Some(seconds) = place.restored else { return Ok(SqliteStore::open(path)?) };
    Ok(SqliteStore::open_restored(path, now.plus(Duration::from_secs(seconds.into())))?)
}

/// Whether the server in this folder is the one with this fingerprint.
pub(crate) fn is_here(context: &Context, fingerprint: ServerFingerprint) -> bool {
    let folder = context.folders.server().join("authority");
    folder.exists()
        && Authority::open_or_create(&folder, Timestamp::now())
            .is_ok_and(|authority| authority.fingerprint() == fingerprint)
}

/// Whether another process runs the server of this folder.
pub(crate) fn is_run_elsewhere(context: &Context) -> bool {
    let opened = SqliteStore::open(&context.folders.server().join("server.db"));
    matches!(opened, Err(OpenError::InUse { .. }))
}

/// Keeps the place for the next start, unless there is a configuration already. Links that were given away have it in them.
pub(crate) fn keep(context: &Context, place: &Place) -> Result<(), Failure> {
    let file = context.folders.server().join("server.toml");
    if place.config.is_some() || file.exists() || (place.listen.is_none() && place.address.is_none()) {
        return Ok(());
    }
    let listen = place.listen.map(|listen| format!("listen = \"{listen}\"\n"));
    let address = place.address.as_ref().map(|address| format!("address = \"{address}\"\n"));
    let text: String = [KEPT.to_owned()].into_iter().chain(listen).chain(address).collect();
    std::fs::write(&file, text)
        .map_err(|error| Failure::new(Kind::Storage, format!("cannot write {}: {error}", file.display())))
}

/// Where the server is that `config`, or the usual configuration, describes.
pub(crate) fn place(context: &Context, config: Option<PathBuf>) -> Result<Config, Failure> {
    configuration(context, &Place { config, ..Place::default() })
}

fn configuration(context: &Context, place: &Place) -> Result<Config, Failure> {
    let folder = context.folders.server();
    let usual = folder.join("server.toml");
    let file = place.config.clone().or_else(|| usual.exists().then_some(usual));
    let mut config = match file {
        Some(file) => Config::load(&file, &folder).map_err(|error| {
            Failure::new(Kind::Usage, format!("{} is not usable: {error}", file.display()))
        })?,
        None => Config::new(&folder),
    };
    config.signed_head = Some(config.data_dir.join("signed.head"));
    if let Some(listen) = place.listen {
        config.listen = listen;
    }
    if let Some(address) = &place.address {
        config.address = Some(address.clone());
    }
    Ok(config)
}

/// What a friend's client connects to: what was configured, else this machine's own address.
pub(crate) fn advertised(address: Option<&Address>, listening: SocketAddr) -> (String, u16) {
    if let Some(address) = address {
        return (address.host().to_owned(), address.port());
    }
    let ip = match listening.ip() {
        ip if ip.is_unspecified() => own_address(),
        ip => ip,
    };
    (ip.to_string(), listening.port())
}

/// The address this machine would send from: asking the routing table sends nothing.
fn own_address() -> IpAddr {
    // RFC 5737 documentation address: never reached, but routed like any other.
    let route = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr())
    });
    route.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

/// Three lines on what runs.
pub(crate) fn tell(hosted: &Hosted) -> Result<(), Failure> {
    let made = if hosted.is_new { "made its keys and database" } else { "uses its keys and database" };
    output::line(format_args!("The server listens on {}", hosted.running.addr()))?;
    output::line(format_args!("  it {made} in {}", hosted.folder.display()))?;
    output::line(format_args!("  its fingerprint is {}", hosted.fingerprint))?;
    match hosted.takes_back_until {
        Some(until) => output::line(format_args!(
            "  until {} UTC it takes back what its users hold and it has lost, and nothing new",
            clock(until)
        )),
        None => Ok(()),
    }
}

/// SIGINT or SIGTERM.
async fn wait_for_signal() -> Result<(), Failure> {
    let failed = |error| Failure::new(Kind::Internal, format!("cannot listen for signals: {error}"));
    terminal::claim_signals();
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.map_err(failed),
        _ = terminate.recv() => Ok(()),
    }
}

/// Logs to standard error: `info` unless `RUST_LOG` says otherwise.
fn start_log(json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(output::error_has_colours())
        .with_writer(std::io::stderr);
    match json {
        true => log.json().init(),
        false => log.init(),
    }
}
