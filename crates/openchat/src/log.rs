//! `openchat log`: a server's log of keys, checked from outside by anybody who has its fingerprint.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use openchat_client::{Audit, InviteLink};
use openchat_protocol::{Address, ServerFingerprint, Timestamp};
use serde_json::json;

use crate::failure::{Failure, Kind};
use crate::{output, text};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read a server's whole log of keys, and check every rule of it; no account is needed
    #[command(after_help = "Example:\n  openchat log audit 5Yt1…@chat.example.org:7443\n  \
                            openchat log audit 'LINK' --head chat.head     and that it goes on from last time's head")]
    Audit(AuditArguments),
    /// Check evidence against a server that has shown different key records
    #[command(after_help = "Example:\n  openchat log evidence key-log-fork-….evidence 5Yt1…")]
    Evidence(EvidenceArguments),
}

#[derive(Args)]
pub(crate) struct AuditArguments {
    /// An invite link, or FINGERPRINT@HOST:PORT
    // One fingerprint in 64 begins with a hyphen.
    #[arg(allow_hyphen_values = true)]
    server: String,
    /// Keep the log's signed head in this file; one that is there already must be of the same log
    #[arg(long, value_name = "FILE")]
    head: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
pub(crate) struct EvidenceArguments {
    /// The evidence
    file: PathBuf,
    /// The fingerprint of the server
    #[arg(allow_hyphen_values = true)]
    fingerprint: String,
}

pub(crate) async fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Audit(arguments) => audit(&arguments).await,
        Command::Evidence(arguments) => evidence(&arguments),
    }
}

async fn audit(arguments: &AuditArguments) -> Result<(), Failure> {
    let (fingerprint, address) = server_in(&arguments.server)?;
    let known = arguments.head.as_deref().map(read_head).transpose()?.flatten();
    let begun = Timestamp::now();
    let audit = openchat_client::audit(&address, fingerprint, known.as_deref()).await?;
    let took = Timestamp::now().since(begun);
    if let Some(path) = &arguments.head {
        fs::write(path, &audit.note).map_err(|error| {
            Failure::new(Kind::Storage, format!("cannot write {}: {error}", path.display()))
        })?;
    }
    match arguments.json {
        true => output::line(as_json(&audit)),
        false => tell(&audit, &fingerprint, known.is_some(), took.as_secs_f64()),
    }
}

fn read_head(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(note) => Ok(Some(note)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Kind::Storage, format!("cannot read {}: {error}", path.display()))),
    }
}

/// An invite link names its server, too.
fn server_in(given: &str) -> Result<(ServerFingerprint, Address), Failure> {
    let usage = |why: String| {
        Failure::new(Kind::Usage, why).help("openchat log audit FINGERPRINT@HOST:PORT, or an invite link")
    };
    if let Ok(link) = given.parse::<InviteLink>() {
        let address = Address::new(&link.host, link.port).map_err(|error| usage(error.to_string()))?;
        return Ok((link.server, address));
    }
    let (fingerprint, address) =
        given.split_once('@').ok_or_else(|| usage("that names no server".to_owned()))?;
    let fingerprint = fingerprint.parse().map_err(|error| usage(format!("{error}")))?;
    Ok((fingerprint, address.parse().map_err(|error| usage(format!("{error}")))?))
}

fn as_json(audit: &Audit) -> serde_json::Value {
    let [heartbeats, issued, retired, lists, authority, released, resets] = audit.kinds;
    json!({
        "records": audit.size,
        "root": audit.root,
        "labels": audit.labels,
        "heartbeats": heartbeats,
        "identities_issued": issued,
        "identities_retired": retired,
        "device_lists": lists,
        "authority_events": authority,
        "names_released": released,
        "resets": resets,
        "first": audit.first.map(|time| time.0),
        "last_heartbeat": audit.heartbeat.map(|time| time.0),
        "longest_silence_seconds": audit.silence.as_secs(),
        "bytes": audit.bytes,
    })
}

fn tell(audit: &Audit, server: &ServerFingerprint, goes_on: bool, seconds: f64) -> Result<(), Failure> {
    let [heartbeats, issued, retired, lists, authority, released, resets] = audit.kinds;
    let day = |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), text::day_and_clock);
    output::line(format_args!("The log of keys of {server} keeps all its rules"))?;
    output::line(format_args!("  records          {} ({} bytes, {seconds:.1} s)", audit.size, audit.bytes))?;
    output::line(format_args!("  root             {}", audit.root))?;
    output::line(format_args!(
        "  identities       {issued} records issued, {retired} retired, {released} names released"
    ))?;
    output::line(format_args!("  resets           {resets} records of names that a new key asked for"))?;
    output::line(format_args!("  lists of devices {lists}"))?;
    output::line(format_args!("  authority        {authority}"))?;
    output::line(format_args!("  heartbeats       {heartbeats}, the last {}", day(audit.heartbeat)))?;
    output::line(format_args!("  longest silence  {} h", audit.silence.as_secs() / 3600))?;
    output::line(format_args!("  since            {}", day(audit.first)))?;
    if goes_on {
        output::line(format_args!("It goes on from the head that was kept"))?;
    }
    Ok(())
}

fn evidence(arguments: &EvidenceArguments) -> Result<(), Failure> {
    let EvidenceArguments { file, fingerprint } = arguments;
    let fingerprint = fingerprint.parse().map_err(|error| Failure::new(Kind::Usage, format!("{error}")))?;
    let bytes = fs::read(file)
        .map_err(|error| Failure::new(Kind::NotFound, format!("cannot read {}: {error}", file.display())))?;
    output::line(openchat_client::verify_evidence(&bytes, &fingerprint)?)
}
