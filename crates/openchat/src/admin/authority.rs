//! `openchat admin authority`: what certifies a server's users, how long it is valid, and where its root key is.

use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use data_encoding::HEXLOWER;
use openchat_identity::Authority;
use openchat_identity::authority::{RootKey, RootKeyError, Term, VerifiedExport};
use openchat_identity::profile::Role;
use openchat_protocol::Timestamp;
use openchat_server::Config;
use openchat_server::admin::{Admin, AdminError};
use serde_json::json;

use super::Which;
use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{ask, output, text};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the certificates, what ends when, and whether the root key is here
    #[command(after_help = "Example:\n  openchat admin authority show\n  \
                            openchat admin authority show --pem > certificates.pem")]
    Show(Show),
    /// Write the root key to a new file, encrypted with a password
    #[command(after_help = "Example:\n  openchat admin authority export /media/usb/root.pem\n  \
                            openssl pkey -in /media/usb/root.pem -noout -check")]
    Export(Export),
    /// Remove the root key from this machine, when an export of it opens
    #[command(after_help = "Example:\n  openchat admin authority remove-root /media/usb/root.pem")]
    RemoveRoot(RemoveRoot),
    /// Issue with a new key from here on; nobody has to do anything
    #[command(after_help = "Example:\n  openchat admin authority rotate-issuing\n  \
                            openchat admin authority rotate-issuing --root-key /media/usb/root.pem")]
    RotateIssuing(Rotate),
    /// Certify with a new root key from here on; invites and fingerprint stay, nobody has to do anything
    #[command(after_help = "Example:\n  openchat admin authority rotate-root\n  \
                            openchat admin authority rotate-root --root-key /media/usb/root.pem")]
    RotateRoot(Rotate),
}

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    which: Which,
    /// Print JSON
    #[arg(long, conflicts_with = "pem")]
    json: bool,
    /// Print the certificates of all roots, the first one first, and the issuing certificate as PEM
    #[arg(long)]
    pem: bool,
}

#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    which: Which,
    /// The new file
    file: PathBuf,
}

#[derive(Args)]
pub(crate) struct RemoveRoot {
    #[command(flatten)]
    which: Which,
    /// An export of the root key
    export: PathBuf,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    which: Which,
    /// An export of the root key [default: the root key in the server's folder]
    #[arg(long, value_name = "FILE")]
    root_key: Option<PathBuf>,
}

pub(crate) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Show(arguments) => show(context, arguments),
        Command::Export(arguments) => export(context, arguments),
        Command::RemoveRoot(arguments) => remove_root(context, arguments),
        Command::RotateIssuing(arguments) => rotate_issuing(context, arguments).await,
        Command::RotateRoot(arguments) => rotate_root(context, arguments).await,
    }
}

fn show(context: &Context, arguments: Show) -> Result<(), Failure> {
    let folder = arguments.which.config(context)?.authority_folder();
    let authority = Authority::load(&folder)?;
    let is_here = match RootKey::load(&folder) {
        Ok(_) => true,
        Err(RootKeyError::Absent(_)) => false,
        Err(error) => return Err(error.into()),
    };
    let warnings: Vec<_> = authority.endings(Timestamp::now()).iter().map(ToString::to_string).collect();
    if arguments.pem {
        return output::bytes(authority.certificates_pem().as_bytes());
    }
    if arguments.json {
        return output::line(as_json(&authority, &folder, is_here, &warnings));
    }
    tell(&authority, &folder, is_here)?;
    warnings.iter().try_for_each(|warning| output::line(text::styled(text::WARNING, warning)))
}

fn as_json(authority: &Authority, folder: &Path, is_here: bool, warnings: &[String]) -> serde_json::Value {
    let certificate = |term: &Term| {
        json!({
            "role": term.role.to_string(),
            "sha256": HEXLOWER.encode(&term.certificate),
            "from": term.from.0,
            "until": term.until.0,
        })
    };
    json!({
        "succession": authority.succession(),
        "fingerprint": authority.fingerprint().to_string(),
        "folder": folder.display().to_string(),
        "root_key_here": is_here,
        "certificates": authority.terms().iter().map(certificate).collect::<Vec<_>>(),
        "warnings": warnings,
    })
}

fn tell(authority: &Authority, folder: &Path, is_here: bool) -> Result<(), Failure> {
    output::line(format_args!("The authority of the server {}", authority.fingerprint()))?;
    output::line(format_args!("  folder    {}", folder.display()))?;
    let succession = authority.succession();
    if succession > 0 {
        output::line(format_args!(
            "  roots     {succession} after the first one, which the fingerprint names"
        ))?;
    }
    for Term { role, certificate, from, until } in authority.terms() {
        let (from, until) = (text::day_and_clock(from), text::day_and_clock(until));
        let role = if role == Role::Successor { Role::Root } else { role };
        output::line(format_args!("  {:<9} {from} to {until}", role.to_string()))?;
        output::line(format_args!("            SHA-256 {}", HEXLOWER.encode(&certificate)))?;
    }
    output::line(match is_here {
        true => "  root key  on this machine; to keep it elsewhere: openchat admin authority export FILE",
        false => "  root key  not on this machine",
    })
}

