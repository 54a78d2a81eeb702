//! The devices of this user, in lines.

use openchat_client::Password;
use openchat_tui::phrases;

use super::Chat;
use crate::failure::{Failure, Kind};
use crate::text;

impl Chat {
    pub(super) async fn devices(&mut self) -> Result<(), Failure> {
        for device in &self.client.devices().await? {
            self.print(&phrases::device(device));
        }
        Ok(())
    }

    /// The password is asked for with the next prompt.
    pub(super) fn ask_to_revoke(&mut self, id: String) -> Result<(), Failure> {
        if !self.console.shows_typing() {
            let what = "the password is needed for that, and there is no terminal to ask at";
            let help = format!("openchat devices revoke {id} --password-file FILE");
            return Err(Failure::new(Kind::Usage, what).help(help));
        }
        self.revoking = Some(id);
        Ok(())
    }

    /// The password was typed.
    pub(super) async fn revoke(&mut self, typed: &str) {
        let Some(id) = self.revoking.take() else { return };
        let outcome = match self.client.check_password(Password::new(typed)).await {
            Ok(()) => self.client.revoke_device(id).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => self.print("That device is out: it gets nothing more."),
            Err(error) => {
                let failure = Failure::from(error);
                self.print(&text::styled(text::WARNING, &failure));
            }
        }
    }
}
