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
    last_resort_made: HashMap<Suite, Timestamp>,
    /// One-time packages that the server should still have.
    published: HashMap<Suite, u32>,
}

impl KeyPackages {
    pub(super) fn new(packages: Vec<StoredKeyPackage>) -> Self {
        let mut last_resort_made = HashMap::new();
        for package in packages.iter().filter(|package| package.last_resort) {
            let made = last_resort_made.entry(package.suite).or_insert(package.made);
            *made = package.made.max(*made);
        }
        let secrets = packages.into_iter().map(|package| (package.id.clone(), package)).collect();
        Self { secrets, last_resort_made, published: HashMap::new() }
    }

    pub(super) fn secret(&self, id: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.secrets.get(id).map(|package| package.secret.clone())
    }
}

impl Core {
    /// The server has `published` one-time packages of this device for rooms with `suite`.
    pub(super) fn count_key_packages(&mut self, suite: Suite, published: u32) {
        self.key_packages.published.insert(suite, published);
    }

    /// Makes more key packages where there are few.
    pub(super) fn refill_key_packages(&mut self) {
        self.forget_outdated();
        for suite in Suite::ALL {
            if self.session.is_asking(&Purpose::PublishKeyPackages(suite)) {
                continue;
            }
            if let Err(error) = self.publish_key_packages(suite) {
                let message = format!("others cannot add this device while it is away: {error}");
                self.emit(Event::Trouble(ClientError::new(ErrorKind::Internal, message)));
            }
        }
    }

    fn publish_key_packages(&mut self, suite: Suite) -> Result<(), openchat_e2ee::DeviceError> {
        let few = self.key_packages.published.get(&suite).copied().unwrap_or_default() < KEY_PACKAGES_LOW;
        let made = self.key_packages.last_resort_made.get(&suite);
        let old = made.is_none_or(|made| self.now.since(*made) >= LAST_RESORT_LIFE);
        if !few && !old {
            return Ok(());
        }
        let one_time = if few { self.make_key_packages(suite, BATCH, false)? } else { Vec::new() };
        let last_resort = if old { self.make_key_packages(suite, 1, true)?.pop() } else { None };
        let one_time = one_time.into_iter().map(Into::into).collect();
        let publish =
            PublishKeyPackages { one_time, last_resort: last_resort.map(Into::into), suite: suite.id() };
        self.ask(Request::PublishKeyPackages(publish), Purpose::PublishKeyPackages(suite));
        Ok(())
    }

    /// The public halves of new key packages; the secret ones are kept.
    fn make_key_packages(
        &mut self,
        suite: Suite,
        count: usize,
        last_resort: bool,
    ) -> Result<Vec<Vec<u8>>, openchat_e2ee::DeviceError> {
        let packages = self.device.key_packages(suite, count, last_resort, self.now)?;
        if last_resort {
            self.key_packages.last_resort_made.insert(suite, self.now);
        }
        let mut public = Vec::with_capacity(packages.len());
        for package in packages {
            let made = self.now;
            let stored =
                StoredKeyPackage { id: package.id, secret: package.secret, suite, last_resort, made };
            self.write(Write::KeyPackage(stored.clone()));
            self.key_packages.secrets.insert(stored.id.clone(), stored);
            public.push(package.public);
        }
        Ok(public)
    }

    /// A Welcome has used this package.
    pub(super) fn use_key_package(&mut self, id: &[u8]) {
        let used = self.key_packages.secrets.get(id).filter(|package| !package.last_resort);
        if let Some(suite) = used.map(|package| package.suite) {
            self.key_packages.secrets.remove(id);
            self.write(Write::KeyPackageRemoved(id.to_vec()));
            let left = self.key_packages.published.entry(suite).or_default();
            *left = left.saturating_sub(1);
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
