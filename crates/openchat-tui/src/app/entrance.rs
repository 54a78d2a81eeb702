//! Before the profile is open: host, join or link, name and password; or the password of a profile that is there.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use openchat_client::{ClientError, DeviceLink, ErrorKind, InviteLink, Password};
use openchat_protocol::{Timestamp, UserName};
use ratatui_textarea::TextArea;
use zeroize::Zeroizing;

use crate::effect::{Effect, Incoming, Newcomer};

/// The pages before the chat.
pub struct Entrance {
    /// What is asked now.
    pub page: Page,
    /// What was wrong with the last answer.
    pub error: Option<String>,
    /// Which profile this is.
    pub profile: String,
    /// The time of the last event.
    pub now: Timestamp,
    /// How often a wrong password was typed.
    wrong: u32,
    /// The form to go back to when making the account fails.
    before: Option<Box<Form>>,
}

/// What is asked.
pub enum Page {
    /// Which way in.
    Choose {
        /// The row of [`Way::ALL`] that is chosen.
        chosen: usize,
    },
    /// Name, password, link.
    Form(Box<Form>),
    /// The password of the profile.
    Unlock(Secret),
    /// Something takes a moment: what, and since when.
    Working(&'static str, Timestamp),
}

/// Which way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Start a server here.
    Host,
    /// Come in by a link.
    Join,
    /// Become another device of somebody who is on the server.
    Link,
}

impl Way {
    /// In the order of the page.
    pub const ALL: [Self; 3] = [Self::Host, Self::Join, Self::Link];
}

/// What a newcomer is asked.
pub struct Form {
    /// The way in that was chosen.
    chosen: Way,
    /// The link of an invite, or of another device; unused by a host.
    pub link: TextArea<'static>,
    /// The wanted name; a device has that of its user.
    pub name: TextArea<'static>,
    /// The new password.
    pub password: Secret,
    /// The same once more.
    pub again: Secret,
    /// Which field has the cursor.
    pub at: Field,
}

/// The fields of a [`Form`], from top to bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The link.
    Link,
    /// The name.
    Name,
    /// The password.
    Password,
    /// The password once more.
    Again,
}

/// Something typed that is not shown, and wiped when dropped.
#[derive(Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// How many characters it has.
    pub fn length(&self) -> usize {
        self.0.chars().count()
    }

    pub(super) fn handle(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => self.0.clear(),
            KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => self.push(c),
            KeyCode::Backspace => drop(self.0.pop()),
            _ => {}
        }
    }

    /// Growing would leave a copy behind: there is room from the beginning.
    pub(super) fn push(&mut self, c: char) {
        const LONGEST: usize = 1024;
        if self.0.capacity() < LONGEST {
            let mut roomy = Zeroizing::new(String::with_capacity(LONGEST));
            roomy.push_str(&self.0);
            self.0 = roomy;
        }
        if self.0.len() + c.len_utf8() <= LONGEST {
            self.0.push(c);
        }
    }

    pub(super) fn password(&self) -> Password {
        Password::new(self.0.as_str())
    }

    /// What is to be said of its strength; nothing when it looks strong enough.
    pub fn hint(&self) -> Option<&'static str> {
        self.password().hint()
    }
}

impl Form {
    fn boxed(way: Way, link: &str) -> Box<Self> {
        let mut form = Self {
            chosen: way,
            link: TextArea::default(),
            name: TextArea::default(),
            password: Secret::default(),
            again: Secret::default(),
            at: Field::Link,
        };
        form.link.insert_str(link);
        if way == Way::Host || !link.is_empty() {
            form.at = *form.fields().iter().find(|field| **field != Field::Link).unwrap_or(&Field::Link);
        }
        Box::new(form)
    }

    /// Which way in: the link of a device says so by itself.
    pub fn way(&self) -> Way {
        match self.chosen {
            Way::Join if DeviceLink::is_meant(&text(&self.link)) => Way::Link,
            chosen => chosen,
        }
    }

