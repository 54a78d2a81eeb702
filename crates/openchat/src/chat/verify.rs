//! Whose key it is, in the line client: what is known of people, and how two of them compare.

use openchat_client::{Acquaintance, Comparing, Outcome, Person, Trust};
use openchat_protocol::{RoomId, UserName};
use openchat_tui::commands::Verify;
use openchat_tui::phrases;

use super::Chat;
use crate::failure::Failure;
use crate::text;

impl Chat {
    /// `/trust`: everybody who is known, and what that rests on.
    pub(super) async fn trust(&mut self) -> Result<(), Failure> {
        let all = self.client.acquaintances().await?;
        if all.is_empty() {
            self.print("Nobody is known yet: be in a room with somebody.");
        }
        for one in &all {
            self.print(&format!("  {}", acquaintance(one)));
        }
        Ok(())
    }

    /// `/verify NAME …`.
    pub(super) async fn verify(&mut self, name: UserName, how: Verify) -> Result<(), Failure> {
        match how {
            Verify::Begin => self.begin_comparison(name).await?,
            Verify::Number(code) => {
                self.client.compare_number(name.clone(), code).await?;
                let words = format!("The numbers are the same: this is {name}'s key.");
                self.print(&text::styled(text::GOOD, words));
            }
            Verify::Decide(same) => self.client.decide(name, same).await?,
        }
        Ok(())
    }

    async fn begin_comparison(&mut self, name: UserName) -> Result<(), Failure> {
        let one = self.client.acquaintance(name.clone()).await?;
        self.print(&format!("  {}", acquaintance(&one)));
        self.print(&format!(
            "Your number with {name}, which they see too if nobody stands between you:\n  {}",
            one.number
        ));
        for (_, number) in &one.claimants {
            self.print(&text::styled(text::WARNING, format_args!("  {number}  with the new key")));
        }
        self.print(&format!(
            "Ask for theirs by voice or face to face, then: /verify {name} NUMBER. As a code to scan or paste:\n  {}",
            one.number.to_code()
        ));
        if let Some(here) = &self.here {
            self.client.compare(here.room.room, name).await?;
        }
        Ok(())
    }

    /// `/accept NAME`.
    pub(super) async fn accept(&mut self, name: UserName) -> Result<(), Failure> {
        self.client.accept_key(name).await?;
        Ok(())
    }

    pub(super) fn show_comparison(&mut self, room: RoomId, with: &Person, stage: Comparing) {
        let (words, is_warning) = phrases::comparing(with, stage);
        let elsewhere = self.here.as_ref().is_none_or(|here| here.room.room != room);
        // What ends by itself elsewhere is of no concern.
        if elsewhere && matches!(stage, Comparing::Ended(Outcome::TimedOut | Outcome::Cancelled)) {
            return;
        }
        match is_warning {
            true => self.print(&text::styled(text::WARNING, format_args!("!! {words}"))),
            false => self.print(&text::styled(text::QUIET, format_args!("-- {words}"))),
        }
    }

    /// What the keys of the people in the room on the screen rest on.
    pub(super) fn show_room_trust(&mut self) {
        let Some(trust) = self.here.as_ref().map(|here| here.room.trust) else { return };
        if let Some(words) = phrases::room_trust(trust) {
            let style = if trust.changed > 0 { text::WARNING } else { text::QUIET };
            self.print(&text::styled(style, format_args!("-- keys: {words} (/who, /trust)")));
        }
    }
}

fn acquaintance(one: &Acquaintance) -> String {
    let changed = match one.person.trust {
        Trust::Changed => format!("; {}", phrases::trust(Trust::Changed)),
        _ => String::new(),
    };
    let sign = phrases::trust_sign(one.person.trust);
    let name = text::styled(text::NAME, &one.person);
    format!("{sign} {name}  {}{changed}", phrases::basis(one.basis, one.first_seen))
}
