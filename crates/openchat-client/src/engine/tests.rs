//! Two or three engines with real vaults, a fake server, and a clock that is told the time.

mod astray;
mod devices;
mod evil;
mod key_log;
mod lost;
mod renewal;
mod resets;
mod restored;
mod server;
mod stories;
mod trouble;
mod verification;
mod world;

use openchat_protocol::RoomId;
use tempfile::TempDir;

use self::world::{ALICE, World};
use crate::command::Access;

pub(crate) use self::world::password;

/// The profile of somebody who has made rooms of these names. The keys of those that end in `lost` do not load.
pub(crate) fn profile_with_rooms(names: &[&str]) -> (TempDir, Vec<RoomId>) {
    let mut world = World::of(&["alice"]);
    let rooms: Vec<_> = names.iter().map(|name| world.create(ALICE, name, Access::Listed)).collect();
    for (room, _) in rooms.iter().zip(names).filter(|(_, name)| name.ends_with("lost")) {
        world.damage_keys(ALICE, *room);
    }
    (world.into_folder(ALICE), rooms)
}