fn export(context: &Context, arguments: Export) -> Result<(), Failure> {
    let folder = arguments.which.config(context)?.authority_folder();
    let root = RootKey::load(&folder).map_err(|error| match error {
        error @ RootKeyError::Absent(_) => {
            Failure::from(error).help("an export that was made before is the root key: copy that file")
        }
        error => error.into(),
    })?;
    let file = &arguments.file;
    root.export(file, &ask::new_password(context, ask::PASSWORD_FILE)?)?;
    output::line(format_args!("The root key is in {}, encrypted; the file was read back", file.display()))?;
    output::line("  keep it, and its password, away from this machine: a copy or two")?;
    output::line(format_args!("  then: openchat admin authority remove-root {}", file.display()))
}

fn remove_root(context: &Context, arguments: RemoveRoot) -> Result<(), Failure> {
    let folder = arguments.which.config(context)?.authority_folder();
    RootKey::load(&folder)?;
    let verified = ask::until_right(context, "Password of the export: ", |password| {
        VerifiedExport::new(&folder, &arguments.export, password)
    });
    let verified = verified.map_err(|failure| match failure.kind() {
        Kind::NotFound => failure.help("openchat admin authority export FILE"),
        _ => failure,
    })?;
    if !arguments.yes {
        confirm(&arguments.export)?;
    }
    verified.remove_original()?;
    output::line(format_args!("The root key is not in {} any more", folder.display()))?;
    output::line("  backups of this machine, and its disk, may still have it")
}

fn confirm(export: &Path) -> Result<(), Failure> {
    output::tell(format_args!(
        "Afterwards only {} and its password can renew what this server issues with.",
        export.display()
    ));
    if !std::io::stdin().is_terminal() {
        let what = "the root key is removed only after a yes, and there is no terminal to ask at";
        return Err(Failure::new(Kind::Usage, what).help("openchat admin authority remove-root FILE --yes"));
    }
    match ask::line("Remove the root key from this machine? Type remove: ", "the same command with --yes")?
        .as_str()
    {
        "remove" => Ok(()),
        _ => Err(Failure::new(Kind::Usage, "the root key was not removed, as you chose")),
    }
}

async fn rotate_issuing(context: &Context, arguments: Rotate) -> Result<(), Failure> {
    let config = arguments.which.config(context)?;
    let folder = config.authority_folder();
    let root = root_key(context, &folder, arguments.root_key.as_deref(), "rotate-issuing")?;
    let authority = Authority::rotate_issuing(&folder, &root, Timestamp::now())?;
    // Not needed any more, whatever the server says.
    drop(root);
    let told = reload(&config, "the new issuing key is used from the next start of the server").await?;
    output::line(format_args!("There is a new issuing key, and {told}"))?;
    tell_certificate(&authority.terms()[1])
}

async fn rotate_root(context: &Context, arguments: Rotate) -> Result<(), Failure> {
    let config = arguments.which.config(context)?;
    let folder = config.authority_folder();
    let root = root_key(context, &folder, arguments.root_key.as_deref(), "rotate-root")?;
    let authority = Authority::rotate_root(&folder, &root, Timestamp::now())?;
    drop(root);
    let told = reload(&config, "the new keys are used from the next start of the server").await?;
    output::line(format_args!("There is a new root key and a new issuing key below it, and {told}"))?;
    tell_certificate(&authority.terms()[0])?;
    output::line(format_args!("  fingerprint  {}, as before", authority.fingerprint()))?;
    output::line(format_args!("The new root key is in {}", folder.display()))?;
    output::line("  to keep it elsewhere: openchat admin authority export FILE")?;
    output::line(
        "  exports of the key before certify for this server until its own certificate ends: destroy them",
    )
}

/// Has the server that runs take over what is in the folder now. Answers with when it uses it.
async fn reload(config: &Config, otherwise: &str) -> Result<&'static str, Failure> {
    let told = match Admin::connect(&config.data_dir).await {
        Ok(mut admin) => admin.reload_authority().await.map(|()| "the server uses it from now on"),
        Err(AdminError::NotRunning { .. }) => Ok("no server runs here: it is used from the next start"),
        Err(error) => Err(error),
    };
    told.map_err(|error| Failure::from(error).but(otherwise))
}

fn tell_certificate(term: &Term) -> Result<(), Failure> {
    output::line(format_args!("  certificate  SHA-256 {}", HEXLOWER.encode(&term.certificate)))?;
    output::line(format_args!("  valid until  {}", text::day_and_clock(term.until)))
}

/// Files that another user makes cannot be read by the server.
fn require_owner(folder: &Path) -> Result<(), Failure> {
    let owner = fs::metadata(folder).map(|folder| folder.uid());
    match owner {
        Ok(owner) if owner != rustix::process::geteuid().as_raw() => {
            let what = format!("{} belongs to another user of this machine", folder.display());
            Err(Failure::new(Kind::Usage, what).help(format_args!("sudo -u '#{owner}' openchat admin …")))
        }
        // One that is missing is told by who reads it.
        _ => Ok(()),
    }
}

/// The root key, for an owner of the folder who may change what is in it.
fn root_key(
    context: &Context,
    folder: &Path,
    export: Option<&Path>,
    command: &str,
) -> Result<RootKey, Failure> {
    require_owner(folder)?;
    match export {
        Some(export) => ask::until_right(context, "Password of the export: ", |password| {
            RootKey::from_export(export, password)
        }),
        None => RootKey::load(folder).map_err(|error| match error {
            error @ RootKeyError::Absent(_) => {
                Failure::from(error).help(format_args!("openchat admin authority {command} --root-key FILE"))
            }
            error => error.into(),
        }),
    }
}
