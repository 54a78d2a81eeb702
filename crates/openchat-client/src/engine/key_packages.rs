//! Key packages: enough of them on the server that others can add this device while it is away.

use std::collections::HashMap;
use std::time::Duration;

use openchat_e2ee::Suite;
use openchat_protocol::account::PublishKeyPackages;
use openchat_protocol::limits::KEY_PACKAGES_LOW;
use openchat_protocol::{Request, Timestamp};
use zeroize::Zeroizing;

use super::core::Core;
use super::session::Purpose;
use crate::error::{ClientError, ErrorKind};
use crate::event::Event;
use crate::vault::{StoredKeyPackage, Write};

/// One-time packages made at once.
const BATCH: usize = 50;
/// The package of last resort is replaced after this long: whoever was added by it shares its secrecy.
const LAST_RESORT_LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
/// Nobody can use a package that is older than this: it is out of date for all.
const LONGEST_LIFE: Duration = Duration::from_secs(91 * 24 * 3600);

/// The secret halves, and what the server has of the public ones.
pub(super) struct KeyPackages {
    secrets: HashMap<Vec<u8>, StoredKeyPackage>,
    last_resort_made: Option<Timestamp>,
    /// One-time packages that the server should still have.
    published: u32,
}

impl KeyPackages {
    pub(super) fn new(packages: Vec<StoredKeyPackage>, last_resort_made: Option<Timestamp>) -> Self {
        let secrets = packages.into_iter().map(|package| (package.id.clone(), package)).collect();
        Self { secrets, last_resort_made, published: 0 }
    }

    pub(super) fn secret(&self, id: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.secrets.get(id).map(|package| package.secret.clone())
    }
}

impl Core {
    /// The server has `published` one-time packages of this device.
    pub(super) fn count_key_packages(&mut self, published: u32) {
        self.key_packages.published = published;
    }

    /// Makes more key packages when there are few.
    pub(super) fn refill_key_packages(&mut self) {
        if self.session.is_asking(&Purpose::PublishKeyPackages) {
            return;
        }
        self.forget_outdated();
        if let Err(error) = self.publish_key_packages() {
            let message = format!("others cannot add this device while it is away: {error}");
            self.emit(Event::Trouble(ClientError::new(ErrorKind::Internal, message)));
        }
    }

    fn publish_key_packages(&mut self) -> Result<(), openchat_e2ee::DeviceError> {
        let few = self.key_packages.published < KEY_PACKAGES_LOW;
        let made = self.key_packages.last_resort_made;
        let old = made.is_none_or(|made| self.now.since(made) >= LAST_RESORT_LIFE);
        if !few && !old {
            return Ok(());
        }
        let one_time = if few { self.make_key_packages(BATCH, false)? } else { Vec::new() };
        let last_resort = if old { self.make_key_packages(1, true)?.pop() } else { None };
        if old {
            self.key_packages.last_resort_made = Some(self.now);
            self.write(Write::LastResortMade(self.now));
        }
        let one_time = one_time.into_iter().map(Into::into).collect();
        let publish = PublishKeyPackages { one_time, last_resort: last_resort.map(Into::into) };
        self.ask(Request::PublishKeyPackages(publish), Purpose::PublishKeyPackages);
        Ok(())
    }

    /// The public halves of new key packages; the secret ones are kept.
    fn make_key_packages(
        &mut self,
        count: usize,
        last_resort: bool,
    ) -> Result<Vec<Vec<u8>>, openchat_e2ee::DeviceError> {
        let packages = self.device.key_packages(Suite::default(), count, last_resort, self.now)?;
        let mut public = Vec::with_capacity(packages.len());
        for package in packages {
            let stored =
                StoredKeyPackage { id: package.id, secret: package.secret, last_resort, made: self.now };
            self.write(Write::KeyPackage(stored.clone()));
            self.key_packages.secrets.insert(stored.id.clone(), stored);
            public.push(package.public);
        }
        Ok(public)
    }

    /// A Welcome has used this package.
    pub(super) fn use_key_package(&mut self, id: &[u8]) {
        if self.key_packages.secrets.get(id).is_some_and(|package| !package.last_resort) {
            self.key_packages.secrets.remove(id);
            self.write(Write::KeyPackageRemoved(id.to_vec()));
            self.key_packages.published = self.key_packages.published.saturating_sub(1);
        }
        self.refill_key_packages();
    }

    fn forget_outdated(&mut self) {
        let now = self.now;
        let outdated = |package: &StoredKeyPackage| now.since(package.made) >= LONGEST_LIFE;
        let secrets = &mut self.key_packages.secrets;
        for (id, _) in secrets.extract_if(|_, package| outdated(package)) {
            self.out.write(Write::KeyPackageRemoved(id));
        }
    }
}
