//! Asking a person at the terminal, or taking the answer from where a script put it.

use std::io::{BufRead, IsTerminal};
use std::path::Path;

use openchat_identity::password::Password;
use zeroize::Zeroizing;

use crate::Context;
use crate::failure::{Failure, Kind};
use crate::{output, terminal};

/// How often a wrong password may be typed again.
pub(crate) const ATTEMPTS: usize = 3;
/// How a script says a password.
pub(crate) const PASSWORD_FILE: &str = "the same command with --password-file FILE";

/// The first line of a password file.
fn password_from_file(path: &Path) -> Result<Password, Failure> {
    let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| {
        Failure::new(Kind::NotFound, format!("cannot read the password file {}: {error}", path.display()))
    })?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(Password::new(line)),
        _ => Err(Failure::new(
            Kind::Usage,
            format!("the password file {} has an empty first line", path.display()),
        )),
    }
}

/// Asks for the password of an existing profile.
pub(crate) fn password(prompt: &str) -> Result<Password, Failure> {
    require_terminal("a password", PASSWORD_FILE)?;
    unseen(prompt).map(|mut typed| Password::new(std::mem::take(&mut *typed)))
}

/// One line that is not shown, not even when it is typed at the moment of the question.
pub(crate) fn unseen(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    let _changed = terminal::Changed::without_echo();
    output::ask(prompt);
    terminal::read_line().map_err(|error| Failure::new(Kind::Usage, format!("no password was read: {error}")))
}

/// A new password, from the password file or from a person, who is told when it looks weak. `instead` helps where there is
/// no terminal.
pub(crate) fn new_password(context: &Context, instead: &str) -> Result<Password, Failure> {
    let password = match &context.password_file {
        Some(file) => password_from_file(file)?,
        None => chosen_password(instead)?,
    };
    if let Some(hint) = password.hint() {
        output::tell(hint);
    }
    Ok(password)
}

/// Asks twice, until both are the same and not empty.
fn chosen_password(instead: &str) -> Result<Password, Failure> {
    require_terminal("a new password", instead)?;
    for _ in 0..ATTEMPTS {
        let (first, second) = (unseen("New password: ")?, unseen("Once more:    ")?);
        match first.as_str() {
            "" => output::tell("An empty password protects nothing."),
            text if text == second.as_str() => return Ok(Password::new(text)),
            _ => output::tell("The two are not the same."),
        }
    }
    Err(Failure::new(Kind::Usage, "no new password was agreed on"))
}

/// Asks for one line of text. `instead` helps where there is no terminal.
pub(crate) fn line(prompt: &str, instead: &str) -> Result<String, Failure> {
    require_terminal(prompt.trim_end_matches([':', ' ']), instead)?;
    output::ask(prompt);
    let mut answer = String::new();
    match std::io::stdin().lock().read_line(&mut answer) {
        Ok(0) => Err(Failure::new(Kind::Usage, "the input ended before an answer")),
        Ok(_) => Ok(answer.trim().to_owned()),
        Err(error) => Err(Failure::new(Kind::Usage, format!("no answer was read: {error}"))),
    }
}

fn require_terminal(what: &str, instead: &str) -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    let text = format!("{what} is needed, and there is no terminal to ask at");
    Err(Failure::new(Kind::Usage, text).help(instead))
}

/// Opens something with the profile's password: from the password file, or asked for until it is right.
pub(crate) fn until_right<T, E>(
    context: &Context,
    prompt: &str,
    mut open: impl FnMut(&Password) -> Result<T, E>,
) -> Result<T, Failure>
where
    E: Into<Failure>,
{
    if let Some(file) = &context.password_file {
        return open(&password_from_file(file)?).map_err(Into::into);
    }
    for left in (0..ATTEMPTS).rev() {
        match open(&password(prompt)?).map_err(Into::into) {
            // What is lost with it is said when it was wrong the last time.
            Err(failure) if failure.kind() == Kind::WrongPassword && left > 0 => output::tell(failure.what()),
            outcome => return outcome,
        }
    }
    Err(Failure::new(Kind::WrongPassword, "the password was wrong three times"))
}
