//! The devices of this user, in lines.

use openchat_client::{ClientError, Password};
use openchat_tui::phrases;

use super::linking::Errand;
use super::{Chat, Guarded};
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
    pub(super) fn ask_for_password(&mut self, guarded: Guarded) -> Result<(), Failure> {
        if !self.console.shows_typing() {
            let what = "the password is needed for that, and there is no terminal to ask at";
            let help = match guarded {
                Guarded::Revoke(id) => format!("openchat devices revoke {id} --password-file FILE"),
                Guarded::Link => "openchat link --password-file FILE".to_owned(),
            };
            return Err(Failure::new(Kind::Usage, what).help(help));
        }
        self.asked = Some(guarded);
        Ok(())
    }

    /// The password was typed.
    pub(super) async fn unlocked(&mut self, typed: &str) {
        let Some(guarded) = self.asked.take() else { return };
        let outcome = match self.client.check_password(Password::new(typed)).await {
            Ok(()) => self.do_guarded(guarded).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            let failure = Failure::from(error);
            self.print(&text::styled(text::WARNING, &failure));
        }
    }

    async fn do_guarded(&mut self, guarded: Guarded) -> Result<(), ClientError> {
        match guarded {
            Guarded::Revoke(id) => {
                self.client.revoke_device(id).await?;
                self.print("That device is out: it gets nothing more.");
            }
            Guarded::Link => self.linking = Some(Errand::link(self.client.clone())),
        }
        Ok(())
    }
}