    /// The fields that are asked for, from top to bottom.
    pub fn fields(&self) -> &'static [Field] {
        match self.way() {
            Way::Host => &[Field::Name, Field::Password, Field::Again],
            Way::Join => &[Field::Link, Field::Name, Field::Password, Field::Again],
            Way::Link => &[Field::Link, Field::Password, Field::Again],
        }
    }

    fn step(&mut self, forward: bool) -> bool {
        let fields = self.fields();
        let at = fields.iter().position(|field| *field == self.at).unwrap_or(0);
        let next = if forward { fields.get(at + 1) } else { at.checked_sub(1).and_then(|it| fields.get(it)) };
        match next {
            Some(field) => {
                self.at = *field;
                true
            }
            None => false,
        }
    }

    fn type_key(&mut self, key: KeyEvent) {
        match self.at {
            Field::Link => drop(self.link.input(key)),
            Field::Name => drop(self.name.input(key)),
            Field::Password => self.password.handle(key),
            Field::Again => self.again.handle(key),
        }
    }

    fn paste(&mut self, text: &str) {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        match self.at {
            Field::Link => drop(self.link.insert_str(text.trim())),
            Field::Name => drop(self.name.insert_str(text.trim())),
            Field::Password => text.chars().for_each(|c| self.password.push(c)),
            Field::Again => text.chars().for_each(|c| self.again.push(c)),
        }
    }

    /// What is to be done, or which field is wrong and why.
    fn finish(&self) -> Result<Effect, (Field, String)> {
        let link = text(&self.link);
        let wrong = |why: &dyn std::fmt::Display| (Field::Link, why.to_string());
        Ok(match self.way() {
            Way::Host => Effect::Host(Newcomer { name: self.name()?, password: self.new_password()? }),
            Way::Join => {
                let link: InviteLink = link.parse().map_err(|why| wrong(&why))?;
                let newcomer = Newcomer { name: self.name()?, password: self.new_password()? };
                Effect::Enrol(newcomer, Box::new(link))
            }
            Way::Link => {
                if !DeviceLink::is_meant(&link) && link.parse::<InviteLink>().is_ok() {
                    return Err(wrong(&"this is an invite, which makes a new account: Esc, then 2"));
                }
                let link: DeviceLink = link.parse().map_err(|why| wrong(&why))?;
                Effect::BecomeDevice(self.new_password()?, Box::new(link))
            }
        })
    }

    fn name(&self) -> Result<UserName, (Field, String)> {
        text(&self.name).parse().map_err(|why| (Field::Name, format!("{why}")))
    }

    fn new_password(&self) -> Result<Password, (Field, String)> {
        match (self.password.length(), self.password.0 == self.again.0) {
            (0, _) => Err((Field::Password, "An empty password protects nothing.".to_owned())),
            (_, false) => Err((Field::Again, "The two passwords are not the same.".to_owned())),
            _ => Ok(self.password.password()),
        }
    }
}

/// The one line of a small field.
pub fn text(area: &TextArea<'_>) -> String {
    area.lines().first().map(|line| line.trim().to_owned()).unwrap_or_default()
}

impl Entrance {
    /// For a profile that is there.
    pub fn unlock(profile: &str) -> Self {
        Self::at(Page::Unlock(Secret::default()), profile)
    }

    /// For somebody new.
    pub fn newcomer(profile: &str) -> Self {
        Self::at(Page::Choose { chosen: 0 }, profile)
    }

    /// For somebody with the link of an invite, or of another device.
    pub fn invited(profile: &str, link: &str) -> Self {
        Self::at(Page::Form(Form::boxed(Way::Join, link)), profile)
    }

    /// For somebody who hosts.
    pub fn hosting(profile: &str) -> Self {
        Self::at(Page::Form(Form::boxed(Way::Host, "")), profile)
    }

    /// While a profile is being opened with a password that is known.
    pub fn opening(profile: &str) -> Self {
        Self::at(Page::Working("Opening your profile", Timestamp(0)), profile)
    }

    fn at(page: Page, profile: &str) -> Self {
        Self { page, error: None, profile: profile.to_owned(), now: Timestamp(0), wrong: 0, before: None }
    }

    pub(super) fn handle(&mut self, incoming: Incoming, out: &mut Vec<Effect>) {
        match incoming {
            Incoming::Terminal(Event::Key(key)) => self.press(key, out),
            Incoming::Terminal(Event::Paste(text)) => match &mut self.page {
                Page::Form(form) => form.paste(&text),
                Page::Unlock(secret) => text.chars().filter(|c| !c.is_control()).for_each(|c| secret.push(c)),
                _ => {}
            },
            Incoming::NotOpened(error) => self.fail(&error),
            Incoming::Tick => {
                if let Page::Working(_, since @ Timestamp(0)) = &mut self.page {
                    *since = self.now;
                }
            }
            _ => {}
        }
    }

