//! What a process that holds keys asks of the operating system.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit};

/// Forbids core dumps: a crash must not write keys to the disk. Call first in `main`.
pub fn forbid_core_dumps() -> Result<(), Errno> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })
}

#[cfg(test)]
mod tests {
    use rustix::process::getrlimit;

    use super::*;

    #[test]
    fn core_dumps_are_forbidden() {
        forbid_core_dumps().unwrap();
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
