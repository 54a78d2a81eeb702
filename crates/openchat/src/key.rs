//! `openchat key`: key files, signatures and their verification, readable and checkable by OpenSSL and Python.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use openchat_identity::key_file::{self, FileError};
use openchat_identity::signature::{Digest, Hash};
use openchat_identity::{IdentityKey, KeyFolder};

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{ask, output};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make private.pem and public.pem
    #[command(after_help = "Example:\n  openchat key new --dir ~/keys")]
    New(Where),
    /// Print the public key
    #[command(after_help = "Example:\n  openchat key public > alice.pem")]
    Public(Where),
    /// Sign a file with the private key (ECDSA P-384, DER)
    #[command(after_help = "Example:\n  openchat key sign report.pdf           writes report.pdf.sig\n  \
                            openssl dgst -sha256 -verify public.pem -signature report.pdf.sig report.pdf")]
    Sign(Sign),
    /// Check a signature
    #[command(after_help = "Example:\n  openchat key verify report.pdf report.pdf.sig alice.pem")]
    Verify(Verify),
}

#[derive(Args)]
pub(crate) struct Where {
    /// The folder of the key files [default: the profile's]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Sign {
    /// What to sign; `-` is standard input
    file: PathBuf,
    /// Where the signature goes; `-` is standard output [default: FILE.sig, or `-`]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    place: Where,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// What was signed; `-` is standard input
    file: PathBuf,
    /// The signature (DER)
    signature: PathBuf,
    /// The public key (PEM)
    public: PathBuf,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct How {
    /// The hash that is signed
    #[arg(long, value_enum, default_value = "sha256")]
    hash: HashName,
    /// The file holds the digest itself, as raw bytes
    #[arg(long)]
    prehashed: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum HashName {
    Sha256,
    Sha384,
}

pub(crate) fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::New(place) => make(context, &place),
        Command::Public(place) => public(context, &place),
        Command::Sign(arguments) => sign(context, &arguments),
        Command::Verify(arguments) => verify(&arguments),
    }
}

fn folder(context: &Context, place: &Where) -> KeyFolder {
    KeyFolder::new(place.dir.clone().unwrap_or_else(|| context.folders.profile()))
}

fn make(context: &Context, place: &Where) -> Result<(), Failure> {
    let folder = folder(context, place);
    if folder.exists() {
        return Err(FileError::Exists(folder.private_path()).into());
    }
    let password = ask::new_password(context, ask::PASSWORD_FILE)?;
    let key = IdentityKey::generate();
    folder.create(&key, &password)?;
    output::line(format_args!("{}\n{}", folder.private_path().display(), folder.public_path().display()))?;
    Ok(())
}

fn public(context: &Context, place: &Where) -> Result<(), Failure> {
    output::bytes(folder(context, place).read_public()?.to_pem().as_bytes())
}

fn sign(context: &Context, arguments: &Sign) -> Result<(), Failure> {
    let digest = digest(&arguments.file, &arguments.how)?;
    let folder = folder(context, &arguments.place);
    let key = ask::until_right(context, "Password of the key: ", |password| folder.read(password))?;
    let signature = key.sign(&digest);
    let from_input = arguments.file == Path::new("-");
    let out = match &arguments.out {
        Some(out) => out.clone(),
        None if from_input => PathBuf::from("-"),
        None => {
            let mut name = arguments.file.clone().into_os_string();
            name.push(".sig");
            name.into()
        }
    };
    if out == Path::new("-") {
        return output::bytes(&signature);
    }
    let file = File::create_new(&out).and_then(|mut file| file.write_all(&signature));
    file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => FileError::Exists(out).into(),
        _ => Failure::new(Kind::Storage, format!("cannot write {}: {error}", out.display())),
    })
}

fn verify(arguments: &Verify) -> Result<(), Failure> {
    let digest = digest(&arguments.file, &arguments.how)?;
    let signature = read(&arguments.signature)?;
    key_file::read_public(&arguments.public)?.verify(&digest, &signature)?;
    output::line("The signature is good.")
}

fn digest(file: &Path, how: &How) -> Result<Digest, Failure> {
    let hash = match how.hash {
        HashName::Sha256 => Hash::Sha256,
        HashName::Sha384 => Hash::Sha384,
    };
    if how.prehashed {
        return Ok(Digest::prehashed(hash, &read(file)?)?);
    }
    Digest::of_reader(hash, open(file)?).map_err(|error| cannot_read(file, &error))
}

fn open(file: &Path) -> Result<Box<dyn Read>, Failure> {
    match file == Path::new("-") {
        true => Ok(Box::new(std::io::stdin())),
        false => {
            File::open(file).map(|file| Box::new(file) as Box<dyn Read>).map_err(|e| cannot_read(file, &e))
        }
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    open(file)?.read_to_end(&mut bytes).map_err(|error| cannot_read(file, &error))?;
    Ok(bytes)
}

fn cannot_read(file: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Kind::NotFound, format!("cannot read {}: {error}", file.display()))
}