    fn press(&mut self, key: KeyEvent, out: &mut Vec<Effect>) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (&mut self.page, key.code) {
            (_, KeyCode::Char('c' | 'd')) if control => out.push(Effect::Quit),
            (_, KeyCode::Char('z')) if control => out.push(Effect::Suspend),
            (Page::Working(..), _) => {}
            (Page::Choose { chosen }, KeyCode::Up | KeyCode::BackTab) => {
                *chosen = chosen.checked_sub(1).unwrap_or(Way::ALL.len() - 1);
            }
            (Page::Choose { chosen }, KeyCode::Down | KeyCode::Tab) => {
                *chosen = (*chosen + 1) % Way::ALL.len();
            }
            (Page::Choose { .. }, KeyCode::Char('1')) => self.page = Page::Form(Form::boxed(Way::Host, "")),
            (Page::Choose { .. }, KeyCode::Char('2')) => self.page = Page::Form(Form::boxed(Way::Join, "")),
            (Page::Choose { .. }, KeyCode::Char('3')) => self.page = Page::Form(Form::boxed(Way::Link, "")),
            (Page::Choose { chosen }, KeyCode::Enter) => {
                let way = Way::ALL.get(*chosen).copied().unwrap_or(Way::Host);
                self.page = Page::Form(Form::boxed(way, ""));
            }
            (Page::Choose { .. }, KeyCode::Esc | KeyCode::Char('q')) => out.push(Effect::Quit),
            (Page::Choose { .. }, _) => {}
            (Page::Form(_), KeyCode::Esc) => {
                self.error = None;
                self.page = Page::Choose { chosen: 0 };
            }
            (Page::Form(form), KeyCode::Tab | KeyCode::Down) => drop(form.step(true)),
            (Page::Form(form), KeyCode::BackTab | KeyCode::Up) => drop(form.step(false)),
            (Page::Form(form), KeyCode::Enter) => {
                if !form.step(true) {
                    self.submit(out);
                }
            }
            (Page::Form(form), _) => form.type_key(key),
            (Page::Unlock(secret), KeyCode::Enter) => {
                out.push(Effect::Unlock(secret.password()));
                self.page = Page::Working("Opening your profile", self.now);
            }
            (Page::Unlock(_), KeyCode::Esc) => out.push(Effect::Quit),
            (Page::Unlock(secret), _) => secret.handle(key),
        }
    }

    fn submit(&mut self, out: &mut Vec<Effect>) {
        let Page::Form(form) = &mut self.page else { return };
        match form.finish() {
            Ok(effect) => {
                let what = match form.way() {
                    Way::Host => "Starting the server, making its keys and yours",
                    Way::Join => "Making your keys and your account",
                    Way::Link => "Making this machine a device of yours",
                };
                out.push(effect);
                self.error = None;
                if let Page::Form(form) = std::mem::replace(&mut self.page, Page::Working(what, self.now)) {
                    self.before = Some(form);
                }
            }
            Err((field, why)) => {
                form.at = field;
                self.error = Some(why);
            }
        }
    }

    /// Nothing that was typed is lost, except a wrong password.
    fn fail(&mut self, error: &ClientError) {
        let mut said = sentence(error);
        self.page = match self.before.take() {
            Some(form) => Page::Form(form),
            None => Page::Unlock(Secret::default()),
        };
        if error.kind() == ErrorKind::NameTaken
            && let Page::Form(form) = &mut self.page
        {
            form.at = Field::Name;
            said = format!("{error}: choose another one");
        }
        if error.kind() == ErrorKind::WrongPassword {
            self.wrong += 1;
            if self.wrong >= 3 {
                said.push_str(
                    ". Nobody can reset it: without it the key and the history on this machine stay closed. To talk \
                     again, ask for a new link and take another name: openchat --profile OTHER join LINK",
                );
            }
        }
        self.error = Some(said);
    }
}

/// What happened and what to do about it, in one line.
pub(crate) fn sentence(error: &ClientError) -> String {
    match error.help() {
        Some(help) => format!("{error}: {help}"),
        None => error.to_string(),
    }
}
